"""Times the models of a kit on this board, and writes results.json beside this file.

python3 run.py             times what is not timed yet; Ctrl-C stops, the same command goes on
python3 run.py --check     only looks at the board
python3 run.py --lines     shows progress as lines of JSON, for a program that reads them
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, Sequence

from edgenas.board.bursts import Bursts, disturbed, take_rounds
from edgenas.board.conditions import changes, disk_free, machine_conditions, memory_available
from edgenas.board.host import cores, description, fingerprint, state
from edgenas.board.kit_folder import (
    RESULTS,
    RESULTS_SCHEMA,
    UNFINISHED,
    KitModel,
    Measured,
    keep_unfinished,
    make_weights,
    read_kit,
    read_unfinished,
    write_json,
)
from edgenas.board.problem import BoardError
from edgenas.board.worker import WORKER, Worker, WorkerDiedError, WorkerSession, work

LOADED_SHARE = 0.5
"""Share of the available memory for the models that are loaded at once."""

MANY_DISTURBED = 0.2
"""Share of disturbed timings above which the board is said not to be quiet."""

TAKEOVER_S = 10.0
"""How long a session that a dropped connection left behind may take to end."""

MAX_DEATHS = 20
"""How many models may kill the runtime before it is given up."""

CHECK, LINES = "--check", "--lines"


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say; returns the exit code: 0 all timed, 1 not all, 2 usage, 3 trouble, 130 stopped."""
    if arguments[:1] == [WORKER]:
        work(*arguments[1:])
        return 0
    if set(arguments) - {CHECK, LINES}:
        sys.stderr.write(__doc__ or "")
        return 2
    show = _Lines() if LINES in arguments else _Terminal()
    try:
        return _Run(Path(__file__).resolve().parent, show).run(only_check=CHECK in arguments)
    except BoardError as error:
        show.error(str(error))
        return 3
    except BrokenPipeError:  # whoever started this has gone: it will be started again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 130
    except KeyboardInterrupt:
        show.error("stopped; what was measured is kept: run the same command to go on")
        return 130


class _Terminal:
    """Shows what happens to a person."""

    def __init__(self) -> None:
        self._last_s = 0.0

    def line(self, text: str) -> None:
        sys.stdout.write(f"\r\033[K{text}\n" if sys.stdout.isatty() else f"{text}\n")
        sys.stdout.flush()

    def error(self, text: str) -> None:
        self.line(f"error: {text}")

    def progress(self, phase: str, share: float, left_s: float | None) -> None:
        pause_s = 0.5 if sys.stdout.isatty() else 30.0
        if share < 1 and time.monotonic() - self._last_s < pause_s:
            return
        self._last_s = time.monotonic()
        left = (
            ""
            if left_s is None
            else f", {left_s / 60:.0f} min left"
            if left_s > 90
            else f", {left_s:.0f} s left"
        )
        text = f"{phase}: {share:.0%}{left}"
        if sys.stdout.isatty():
            sys.stdout.write(f"\r\033[K{text}")
            sys.stdout.flush()
        else:
            self.line(text)


class _Lines(_Terminal):
    """Shows the same to a program: one JSON object a line."""

    def line(self, text: str) -> None:
        self._write(line=text)

    def error(self, text: str) -> None:
        self._write(error=text)

    def progress(self, phase: str, share: float, left_s: float | None) -> None:
        if share < 1 and time.monotonic() - self._last_s < 0.5:
            return
        self._last_s = time.monotonic()
        self._write(phase=phase, share=share)

    def _write(self, **fields: Any) -> None:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


class _Run:
    """One session of measuring a kit.

    Args:
        folder: of the kit.
        show: how progress is shown.
    """

    def __init__(self, folder: Path, show: _Terminal) -> None:
        self._folder = folder
        self._show = show
        self._kit = read_kit(folder)
        self._models = {model.key: model for model in self._kit.models}
        self._memory_bytes = LOADED_SHARE * (memory_available() or 2**31)

    def run(self, only_check: bool) -> int:
        kit, show = self._kit, self._show
        lock = _only_session(self._folder, takes_over=isinstance(show, _Lines))
        before = machine_conditions(kit.uses_gpu)
        for condition in before:
            show.line(
                f"{condition.name}: {condition.detail}" + (f" - {condition.hint}" if condition.hint else "")
            )
        self._check_room()
        version, pinned = self._first_call()
        show.line(f"{kit.runtime} {version} ({kit.provider}) runs on this board")
        if only_check:
            return 0
        machine = f"{version}, {fingerprint(kit.uses_gpu)}"
        measured = read_unfinished(self._folder, kit, machine)
        if measured.finished:
            show.line(f"goes on: {len(measured.finished)} of {len(kit.models)} models are timed already")
        self._time_all(measured, machine)
        if not measured.finished:
            raise BoardError(f"no model could be timed: {next(iter(measured.failed.values()))}", "see above")
        after = machine_conditions(kit.uses_gpu)
        self._write_results(measured, version, pinned, before, after)
        lock.close()
        return self._say_how_it_went(measured, before, after)

    def _check_room(self) -> None:
        needed = sum(self._kit.weights_bytes.values()) + 64 * 2**20
        if disk_free(str(self._folder)) < needed:
            raise BoardError(
                f"the disk of {self._folder} has less than {needed / 2**20:.0f} MiB free", "free disk space"
            )
        if self._kit.threads > cores():
            raise BoardError(
                f"the kit is for {self._kit.threads} threads, this board has {cores()} cores",
                "make the kit with fewer --threads",
            )
        make_weights(self._folder, self._kit.weights_bytes)

    def _first_call(self) -> tuple[str, tuple[int, ...]]:
        """Version of the runtime and the cores it is pinned to, after a first run in a process that may die.

        Raises:
            BoardError: the runtime is missing, dies, or cannot run the smallest model.
        """
        try:
            worker = self._worker()
            self._load(worker, self._models[self._kit.sentinel]).time_ms(1)
        except WorkerDiedError as error:
            hint = "install another version of it"
            if error.cause == "SIGILL":
                hint = "it is built for another processor: install a version made for this one"
            raise BoardError(f"{self._kit.runtime} died in its first call ({error.cause})", hint) from error
        return worker.version, worker.cores

    def _worker(self) -> Worker:
        command = [sys.executable, str(Path(__file__).resolve()), WORKER, ""]
        return Worker(command, self._kit.provider, self._kit.threads)

    def _load(self, worker: Worker, model: KitModel) -> WorkerSession:
        return worker.load(str(self._folder / "models" / model.file), self._kit.batch)

    def _time_all(self, measured: Measured, machine: str) -> None:
        """Time all models, as many at once as fit into memory."""
        deaths = 0
        while left := self._left(measured):
            chunk = self._chunk(left, measured)
            try:
                self._time_chunk(chunk, measured, machine)
            except _ModelDiedError as error:
                deaths += 1
                if (
                    error.cause == "SIGKILL" and len(chunk) > 1
                ):  # out of memory, most likely: load fewer at once
                    self._memory_bytes /= 2
                    self._show.line("the runtime was killed: going on with fewer models at once")
                else:
                    measured.failed[error.key] = f"the runtime died ({error.cause})"
                    self._show.line(f"{error.key} kills the runtime ({error.cause}): left out")
                for key in chunk:  # their rounds are incomplete
                    measured.bursts.pop(key, None)
                if deaths > MAX_DEATHS:
                    raise BoardError(
                        f"the runtime died {deaths} times",
                        "install another version of it, and run this again",
                    ) from error

    def _left(self, measured: Measured) -> list[str]:
        """Keys of the models still to be timed; first those with some rounds, if they were interrupted."""
        done = {*measured.finished, *measured.failed, self._kit.sentinel}
        begun = [key for key in measured.bursts if key in self._models and key not in done]
        return begun + [key for key in self._models if key not in done and key not in begun]

    def _chunk(self, left: Sequence[str], measured: Measured) -> list[str]:
        """The next models to load together: all that were begun together, or as many as fit into memory."""
        begun = [key for key in left if key in measured.bursts]
        chosen: list[str] = []
        room = self._memory_bytes - self._models[self._kit.sentinel].memory_bytes
        for key in begun or left:
            room -= self._models[key].memory_bytes
            if chosen and room < 0:
                break
            chosen.append(key)
        if len(chosen) < len(begun):  # too many for today's memory: their rounds are not comparable any more
            for key in begun:
                del measured.bursts[key]
        return chosen

    def _time_chunk(self, chunk: list[str], measured: Measured, machine: str) -> None:
        worker = self._worker()
        sentinel = _Watched(self._kit.sentinel, self._load(worker, self._models[self._kit.sentinel]))
        sessions: dict[str, _Watched] = {}
        for number, key in enumerate(chunk):
            self._show.progress("loading models", number / len(chunk), None)
            try:
                sessions[key] = _Watched(key, self._load(worker, self._models[key]))
            except WorkerDiedError as error:
                raise _ModelDiedError(key, error.cause) from error
            except BoardError as error:  # this model is nothing for the runtime
                measured.failed[key] = error.problem
        if not sessions:
            return
        estimates = {key: model.estimated_ms for key, model in self._models.items()}
        total, finished = sum(estimates.values()), sum(estimates[key] for key in measured.finished)
        here = sum(estimates[key] for key in sessions)
        bursts = {key: measured.bursts.get(key, []) for key in sessions}
        began_s, began_share = time.monotonic(), None

        def commit(rounds: Bursts) -> None:
            measured.bursts.update(rounds)
            keep_unfinished(self._folder, self._kit, machine, measured)

        def progress(phase: str, done: float, of: float) -> None:
            nonlocal began_share
            share = (finished + here * done / of) / total
            began_share = share if began_share is None else began_share
            gained, spent_s = share - began_share, time.monotonic() - began_s
            left_s = spent_s * (1 - share) / gained if phase == "timing" and gained > 0.005 else None
            self._show.progress(phase, share, left_s)

        share = max(here / total, 1e-3)
        retaken = take_rounds(sessions, sentinel, share * self._kit.budget_s, bursts, commit, progress)
        measured.retaken[0] += retaken
        measured.finished.extend(sessions)
        keep_unfinished(self._folder, self._kit, machine, measured)

    def _write_results(
        self,
        measured: Measured,
        version: str,
        pinned: Sequence[int],
        before: Sequence[Any],
        after: Sequence[Any],
    ) -> None:
        kit = self._kit
        now = state(kit.uses_gpu)
        write_json(
            self._folder / RESULTS,
            {
                "schema": RESULTS_SCHEMA,
                "plan": kit.plan,
                "manifest_sha256": kit.sha256,
                "runtime": kit.runtime,
                "runtime_version": version,
                "provider": kit.provider,
                "cores": list(pinned),
                "host": fingerprint(kit.uses_gpu),
                "host_description": description(kit.uses_gpu),
                "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "governor": now.governor,
                "frequency_mhz": now.frequency_mhz,
                "temperature_c": now.temperature_c,
                "before": before,
                "after": after,
                "retaken": measured.retaken[0],
                "failed": measured.failed,
                "bursts": measured.bursts,
            },
        )
        (self._folder / UNFINISHED).unlink()

    def _say_how_it_went(self, measured: Measured, before: list[Any], after: list[Any]) -> int:
        show = self._show
        for change in changes(before, after):
            show.line(f"meanwhile, {change}")
        off = len(disturbed(measured.bursts)) / sum(map(len, measured.bursts.values()))
        if off > MANY_DISTURBED:
            show.line(
                f"the board was slower or faster than usual in {off:.0%} of the timings: cool it, close other "
                "programs, delete results.json and run this again"
            )
        for key, reason in measured.failed.items():
            show.line(f"not timed: {key} ({reason})")
        show.line(f"{len(measured.finished)} models timed; results: {self._folder / RESULTS}")
        show.line(f"on your computer: edgenas kit-import {RESULTS}")
        return 1 if measured.failed else 0


def _only_session(folder: Path, takes_over: bool) -> IO[str]:
    """A lock on the folder, held until it is closed: two sessions at once would disturb each other.

    Args:
        folder: of the kit.
        takes_over: end an earlier session, left behind by a connection that dropped.

    Raises:
        BoardError: another session is running.
    """
    import fcntl

    lock = (folder / ".lock").open("a+", encoding="ascii")
    until_s = time.monotonic() + TAKEOVER_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            lock.seek(0)
            process = lock.read()
            if not takes_over or time.monotonic() > until_s:
                raise BoardError(
                    f"another run.py is measuring here (process {process})", "wait until it has finished"
                ) from None
            if process.isdigit():
                with suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGTERM)
            time.sleep(0.2)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


class _ModelDiedError(Exception):
    """The runtime died on a model."""

    def __init__(self, key: str, cause: str) -> None:
        self.key = key
        self.cause = cause
        super().__init__(key)


class _Watched:
    """A session that names its model if the runtime dies."""

    def __init__(self, key: str, session: WorkerSession) -> None:
        self._key = key
        self._session = session

    @property
    def interruptions(self) -> int:
        return self._session.interruptions

    def time_ms(self, calls: int) -> list[float]:
        try:
            return self._session.time_ms(calls)
        except WorkerDiedError as error:
            raise _ModelDiedError(self._key, error.cause) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
