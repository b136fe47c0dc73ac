"""The folder of an unpacked kit: its manifest and models, the rounds measured so far, and the results."""

from __future__ import annotations

import array
import hashlib
import json
import os
import random
import re
import struct
import tempfile
from pathlib import Path
from typing import Any, Callable, NamedTuple

from edgenas.board.bursts import Burst, Bursts
from edgenas.board.problem import BoardError

MANIFEST, MODELS, UNFINISHED, RESULTS = "manifest.json", "models", "unfinished.json", "results.json"

KIT_SCHEMA, RESULTS_SCHEMA, UNFINISHED_SCHEMA = "edgenas.kit/1", "edgenas.results/1", "edgenas.unfinished/1"

_FILE = re.compile(r"[0-9]{1,6}\.onnx")

TILE = 1 << 18
"""Numbers that are drawn; the weights repeat them."""

_PACK: dict[str, Callable[[list[float]], bytes]] = {
    "float32": lambda numbers: array.array("f", numbers).tobytes(),
    "float16": lambda numbers: struct.pack(f"<{len(numbers)}e", *numbers),
    "int8": lambda numbers: array.array("b", [int(600 * each) for each in numbers]).tobytes(),
    "uint8": lambda numbers: array.array("B", [128 + int(600 * each) for each in numbers]).tobytes(),
    "int32": lambda numbers: array.array("i", [int(1000 * each) for each in numbers]).tobytes(),
}
"""From numbers between -0.1 and 0.1 to weights of a type: neither vanishing nor overflowing, never denormal."""


class KitModel(NamedTuple):
    """A model to time.

    Attributes:
        key: its name in the results.
        file: its file among the models.
        sha256: checksum of the file.
        memory_bytes: estimate of what it needs once loaded.
        estimated_ms: estimate of a run, for the time left.
    """

    key: str
    file: str
    sha256: str
    memory_bytes: int
    estimated_ms: float


class Kit(NamedTuple):
    """What a manifest says.

    Attributes:
        runtime: what executes the models.
        provider: the runtime's name for the backend.
        threads: threads per operator.
        batch: images per call.
        uses_gpu: whether the models run on a GPU.
        budget_s: target duration of the timing.
        weights_bytes: sizes of the weights that all models share, by type.
        plan: what the results are for; passed on as it is.
        sentinel: key of the model that monitors the machine's speed.
        models: all models, the sentinel among them.
        sha256: checksum of the manifest.
    """

    runtime: str
    provider: str
    threads: int
    batch: int
    uses_gpu: bool
    budget_s: float
    weights_bytes: dict[str, int]
    plan: dict[str, Any]
    sentinel: str
    models: list[KitModel]
    sha256: str


class Measured(NamedTuple):
    """What has been measured, in this and earlier sessions.

    Attributes:
        bursts: by the key of a model; a model may still lack rounds.
        finished: keys of models with all their rounds.
        failed: by the key of a model, why it could not be timed.
        retaken: how many bursts were repeated.
    """

    bursts: Bursts
    finished: list[str]
    failed: dict[str, str]
    retaken: list[int]


def read_kit(folder: Path) -> Kit:
    """Read the manifest and check every model's file.

    Raises:
        BoardError: a file is missing or is not the one that the manifest names.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        found = json.loads(content)
        if found["schema"] != KIT_SCHEMA:
            raise ValueError(f"schema {found['schema']!r}")
        models = [KitModel(**each) for each in found["models"]]
        fields = {name: found[name] for name in Kit._fields if name not in ("models", "sha256")}
        kit = Kit(models=models, sha256=hashlib.sha256(content).hexdigest(), **fields)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BoardError(f"{path} is not the manifest of a kit ({error})", "unpack the kit again") from error
    for model in models:
        _check_file(folder / MODELS, model)
    return kit


def _check_file(folder: Path, model: KitModel) -> None:
    path = folder / str(model.file)
    if not _FILE.fullmatch(str(model.file)) or path.is_symlink():
        raise BoardError(f"{MANIFEST} names a file outside the kit: {model.file!r:.60}", "use another kit")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BoardError(f"{path} cannot be read ({error.strerror})", "unpack the kit again") from error
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise BoardError(f"{path} is damaged", "unpack the kit again")


def make_weights(folder: Path, sizes: dict[str, int]) -> None:
    """Write the random weights that all models share, unless they are there; a kit would be too large with them.

    Raises:
        BoardError: the disk is full, or a type that no kit has.
    """
    draw = random.Random(0)
    numbers = [draw.uniform(-0.1, 0.1) for _ in range(TILE)]
    for name, size in sizes.items():
        path = folder / MODELS / weights_file(name)
        if name not in _PACK:
            raise BoardError(f"{MANIFEST} asks for weights of type {name!r:.20}", "use another kit")
        if path.is_file() and path.stat().st_size == size:
            continue
        tile = _PACK[name](numbers)
        try:
            with path.open("wb") as file:
                for start in range(0, size, len(tile)):
                    file.write(tile[: size - start])
        except OSError as error:
            raise BoardError(
                f"{path} cannot be written ({error.strerror})", f"free {size / 2**20:.0f} MiB"
            ) from error


def weights_file(name: str) -> str:
    """The file with the shared weights of a type."""
    return f"weights.{name}"


def read_unfinished(folder: Path, kit: Kit, machine: str) -> Measured:
    """What earlier sessions measured of this kit on this machine; nothing if they measured something else."""
    nothing = Measured({}, [], {}, [0])
    try:
        found = json.loads((folder / UNFINISHED).read_text(encoding="utf-8"))
        if (found["schema"], found["kit"], found["machine"]) != (UNFINISHED_SCHEMA, kit.sha256, machine):
            return nothing
        bursts = {key: [Burst(*each) for each in rounds] for key, rounds in found["bursts"].items()}
        return Measured(bursts, found["finished"], found["failed"], found["retaken"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return nothing


def keep_unfinished(folder: Path, kit: Kit, machine: str, measured: Measured) -> None:
    """Write what has been measured so far.

    Raises:
        BoardError: the disk is full.
    """
    content = {"schema": UNFINISHED_SCHEMA, "kit": kit.sha256, "machine": machine, **measured._asdict()}
    write_json(folder / UNFINISHED, content)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a file atomically.

    Raises:
        BoardError: the disk is full, or the folder cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=str(path.parent), prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError as error:
        raise BoardError(
            f"{path} cannot be written ({error.strerror})", "free disk space, and run this again"
        ) from error
