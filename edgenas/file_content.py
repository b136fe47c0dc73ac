"""Reading a file that anybody may have made: what is read is a file, and of bounded size whatever it says of itself."""

import os
import stat
from pathlib import Path

from edgenas.errors import FileFormatError

CHECK_PATH = "check the path"


def content_of(
    path: Path, max_bytes: int, hint: str = "give another file", missing: str = CHECK_PATH
) -> bytes:
    """The bytes of a file; one that grows while it is read, or that understates its size, is not read on.

    Args:
        path: the file.
        max_bytes: of its content.
        hint: what to do about one that is larger, or no file.
        missing: what to do about one that cannot be opened.

    Raises:
        FileFormatError: it is missing or no regular file (pipes and devices may have no end), or larger.
    """
    try:
        check_is_file(path, hint, missing)
        with path.open("rb") as file:
            content = file.read(min(os.fstat(file.fileno()).st_size, max_bytes) + 1)
            # A file of the system, or one that is being written, may be longer than it says.
            content += file.read(max_bytes + 1 - len(content))
    except OSError as error:
        raise FileFormatError(path, "", f"cannot be read ({error.strerror})", missing) from None
    if len(content) > max_bytes:
        raise FileFormatError(path, "", f"is larger than {_size(max_bytes)}", hint)
    return content


def check_is_file(path: Path, hint: str = "give another file", missing: str = CHECK_PATH) -> None:
    """Check that a path leads to a regular file, also by links.

    Raises:
        FileFormatError: it does not; it may not be opened then, as that may wait for ever.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise FileFormatError(path, "", f"cannot be read ({error.strerror})", missing) from None
    except ValueError:  # a null character
        raise FileFormatError(ascii(str(path)), "", "is no path", "check the path") from None
    if stat.S_ISFIFO(mode):
        raise FileFormatError(
            path,
            "",
            "cannot be read (it is a pipe, which may have no end)",
            "write its content into a file, and give that",
        )
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no file"
        raise FileFormatError(path, "", f"cannot be read (it is {kind})", hint)


def _size(size_bytes: int) -> str:
    kib = round(size_bytes / 2**10)
    return f"{round(kib / 2**10)} MiB" if kib >= 2**10 else f"{kib} KiB"
