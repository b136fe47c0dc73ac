"""What a runner writes into the folder of a kit: shared weights, the rounds measured so far, and the results."""

from __future__ import annotations

import array
import json
import os
import random
import struct
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Callable, Mapping

from edgenas.board.bursts import Burst, Bursts
from edgenas.board.energy import Energies, Energy
from edgenas.board.manifest import MODELS, Kit
from edgenas.board.problem import BoardError

UNFINISHED, RESULTS = "unfinished.json", "results.json"

RESULTS_SCHEMA, UNFINISHED_SCHEMA = "edgenas.results/1", "edgenas.unfinished/1"

MAX_AGE_S = 3600.0
"""Incomplete rounds that are older are discarded: the machine's speed may have drifted since."""

TILE = 1 << 18
"""Numbers that are drawn; the weights repeat them."""

_PACK: dict[str, Callable[[list[float]], bytes]] = {
    "float32": lambda numbers: array.array("f", numbers).tobytes(),
    "float16": lambda numbers: struct.pack(f"<{len(numbers)}e", *numbers),
    "int8": lambda numbers: array.array("b", [int(600 * each) for each in numbers]).tobytes(),
    "uint8": lambda numbers: array.array("B", [128 + int(600 * each) for each in numbers]).tobytes(),
    "int32": lambda numbers: array.array("i", [int(1000 * each) for each in numbers]).tobytes(),
}
"""From numbers of size 0.001 to 0.1 to weights of a type: neither vanishing nor overflowing, never denormal."""


@dataclass
class Measured:
    """What has been measured, in this and earlier sessions.

    Attributes:
        before: conditions when the first session began.
        throttle_events: as counted then.
        after: conditions when the latest times had been taken.
        later_throttle_events: as counted then.
        bursts: by the key of a model; a model may still lack rounds.
        finished: keys of models with all their rounds.
        failed: by the key of a model, why it could not be timed.
        retaken: how many bursts were repeated.
        runs: by the key of a model, every run, where the kit asks for a distribution (`bursts.Runs`).
        loading_ms: by the key of a model, milliseconds of loading it and of its first run, likewise.
        memory_bytes: by the key of a model, the memory of a process of its own, likewise (`worker.MemoryUse`).
        energies: of runs of blocks, by the key of the model.
    """

    before: list[Any]
    throttle_events: int | None = None
    after: list[Any] = field(default_factory=list)
    later_throttle_events: int | None = None
    bursts: Bursts = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    retaken: int = 0
    runs: dict[str, Any] = field(default_factory=dict)
    loading_ms: dict[str, Any] = field(default_factory=dict)
    memory_bytes: dict[str, Any] = field(default_factory=dict)
    energies: Energies = field(default_factory=dict)


def missing_weights(folder: Path, sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes of the shared weights that are yet to be written."""
    return {
        name: size
        for name, size in sizes.items()
        if (path := folder / MODELS / weights_file(name)).is_symlink()
        or not path.is_file()
        or path.stat().st_size != size
    }


def make_weights(folder: Path, sizes: Mapping[str, int]) -> None:
    """Write random weights that all models share; a kit would be too large with them.

    Raises:
        BoardError: the disk is full, or the folder cannot be written.
    """
    draw = random.Random(0)
    numbers = [draw.choice((-1, 1)) * draw.uniform(0.001, 0.1) for _ in range(TILE)] if sizes else []
    for name, size in sizes.items():
        tile = _PACK[name](numbers)

        def write(file: IO[bytes], tile: bytes = tile, size: int = size) -> None:
            for start in range(0, size, len(tile)):
                file.write(tile[: size - start])

        _replace(folder / MODELS / weights_file(name), write)


def weights_file(name: str) -> str:
    """The file with the shared weights of a type."""
    return f"weights.{name}"


def read_unfinished(folder: Path, kit: Kit, machine: str) -> Measured | None:
    """What earlier sessions measured of this kit on this machine; None if they measured something else."""
    try:
        found = json.loads((folder / UNFINISHED).read_text(encoding="utf-8"))
        if (found["schema"], found["kit"], found["machine"]) != (UNFINISHED_SCHEMA, kit.sha256, machine):
            return None
        measured = Measured(**found["measured"])
        known, recent = set(kit.models), abs(time.time() - found["at_s"]) <= MAX_AGE_S
        measured.finished = [key for key in measured.finished if key in known]
        kept = known if recent else set(measured.finished)
        measured.bursts = {
            key: [Burst(*each) for each in rounds] for key, rounds in measured.bursts.items() if key in kept
        }
        measured.energies = {key: Energy(*each) for key, each in measured.energies.items() if key in kept}
        measured.failed = {}  # it is worth another try
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # only some timing is lost
        return None
    return measured


def keep_unfinished(folder: Path, kit: Kit, machine: str, measured: Measured) -> None:
    """Write what has been measured so far.

    Raises:
        BoardError: the disk is full.
    """
    identity = {"schema": UNFINISHED_SCHEMA, "kit": kit.sha256, "machine": machine, "at_s": time.time()}
    write_json(folder / UNFINISHED, {**identity, "measured": asdict(measured)})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a file atomically.

    Raises:
        BoardError: the disk is full, or the folder cannot be written.
    """
    text = json.dumps(content).encode()
    _replace(path, lambda file: file.write(text))


def _replace(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    try:
        handle, name = tempfile.mkstemp(dir=str(path.parent), prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise BoardError(
            f"{path} cannot be written ({error.strerror})", "free disk space, or choose a folder of your own"
        ) from error
