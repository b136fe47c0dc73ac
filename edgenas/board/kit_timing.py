"""Timing the models of a kit, as many at once as fit into memory, whatever kills the runtime meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, Mapping, Sequence, Union

from edgenas.board.bursts import Bursts, take_rounds, take_runs
from edgenas.board.display import Terminal
from edgenas.board.energy import energy_seconds, take_energies
from edgenas.board.kit_folder import Measured
from edgenas.board.manifest import MODELS, TENSORRT, Kit, KitModel
from edgenas.board.power import Meter, MeterError
from edgenas.board.problem import BoardError, one_line
from edgenas.board.trtexec import Trtexec, TrtexecSession
from edgenas.board.worker import Worker, WorkerDiedError, WorkerSession, memory_use

Runner = Union[Worker, Trtexec]
"""What loads and times models, in other processes."""

MAX_DEATHS = 20
"""How often models may kill the runtime before it is given up."""

MAX_SENTINEL_DEATHS = 3
"""How often it may die on the sentinel, which must run."""


class KitTimer:
    """Times models and adds to what has been measured.

    Args:
        folder: of the kit.
        kit: its models.
        make_runner: starts the runtime.
        memory_bytes: for the models that are loaded at once.
        show: how progress is shown.
        meter: for the energy of blocks; None to leave it out.
        look_again: called after times were taken, before the board gets hot from measuring energies.
    """

    def __init__(
        self,
        folder: Path,
        kit: Kit,
        make_runner: Callable[[], Runner],
        memory_bytes: float,
        show: Terminal,
        meter: Meter | None = None,
        look_again: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._kit = kit
        self._make_runner = make_runner
        self._memory_bytes = memory_bytes
        self._show = show
        self._meter = meter
        self._look_again = look_again
        self.cores: tuple[int, ...] = ()
        """Those that the last models were pinned to."""

    def time_all(self, measured: Measured, commit: Callable[[], None]) -> None:
        """Time every model that is not finished, and note why the others could not be timed.

        Args:
            measured: extended in place.
            commit: called whenever something was added.

        Raises:
            BoardError: the runtime keeps dying.
        """
        deaths = sentinel_deaths = 0
        while left := self._left(measured):
            chunk = self._chunk(left, measured)
            try:
                self._time_chunk(chunk, measured, commit)
                continue
            except ModelError as error:
                failed = error
            deaths += failed.died
            if failed.out_of_memory and len(chunk) > 1 and not self._kit.runs:
                self._load_fewer(chunk)
            elif failed.key == self._kit.sentinel.key:
                sentinel_deaths += 1
            else:
                self._leave_out(failed, measured)
            if deaths > MAX_DEATHS or sentinel_deaths > MAX_SENTINEL_DEATHS:
                raise BoardError(
                    f"models cannot be timed here, the last because {failed.reason}",
                    "install another version of the runtime, and run this again",
                ) from failed

    def _leave_out(self, failed: ModelError, measured: Measured) -> None:
        measured.failed[failed.key] = failed.reason
        measured.bursts.pop(failed.key, None)
        measured.energies.pop(failed.key, None)
        self._show.line(f"{failed.key}: {failed.reason}; left out")

    def _load_fewer(self, chunk: Sequence[str]) -> None:
        """After the system killed the runtime, most likely because memory ran out."""
        models = self._kit.models
        needed = sum(models[key].memory_bytes for key in chunk)
        self._memory_bytes = min(self._memory_bytes, self._kit.sentinel.memory_bytes + needed) / 2
        self._show.line("the runtime was killed: going on with fewer models at once")

    def _left(self, measured: Measured) -> list[str]:
        """Keys of the models still to be timed; first those with some rounds, if they were interrupted."""
        done = {*measured.finished, *measured.failed}
        left = [key for key in self._kit.models if key not in done]
        return sorted(left, key=lambda key: key not in measured.bursts)

    def _chunk(self, left: Sequence[str], measured: Measured) -> list[str]:
        """The next models to load together: all that were begun together, or as many as fit into memory.

        Models whose distributions are compared must share their rounds.
        """
        if self._kit.runs:
            return list(left)
        begun = [key for key in left if key in measured.bursts]
        chosen: list[str] = []
        room = self._memory_bytes - self._kit.sentinel.memory_bytes
        for key in begun or left:
            room -= self._kit.models[key].memory_bytes
            if chosen and room < 0:
                break
            chosen.append(key)
        if len(chosen) < len(begun):  # too many for today's memory: their rounds are not comparable any more
            for key in begun:
                del measured.bursts[key]
        return chosen

    def _time_chunk(self, chunk: Sequence[str], measured: Measured, commit: Callable[[], None]) -> None:
        runner = self._make_runner()
        self.cores = runner.cores
        sentinel = self._load(runner, self._kit.sentinel)
        sessions: dict[str, _Watched] = {}
        for number, key in enumerate(chunk):
            self._show.progress("loading models", number / len(chunk), None)
            try:
                sessions[key] = self._load(runner, self._kit.models[key])
            except ModelError as error:
                if error.died:
                    raise
                self._leave_out(error, measured)
        if not sessions:
            return

        time_them = self._take_runs if self._kit.runs else self._take_rounds
        time_them(sessions, sentinel, measured, commit)
        self._look_again()
        self._take_energies(sessions, measured, commit)
        measured.finished.extend(sessions)  # only now: a session that goes on loads none that are finished
        commit()

    def _take_rounds(
        self,
        sessions: dict[str, _Watched],
        sentinel: _Watched,
        measured: Measured,
        commit: Callable[[], None],
    ) -> None:
        def keep(rounds: Bursts) -> None:
            measured.bursts.update(rounds)
            commit()

        bursts = {key: measured.bursts.get(key, []) for key in sessions}
        progress, share = self._progress(list(sessions), measured)
        budget_s = share * self._kit.budget_s
        measured.retaken += take_rounds(sessions, sentinel, budget_s, bursts, keep, progress)

    def _take_runs(
        self,
        sessions: dict[str, _Watched],
        sentinel: _Watched,
        measured: Measured,
        commit: Callable[[], None],
    ) -> None:
        progress, share = self._progress(list(sessions), measured)
        budget_s = share * self._kit.budget_s
        # `trtexec` makes the runs, in a process of its own, and does not pause between them.
        paced = self._kit.runtime != TENSORRT
        bursts, runs = take_runs(sessions, sentinel, self._kit.runs, budget_s, paced, progress)
        measured.bursts.update(bursts)
        measured.runs.update(runs)
        loading = {key: session.loading_ms() for key, session in sessions.items()}
        measured.loading_ms.update({key: each for key, each in loading.items() if each})
        if self._kit.runtime != TENSORRT:  # whose memory is the GPU's
            for key in sessions:
                self._measure_memory(self._kit.models[key], measured)

    def _measure_memory(self, model: KitModel, measured: Measured) -> None:
        """Note the memory of a process that has only this model."""
        runner = self._make_runner()
        if not isinstance(runner, Worker):
            return
        try:
            found = memory_use(runner, self._path(model), self._kit.batch, model.inputs)
        except BoardError as error:
            self._show.warning(f"{model.key}: its memory is not known ({one_line(error.problem)})")
            return
        if found:
            measured.memory_bytes[model.key] = found

    def _take_energies(
        self, sessions: Mapping[str, _Watched], measured: Measured, commit: Callable[[], None]
    ) -> None:
        """Measure the energy of blocks; whatever goes wrong costs energies, never times.

        Whole networks are left out: predictions add up blocks, and nothing would use theirs.
        """
        models = self._kit.models
        blocks = {key: session for key, session in sessions.items() if models[key].is_block}
        if self._meter is None or not blocks:
            return
        others = sum(models[key].is_block for key in measured.finished)
        total = sum(model.is_block for model in models.values())

        def progress(phase: str, done: float, of: float) -> None:
            self._show.progress(
                phase, (others + len(blocks) - of + done) / total, energy_seconds(int(of - done))
            )

        try:
            impossible = take_energies(self._meter, blocks, measured.energies, commit, progress)
        except MeterError as error:
            self._meter = None
            self._show.warning(f"{error}: no more energies are measured")
        except ModelError as error:
            self._show.warning(f"energies are missing: {error.key} failed meanwhile ({error.reason})")
        else:
            if impossible:
                self._show.warning(
                    f"{len(impossible)} energies that cannot be right are left out, such as that of {impossible[0]}; "
                    "close other programs, and measure again"
                )

    def _load(self, runner: Runner, model: KitModel) -> _Watched:
        try:
            session = runner.load(self._path(model), self._kit.batch, model.inputs)
        except BoardError as error:
            raise ModelError(model.key, error) from error
        return _Watched(model.key, session)

    def _path(self, model: KitModel) -> str:
        return str(self._folder / MODELS / model.file)

    def _progress(
        self, chunk: Sequence[str], measured: Measured
    ) -> tuple[Callable[[str, float, float], None], float]:
        """What shows the progress of a chunk within all, and the chunk's share of the time, as estimated."""
        models = self._kit.models
        total = sum(model.estimated_ms for model in models.values())
        finished = sum(models[key].estimated_ms for key in measured.finished) / total
        here = sum(models[key].estimated_ms for key in chunk) / total
        began_s, first_share = time.monotonic(), -1.0

        def progress(phase: str, done: float, of: float) -> None:
            nonlocal first_share
            share = finished + here * done / of
            first_share = share if first_share < 0 else first_share
            gained, spent_s = share - first_share, time.monotonic() - began_s
            left_s = spent_s * (1 - share) / gained if phase == "timing" and gained > 0.005 else None
            self._show.progress(phase, share, left_s)

        return progress, here


class ModelError(Exception):
    """A model that the runtime refuses, fails on, or dies of; `out_of_memory` if the system killed it."""

    def __init__(self, key: str, error: BoardError) -> None:
        self.key = key
        cause = error.cause if isinstance(error, WorkerDiedError) else ""
        self.died = bool(cause)
        self.out_of_memory = cause == "SIGKILL"
        self.reason = f"the runtime died ({cause})" if cause else one_line(error.problem)
        super().__init__(self.reason)


class _Watched:
    """A session that names its model if the runtime fails."""

    def __init__(self, key: str, session: WorkerSession | TrtexecSession) -> None:
        self._key = key
        self._session = session

    @property
    def interruptions(self) -> int:
        return self._session.interruptions

    def loading_ms(self) -> tuple[float, float] | None:
        return self._session.loading_ms()

    def time_ms(self, calls: int) -> list[float]:
        try:
            return list(self._session.time_ms(calls))
        except BoardError as error:
            raise ModelError(self._key, error) from error
