"""What is read is a file, and of bounded size."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edgenas.errors import FileFormatError
from edgenas.file_content import content_of


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _link(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_pipe, r"\(it is a pipe, which may have no end\); write its content into a file, and give that"),
        (_link, r"\(it is no file\); give another file"),
        (lambda path: Path("/dev/zero"), r"\(it is no file\); give another file"),
        (lambda path: path.parent, r"\(it is a folder\); give another file"),
    ],
    ids=["pipe", "link", "device", "folder"],
)
def test_what_has_no_end_is_not_opened(tmp_path: Path, make: Callable[[Path], Path], told: str) -> None:
    with pytest.raises(FileFormatError, match=rf"cannot be read {told}$"):
        content_of(make(tmp_path / "x"), 10)


def test_the_size_is_read_and_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(2**11))
    assert content_of(path, 2**11) == bytes(2**11)
    with pytest.raises(FileFormatError, match="x: is larger than 1 KiB; shorten it"):
        content_of(path, 2**10, "shorten it")
    status = os.stat_result((*path.stat()[:6], 0, *path.stat()[7:]))
    monkeypatch.setattr(os, "fstat", lambda _: status)
    assert content_of(path, 2**11) == bytes(2**11)
    with pytest.raises(FileFormatError, match="is larger than 1 KiB"):
        content_of(path, 2**10)


@pytest.mark.parametrize("name", ["missing", "a\0b", "n" * 300])
def test_what_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileFormatError, match=r"(cannot be read \(.+\)|is no path); check the path"):
        content_of(tmp_path / name, 10)
