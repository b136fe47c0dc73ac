"""Blocks as ONNX graphs: equal to the PyTorch network, clean, and free in the batch."""

import importlib.util
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgenas.space import Architecture, Block, SearchSpace, mbconv, nasbench_macro
from edgenas.space.block import Head, MBConv, Projection, Stem, output_shape
from edgenas.space.mbconv import MBConvSpace
from edgenas.space.modules import ACTIVATIONS, Network, folded_weights
from edgenas.space.onnx_graph import (
    INPUT,
    OPSET,
    OUTPUT,
    USUAL,
    OnnxVersion,
    given_weights,
    onnx_from_blocks,
    random_weights,
    with_fixed_batch,
)

needs_onnxscript = pytest.mark.skipif(
    importlib.util.find_spec("onnxscript") is None, reason="PyTorch's newer exporter needs onnxscript"
)
Randomise = Callable[[Network, int], Network]

SPACES: list[SearchSpace] = [
    mbconv(16, 10),
    mbconv(32, 7, squeeze_excite=True),
    mbconv(32, 10, activation="hswish", width=0.5),
    mbconv(64, 10, activation="hswish", squeeze_excite=True),
    mbconv(31, 3, activation="relu"),
    nasbench_macro(17, 4, width=0.25),
    MBConvSpace(mbconv(48, 5).layout.model_copy(update={"padding": "same", "norm_epsilon": 1e-3})),
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


OLD = OnnxVersion(13, 7)


@pytest.mark.parametrize("space", SPACES)
def test_an_older_opset_has_other_operators_and_the_same_values(space: SearchSpace) -> None:
    blocks = space.blocks(space.sample(np.random.default_rng(3)))
    usual, old = (onnx_from_blocks(blocks, random_weights(0), version=version) for version in (USUAL, OLD))
    onnx.checker.check_model(old, full_check=True)
    assert (old.opset_import[0].version, old.ir_version) == (13, 7)
    since = {onnx.defs.get_schema(node.op_type, 13).since_version for node in old.graph.node}
    assert max(since) <= 13
    images = np.random.default_rng(0).standard_normal((2, *usual_shape(usual)), dtype=np.float32)
    np.testing.assert_allclose(
        _run(_session(old), images), _run(_session(usual), images), rtol=1e-4, atol=1e-4
    )


def usual_shape(model: onnx.ModelProto) -> tuple[int, ...]:
    return tuple(axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim[1:])


def test_only_hard_swish_needs_another_form() -> None:
    operators = [
        Counter(
            node.op_type
            for node in onnx_from_blocks(
                SPACES[3].blocks(SPACES[3].largest), random_weights(0), version=v
            ).graph.node
        )
        for v in (USUAL, OLD)
    ]
    usual, old = operators
    count = usual.pop("HardSwish")
    assert count > 0 and old == usual + Counter(HardSigmoid=count, Mul=count)


@pytest.mark.parametrize("batch", [1, 5])
def test_a_batch_can_be_fixed(batch: int) -> None:
    space = mbconv(16, 10)
    model = onnx_from_blocks(space.blocks(space.smallest), random_weights(0))
    fixed = onnx.load_from_string(with_fixed_batch(model.SerializeToString(), batch))
    onnx.checker.check_model(fixed, full_check=True)
    for value in (*fixed.graph.input, *fixed.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_value == batch
    assert fixed.graph.node == model.graph.node
    images = np.random.default_rng(0).standard_normal((batch, 3, 16, 16), dtype=np.float32)
    np.testing.assert_allclose(_run(_session(fixed), images), _run(_session(model), images), atol=1e-5)


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
        Projection(2, 8, 16, 7, 6),
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


Kernels = Counter[tuple[str, str, str]]
"""How often each (domain, operator, fused activation) occurs."""

KINDS: list[Block] = [
    *(Stem(3, 2, activation, 3, 16, 9, 8) for activation in ACTIVATIONS),
    *(Head(activation, 16, 32, 5, 3, 2) for activation in ACTIVATIONS),
    Projection(2, 16, 32, 9, 8),
    *(
        MBConv(kernel, expansion, stride, squeeze_excite, activation, 16, out_channels, 8, 8)
        for activation in ACTIVATIONS
        for kernel, expansion, stride, squeeze_excite, out_channels in (
            (3, 1, 1, 0, 8),
            (3, 6, 1, 0, 16),
            (5, 3, 2, 0, 24),
            (7, 6, 1, 4, 16),
            (3, 1, 1, 4, 16),
        )
    ),
]


def _sampled(space: SearchSpace) -> Sequence[Block]:
    return space.blocks(space.sample(np.random.default_rng(0)))


CHAINS: list[Sequence[Block]] = [*([block] for block in KINDS), *map(_sampled, SPACES)]
CHAIN_IDS = [*(block.key for block in KINDS), *(f"network{i}" for i in range(len(SPACES)))]


def _exported(network: Network, dynamo: bool) -> bytes:
    """What `torch.onnx.export` makes of a network in evaluation mode, with a dynamic batch axis."""
    first, buffer = network.blocks[0], io.BytesIO()
    images = torch.zeros(2, first.in_channels, first.height, first.width)
    axes: dict[str, object] = (
        {"dynamic_shapes": ({0: torch.export.Dim("batch")},), "verbose": False}
        if dynamo
        else {"dynamic_axes": {INPUT: {0: "batch"}, OUTPUT: {0: "batch"}}}
    )
    opset = 18 if dynamo else OPSET  # the newer exporter knows no older one
    torch.onnx.export(
        network,
        (images,),
        buffer,
        input_names=[INPUT],
        output_names=[OUTPUT],
        opset_version=opset,
        dynamo=dynamo,
        **axes,
    )  # type: ignore[arg-type]
    return buffer.getvalue()


def _kernels(model: bytes, folder: Path) -> Kernels:
    """What ONNX Runtime runs: the model as its optimiser leaves it for this processor."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    kernels: Kernels = Counter()
    for node in onnx.load(folder / "optimised.onnx").graph.node:
        fused = [attribute.s.decode() for attribute in node.attribute if attribute.name == "activation"]
        kernels[node.domain, node.op_type, "".join(fused)] += 1
    return kernels


def _both(
    blocks: Sequence[Block], folder: Path, randomise: Randomise, dynamo: bool
) -> tuple[Kernels, Kernels]:
    """Kernels of the graph made here, and of what the exporter makes of the same modules and weights."""
    torch.manual_seed(0)
    network = randomise(Network(blocks), 0).eval()
    weights = {name: tensor.numpy() for name, tensor in folded_weights(network).items()}
    ours = onnx_from_blocks(blocks, given_weights(weights)).SerializeToString()
    return _kernels(ours, folder), _kernels(_exported(network, dynamo), folder)


@pytest.mark.parametrize("blocks", CHAINS, ids=CHAIN_IDS)
def test_same_kernels_as_from_the_exporter(
    blocks: Sequence[Block], tmp_path: Path, randomise: Randomise
) -> None:
    ours, exported = _both(blocks, tmp_path, randomise, dynamo=False)
    assert ours == exported
    assert not {"BatchNormalization", "Clip", "Relu"} & {operator for _, operator, _ in ours}


@needs_onnxscript
@pytest.mark.parametrize("blocks", CHAINS, ids=CHAIN_IDS)
def test_the_newer_exporter_differs_in_pooling_alone(
    blocks: Sequence[Block], tmp_path: Path, randomise: Randomise
) -> None:
    # It writes ReduceMean, which has no kernel in the blocked layout that convolutions run in on x86: the
    # reorderings around it are left out of the comparison, on other processors there are none.
    ours, exported = (
        Counter(kernel[1:] for kernel in kernels.elements() if not kernel[1].startswith("Reorder"))
        for kernels in _both(blocks, tmp_path, randomise, dynamo=True)
    )
    heads = sum(isinstance(block, Head) for block in blocks)
    pools = heads + sum(isinstance(block, MBConv) and block.squeeze_excite > 0 for block in blocks)
    assert ours - exported == +Counter({("GlobalAveragePool", ""): pools, ("Flatten", ""): heads})
    assert exported - ours == +Counter({("ReduceMean", ""): pools, ("Reshape", ""): heads})
