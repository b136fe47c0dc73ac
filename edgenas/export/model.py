"""A trained network as an ONNX file, checked against the network it came from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgenas.device.onnx_runtime import OnnxRuntime
from edgenas.errors import VerificationError
from edgenas.formats import write_bytes
from edgenas.space.graph import INPUT, given_weights, onnx_from_blocks
from edgenas.space.modules import Network, folded_weights

TOLERANCE = 1e-4
"""Largest absolute difference of logits between PyTorch and ONNX Runtime that passes, fp32."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A written and verified ONNX file."""

    path: Path
    size_bytes: int
    max_abs_error: float


def export_onnx(network: Network, path: Path, images: Tensor) -> Exported:
    """Write a network as ONNX, batch norm folded, with a dynamic batch axis, and verify the file.

    Args:
        network: in evaluation mode, on the CPU.
        path: the file to write.
        images: real, normalised inputs to compare on, (N, C, H, W), N >= 2.

    Raises:
        VerificationError: the checker refuses the model, or ONNX Runtime's logits are not the network's.
        InputError: the file cannot be written.
    """
    weights = {name: tensor.cpu().numpy() for name, tensor in folded_weights(network).items()}
    model = onnx_from_blocks(network.blocks, given_weights(weights), description="made by edgenas")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise VerificationError(f"{path.name} is not valid ONNX ({error})") from error
    content = model.SerializeToString()
    with torch.inference_mode():
        expected = network(images).numpy()
    difference = max_abs_difference(content, images, expected)
    if not difference <= TOLERANCE:
        raise VerificationError(
            f"{path.name} differs from the trained network by {difference:.2g} (at most {TOLERANCE:g} passes)"
        )
    write_bytes(path, content)
    return Exported(path, len(content), difference)


def max_abs_difference(model: bytes, images: Tensor, expected: NDArray[np.float32]) -> float:
    """Largest absolute difference of ONNX Runtime's logits from the expected; infinite for shape or NaN.

    The images are run as one batch and, the first of them, alone: the batch axis must really be dynamic.
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
