"""Models for timing: blocks and whole networks with random weights and random inputs."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.progress import Phase
from edgenas.space.block import Block, MBConv, input_shape
from edgenas.space.onnx_graph import INPUT, USUAL, OnnxVersion, onnx_from_blocks, random_weights

LOADING = Phase("loading models", "models")

SENTINEL = MBConv(3, 6, 1, 0, "relu6", 40, 40, 14, 14)
"""Some 5 million MACs with all kinds of layers: 0.1 ms on a fast core, 1 ms on a slow one."""

EMPTY_SHAPE = (1, 1, 1, 1)


def load_blocks(blocks: Sequence[Block], batch: int, runtime: Runtime, seed: int = 0) -> Session:
    """Load a chain of blocks; timings do not depend on the seed."""
    model = onnx_from_blocks(blocks, random_weights(seed))
    return runtime.load(model.SerializeToString(), random_image(blocks, batch, seed))


def random_image(blocks: Sequence[Block], batch: int, seed: int = 0) -> Feeds:
    """An input of a chain of blocks."""
    shape = (batch, *input_shape(blocks[0]))
    return {INPUT: np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)}


def load_sentinel(runtime: Runtime) -> Session:
    """Load the model that monitors the machine's current speed."""
    return load_blocks([SENTINEL], 1, runtime)


def load_empty(runtime: Runtime) -> Session:
    """Load the empty model."""
    return runtime.load(empty_model().SerializeToString(), {INPUT: np.ones(EMPTY_SHAPE, np.float32)})


def empty_model(version: OnnxVersion = USUAL) -> onnx.ModelProto:
    """A one-element model: its time is the overhead of a call."""
    graph = helper.make_graph(
        [helper.make_node("Relu", [INPUT], ["output"])],
        "overhead",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, EMPTY_SHAPE)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, EMPTY_SHAPE)],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", version.opset)], ir_version=version.ir
    )
