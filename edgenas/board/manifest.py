"""The manifest of a kit: what is to be timed, checked before anything is used."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Sequence

from edgenas.board.problem import BoardError

MANIFEST, MODELS = "manifest.json", "models"

KIT_SCHEMA = "edgenas.kit/1"

ONNX_RUNTIME, TENSORRT = "onnxruntime", "tensorrt"

RUNTIMES = (ONNX_RUNTIME, TENSORRT)
"""What this runner can time models with."""

PRECISIONS = ("fp32", "fp16", "int8")

WEIGHT_TYPES = ("float32", "float16", "int8", "uint8", "int32")
"""Types of the weights that models share."""

MAX_MANIFEST_BYTES = 64 * 2**20
MAX_WEIGHTS_BYTES = 4 * 2**30
MAX_MODELS = 100_000
MAX_RUNS = 100_000

_FILE = re.compile(r"[0-9]{1,6}\.onnx")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class KitModel(NamedTuple):
    """A model to time.

    Attributes:
        key: its name in the results.
        file: its file among the models.
        sha256: checksum of the file.
        memory_bytes: estimate of what it needs once loaded.
        estimated_ms: estimate of a run, for the time left.
        is_block: whether it is a single block, whose energy is measured too where there is a power meter.
        inputs: shapes by the names of its inputs; open axes of others have the size of the batch.
    """

    key: str
    file: str
    sha256: str
    memory_bytes: int
    estimated_ms: float
    is_block: bool = False
    inputs: Mapping[str, Sequence[int]] = {}


class Kit(NamedTuple):
    """What a manifest says.

    Attributes:
        runtime: what executes the models.
        provider: the runtime's name for the backend.
        threads: threads per operator.
        batch: images per call.
        precision: of the models: fp32, fp16 or int8.
        uses_gpu: whether the models run on a GPU.
        budget_s: target duration of the timing.
        weights_bytes: sizes of the weights that all models share, by type.
        plan: what the results are for; passed on as it is.
        sentinel: the model that monitors the machine's speed.
        models: the models to time, by key, without the sentinel; at least one.
        sha256: checksum of the manifest.
        runs: of each model, for a distribution of its times; 0 for bursts and rounds.
    """

    runtime: str
    provider: str
    threads: int
    batch: int
    precision: str
    uses_gpu: bool
    budget_s: float
    weights_bytes: dict[str, int]
    plan: dict[str, Any]
    sentinel: KitModel
    models: dict[str, KitModel]
    sha256: str
    runs: int = 0


def read_kit(folder: Path) -> Kit:
    """Read the manifest and check every model's file.

    Raises:
        BoardError: the manifest is invalid, or a file is missing or is not the one that it names.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError("it is too large")
        content = path.read_bytes()
        kit = _kit_from(json.loads(content, parse_constant=_refused), hashlib.sha256(content).hexdigest())
    except (OSError, ValueError, RecursionError) as error:
        reason = ascii(str(error))[1:-1][:120]
        raise BoardError(f"{path} is not the manifest of a kit ({reason})", "unpack the kit again") from error
    if (folder / MODELS).is_symlink():
        raise BoardError(f"{folder / MODELS} is a link", "unpack the kit again")
    for model in (kit.sentinel, *kit.models.values()):
        _check_file(folder / MODELS / model.file, model)
    return kit


def _kit_from(found: Any, sha256: str) -> Kit:
    if not isinstance(found, dict) or found.get("schema") != KIT_SCHEMA:
        raise ValueError(f"its schema is not {KIT_SCHEMA}")
    listed = _listed(found, "models", list)
    if len(listed) > MAX_MODELS:
        raise ValueError("it has too many models")
    models = {model.key: model for model in map(_model_from, listed)}
    if len(models) < len(listed):
        raise ValueError("two models have the same key")
    sentinel = models.pop(_printable(found, "sentinel"), None)
    if sentinel is None or not models:
        raise ValueError("it lacks the sentinel, or has no other model")
    runtime = _printable(found, "runtime")
    if runtime not in RUNTIMES:
        raise ValueError(f"this runner has no {runtime}")
    precision = _printable(found, "precision")
    if precision not in PRECISIONS:
        raise ValueError(f"this runner has no {precision}")
    sizes = _listed(found, "weights_bytes", dict)
    if not set(sizes) <= set(WEIGHT_TYPES):
        raise ValueError("weights_bytes names an unknown type")
    return Kit(
        runtime=runtime,
        provider=_printable(found, "provider"),
        threads=_whole(found, "threads", 1, 1024),
        batch=_whole(found, "batch", 1, 1024),
        precision=precision,
        uses_gpu=_listed(found, "uses_gpu", bool),
        budget_s=_finite(found, "budget_s", 86_400),
        weights_bytes={name: _whole(sizes, name, 0, MAX_WEIGHTS_BYTES) for name in sizes},
        plan=_listed(found, "plan", dict),
        sentinel=sentinel,
        models=models,
        sha256=sha256,
        runs=_whole(found, "runs", 0, MAX_RUNS) if "runs" in found else 0,
    )


def _model_from(found: Any) -> KitModel:
    if not isinstance(found, dict):
        raise ValueError("a model is not an object")
    file, checksum = _printable(found, "file"), _printable(found, "sha256")
    if not _FILE.fullmatch(file):
        raise ValueError(f"it names a file outside the kit: {file!r:.60}")
    if not _SHA256.fullmatch(checksum):
        raise ValueError("sha256 is no checksum")
    return KitModel(
        key=_printable(found, "key"),
        file=file,
        sha256=checksum,
        memory_bytes=_whole(found, "memory_bytes", 0, 2**53),
        estimated_ms=_finite(found, "estimated_ms", 1e6),
        is_block=_listed({"is_block": False, **found}, "is_block", bool),
        inputs={
            name: _sizes(shape) for name, shape in _listed({"inputs": {}, **found}, "inputs", dict).items()
        },
    )


def _sizes(found: Any) -> list[int]:
    """The shape of an input."""
    if not isinstance(found, list) or not all(type(size) is int and 0 < size < 2**31 for size in found):
        raise ValueError("inputs has no valid shapes")
    return list(found)


def _check_file(path: Path, model: KitModel) -> None:
    if path.is_symlink():
        raise BoardError(f"{path} is a link", "unpack the kit again")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BoardError(f"{path} cannot be read ({error.strerror})", "unpack the kit again") from error
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise BoardError(f"{path} is damaged", "unpack the kit again")


def _listed(fields: Mapping[str, Any], name: str, kind: type) -> Any:
    """A field that must be of a type."""
    value = fields.get(name)
    if type(value) is not kind:
        raise ValueError(f"{name} is missing or of a wrong type")
    return value


def _printable(fields: Mapping[str, Any], name: str) -> str:
    value = str(_listed(fields, name, str))
    if not value or len(value) > 200 or not value.isprintable():
        raise ValueError(f"{name} is no short, printable text")
    return value


def _whole(fields: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = int(_listed(fields, name, int))
    if not least <= value <= most:
        raise ValueError(f"{name} is out of range")
    return value


def _finite(fields: Mapping[str, Any], name: str, most: float) -> float:
    """A positive number."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
        raise ValueError(f"{name} is missing or out of range")
    return float(value)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")
