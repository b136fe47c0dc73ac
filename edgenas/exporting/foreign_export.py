"""Exports modules of other libraries as ONNX files, traced by torch, verified as edgenas's own."""

import io
import warnings
from contextlib import redirect_stdout

import onnx
import torch
from torch import Tensor, nn

from edgenas.errors import VerificationError, first_line
from edgenas.exporting.onnx_export import checked_onnx
from edgenas.space.onnx_graph import INPUT, OPSET, OUTPUT, USUAL, OnnxVersion


def verified_foreign_onnx(
    network: nn.Module, name: str, images: Tensor, version: OnnxVersion = USUAL
) -> tuple[bytes, float]:
    """Serialise a module as ONNX with a dynamic batch axis, and verify it; see `onnx_export.verified_onnx`.

    Raises:
        VerificationError: torch cannot export the module, or ONNX Runtime's logits differ from its own.
    """
    return checked_onnx(traced_onnx(network, name, images[:1], version), network, name, images)


def traced_onnx(network: nn.Module, name: str, images: Tensor, version: OnnxVersion = USUAL) -> bytes:
    """The ONNX file that torch's exporter makes, batch norm folded; its names are those of edgenas's files.

    Args:
        network: in evaluation mode, on the CPU.
        name: name of the model in errors.
        images: (N, C, H, W); only their shape matters.
        version: of the file; what its opset has no operator for is written in others, if torch knows how.

    Raises:
        VerificationError: torch cannot export the module, as it is, for this size of images or at this opset.
    """
    try:
        content = _traced(network, images, version)
        onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    # What is unsupported shows as an error of any kind in the module, in torch or in the checker.
    except Exception as error:
        is_old = version.opset < OPSET
        raise VerificationError(
            f"{name} cannot be exported as ONNX{f' of opset {version.opset}' * is_old} ({first_line(error)})",
            "leave it out of --baselines" + ", or use a newer --target" * is_old,
        ) from error
    return content


def _traced(network: nn.Module, images: Tensor, version: OnnxVersion) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # where it prints what it cannot export
        # This exporter needs no package beside torch, unlike the newer one that it advises; others are of its own parts
        # and of what tracing makes constant, which the verification would show.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (images,),
            buffer,  # type: ignore[arg-type]
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=version.opset,
            dynamo=False,
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )
    content = buffer.getvalue()
    model = onnx.load_model_from_string(content)
    if model.ir_version <= version.ir:
        return content
    model.ir_version = version.ir
    return bytes(model.SerializeToString())
