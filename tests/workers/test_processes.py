"""Jobs done by processes that may die."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edgenas.errors import DataError, NoWorkerError, WorkerError
from edgenas.workers import worker_process
from edgenas.workers.processes import ATTEMPTS, LocalProcesses

MOST_WAITED_S = 60.0

_number = -1


def begin(log: Path, number: int) -> None:
    global _number
    _number = number
    with log.open("a") as file:
        file.write(f"{os.getpid()}\n")


def begin_badly(number: int) -> None:
    raise DataError("the images are gone", "bring them back")


def die_at_once(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def number_and_sum(*terms: int) -> tuple[int, int]:
    return _number, sum(terms)


def refuse() -> None:
    raise DataError("no image", "give one")


def die(marks: Path, times: int) -> str:
    """Kill this process, the first few times."""
    done = len(list(marks.iterdir()))
    if done < times:
        (marks / str(done)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return f"after {done}"


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def work(steps: int, seconds: float) -> int:
    for _ in range(steps):
        time.sleep(seconds)
        worker_process.show_life()
    return steps


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "begun"


@pytest.fixture
def one(log: Path) -> Iterator[LocalProcesses]:
    with LocalProcesses(1, partial(begin, log)) as workers:
        yield workers


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def test_every_worker_begins_once_and_has_its_number(log: Path) -> None:
    with LocalProcesses(2, partial(begin, log)) as workers:
        found = [job.result() for job in [workers.submit(number_and_sum, 1, i) for i in range(20)]]
    assert [total for _, total in found] == [1 + i for i in range(20)]
    assert {number for number, _ in found} <= {0, 1}
    assert len(log.read_text().split()) <= 2


def test_errors_of_a_job_are_its_own(one: LocalProcesses) -> None:
    with pytest.raises(DataError, match=r"^no image; give one$"):
        one.submit(refuse).result()
    assert one.submit(number_and_sum, 2).result() == (0, 2)


def test_an_error_at_the_beginning_is_not_the_jobs() -> None:
    told = r"^a worker cannot begin: the images are gone; bring them back$"
    with LocalProcesses(1, begin_badly) as workers, pytest.raises(NoWorkerError, match=told):
        workers.submit(number_and_sum).result()


def test_workers_that_die_before_their_first_job_are_given_up() -> None:
    told = r"^no worker could begin: the worker died \(out of memory, or killed\); give fewer --workers, and see "
    with LocalProcesses(1, die_at_once) as workers, pytest.raises(NoWorkerError, match=told):
        workers.submit(number_and_sum).result()


def test_a_worker_that_dies_is_replaced_and_its_job_done_again(
    one: LocalProcesses, marks: Path, log: Path
) -> None:
    assert one.submit(die, marks, ATTEMPTS - 1).result() == f"after {ATTEMPTS - 1}"
    assert len(set(log.read_text().split())) == ATTEMPTS


def test_a_job_that_kills_every_worker_is_given_up(one: LocalProcesses, marks: Path) -> None:
    with pytest.raises(
        WorkerError, match=r"^given up after 3 attempts: the worker died \(out of memory, or killed\)$"
    ):
        one.submit(die, marks, 9).result()
    assert len(list(marks.iterdir())) == ATTEMPTS
    assert one.submit(number_and_sum, 3).result() == (0, 3)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "LEAST_PATIENCE_S", 3.0)
    monkeypatch.setattr(worker_process, "PATIENCE", 0.0)
    monkeypatch.setattr(worker_process, "LOOK_S", 0.05)


def test_a_job_that_hangs_is_given_up(one: LocalProcesses, impatient: None) -> None:
    told = r"^given up after 3 attempts: the worker showed no sign of life for 3 s$"
    with pytest.raises(WorkerError, match=told):
        one.submit(sleep, 600.0).result()


def test_a_job_that_shows_signs_of_life_may_take_long(one: LocalProcesses, impatient: None) -> None:
    assert one.submit(work, 40, 0.1).result() == 40


def test_workers_end_at_once_with_an_error_of_their_owner(log: Path) -> None:
    with pytest.raises(KeyboardInterrupt), LocalProcesses(1, partial(begin, log)) as workers:
        workers.submit(number_and_sum).result()
        job = workers.submit(sleep, 600.0)
        raise KeyboardInterrupt
    assert job.cancelled() or job.exception() is not None
    (pid,) = map(int, set(log.read_text().split()))
    assert ends(pid)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
def test_workers_end_with_an_owner_that_is_killed(log: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(log)], cwd=Path(__file__).parent)
    until = time.monotonic() + MOST_WAITED_S
    while not (log.exists() and log.read_text().endswith("\n")):
        assert time.monotonic() < until and owner.poll() is None
        time.sleep(0.05)
    owner.kill()
    owner.wait()
    assert ends(int(log.read_text()))


OWNER = """
import sys
from functools import partial
from pathlib import Path
import test_processes
from edgenas.workers.processes import LocalProcesses
LocalProcesses(1, partial(test_processes.begin, Path(sys.argv[1]))).submit(test_processes.sleep, 600.0).result()
"""


def ends(pid: int) -> bool:
    """Whether a process ends soon: a zombie has."""
    until = time.monotonic() + MOST_WAITED_S
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
