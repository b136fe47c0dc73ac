"""Exports trained networks as ONNX files, verified against the original network."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgenas.device.onnx_runtime import OnnxRuntime
from edgenas.errors import VerificationError
from edgenas.formats import write_bytes
from edgenas.space.modules import Network, folded_weights
from edgenas.space.onnx_graph import INPUT, USUAL, OnnxVersion, given_weights, onnx_from_blocks

TOLERANCE = 1e-4
"""Largest accepted difference of fp32 logits between PyTorch and ONNX Runtime, where logits are at most 1; more in
proportion to larger ones: both round, and by another order of additions."""

BUG_HINT = "this is a bug in edgenas or ONNX Runtime: please report it, with the run's folder"


@dataclass(frozen=True, slots=True)
class Exported:
    """A written, verified ONNX file."""

    path: Path
    size_bytes: int
    max_abs_error: float


def export_onnx(network: Network, path: Path, images: Tensor) -> Exported:
    """Write a network as a verified ONNX file; arguments and errors as `verified_onnx`.

    Raises:
        InputError: the file cannot be written.
    """
    return write_onnx(path, *verified_onnx(network, path.name, images))


def write_onnx(path: Path, content: bytes, difference: float) -> Exported:
    """Write a verified model.

    Raises:
        InputError: the file cannot be written.
    """
    write_bytes(path, content)
    return Exported(path, len(content), difference)


def verified_onnx(
    network: Network, name: str, images: Tensor, version: OnnxVersion = USUAL
) -> tuple[bytes, float]:
    """Serialise a network as ONNX, batch norm folded, with a dynamic batch axis, and verify it.

    Args:
        network: in evaluation mode, on the CPU.
        name: name of the model in errors.
        images: real, normalised inputs for the comparison, (N, C, H, W), N >= 2.
        version: of the model.

    Returns:
        The model, and the largest absolute difference of its logits from the network's.

    Raises:
        VerificationError: the ONNX checker rejects the model, or ONNX Runtime's logits differ from the network's.
    """
    weights = {name: tensor.cpu().numpy() for name, tensor in folded_weights(network).items()}
    model = onnx_from_blocks(network.blocks, given_weights(weights), "made by edgenas", version)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise VerificationError(f"{name} is not valid ONNX ({error})", BUG_HINT) from error
    return checked_onnx(model.SerializeToString(), network, name, images)


def checked_onnx(content: bytes, network: nn.Module, name: str, images: Tensor) -> tuple[bytes, float]:
    """The model, and the largest absolute difference of its logits from the network's; see `verified_onnx`.

    Raises:
        VerificationError: they differ by more than rounding.
    """
    with torch.inference_mode():
        expected = network(images).numpy()
    difference = max_abs_difference(content, images, expected)
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= allowed:
        raise VerificationError(
            f"{name} differs from the trained network by {difference:.2g} (at most {allowed:.2g} passes)",
            BUG_HINT,
        )
    return content, difference


def max_abs_difference(model: bytes, images: Tensor, expected: NDArray[np.float32]) -> float:
    """Largest absolute difference of ONNX Runtime's logits from `expected`; infinite for a wrong shape or NaN.

    The images are run as one batch, and the first also alone, to check that the batch axis is dynamic.
    """
    together = run_onnx(model, images)
    alone = run_onnx(model, images[:1])
    if together.shape != expected.shape:
        return float("inf")
    both = np.concatenate([together - expected, alone - expected[:1]])
    return float(np.abs(both).max()) if np.isfinite(both).all() else float("inf")


def run_onnx(model: bytes, images: Tensor) -> NDArray[np.float32]:
    """Logits of ONNX Runtime on the CPU, (N, classes)."""
    feed = np.ascontiguousarray(images.numpy(), dtype=np.float32)
    return OnnxRuntime().load(model, {INPUT: feed}).run()[0]
