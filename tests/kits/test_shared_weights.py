"""Models whose weights all models of a kit share."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgenas.kits.shared_weights import ALIGNMENT, share_weights
from edgenas.space import mbconv
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights


def _whole() -> onnx.ModelProto:
    space = mbconv(32, 10)
    return onnx_from_blocks(space.blocks(space.largest), random_weights(0))


def test_a_network_becomes_small() -> None:
    model = _whole()
    before = model.ByteSize()
    sizes = share_weights(model)
    assert set(sizes) == {"float32"}
    assert model.ByteSize() < before / 20
    assert sizes["float32"] > 0.9 * before


def test_every_weight_has_a_part_of_its_own() -> None:
    model = _whole()
    sizes = share_weights(model)
    ends = []
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            place = {each.key: each.value for each in tensor.external_data}
            start, length = int(place["offset"]), int(place["length"])
            assert length == 4 * int(np.prod(tensor.dims))
            assert start % ALIGNMENT == 0 and start >= (ends[-1] if ends else 0)
            ends.append(start + length)
    assert len(ends) > 20
    assert ends[-1] <= sizes["float32"]


def test_scales_and_zero_points_stay() -> None:
    values = {
        "weight": np.ones((512, 8), np.int8),
        "scale": np.ones(512, np.float32),
        "zero": np.zeros(2048, np.int8),
    }
    node = helper.make_node("DequantizeLinear", list(values), ["output"], axis=0)
    graph = helper.make_graph([node], "quantised", [], [])
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    model = helper.make_model(graph)
    assert share_weights(model) == {"int8": 4096}
    assert [tensor.HasField("raw_data") for tensor in model.graph.initializer] == [False, True, True]


def test_values_that_matter_stay() -> None:
    weights = {
        "small": np.zeros(8, np.float32),
        "shape": np.ones(1000, np.int64),
        "large": np.zeros(1000, np.float16),
    }
    graph = helper.make_graph([], "weights", [], [])
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    model = helper.make_model(graph)
    assert share_weights(model) == {"float16": 2048}
    assert [tensor.HasField("raw_data") for tensor in model.graph.initializer] == [True, True, False]
