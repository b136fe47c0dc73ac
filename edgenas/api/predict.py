"""Predicting the latency of one architecture, or of any ONNX file, on one device."""

from pathlib import Path

from pydantic import SerializeAsAny, computed_field, field_serializer

from edgenas.advice.record import Advice, FixedFile
from edgenas.device import Device, Provenance
from edgenas.errors import InputError
from edgenas.formats import Document, parse_json
from edgenas.inputs.targets import device_for
from edgenas.latency.energy import Energy
from edgenas.latency.latency import DataRange, Latency
from edgenas.latency.network_predictor import LayerLatency
from edgenas.latency.predictor import predictor_for
from edgenas.onnx_latency.other_formats import is_model
from edgenas.settings.keywords import taking
from edgenas.settings.latency_commands import PredictSettings
from edgenas.space import architecture_from_json
from edgenas.vocabulary import Missing, Precision


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
        energy_mj: of one call, beyond that of the idle board; None if not that of all blocks was measured.
        params: parameters; for an ONNX file the number of its weights, whether batch norm is folded or not.
        unknown_operators: operators of an ONNX file whose cost is estimated as memory traffic only.
        scaled_from: threads and batch at which the kernels of an ONNX file were timed, such as `batch 1`, if at others.
        data_range: latencies of an ONNX file for other inputs of the same sizes, if what runs depends on them.
        advice: what in an ONNX file costs needlessly, the most first; None unless it was asked for.
        fixed: the file that was written without it, likewise.
    """

    device: str
    architecture: str
    conditions: str
    latency_ms: Latency
    energy_mj: Energy | None = None
    layers: tuple[SerializeAsAny[LayerLatency], ...]
    constant_ms: float
    macs: int
    params: int
    unknown_operators: tuple[str, ...] = ()
    scaled_from: str | None = None
    data_range: DataRange | None = None
    advice: tuple[Advice, ...] | None = None
    fixed: FixedFile | None = None

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
    or based on the datasheet only. Costs learnt at another batch or number of threads are scaled, and the interval is
    wider. Without `precision`, an ONNX file or a card of fp16 or int8 is predicted at that.
    Sizes that the file leaves open and nobody gives are assumed, which is told in a warning.

    With `advise`, ONNX Runtime is asked what it makes of the file and of others without what costs needlessly; on this
    machine all are also timed. `fix` writes the one that computes the same.

    Raises:
        InputError: the file, the device or its table cannot be used.
        VerificationError: the fixed file computes something else; it is not written.
        DeviceError: ONNX Runtime cannot run a file on which advice is asked for.
    """
    path = Path(settings.target)
    if is_model(path):
        return _of_onnx(path, settings)
    if settings.shape or settings.axis:
        raise InputError(
            f"{'--shape' if settings.shape else '--axis'} is for the inputs of ONNX files, and {path} is none",
            "leave it out; an architecture has its image size",
        )
    if settings.advise or settings.fix:
        raise InputError(
            f"{'--advise' if settings.advise else '--fix'} is for ONNX files, and {path} is none",
            "leave it out; edgenas writes files without what costs needlessly",
        )
    device = device_for(
        settings.with_changes(precision=settings.precision or _narrow(_precision_of_card(path)))
    )
    return _of_architecture(path, device, settings.missing)


def _narrow(precision: Precision | None) -> Precision | None:
    """The precision of a file, unless that is fp32, which runtimes may convert: then it is the device's."""
    return None if precision == "fp32" else precision


def _precision_of_card(path: Path) -> Precision | None:
    """That of the model whose card it is; None for an architecture alone."""
    match parse_json(path):
        case {"schema": "edgenas.card/1", "precision": "fp16"}:
            return "fp16"
        case {"schema": "edgenas.card/1", "precision": "int8"}:
            return "int8"
    return None


def _of_architecture(path: Path, device: Device, missing: Missing) -> Prediction:
    space, architecture = architecture_from_json(path)
    predictor = predictor_for(space, device, missing)
    return Prediction(
        device=device.name,
        architecture=architecture.id,
        conditions=device.conditions,
        latency_ms=predictor.predict(architecture),
        energy_mj=predictor.energy(architecture),
        layers=tuple(predictor.layers(architecture)),
        constant_ms=predictor.constant_of(architecture),
        macs=space.macs(architecture),
        params=space.parameters(architecture),
    )


def _of_onnx(path: Path, settings: PredictSettings) -> Prediction:
    # Imported only when needed: onnx loads slowly.
    from edgenas.advice.advising import Advised, advised
    from edgenas.device.onnx_process import check_threads
    from edgenas.onnx_latency import costing, onnx_reading, prediction
    from edgenas.onnx_latency.onnx_content import opened

    precision = settings.precision or _narrow(onnx_reading.precision_of(opened(path)))
    batch = onnx_reading.batch_of([path], settings.batch, settings.shapes, settings.axes)
    device = device_for(settings.with_changes(batch=batch, precision=precision))
    if device.is_host:
        check_threads(device.threads)
    shapes = onnx_reading.shapes_of_call(path, device.batch, settings.shapes, settings.axes)
    found = prediction.predicted_onnx(path, device, shapes)
    kernels, costs = found.kernels, found.costs
    asked, out = settings.advise, None if settings.fix is None else Path(settings.fix)
    beside = Advised(None, None)
    if asked or out:
        beside = advised(path, device, shapes, found, advise=asked, out=out, progress=settings.progress)
    return Prediction(
        device=device.name,
        architecture=path.name,
        conditions=device.conditions,
        latency_ms=found.latency,
        layers=tuple(costing.kernel_latencies(kernels, costs, device.precision)),
        constant_ms=costs.constant_ms,
        macs=found.macs // device.batch,
        params=found.weights,
        unknown_operators=costing.unknown_operators(kernels),
        scaled_from=costs.scaled_from or None,
        data_range=found.data_range,
        advice=beside.advice,
        fixed=beside.fixed,
    )
