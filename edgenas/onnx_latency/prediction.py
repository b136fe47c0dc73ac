"""The latency of an ONNX file on a device, from what is known of the device: timed kernels, or its model."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgenas.device import Device, Provenance
from edgenas.device.onnx_execution import OnnxExecutor
from edgenas.device_models.fitted import has_fitted_costs, model_of
from edgenas.device_models.work import DeviceModel
from edgenas.errors import FileFormatError, InputError
from edgenas.latency.latency import DataRange, Latency
from edgenas.latency.nearby_tables import points_with_tables
from edgenas.latency.profile_command import command_at_point
from edgenas.latency.table import Fragments, find_table
from edgenas.onnx_latency import costing, fragment_timing
from edgenas.onnx_latency.data_dependence import CostedRun, covering, runs_of
from edgenas.onnx_latency.kept_costs import kernel_costs
from edgenas.onnx_latency.kernel_fitting import KernelCosts
from edgenas.onnx_latency.kernel_fusion import fused_kernels
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.model_inputs import Shapes, feeds_of
from edgenas.onnx_latency.onnx_reading import Model, precision_of, read_model, read_model_to_run
from edgenas.onnx_latency.runtime_kernels import kernels_that_run
from edgenas.onnx_latency.scaled_costs import TimedKernels
from edgenas.onnx_latency.shape_inference import ImpossibleSizeError, check_sizes, shaped
from edgenas.units import counted
from edgenas.vocabulary import Precision

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OnnxPrediction:
    """Kernels of an ONNX file, what each costs on a device, and what they cost together.

    Attributes:
        kernels: those that run, or would.
        costs: of each.
        latency: of a call.
        macs: multiply-accumulates of a call as the file defines them, without any padding of a runtime.
        weights: numbers in its weights.
        data_range: of latencies for other inputs; None if what runs does not depend on them.
        known: what the costs come from: kernels that were timed on the device, or its model.
    """

    kernels: Sequence[Kernel]
    costs: costing.Costing
    latency: Latency
    macs: int
    weights: int
    data_range: DataRange | None
    known: TimedKernels | DeviceModel


def predicted_onnx(path: Path, device: Device, shapes: Shapes | None = None) -> OnnxPrediction:
    """Predict the latency of an ONNX file on a device at its operating point.

    Where kernels were timed there, or at other threads or another batch, ONNX Runtime is asked what it runs of the
    file. Else, and where it cannot be asked, kernels are fused as most runtimes fuse them, and costed by the device's
    model. Where what runs depends on data, the interval covers several inputs.

    Args:
        path: the file.
        device: on which.
        shapes: of inputs that leave more open than the batch.

    Raises:
        InputError: the file, or the device's table, cannot be used.
    """
    model = read_model(path, device.batch, shapes)
    fused, problem = _fused(model)
    timed = _timed_kernels(device, precision_of(model.proto))
    known = timed or _model(device)
    if timed is not None or problem is not None:
        blocked = timed is not None and timed.costs.blocked
        found = _kernels_that_run(path, device, shapes, blocked, depends_on_data=problem is not None)
    else:
        found = [fused]
    runs = [_costed(path, kernels, known, device) for kernels in found]
    latency, data_range = covering(runs)
    kernels, costs, _ = runs[0]
    counted = fused or kernels
    return OnnxPrediction(
        kernels,
        costs,
        latency,
        sum(kernel.macs * kernel.times for kernel in counted),
        sum(kernel.weights for kernel in counted),
        data_range,
        known,
    )


def _costed(
    path: Path, kernels: Sequence[Kernel], known: TimedKernels | DeviceModel, device: Device
) -> CostedRun:
    if isinstance(known, TimedKernels):
        costs = known.costing(kernels, device)
    elif kernels:
        costs = costing.costing_from_model(kernels, known)
    else:
        raise InputError(f"{path}: the model only reshapes its input", "give a model that computes something")
    return CostedRun(kernels, costs, costing.graph_latency(kernels, costs))


def _timed_kernels(device: Device, precision: Precision) -> TimedKernels | None:
    """Costs of kernels that were timed on a device, if any were: at its operating point, or at the nearest.

    They are in the table at fp32, with those of other precisions: a file in its own precision says itself what is in
    which. A file that the device would convert is another one.
    """
    if device.precision not in (precision, fragment_timing.PRECISION):
        return None
    asked = device.at(fragment_timing.PRECISION)
    # Costs fitted at this very point are preferred to scaled ones.
    for point in (asked,) if has_fitted_costs(device) else points_with_tables(asked):
        try:
            found = find_table(point)
        except FileFormatError as error:
            if point == asked:
                raise
            log.warning("%s: it is passed over", error)
            continue
        if found is None or found[1].fragments is None:
            continue
        path, fragments = found[0], found[1].fragments
        if fragments.is_of_earlier_version:
            log.warning(
                "%s: its fragments of networks were timed by an earlier version, which named other kernels: they are "
                "not used; time them again: %s",
                path,
                command_at_point(point),
            )
            continue
        if point != asked:
            log.warning(
                "kernels of ONNX files were timed on %s at %s, not at %s: their costs are scaled, and the interval is "
                "wider; for a narrower one: %s",
                device.name,
                _threads_and_batch(point),
                _threads_and_batch(asked),
                command_at_point(asked),
            )
        return TimedKernels(_fitted(path, fragments), point)
    return None


def _threads_and_batch(device: Device) -> str:
    return f"{counted(device.threads, 'threads')}, batch {device.batch}"


def _fused(model: Model) -> tuple[list[Kernel], InputError | None]:
    """Kernels by our own rules; or why there are none, as sizes or what runs depend on data."""
    try:
        return fused_kernels(shaped(model)), None
    except ImpossibleSizeError:
        raise
    except InputError as error:
        return [], error


def _kernels_that_run(
    path: Path, device: Device, shapes: Shapes | None, blocked: bool, depends_on_data: bool
) -> list[list[Kernel]]:
    """Those of a run of a file; where sizes or what runs may depend on data, of several, each with other data."""
    model = read_model_to_run(path, device.batch, shapes)
    executor = OnnxExecutor(blocked)
    if not depends_on_data:
        return [kernels_that_run(executor, model.proto, feeds_of(model.inputs))]
    check_sizes(model)
    return list(runs_of(executor, model.proto, model.inputs))


def latency_of_onnx(content: bytes, device: Device) -> Latency:
    """The predicted latency of a serialised model; see `predicted_onnx`."""
    with tempfile.TemporaryDirectory(prefix="edgenas-") as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(content)
        return predicted_onnx(path, device).latency


def _model(device: Device) -> DeviceModel:
    """That of a device whose kernels were not timed."""
    model = model_of(device)
    if device.is_host and model.provenance is Provenance.ESTIMATED:
        log.warning(
            "no kernels of ONNX files were timed on %s, and its datasheet may not describe this machine: the "
            "prediction may be wrong by a large factor; %s",
            device.name,
            f"time them with a full profile: {command_at_point(device)}"
            if device.precision == fragment_timing.PRECISION
            else f"they can be timed at {fragment_timing.PRECISION} only",
        )
    return model


def _fitted(path: Path, fragments: Fragments) -> KernelCosts:
    """Costs learnt from the fragments of a table, given by its path."""
    try:
        return kernel_costs(fragments)
    except (np.linalg.LinAlgError, ArithmeticError, RuntimeError, ValueError):  # as scipy's solvers raise
        raise FileFormatError(
            path, "fragments", "their times contradict each other", "delete it and profile the device again"
        ) from None
