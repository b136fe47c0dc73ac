"""Models without weights of their own: all models of a kit read theirs from files that the board makes.

What a model takes does not depend on the values of its weights. Without them a kit of a thousand models is a few
megabytes instead of gigabytes.
"""

from collections import Counter

import onnx
from onnx import TensorProto

from edgenas.board.kit_folder import weights_file

LEAST_BYTES = 1024
"""Smaller weights stay in the model: constants, and shapes, whose values matter."""

ALIGNMENT = 64
"""Weights begin at multiples of this many bytes, as runtimes may need that."""

_SCALED = ("QuantizeLinear", "DequantizeLinear")
"""Their scales and zero points stay in the model too: runtimes refuse random ones."""

_OF_BIASES = ("DequantizeLinear", "QLinearConv")
"""What reads int32 weights; elsewhere they are indices, shapes or axes, whose values matter."""

_TYPES = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.INT8: "int8",
    TensorProto.UINT8: "uint8",
    TensorProto.INT32: "int32",
}


def share_weights(model: onnx.ModelProto) -> dict[str, int]:
    """Replace a model's large weights, in place, by parts of the shared ones; each weight has a part of its own.

    Returns:
        The bytes that the shared weights of each type must have.
    """
    sizes: Counter[str] = Counter()
    nodes = model.graph.node
    kept = {name for node in nodes if node.op_type in _SCALED for name in node.input[1:]}
    numbers = {name for node in nodes if node.op_type not in _OF_BIASES for name in node.input}
    for tensor in model.graph.initializer:
        name, length = _TYPES.get(tensor.data_type), len(tensor.raw_data)
        if name is None or length < LEAST_BYTES or tensor.name in kept:
            continue
        if tensor.data_type == TensorProto.INT32 and tensor.name in numbers:
            continue
        place = {"location": weights_file(name), "offset": str(sizes[name]), "length": str(length)}
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in place.items():
            tensor.external_data.add(key=key, value=value)
        sizes[name] += -(-length // ALIGNMENT) * ALIGNMENT
    return dict(sizes)
