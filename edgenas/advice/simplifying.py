"""Simplifying a model with onnxslim: constants and batch norms folded, without nodes that do nothing."""

import tempfile
from pathlib import Path

import onnx

from edgenas.advice.changes import MIN_IR
from edgenas.advice.own_process import be_the_process, run_apart
from edgenas.errors import DeviceError

MAX_FOLDED_BYTES = 2**20
"""Larger constants are left to the runtime, which computes them when it loads the file: two kilobytes may stand for one
of two gigabytes."""

_GIVEN, _MADE = "given.onnx", "simplified.onnx"


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with fewer nodes. Inputs, outputs, opset and metadata stay.

    Args:
        model: with all its weights inside, none of which is an input.

    Raises:
        DeviceError: onnxslim fails, or takes too much time or memory.
    """
    with tempfile.TemporaryDirectory(prefix="edgenas-") as folder:
        Path(folder, _GIVEN).write_bytes(model.SerializeToString())
        run_apart(__name__, Path(folder), "simplifying the file")
        made = onnx.load_model(Path(folder, _MADE), load_external_data=False)
    if _opsets(made) - _opsets(model):
        raise DeviceError("simplifying the file failed (the result needs another opset)", "use it as it is")
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for part in ("node", "initializer", "sparse_initializer", "value_info"):
        result.graph.ClearField(part)
        getattr(result.graph, part).extend(getattr(made.graph, part))
    result.ir_version = max(result.ir_version, MIN_IR)
    return result


def version() -> str:
    """Name and version of the simplifier."""
    from importlib.metadata import version as installed

    return f"onnxslim {installed('onnxslim')}"


def _opsets(model: onnx.ModelProto) -> set[tuple[str, int]]:
    return {(each.domain, each.version) for each in model.opset_import}


def _simplify(folder: Path) -> None:
    import onnxslim

    # onnxslim needs the types of outputs, which a file may leave out.
    model = onnx.shape_inference.infer_shapes(onnx.load_model(folder / _GIVEN, load_external_data=False))
    onnx.save_model(onnxslim.slim(model, size_threshold=MAX_FOLDED_BYTES), folder / _MADE)


if __name__ == "__main__":
    be_the_process(_simplify)
