"""Predicting the latency of one architecture, or of any ONNX file, on one device."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SerializeAsAny, computed_field, field_serializer

from edgenas.device import Device, Provenance
from edgenas.errors import InputError
from edgenas.formats import Document
from edgenas.latency.latency import Latency
from edgenas.latency.network_predictor import LayerLatency
from edgenas.latency.predictor import predictor_for
from edgenas.latency.profile_command import operating_point
from edgenas.latency.table import find_table
from edgenas.pipeline.targets import device_for
from edgenas.settings.keywords import taking
from edgenas.settings.latency_commands import PredictSettings
from edgenas.space import architecture_from_json
from edgenas.vocabulary import Missing

if TYPE_CHECKING:
    from edgenas.onnx_latency.costing import Costing
    from edgenas.onnx_latency.kernels import Kernel

log = logging.getLogger(__name__)


class Prediction(Document):
    """A network's latency and the contribution of each part; `constant_ms` belongs to none of them.

    Attributes:
        device: the device's name.
        architecture: the architecture's id, or the name of the ONNX file.
        conditions: the operating point of the latency: runtime, precision, threads, batch, power mode.
        latency_ms: of one call.
        layers: the blocks of an architecture, or the kernels of an ONNX file (`KernelLatency`).
        constant_ms: latency beyond that of the layers.
        macs: multiply-accumulates for one image.
        params: parameters; for an ONNX file the number of its weights, whether batch norm is folded or not.
        unknown_operators: operators of an ONNX file whose cost is estimated as memory traffic only.
    """

    device: str
    architecture: str
    conditions: str
    latency_ms: Latency
    layers: tuple[SerializeAsAny[LayerLatency], ...]
    constant_ms: float
    macs: int
    params: int
    unknown_operators: tuple[str, ...] = ()

    @computed_field  # type: ignore[prop-decorator]  # a known limitation of mypy
    @property
    def provenance(self) -> Provenance:
        """Provenance of the latency."""
        return self.latency_ms.provenance

    @property
    def is_of_onnx_file(self) -> bool:
        """Whether the layers are kernels of an ONNX file."""
        return hasattr(self.layers[0], "kind")

    @field_serializer("latency_ms")
    def _milliseconds(self, latency: Latency) -> dict[str, float]:
        return {"predicted": latency.predicted, "low": latency.low, "high": latency.high}


@taking(PredictSettings)
def predict(settings: PredictSettings) -> Prediction:
    """Predict the latency of an architecture file or an ONNX file on a device.

    An architecture file is JSON as returned by `SearchSpace.document`; `front.json` and model cards contain such
    objects. An ONNX file is split into the kernels that runtimes fuse. Their costs are learnt from fragments of
    networks that `profile` timed; otherwise they come from the device's model, which is fitted to published latencies
    or based on the datasheet only. `precision` applies to an ONNX file too, whatever the data type of its weights.

    Raises:
        InputError: the file, the device or its table cannot be used.
    """
    path = Path(settings.target)
    device = device_for(settings)
    return (
        _of_onnx(path, device) if path.suffix == ".onnx" else _of_architecture(path, device, settings.missing)
    )


def _of_architecture(path: Path, device: Device, missing: Missing) -> Prediction:
    space, architecture = architecture_from_json(path)
    predictor = predictor_for(space, device, missing)
    return Prediction(
        device=device.name,
        architecture=architecture.id,
        conditions=device.target,
        latency_ms=predictor.predict(architecture),
        layers=tuple(predictor.layers(architecture)),
        constant_ms=predictor.constant_of(architecture),
        macs=space.macs(architecture),
        params=space.parameters(architecture),
    )


def _of_onnx(path: Path, device: Device) -> Prediction:
    # Imported only when needed: onnx loads slowly.
    from edgenas.onnx_latency import costing, kernel_fusion, onnx_reading, shape_inference

    graph = shape_inference.shaped(onnx_reading.read_model(path, device.batch))
    kernels = kernel_fusion.fused_kernels(graph)
    if not kernels:
        raise InputError(f"{path}: the model only reshapes its input", "give a model that computes something")
    costs = _costing(kernels, graph.shape_nodes, device)
    return Prediction(
        device=device.name,
        architecture=path.name,
        conditions=device.target,
        latency_ms=costing.graph_latency(kernels, costs),
        layers=tuple(costing.kernel_latencies(kernels, costs, device.precision)),
        constant_ms=costs.constant_ms,
        macs=sum(kernel.macs for kernel in kernels) // device.batch,
        params=sum(kernel.weights for kernel in kernels),
        unknown_operators=costing.unknown_operators(kernels),
    )


def _costing(kernels: Sequence["Kernel"], shape_nodes: int, device: Device) -> "Costing":
    """Costs by the kernels timed on the device; if there are none, by the device's model."""
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
            "no kernels of ONNX files were timed on %s, and its datasheet may not describe this machine: the "
            "prediction may be wrong by a large factor; %s",
            device.name,
            f"time them with a full profile: edgenas profile --device {device.name} {operating_point(device)}"
            if device.precision == fragment_timing.PRECISION
            else f"they can be timed at {fragment_timing.PRECISION} only",
        )
    return costing.costing_from_model(kernels, model)
