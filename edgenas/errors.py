"""All errors that edgenas raises deliberately, with the exit code of the command.

EdgenasError                  1   base class of all
├── InfeasibleError           1   nothing in the space meets the latency limit
├── DivergenceError           1   a training's loss, or all outputs, are NaN or infinite
├── OutOfMemoryError          1   a training or evaluation does not fit into memory
├── VerificationError         1   an exported model does not match what was trained
├── WorkerError               1   a worker died, or hung, again and again over one job
├── NoWorkerError             1   no worker could begin
├── InputError                2   unusable input from the user
│   ├── ConversionError       2   a model that cannot be converted to a precision
│   ├── UnitError             2   a quantity without a unit, or not a quantity
│   ├── UnknownNameError      2   no device, data set, ... has that name
│   ├── FileFormatError       2   a file does not follow its schema
│   ├── DataError             2   images that cannot be used for training
│   ├── IncompleteTableError  2   a latency table lacks blocks or calibration of a space
│   ├── UnwritableError       2   a file cannot be written: the disk is full, or the folder is not the user's
│   └── RunConflictError      2   the run folder holds another configuration, or is in use
└── DeviceError               3   a device or runtime cannot do what was requested
"""

import difflib
import errno
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TypeGuard

from edgenas.board.problem import first_line as first_line
from edgenas.board.problem import one_line

MAX_MESSAGE, MAX_HINT = 560, 400
"""Characters of a message, whatever it quotes, and of what it advises."""

MAX_LISTED = 240
"""Characters of the known names."""

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""A full disk, a user's share of it, and the largest file that a user may have."""

FREE_SPACE = "free some space there, and repeat the command"


class EdgenasError(Exception):
    """What went wrong and how to fix it, in one line.

    Args:
        problem: what is wrong, and where.
        hint: what the user can do about it.
    """

    exit_code = 1

    def __init__(self, problem: str, hint: str = "") -> None:
        # Others' words, and names in their files, may have several lines and commands for the terminal.
        self.hint = _shortened(hint, MAX_HINT)
        self.problem = _shortened(problem, MAX_MESSAGE - len(self.hint))
        super().__init__(f"{self.problem}; {self.hint}" if hint else self.problem)

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes as they are: what they were made from is not kept."""
        return _as_it_was, (type(self), self.args, self.__dict__)


def _as_it_was(kind: type[EdgenasError], args: tuple[object, ...], state: dict[str, object]) -> EdgenasError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class InfeasibleError(EdgenasError):
    """No architecture is predicted within the limit.

    Args:
        limit_ms: the latency limit.
        fastest_ms: predicted latency of the space's fastest network.
        fastest: the same for people, with interval and provenance.
        device: name of the device.
        space: signature of the space.
        else_hint: an alternative to a higher limit, appended to the hint.
    """

    def __init__(
        self, limit_ms: float, fastest_ms: float, fastest: str, device: str, space: str, else_hint: str = ""
    ) -> None:
        self.limit_ms = limit_ms
        self.fastest_ms = fastest_ms
        super().__init__(
            f"nothing in space {space} is predicted within {limit_ms:g} ms on {device}: "
            f"the fastest possible network takes {fastest}",
            f"raise --max-latency to at least {_round_up(fastest_ms)}ms{else_hint}",
        )


class DivergenceError(EdgenasError):
    """The loss of a training, or every output of a network, is NaN or infinite."""


class OutOfMemoryError(EdgenasError):
    """A training or evaluation does not fit into memory."""


class VerificationError(EdgenasError):
    """An exported model does not match the trained one."""


class WorkerError(EdgenasError):
    """A worker died, or hung, again and again over one job."""


class NoWorkerError(EdgenasError):
    """No worker could begin: no job is to blame."""


class InputError(EdgenasError):
    """Input from the user that cannot be used."""

    exit_code = 2


class ConversionError(InputError):
    """A model cannot be converted to a precision."""


class UnitError(InputError):
    """A quantity without a unit, out of range, or not a quantity at all."""


class UnknownNameError(InputError):
    """A name that does not exist; suggests the closest known one."""

    def __init__(self, what: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.name = name
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        nearest = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(f"unknown {what} {name!r}", f"{nearest}{hint or 'known: ' + _listed(names)}")


class FileFormatError(InputError):
    """A file that violates its schema; names the file, the field and what was found."""

    def __init__(self, path: Path | str, field: str, found: str, hint: str) -> None:
        self.path, self.field, self.found = Path(path), field, found
        super().__init__(f"{path}: {field}: {found}" if field else f"{path}: {found}", hint)


class DataError(InputError):
    """Images that cannot be used for training."""


class IncompleteTableError(InputError):
    """A latency table that lacks blocks or the calibration of a space."""


class UnwritableError(InputError):
    """A file or folder that cannot be written. What was there before is still there."""

    def __init__(self, path: Path | str, error: OSError) -> None:
        hint = FREE_SPACE if is_full(error) else "choose a writable folder"
        super().__init__(f"{path}: cannot be written ({error.strerror})", hint)


def unwritable(error: OSError) -> UnwritableError:
    """The same of a file that others' code writes: where it does not say which, one that is there for a while."""
    return UnwritableError(error.filename or tempfile.gettempdir(), error)


class RunConflictError(InputError):
    """A run folder that holds another configuration, is in use, or cannot be written."""


RUN_TROUBLE = (UnwritableError, RunConflictError, NoWorkerError)
"""Errors of a run's folder or workers rather than of what is trained there, which goes on once that is mended."""


class DeviceError(EdgenasError):
    """A device or runtime cannot do what was requested."""

    exit_code = 3


def is_full(error: BaseException) -> TypeGuard[OSError]:
    """Whether something failed for want of space to write."""
    return isinstance(error, OSError) and error.errno in _NO_SPACE


def _listed(names: list[str]) -> str:
    """Names as far as there is room for them."""
    shown = names
    while len(", ".join(shown)) > MAX_LISTED:
        shown = shown[: len(shown) * 2 // 3]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def _shortened(text: str, most: int) -> str:
    """A text in one line; of a long one its begin and its end, as the reason often stands there."""
    line = " ".join(map(str.strip, text.splitlines()))
    if len(line) > most:
        line = f"{line[: most * 2 // 3]} ... {line[len(line) - most // 3 + 5 :]}"
    return one_line(line, most)


def _round_up(milliseconds: float) -> str:
    """The value with three significant digits, rounded up."""
    rounded = float(f"{milliseconds:.3g}")
    return f"{rounded if rounded >= milliseconds else rounded * 1.01:.3g}"
