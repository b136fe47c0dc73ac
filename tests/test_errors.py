"""The error tree: one line, a hint, an exit code."""

from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas import errors
from edgenas.errors import (
    DataError,
    DeviceError,
    EdgenasError,
    FileFormatError,
    IncompleteTableError,
    InfeasibleError,
    InputError,
    NoWorkerError,
    OutOfMemoryError,
    RunConflictError,
    UnitError,
    UnknownNameError,
    UnwritableError,
    VerificationError,
    WorkerError,
)
from edgenas.units import parse_milliseconds


@pytest.mark.parametrize(
    ("kind", "parent", "exit_code"),
    [
        (EdgenasError, Exception, 1),
        (InfeasibleError, EdgenasError, 1),
        (OutOfMemoryError, EdgenasError, 1),
        (VerificationError, EdgenasError, 1),
        (WorkerError, EdgenasError, 1),
        (NoWorkerError, EdgenasError, 1),
        (InputError, EdgenasError, 2),
        (UnitError, InputError, 2),
        (UnknownNameError, InputError, 2),
        (FileFormatError, InputError, 2),
        (DataError, InputError, 2),
        (IncompleteTableError, InputError, 2),
        (RunConflictError, InputError, 2),
        (DeviceError, EdgenasError, 3),
    ],
)
def test_tree_and_exit_codes(kind: type[EdgenasError], parent: type[Exception], exit_code: int) -> None:
    assert kind.__bases__ == (parent,)
    assert kind.exit_code == exit_code


def test_drawn_tree_names_every_error() -> None:
    kinds = [value for value in vars(errors).values() if isinstance(value, type) and value is not Path]
    drawn = errors.__doc__ or ""
    for kind in kinds:
        if issubclass(kind, EdgenasError):
            line = next(line for line in drawn.splitlines() if f"{kind.__name__} " in line)
            assert f" {kind.exit_code} " in line


@pytest.mark.parametrize(
    "error",
    [
        EdgenasError("the disk is full", "make room"),
        InfeasibleError(0.5, 1.234, "1.234 ms", "jetson", "mbconv"),
        UnknownNameError("device", "p5", ["pi5"]),
        FileFormatError("a.json", "name", "is missing", "add it"),
        UnwritableError("a.json", OSError(28, "No space left on device")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error: EdgenasError) -> None:
    arrived = ForkingPickler.loads(ForkingPickler.dumps(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)


def test_message_is_problem_and_mend() -> None:
    error = EdgenasError("the disk is full", "make room")
    assert str(error) == "the disk is full; make room"
    assert (error.problem, error.hint) == ("the disk is full", "make room")
    assert str(EdgenasError("the disk is full")) == "the disk is full"


def test_infeasible_says_what_would_do() -> None:
    error = InfeasibleError(0.5, 1.234, "1.234 ms (estimated)", "jetson", "mbconv-32px-00000000")
    assert str(error) == (
        "nothing in space mbconv-32px-00000000 is predicted within 0.5 ms on jetson: "
        "the fastest possible network takes 1.234 ms (estimated); "
        "raise --max-latency to at least 1.24ms"
    )
    assert (error.limit_ms, error.fastest_ms) == (0.5, 1.234)


@given(st.floats(min_value=1e-6, max_value=1e7))
def test_infeasible_mend_is_enough_and_not_much_more(fastest_ms: float) -> None:
    error = InfeasibleError(1e-7, fastest_ms, "", "cpu", "mbconv")
    advised = error.hint.partition("at least ")[2].partition(",")[0]
    assert fastest_ms <= parse_milliseconds(advised, "--max-latency") <= fastest_ms * 1.02


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jetsn", "unknown device 'jetsn'; did you mean 'jetson'? known: cpu, jetson"),
        ("toaster", "unknown device 'toaster'; known: cpu, jetson"),
    ],
)
def test_unknown_name_suggests_the_nearest(name: str, message: str) -> None:
    error = UnknownNameError("device", name, ["jetson", "cpu"])
    assert str(error) == message
    assert error.name == name


def test_of_many_known_names_the_rest_is_counted() -> None:
    names = [f"network-{number:03}" for number in range(200)]
    told = str(UnknownNameError("network", "x", names))
    shown = told.removeprefix("unknown network 'x'; known: ").removesuffix(" more")
    listed, _, rest = shown.rpartition(" and ")
    assert listed.split(", ") == names[: 200 - int(rest)]
    assert len(listed) <= errors.MAX_LISTED


def test_unknown_name_takes_another_mend() -> None:
    error = UnknownNameError("device", "cpuu", ["cpu"], hint="see: edgenas devices")
    assert str(error) == "unknown device 'cpuu'; did you mean 'cpu'? see: edgenas devices"


@pytest.mark.parametrize(
    ("field", "message"),
    [("entries.a.min_ms", "t.json: entries.a.min_ms: is nan; fix it"), ("", "t.json: is nan; fix it")],
)
def test_file_format_names_file_and_field(field: str, message: str) -> None:
    error = FileFormatError("t.json", field, "is nan", "fix it")
    assert str(error) == message
    assert (error.path, error.field) == (Path("t.json"), field)


@pytest.mark.parametrize("hint", ["", "mend it", "known: " + "name, " * 1000])
@pytest.mark.parametrize("problem", ["short", "a.json: " + "x" * 10_000 + " is wrong (disk full)"])
def test_a_message_is_short_whatever_it_quotes(problem: str, hint: str) -> None:
    error = EdgenasError(problem, hint)
    assert len(str(error)) <= errors.MAX_MESSAGE + 2
    assert error.problem.startswith(problem[:8]) and error.problem.endswith(problem[-9:])


def test_a_message_holds_no_commands_for_a_terminal() -> None:
    error = EdgenasError("\x1b[2J\ud800 in\n  two lines", "\x9b31m\u202e")
    assert str(error) == "?[2J? in two lines; ?31m?"
