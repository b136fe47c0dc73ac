"""The latency of an ONNX file on a device, from what is known of the device: timed kernels, or its model."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgenas.device import Device, Provenance
from edgenas.device_models.fitted import model_of
from edgenas.errors import FileFormatError, InputError
from edgenas.latency.latency import Latency
from edgenas.latency.profile_command import operating_point
from edgenas.latency.table import Fragments, find_table
from edgenas.onnx_latency import costing, fragment_timing, kernel_fitting
from edgenas.onnx_latency.kernel_fusion import fused_kernels
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.model_inputs import Shapes
from edgenas.onnx_latency.onnx_reading import read_model
from edgenas.onnx_latency.shape_inference import shaped

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OnnxPrediction:
    """Kernels of an ONNX file, what each costs on a device, and what they cost together."""

    kernels: Sequence[Kernel]
    costs: costing.Costing
    latency: Latency


def predicted_onnx(path: Path, device: Device, shapes: Shapes | None = None) -> OnnxPrediction:
    """Predict the latency of an ONNX file on a device at its operating point.

    Args:
        path: the file.
        device: on which.
        shapes: of inputs that leave more open than the batch.

    Raises:
        InputError: the file, or the device's table, cannot be used.
    """
    graph = shaped(read_model(path, device.batch, shapes))
    kernels = fused_kernels(graph)
    if not kernels:
        raise InputError(f"{path}: the model only reshapes its input", "give a model that computes something")
    costs = _costing(kernels, graph.shape_nodes, device)
    return OnnxPrediction(kernels, costs, costing.graph_latency(kernels, costs))


def latency_of_onnx(content: bytes, device: Device) -> Latency:
    """The predicted latency of a serialised model; see `predicted_onnx`."""
    with tempfile.TemporaryDirectory(prefix="edgenas-") as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(content)
        return predicted_onnx(path, device).latency


def _costing(kernels: Sequence[Kernel], shape_nodes: int, device: Device) -> costing.Costing:
    """Costs by the kernels timed on the device; if there are none, by the device's model."""
    found = find_table(device)
    if found and found[1].fragments:
        return costing.costing_from_fragments(kernels, _fitted(found[0], found[1].fragments), shape_nodes)
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


def _fitted(path: Path, fragments: Fragments) -> kernel_fitting.KernelCosts:
    """Costs learnt from the fragments of a table, given by its path."""
    try:
        return kernel_fitting.KernelCosts(fragments)
    except (np.linalg.LinAlgError, ArithmeticError, RuntimeError, ValueError):  # as scipy's solvers raise
        raise FileFormatError(
            path, "fragments", "their times contradict each other", "delete it and profile the device again"
        ) from None
