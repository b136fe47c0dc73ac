"""A small search, an export and a profile killed with SIGKILL at random moments, against the same left alone.

    python benchmarks/kill_resume.py [--kills 200] [--minutes 90] [--seed 0] [--commands search,export]
                                     [--searcher proxyless]

A command that ends before its kill comes is compared, and begins anew: every kill counted hit one at work.

The bar: nothing acknowledged is lost (evaluations, trainings, rounds of timing), nothing done twice, no file torn, and
the same front, weights and exported files in the end (of the gradient searcher the same curves too).
"""

import argparse
import contextlib
import hashlib
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import onnx

RUN = "r"
SEARCH = ["search", "--device", "pi5", "--max-latency", "20ms", "--resolution", "16", "--run", RUN]
SEARCH += ["--evaluations", "40", "--finalists", "3"]
PROFILE = ["profile", "--device", "cpu", "--resolution", "16", "--networks", "5"]

SEARCHING = ("supernet", "search", "finalist", "export")
PROFILING = ("loading models", "timing", "loading fragments")
"""What a line of progress begins with once imports and data are done; a kill waits for one, or a later one."""

SHARES = {"search": 0.7, "export": 0.1, "profile": 0.2}
"""Of the kills, by command."""


class Interrupted(ABC):
    """A command that is killed, and what must be true of its files.

    Args:
        folder: where it works.
    """

    arguments: Sequence[str]
    phases: tuple[str, ...] = ("",)
    span_s: float
    """A kill comes within so many seconds of work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acknowledged: list[object] = []
        self.name = type(self).__name__.lower()
        self.lost = self.repeated = self.different = 0

    @abstractmethod
    def kept(self) -> list[object]:
        """What the files say was done, in the order that it was."""

    def names(self) -> list[str]:
        """Of what was done."""
        return list(map(str, self.kept()))

    @abstractmethod
    def result(self) -> object:
        """What must be the same as of a command that was left alone."""

    @abstractmethod
    def begin_anew(self) -> None:
        """Remove what was done."""

    def look(self) -> None:
        """Count what was done before and is not there any more."""
        kept = self.kept()
        self.lost += sum(each not in kept for each in self.acknowledged)
        self.acknowledged = kept

    def compare(self, alone: object) -> None:
        """Count what was done twice, and whether the end is another; begin anew."""
        self.repeated += len(names := self.names()) - len(set(names))
        self.different += self.result() != alone
        self.begin_anew()
        self.acknowledged = []


class Search(Interrupted):
    """Supernet, evaluations, finalists and their files."""

    arguments: Sequence[str] = SEARCH
    phases = SEARCHING
    span_s = 6.0

    @property
    def _run(self) -> Path:
        return self.folder / "runs" / RUN

    def kept(self) -> list[object]:
        """Evaluations, and what was trained."""
        events = "SELECT name, json_extract(payload, '$.id'), payload FROM events WHERE name LIKE '%trained'"
        evaluations = "SELECT 'evaluated', id, sequence, accuracy, seconds FROM evaluations"
        return [*self._rows(evaluations), *self._rows(events)]

    def names(self) -> list[str]:
        """An evaluation or a training that is done twice has the same name, and other figures."""
        return [f"{row[0]} {row[1]}" for row in self.kept()]  # type: ignore[index]

    def result(self) -> object:
        """The front but for how long it took, what was learnt by gradient, and the bytes of weights and models."""
        result = json.loads((self._run / "front.json").read_text())
        learnt = self._rows("SELECT payload FROM events WHERE name = 'architecture learnt'")
        files = digests(self._run / "models", "*.safetensors") | digests(self.folder / "exports", "*.onnx")
        return {key: value for key, value in result.items() if key != "seconds"}, learnt, files

    def begin_anew(self) -> None:
        """Remove run and exports."""
        for name in ("runs", "exports"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _rows(self, query: str) -> list[tuple[object, ...]]:
        path = self._run / "run.sqlite"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(path)) as connection:
            last = "SELECT name FROM sqlite_master WHERE name = 'events'"  # made after the others
            has_tables = connection.execute(last).fetchone()
            return connection.execute(query).fetchall() if has_tables else []


class Export(Interrupted):
    """Files of a finished run, made again in another precision."""

    arguments = ("export", RUN, "--precision", "int8")
    span_s = 15.0

    def kept(self) -> list[object]:
        """Files that are there, each of which must be whole."""
        return [path.name for path in sorted(self.folder.glob("exports/*/[!.]*")) if is_whole(path)]

    def result(self) -> object:
        """The bytes of the files."""
        return digests(self.folder / "exports", "[!.]*")

    def begin_anew(self) -> None:
        """Remove what was exported now."""
        for path in self.folder.glob("exports/*/*int8*"):
            path.unlink()


class Profile(Interrupted):
    """A latency table of this machine."""

    arguments: Sequence[str] = PROFILE
    phases = PROFILING
    span_s = 150.0

    def kept(self) -> list[object]:
        """Rounds of timing; those of a table that is there are done."""
        if self._tables():
            return self.acknowledged
        journals = sorted(self.folder.glob("latency_models/*/[!.]*.unfinished"))
        counts = {
            path.name: len(next(iter(json.loads(path.read_text())["bursts"].values()))) for path in journals
        }
        return [(name, number) for name, count in counts.items() for number in range(count)]

    def result(self) -> object:
        """What is in the table; the times differ."""
        (path,) = self._tables()
        table = json.loads(path.read_text())
        return sorted(table["entries"]), sorted(table["calibrations"]), len(table["fragments"]["times"])

    def begin_anew(self) -> None:
        """Remove the table."""
        shutil.rmtree(self.folder / "latency_models")
        (self.folder / "latency_models").mkdir()

    def _tables(self) -> list[Path]:
        return [*self.folder.glob("latency_models/*/[!.]*.json")]


class Kills:
    """Kills commands, and keeps what they were doing.

    Args:
        moments: draws when.
    """

    def __init__(self, moments: random.Random) -> None:
        self._moments = moments
        self.hit: Counter[str] = Counter()

    def kill(self, job: Interrupted) -> bool:
        """Start a command and kill it some time after one of its phases has begun; whether it was still at work."""
        process = start(job)
        assert process.stderr is not None
        awaited = job.phases[self._moments.randrange(len(job.phases)) :]
        said: list[str] = []
        for line in process.stderr if any(job.phases) else ():
            said += [line] if line.startswith(job.phases) else []
            if line.startswith(awaited):
                break
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self._moments.uniform(0, job.span_s))
        process.send_signal(signal.SIGKILL)
        said += process.communicate()[1].splitlines()
        if process.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"{job.name} failed ({process.returncode}): {''.join(said)}")
        job.look()
        if process.returncode:
            at = [line.partition(":")[0] for line in said if any(job.phases) and line.startswith(job.phases)]
            self.hit[f"{job.name}: {at[-1].partition(' ')[0]}" if at else job.name] += 1
        return process.returncode != 0


def start(job: Interrupted) -> "subprocess.Popen[str]":
    """Start a command in its folder."""
    command = [sys.executable, "-m", "edgenas", *job.arguments]
    return subprocess.Popen(
        command, cwd=job.folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )


def finish(job: Interrupted) -> None:
    """Let a command come to its end."""
    process = start(job)
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{job.name} failed ({process.returncode}): {said}")
    job.look()


def digests(folder: Path, pattern: str) -> dict[str, str]:
    """SHA-256 of the files in a folder, by their names."""
    files = (path for path in sorted(folder.rglob(pattern)) if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def is_whole(path: Path) -> bool:
    """Whether an exported file is not torn."""
    if path.suffix == ".onnx":
        onnx.checker.check_model(str(path))
    elif path.suffix == ".json":
        json.loads(path.read_text())
    return path.stat().st_size > 0


def jobs_in(folder: Path, names: Sequence[str]) -> dict[str, Interrupted]:
    """The commands, each in a folder of its own."""
    found: dict[str, Interrupted] = {}
    for kind in (Search, Export, Profile):
        if (name := kind.__name__.lower()) in names:
            (folder / name / "latency_models").mkdir(parents=True)
            found[name] = kind(folder / name)
    return found


def main() -> None:
    """Run everything alone and killed, compare, print; exit 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no more kills after so many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", default=",".join(SHARES))
    parser.add_argument("--searcher", default="nsga2-surrogate")
    options = parser.parse_args()
    names = options.commands.split(",")
    Search.arguments = [*SEARCH, "--searcher", options.searcher]
    moments = random.Random(options.seed)
    kills, until_s = Kills(moments), time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as name:
        alone, killed = jobs_in(Path(name, "alone"), names), jobs_in(Path(name, "killed"), names)
        expected = {}
        for which, job in alone.items():
            finish(job)
            expected[which] = job.result()
            if which == "search" and "export" in names:
                for jobs in (alone, killed):
                    shutil.copytree(job.folder, jobs["export"].folder, dirs_exist_ok=True)
        while kills.hit.total() < options.kills and time.monotonic() < until_s:
            (which,) = moments.choices(names, [SHARES[each] for each in names])
            if not kills.kill(job := killed[which]):
                job.compare(expected[which])
            print(f"kill {kills.hit.total():3}: {which}, {len(job.acknowledged)} kept", flush=True)
        for which, job in killed.items():
            finish(job)
            job.compare(expected[which])
    report(kills, list(killed.values()))


def report(kills: Kills, jobs: Sequence[Interrupted]) -> None:
    """Print what came of it; exit 1 if the bar is missed."""
    lost, repeated, different = (
        sum(getattr(job, what) for job in jobs) for what in ("lost", "repeated", "different")
    )
    print(", ".join(f"{where} {count}" for where, count in sorted(kills.hit.items())))
    print(f"kills {kills.hit.total()}, lost {lost}, done twice {repeated}, other ends {different}")
    sys.exit(lost + repeated + different > 0)


if __name__ == "__main__":
    main()
