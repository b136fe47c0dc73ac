"""Predicting the latency of one architecture, or of any ONNX file, on one device."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgenas.device import Device, Precision, Provenance, find_device
from edgenas.errors import InputError
from edgenas.latency.latency import Latency
from edgenas.latency.predictor import LayerLatency, Missing, operating_point, predictor_for
from edgenas.latency.table import find_table
from edgenas.space import architecture_from_json

if TYPE_CHECKING:
    from edgenas.onnx_latency.costing import Costing
    from edgenas.onnx_latency.kernels import Kernel

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A network's latency and what each of its parts adds; `constant_ms` belongs to none of them.

    Attributes:
        device: the device's name.
        architecture: the architecture's id, or the name of the ONNX file.
        conditions: what the latency stands for: runtime, precision, threads, batch, power mode.
        latency: of one call.
        layers: an architecture's blocks; an ONNX file's kernels (`KernelLatency`).
        constant_ms: what the network costs beside them.
        macs: multiply-accumulates for one image.
        params: parameters; of an ONNX file the numbers in its weights, batch norm folded or not.
        unknown_operators: of an ONNX file: costed as memory traffic alone.
    """

    device: str
    architecture: str
    conditions: str
    latency: Latency
    layers: Sequence[LayerLatency]
    constant_ms: float
    macs: int
    params: int
    unknown_operators: tuple[str, ...] = ()


def predict(
    target: Path | str,
    device: str,
    threads: int | None = None,
    precision: Precision | None = None,
    batch: int | None = None,
    missing: Missing = "refuse",
    power_mode: str | None = None,
) -> Prediction:
    """Predict the latency of an architecture file or an ONNX file on a device.

    An ONNX file is split into the kernels that runtimes fuse; what each costs was learnt from fragments of networks
    that `profile` timed, or follows from the device's model: fitted to published latencies, or its datasheet alone.

    Args:
        target: a JSON file as `SearchSpace.document` gives it (also found in `front.json` and on cards), or any
            ONNX file (`.onnx`) with one input.
        device: name or alias.
        threads: overrides the device's thread count.
        precision: overrides the device's precision: `fp32`, `fp16` or `int8`. It is also that of an ONNX file,
            whatever the file's numbers are.
        batch: overrides the device's batch size.
        missing: what to do about blocks the device's table lacks: `refuse`, or `interpolate` between its others.
        power_mode: one of the device's power modes instead of its own.

    Raises:
        InputError: the file, the device or its table cannot be used.
    """
    path = Path(target)
    where = find_device(device, threads, precision, batch, power_mode)
    return _of_onnx(path, where) if path.suffix == ".onnx" else _of_architecture(path, where, missing)


def _of_architecture(path: Path, device: Device, missing: Missing) -> Prediction:
    space, architecture = architecture_from_json(path)
    predictor = predictor_for(space, device, missing)
    return Prediction(
        device=device.name,
        architecture=architecture.id,
        conditions=device.target,
        latency=predictor.predict(architecture),
        layers=predictor.layers(architecture),
        constant_ms=predictor.constant_ms,
        macs=space.macs(architecture),
        params=space.parameters(architecture),
    )


def _of_onnx(path: Path, device: Device) -> Prediction:
    # Not for every prediction: onnx takes a while to load.
    from edgenas.onnx_latency import costing, kernel_fusion, onnx_reading, shape_inference

    graph = shape_inference.shaped(onnx_reading.read_model(path, device.batch))
    kernels = kernel_fusion.fused_kernels(graph)
    if not kernels:
        raise InputError(f"{path}: only reshapes its input", "give a model that computes something")
    costs = _costing(kernels, graph.shape_nodes, device)
    return Prediction(
        device=device.name,
        architecture=path.name,
        conditions=device.target,
        latency=costing.graph_latency(kernels, costs),
        layers=costing.kernel_latencies(kernels, costs, device.precision),
        constant_ms=costs.constant_ms,
        macs=sum(kernel.macs for kernel in kernels) // device.batch,
        params=sum(kernel.weights for kernel in kernels),
        unknown_operators=costing.unknown_operators(kernels),
    )


def _costing(kernels: Sequence["Kernel"], shape_nodes: int, device: Device) -> "Costing":
    """By what was timed on the device; where nothing was, by its model."""
    from edgenas.device_models.fitted import model_of
    from edgenas.onnx_latency import costing, fragment_timing, kernel_fitting

    found = find_table(device)
    if found and found[1].fragments:
        return costing.costing_from_fragments(
            kernels, kernel_fitting.KernelCosts(found[1].fragments), shape_nodes
        )
    model = model_of(device)
    if device.is_host and model.provenance is Provenance.ESTIMATED:
        log.warning(
            "no kernels of ONNX files were timed on %s, and its datasheet need not describe this machine: it may be "
            "many times off; %s",
            device.name,
            f"time them with a full profile: edgenas profile --device {device.name} {operating_point(device)}"
            if device.precision == fragment_timing.PRECISION
            else f"that is done at {fragment_timing.PRECISION} alone",
        )
    return costing.costing_from_model(kernels, model)
