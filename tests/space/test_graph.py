"""Blocks as ONNX graphs: equal to the PyTorch network, clean, and free in the batch."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgenas.space import Architecture, Block, SearchSpace, mbconv
from edgenas.space.block import Head, MBConv, Stem, output_shape
from edgenas.space.graph import INPUT, OPSET, OUTPUT, given_weights, onnx_from_blocks, random_weights
from edgenas.space.modules import Network, folded_weights

Randomise = Callable[[Network, int], Network]

SPACES: list[SearchSpace] = [
    mbconv(16, 10),
    mbconv(32, 7, squeeze_excite=True),
    mbconv(32, 10, activation="hswish", width=0.5),
    mbconv(64, 10, activation="hswish", squeeze_excite=True),
    mbconv(31, 3, activation="relu"),
]


def _session(model: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _run(session: ort.InferenceSession, images: NDArray[np.float32]) -> NDArray[np.float32]:
    (output,) = session.run(None, {INPUT: images})
    return np.asarray(output)


def _check_equal(space: SearchSpace, architecture: Architecture, randomise: Randomise, seed: int) -> None:
    torch.manual_seed(seed)
    network = randomise(space.build(architecture), seed)
    weights = {name: tensor.numpy() for name, tensor in folded_weights(network).items()}
    model = onnx_from_blocks(space.blocks(architecture), given_weights(weights), "a test")
    onnx.checker.check_model(model, full_check=True)
    session = _session(model)
    for batch in (1, 3):
        images = np.random.default_rng(seed).standard_normal((batch, *space.input_shape), dtype=np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(images)).numpy()
        assert expected.std() > 1e-3
        assert np.abs(_run(session, images) - expected).max() <= 1e-4


@given(space=st.sampled_from(SPACES), seed=st.integers(0, 2**31))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_graph_equals_the_network(space: SearchSpace, seed: int, randomise: Randomise) -> None:
    _check_equal(space, space.sample(np.random.default_rng(seed)), randomise, seed)


@pytest.mark.parametrize("resolution", [96, 224])
def test_large_graph_equals_the_network(resolution: int, randomise: Randomise) -> None:
    space = mbconv(resolution, 20, squeeze_excite=resolution == 96, width=0.5)
    _check_equal(space, space.sample(np.random.default_rng(resolution)), randomise, 0)


def test_graph_says_what_it_is() -> None:
    space = mbconv(16, 10)
    model = onnx_from_blocks(space.blocks(space.sample(np.random.default_rng(0))), random_weights(0), "about")
    assert (model.doc_string, model.producer_name) == ("about", "edgenas")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    (value_in,), (value_out,) = model.graph.input, model.graph.output
    assert (value_in.name, value_out.name) == (INPUT, OUTPUT)
    dims = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (value_in, value_out)]
    assert dims == [["batch", 3, 16, 16], ["batch", 10]]


def test_batch_norm_and_training_operators_are_gone() -> None:
    space = mbconv(16, 10, squeeze_excite=True)
    model = onnx_from_blocks(space.blocks(space.sample(np.random.default_rng(0))), random_weights(0))
    operators = {node.op_type for node in model.graph.node}
    assert operators <= {
        "Conv",
        "Clip",
        "Relu",
        "HardSigmoid",
        "GlobalAveragePool",
        "Mul",
        "Add",
        "Flatten",
        "Gemm",
    }


@pytest.mark.parametrize(
    "block",
    [
        Stem(3, 2, "hswish", 3, 8, 9, 7),
        MBConv(3, 1, 1, 0, "relu6", 8, 8, 6, 5),
        MBConv(5, 6, 2, 4, "hswish", 8, 16, 7, 6),
        MBConv(7, 3, 1, 0, "none", 8, 16, 3, 1),
        Head("relu", 16, 24, 5, 3, 2),
    ],
    ids=lambda block: block.key,
)
def test_each_block_runs_alone(block: Block) -> None:
    model = onnx_from_blocks([block], random_weights(0))
    onnx.checker.check_model(model, full_check=True)
    for batch in (1, 2):
        images = np.ones((batch, block.in_channels, block.height, block.width), np.float32)
        assert _run(_session(model), images).shape == (batch, *output_shape(block))


def test_random_weights_follow_the_seed() -> None:
    block = Stem(3, 2, "relu6", 3, 8, 8, 8)
    one, same, other = (
        onnx_from_blocks([block], random_weights(seed)).SerializeToString() for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_random_weights_keep_activations_in_range() -> None:
    space = mbconv(32, 10, activation="hswish", squeeze_excite=True)
    for seed in range(3):
        blocks = space.blocks(space.sample(np.random.default_rng(seed)))
        images = np.random.default_rng(seed).standard_normal((1, 3, 32, 32), dtype=np.float32)
        output = _run(_session(onnx_from_blocks(blocks, random_weights(seed))), images)
        assert np.isfinite(output).all()
        assert 1e-4 < np.abs(output).max() < 1e4


def test_missing_weight_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"0\.0\.weight"):
        onnx_from_blocks([Stem(3, 2, "relu6", 3, 8, 8, 8)], given_weights({}))
