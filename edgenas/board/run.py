"""Times the models of a kit on this board, and writes results.json beside this file.

python3 run.py             measures; Ctrl-C stops, the same command goes on
python3 run.py --check     looks at the board and runs the smallest model, nothing else
python3 run.py --lines     shows progress as lines of JSON, for a program that reads them
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Sequence

from edgenas.board.bursts import disturbed
from edgenas.board.conditions import STEADY, changes, disk_free, machine_conditions, memory_available
from edgenas.board.display import Lines, Terminal
from edgenas.board.ending import INTERRUPTED, in_good_order
from edgenas.board.energy import energy_seconds
from edgenas.board.host import cores, description, fingerprint, state
from edgenas.board.kit_folder import (
    RESULTS,
    RESULTS_SCHEMA,
    UNFINISHED,
    Measured,
    keep_unfinished,
    make_weights,
    missing_weights,
    read_unfinished,
    write_json,
)
from edgenas.board.kit_timing import KitTimer, Runner
from edgenas.board.manifest import MODELS, TENSORRT, read_kit
from edgenas.board.power import Meter, find_meter, why_no_meter
from edgenas.board.problem import BoardError, one_line
from edgenas.board.session_lock import only_session
from edgenas.board.trtexec import Trtexec
from edgenas.board.worker import WORKER, Worker, WorkerDiedError, work

LOADED_SHARE = 0.5
"""Share of the available memory for the models that are loaded at once."""

UNKNOWN_MEMORY_BYTES = 2**31
"""Assumed to be available where the system does not say."""

SPARE_BYTES = 64 * 2**20
"""Room on the disk for what is measured."""

MANY_DISTURBED = 0.2
"""Share of disturbed timings above which the board is said not to be quiet."""

ENGINES = "engines"
"""Folder for what TensorRT builds."""

CHECK, LINES = "--check", "--lines"


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say.

    Returns:
        The exit code: 0 all timed, 1 not all, 2 usage, 3 trouble, 128 + the number of the signal that stopped it.
    """
    if arguments[:1] == [WORKER]:
        work(*arguments[1:])
        return 0
    if set(arguments) - {CHECK, LINES}:
        sys.stderr.write(__doc__ or "")
        return 2
    try:
        show = Lines() if LINES in arguments else Terminal()
        return in_good_order(lambda: _run(CHECK in arguments, show))
    except BrokenPipeError:  # whoever started this has gone: it will be started again
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return INTERRUPTED


def _run(only_check: bool, show: Terminal) -> int:
    try:
        run = _Run(Path(__file__).resolve().parent, show)
        if only_check:
            run.look()
            return 0
        return run.measure()
    except BoardError as error:
        show.error(str(error))
        return 3
    except KeyboardInterrupt:
        show.error("stopped; what was measured is kept: run the same command to go on")
        return INTERRUPTED


class _Run:
    """One session of measuring a kit.

    Args:
        folder: of the kit.
        show: how progress is shown.
    """

    def __init__(self, folder: Path, show: Terminal) -> None:
        self._folder = folder
        self._show = show
        self._kit = read_kit(folder)
        self._meter: Meter | None = None

    def look(self) -> tuple[Measured, str]:
        """Show the board's conditions and run the sentinel.

        Returns:
            An empty measurement with these conditions, and the version of the runtime.

        Raises:
            BoardError: nothing can be measured.
        """
        kit, show = self._kit, self._show
        measured = Measured(
            before=machine_conditions(kit.uses_gpu), throttle_events=state(kit.uses_gpu).throttle_events
        )
        for condition in measured.before:
            if condition.hint:
                show.warning(f"{condition.name}: {condition.detail} - {condition.hint}")
            else:
                show.line(f"{condition.name}: {condition.detail}")
        self._check_room()
        version = self._first_call()
        show.line(f"{kit.runtime} {version} ({kit.provider}) runs on this board")
        self._look_for_meter()
        return measured, version

    def measure(self) -> int:
        """Time everything and write the results; returns the exit code."""
        kit, show, folder = self._kit, self._show, self._folder
        carried = isinstance(show, Lines)  # beside other kits, of which one is measured at a time
        with only_session(folder.parent if carried else folder, takes_over=carried):
            measured, version = self.look()
            steady = [each.detail for each in measured.before if each.name in STEADY]
            machine = ", ".join([version, fingerprint(kit.uses_gpu), *steady])
            if earlier := read_unfinished(folder, kit, machine):
                measured = earlier
                show.line(f"goes on: {len(measured.finished)} of {len(kit.models)} models are timed already")
            memory_bytes = LOADED_SHARE * (memory_available() or UNKNOWN_MEMORY_BYTES)
            look_again = partial(self._look_again, measured)
            timer = KitTimer(folder, kit, self._runner, memory_bytes, show, self._meter, look_again)
            timer.time_all(measured, lambda: keep_unfinished(folder, kit, machine, measured))
            if not measured.finished:
                raise BoardError(
                    f"no model could be timed: {next(iter(measured.failed.values()))}", "use another runtime"
                )
            self._write_results(measured, version, timer.cores)
        return 1 if measured.failed else 0

    def _look_for_meter(self) -> None:
        """Find a power meter if there are blocks to measure, and say how long that takes."""
        kit = self._kit
        blocks = sum(model.is_block for model in kit.models.values())
        if not blocks or kit.runtime == TENSORRT:  # each of whose timings is a program that starts first
            return
        self._meter = find_meter(kit.uses_gpu)
        if self._meter is None:
            self._show.line(f"power meter: {why_no_meter(kit.uses_gpu)}")
            return
        minutes = max(1, energy_seconds(blocks) / 60)
        self._show.line(
            f"power meter: {self._meter.name}; the energy of {blocks} blocks takes about {minutes:.0f} min more"
        )

    def _look_again(self, measured: Measured) -> None:
        """Note the conditions after times were taken."""
        gpu = self._kit.uses_gpu
        measured.after, measured.later_throttle_events = machine_conditions(gpu), state(gpu).throttle_events

    def _check_room(self) -> None:
        kit, missing = self._kit, missing_weights(self._folder, self._kit.weights_bytes)
        needed = sum(missing.values()) + SPARE_BYTES
        if disk_free(str(self._folder)) < needed:
            raise BoardError(
                f"the disk of {self._folder} has less than {needed / 2**20:.0f} MiB free", "free disk space"
            )
        if kit.threads > cores():
            raise BoardError(
                f"the kit is for {kit.threads} threads, this board has {cores()} cores",
                "repeat with fewer --threads (a kit is to be made again)",
            )
        make_weights(self._folder, missing)

    def _first_call(self) -> str:
        """Version of the runtime, after a first run in a process that may die.

        Raises:
            BoardError: the runtime is missing, dies, or cannot run the smallest model.
        """
        try:
            runner = self._runner()
            runner.load(str(self._folder / MODELS / self._kit.sentinel.file), self._kit.batch).time_ms(1)
        except WorkerDiedError as error:
            hint = "install another version of it"
            if error.cause == "SIGILL":
                hint = "it is built for another processor: install a version made for this one"
            raise BoardError(f"{self._kit.runtime} died in its first call ({error.cause})", hint) from error
        return runner.version

    def _runner(self) -> Runner:
        if self._kit.runtime == TENSORRT:
            return Trtexec(self._folder / ENGINES, self._kit.precision, self._show.line)
        command = [sys.executable, str(Path(__file__).resolve()), WORKER, ""]
        return Worker(command, self._kit.provider, self._kit.threads)

    def _write_results(self, measured: Measured, version: str, pinned: Sequence[int]) -> None:
        kit = self._kit
        now = state(kit.uses_gpu)
        counts = (measured.throttle_events, measured.later_throttle_events)
        throttled = None if counts[0] is None or counts[1] is None else max(0, counts[1] - counts[0])
        write_json(
            self._folder / RESULTS,
            {
                "schema": RESULTS_SCHEMA,
                "plan": kit.plan,
                "manifest_sha256": kit.sha256,
                "runtime": kit.runtime,
                "runtime_version": one_line(version),
                "provider": kit.provider,
                "cores": list(pinned),
                "host": fingerprint(kit.uses_gpu),
                "host_description": one_line(description(kit.uses_gpu)),
                "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "governor": now.governor,
                "frequency_mhz": now.frequency_mhz,
                "temperature_c": now.temperature_c,
                "throttle_events": throttled,
                "before": measured.before,
                "after": measured.after,
                "retaken": measured.retaken,
                "failed": measured.failed,
                "bursts": measured.bursts,
                "runs": measured.runs,
                "loading_ms": measured.loading_ms,
                "memory_bytes": measured.memory_bytes,
                "energies": measured.energies,
            },
        )
        (self._folder / UNFINISHED).unlink()
        self._say_how_it_went(measured, changes(measured.before, measured.after), throttled)

    def _say_how_it_went(self, measured: Measured, changed: Sequence[str], throttled: int | None) -> None:
        show = self._show
        for change in changed:
            show.warning(f"meanwhile, {change}")
        if throttled:
            show.warning(f"meanwhile, the processor was throttled ({throttled} times): cool the board")
        off = len(disturbed(measured.bursts)) / sum(map(len, measured.bursts.values()))
        if off > MANY_DISTURBED:
            show.warning(
                f"the board was slower or faster than usual in {off:.0%} of the timings: cool it, close other "
                "programs, and run this again to measure anew"
            )
        for key, reason in measured.failed.items():
            show.warning(f"not timed: {key} ({reason})")
        show.line(f"{len(measured.finished)} models timed; results: {self._folder / RESULTS}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
