"""Reading one picture, whatever its file holds: pixels, or an error of edgenas."""

import ctypes.util
import errno
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from edgenas.errors import DataError
from edgenas.images.preparation import Preparation
from edgenas.images.room import MAX_PIXELS, decoding, pixels_of

NO_PERMISSION, TOO_LARGE, UNREACHABLE = "no permission", "too large for the memory", "cannot be reached"
"""Reasons that are not about what a file holds."""

HEIC = "HEIC"
"""Reason for what phones save, whatever its suffix: Pillow does not decode it."""

_OUT_OF_REACH = {
    *(
        errno.EIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.ENODEV,
        errno.ENXIO,
        errno.ENOTCONN,
        errno.EHOSTUNREACH,
    ),
    *(errno.EMFILE, errno.ENFILE),
}
"""Of disks, network drives and this process; others come of what damaged files make decoders ask of them."""

_HEADER_BYTES = 32

_UNREADABLE_FORMATS = ("EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "PDF", "IPTC")
"""Pillow opens them, but decodes them by other programs or not at all."""

_WITHOUT_SIGNATURE = ("TGA", "SPIDER", "PCD", "PIXAR", "MCIDAS", "XVTHUMB", "IMT", "FLI", "GBR", "MSP")
"""Formats that much else passes for: taken only where the suffix is the format's own."""


class UnreadableImageError(DataError):
    """A file that is no picture, or a damaged one.

    Args:
        path: the file.
        reason: why, in a few words.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(f"{path}: cannot be read as an image ({reason})", "give another file")


def read_pixels(path: Path, size: int, preparation: Preparation) -> NDArray[np.uint8]:
    """The pixels of the picture in a file, uint8 (size, size, channels).

    Raises:
        UnreadableImageError: it is none, or cannot be decoded.
    """
    with opened(path) as image:
        if not image.info.get("progressive"):  # such a JPEG is held as a whole, even if it is decoded smaller
            preparation.make_smaller(image, size)
        with room_for(path, image):
            return preparation.pixels(image, size)


def read_whole_pixels(path: Path, preparation: Preparation) -> NDArray[np.uint8]:
    """The pixels of the picture in a file at its own size, uint8 (height, width, channels).

    Raises:
        UnreadableImageError: it is none, or cannot be decoded.
    """
    with opened(path) as image, room_for(path, image):
        return preparation.whole_pixels(image)


@contextmanager
def room_for(path: Path, image: Image.Image) -> Iterator[None]:
    """Wait until there is room to decode an opened picture beside those that are being decoded.

    Raises:
        UnreadableImageError: there never is.
    """
    if (amount := pixels_of(image)) > MAX_PIXELS:
        width, height = image.size
        raise UnreadableImageError(path, _over(MAX_PIXELS * width * height // amount))
    with decoding.taking(amount):
        yield


@cache
def _silence_libtiff() -> None:
    """Keep libtiff, which has no other way to complain, from writing to the process's stderr."""
    package = Path(Image.__file__).parent
    bundled = [
        *package.parent.glob("pillow.libs/libtiff*"),
        *package.glob(".dylibs/libtiff*"),
    ]  # as wheels have it
    for name in [str(path) for path in bundled] or [ctypes.util.find_library("tiff") or ""]:
        try:
            ctypes.CDLL(name).TIFFSetErrorHandler(None)
        except (OSError, AttributeError):
            continue


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The picture in a file, opened by its content and not yet decoded.

    Raises:
        UnreadableImageError: it is none; or anything goes wrong while the caller decodes it.
    """
    _silence_libtiff()
    try:
        if not path.is_file():  # reading a pipe would block
            is_broken = path.is_symlink() and not path.exists()
            raise UnreadableImageError(path, "broken link" if is_broken else "not a file")
        # Of a path, Pillow maps uncompressed TIFFs, and mixes up the rows of those that lie on their side.
        with path.open("rb") as file, Image.open(file, formats=_formats(path.suffix.lower())) as image:
            yield image
    except UnreadableImageError:
        raise
    # Decoders raise errors of any kind on files that are mutilated in a way nobody foresaw.
    except Exception as error:
        raise UnreadableImageError(path, _reason(path, error)) from None


def _formats(suffix: str) -> list[str]:
    """Pillow's formats that a file of this suffix may have."""
    Image.init()
    own = Image.EXTENSION.get(suffix)
    refused = {*_UNREADABLE_FORMATS, *_WITHOUT_SIGNATURE}
    return [name for name in Image.ID if name not in refused or (name == own and name in _WITHOUT_SIGNATURE)]


def _reason(path: Path, error: Exception) -> str:
    match error:
        case UnidentifiedImageError():
            return _what_else(path)
        case PermissionError():
            return NO_PERMISSION
        case Image.DecompressionBombError():
            return _over(MAX_PIXELS)
        case MemoryError():
            return TOO_LARGE
        case OSError() if error.errno in _OUT_OF_REACH:
            return f"{UNREACHABLE} ({error.strerror})"
    return "damaged"


def _over(most: int) -> str:
    """Reason for a whole picture that would not fit into the memory of a core."""
    return f"more than {most / 1e6:.3g} million pixels"


def may_pass(reason: str) -> bool:
    """Whether a file may be readable another time, though it stays as it is."""
    return reason.startswith((NO_PERMISSION, TOO_LARGE, UNREACHABLE))


def _what_else(path: Path) -> str:
    """What a file is that Pillow cannot identify."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError:
        return "not an image"
    if not header:
        return "empty"
    if header[4:8] == b"ftyp" and header[8:12] in (
        b"heic",
        b"heix",
        b"hevc",
        b"hevx",
        b"mif1",
        b"msf1",
        b"heim",
    ):
        return HEIC
    return "not an image"


@contextmanager
def quietly(said: list[str]) -> Iterator[None]:
    """Collect what other libraries warn of while pictures are read.

    Warnings are state of the process: for the thread that starts the readers, not for them.
    """
    logger, handler = logging.getLogger("PIL"), _Collecting(said)
    propagates, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # above twice as many it raises
            yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
        said += [_short(str(each.message)) for each in caught]


def _short(text: str) -> str:
    return " ".join(text.split())[:200]


class _Collecting(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.said = said

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(_short(record.getMessage()))
