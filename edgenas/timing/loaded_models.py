"""Models for timing: blocks and whole networks with random weights and random inputs."""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper

from edgenas.device.runtime import Runtime, Session
from edgenas.space.block import Block, MBConv, input_shape
from edgenas.space.onnx_graph import INPUT, IR_VERSION, OPSET, onnx_from_blocks, random_weights

SENTINEL = MBConv(3, 6, 1, 0, "relu6", 40, 40, 14, 14)
"""Some 5 million MACs with all kinds of layers: 0.1 ms on a fast core, 1 ms on a slow one."""


def load_blocks(blocks: Sequence[Block], batch: int, runtime: Runtime, seed: int = 0) -> Session:
    """Load a chain of blocks; timings do not depend on the seed."""
    model = onnx_from_blocks(blocks, random_weights(seed))
    image = np.random.default_rng(seed).standard_normal((batch, *input_shape(blocks[0])), dtype=np.float32)
    return runtime.load(model.SerializeToString(), {INPUT: image})


def load_sentinel(runtime: Runtime) -> Session:
    """Load the model that monitors the machine's current speed."""
    return load_blocks([SENTINEL], 1, runtime)


def load_empty(runtime: Runtime) -> Session:
    """Load a one-element model: its time is the overhead of a call."""
    value = [1, 1, 1, 1]
    graph = helper.make_graph(
        [helper.make_node("Relu", [INPUT], ["output"])],
        "overhead",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, value)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, value)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return runtime.load(model.SerializeToString(), {INPUT: np.ones(value, np.float32)})
