"""Names of pictures, on their way to `edgenas run`."""

import os
from pathlib import Path
from typing import Any

import pytest

from edgenas.errors import InputError
from edgenas.settings.files import read_settings, write_settings
from edgenas.settings.run_model import RunModelSettings

STRANGE = ["a b.png", "a,b.png", "a\u2028b.png", "a\x1cb.png", "a\x85b.png", "a\rb.png", "a\x0bb.png"]


def paths(images: Any) -> list[Path]:
    return RunModelSettings("a.onnx", images).paths


@pytest.mark.parametrize("name", STRANGE)
def test_a_name_stays_as_it_is(name: str) -> None:
    for images in (name, Path(name), name.encode(), [name], (Path(name),), [name.encode()]):
        assert paths(images) == [Path(name)]


def test_many_names_stay_as_they_are_in_a_file_too(tmp_path: Path) -> None:
    settings = RunModelSettings("a.onnx", STRANGE)
    write_settings(tmp_path / "saved.toml", settings)
    again = RunModelSettings(**read_settings(tmp_path / "saved.toml", RunModelSettings))
    assert again.paths == settings.paths == list(map(Path, STRANGE))


def test_a_name_that_is_not_utf8_has_no_place_in_a_file(tmp_path: Path) -> None:
    settings = RunModelSettings("a.onnx", b"caf\xe9.png")
    with pytest.raises(InputError, match=r"saved\.toml: cannot hold a name that is not UTF-8; rename"):
        write_settings(tmp_path / "saved.toml", settings)


def test_bytes_are_names_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with os.scandir(os.fsencode(tmp_path)) as entries:
        assert paths(list(entries)) == [tmp_path / "a.png"]
    assert paths(b"caf\xe9.png") == [Path(os.fsdecode(b"caf\xe9.png"))]
    with os.scandir(os.fsencode(tmp_path)) as entries, pytest.raises(InputError, match="give text or Path"):
        RunModelSettings(next(entries))


def test_nothing_is_no_path() -> None:
    assert paths(None) == paths([]) == paths("") == paths([""]) == []


@pytest.mark.parametrize("images", [["a\nb.png"], Path("a\nb.png"), ["c.png", b"a\nb.png"]])
def test_a_line_break_in_a_name_is_refused(images: Any) -> None:
    with pytest.raises(InputError, match=r"^IMAGES: the name 'a\\nb\.png' has a line break; rename it"):
        paths(images)


@pytest.mark.parametrize("images", [5, ["a.png", None], {"a.png"}])
def test_what_is_no_path_is_refused(images: Any) -> None:
    with pytest.raises(InputError, match=r"^IMAGES: .* cannot be used; give paths of pictures or folders$"):
        paths(images)
