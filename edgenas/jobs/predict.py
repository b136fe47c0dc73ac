"""Predicting the latency of one architecture on one device."""

from dataclasses import dataclass
from pathlib import Path

from edgenas.device import Precision, find_device
from edgenas.errors import InputError
from edgenas.latency.predictor import Latency, LayerLatency, Missing, predictor_for
from edgenas.space import architecture_from_json


@dataclass(frozen=True, slots=True)
class Prediction:
    """A network's latency and what each of its blocks adds; `constant_ms` belongs to no block."""

    device: str
    architecture: str
    latency: Latency
    layers: list[LayerLatency]
    constant_ms: float
    macs: int
    params: int


def predict(
    target: Path | str,
    device: str,
    threads: int | None = None,
    precision: Precision | None = None,
    batch: int | None = None,
    missing: Missing = "refuse",
) -> Prediction:
    """Predict the latency of an architecture file on a device.

    Args:
        target: a JSON file as `SearchSpace.document` gives it (also found in `front.json` and on cards).
        device: name or alias.
        threads: overrides the device's thread count.
        precision: overrides the device's precision: `fp32`, `fp16` or `int8`.
        batch: overrides the device's batch size.
        missing: what to do about blocks the device's table lacks: `refuse`, or `interpolate` between its others.

    Raises:
        InputError: the file, the device or its table cannot be used.
    """
    path = Path(target)
    if path.suffix == ".onnx":
        raise InputError(
            f"{path}: latency of ONNX files is not predicted yet",
            "give its card, the .json beside it, or an architecture JSON",
        )
    where = find_device(device, threads, precision, batch)
    space, architecture = architecture_from_json(path)
    predictor = predictor_for(space, where, missing)
    return Prediction(
        device=where.name,
        architecture=architecture.id,
        latency=predictor.predict(architecture),
        layers=predictor.layers(architecture),
        constant_ms=predictor.constant_ms,
        macs=space.macs(architecture),
        params=space.parameters(architecture),
    )
