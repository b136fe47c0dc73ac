"""The process that times models, as its parent sees it; what it computes is tested with `OnnxProcess`."""

import sys

import pytest

from edgenas.board.problem import BoardError
from edgenas.board.worker import Worker, WorkerDiedError

HELLO = (
    'import sys; print(\'{"value": ["1.0", [0]]}\', flush=True); sys.stdin.readline(); sys.stdin.readline(); '
)


def _worker(code: str) -> Worker:
    return Worker([sys.executable, "-c", HELLO + code], "CPUExecutionProvider", 1)


def test_it_says_what_it_is() -> None:
    worker = _worker("")
    assert (worker.version, worker.cores) == ("1.0", (0,))


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("sys.exit(7)", "exit code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "SIGILL"),
        ("sys.stdout.write('{\"value\": 1'); sys.stdout.flush(); sys.exit(9)", "exit code 9"),
    ],
    ids=["exits", "illegal instruction", "in the middle of an answer"],
)
def test_how_it_died_is_told(code: str, cause: str) -> None:
    worker = _worker(code)
    with pytest.raises(WorkerDiedError) as caught:
        worker.request("time", 0, 1)
    assert caught.value.cause == cause
    assert f"the process that times models died ({cause}); check memory" in str(caught.value)


def test_its_last_words_are_told_and_nothing_else_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    worker = _worker("import os; os.write(2, b'a warning\\n\\x1b[31mout of luck\\n\\n'); sys.exit(7)")
    with pytest.raises(WorkerDiedError, match=r"died \(exit code 7: \?\[31mout of luck\); check memory"):
        worker.request("time", 0, 1)
    assert capfd.readouterr().err == ""


def test_a_problem_is_passed_on() -> None:
    answer = '{"problem": "no such model", "hint": "try another"}'
    worker = _worker(f"print({answer!r}, flush=True)")
    with pytest.raises(BoardError, match=r"^no such model; try another$"):
        worker.request("run", 0)
