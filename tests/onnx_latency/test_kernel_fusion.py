"""Kernels: what runs as one, and what it reads and writes."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import NodeProto

from edgenas.onnx_latency.kernel_fusion import fused_kernels
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.onnx_reading import read_model
from edgenas.onnx_latency.shape_inference import shaped
from edgenas.space import SearchSpace, mbconv, nasbench_macro
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights

from .conftest import model, node

KernelsOf = Callable[..., list[Kernel]]

CONV = {"pads": [1] * 4}
W: dict[str, Any] = {
    "w": (8, 8, 3, 3), "v": (8, 8, 3, 3), "b": (8,), "c": np.float32(3), "low": np.float32(0),
    "high": np.float32(6), "each": (1, 8, 1, 1),
}  # fmt: skip


def _chain(*ops: str) -> list[NodeProto]:
    """A convolution, then nodes as `Op inputs output`; the last gives `y`."""
    rest = [node(op, " ".join(names[:-1]), names[-1]) for op, *names in map(str.split, ops)]
    return [node("Conv", "x w", "a", **CONV), *rest]


FUSED = {
    "relu": ["Relu a y"],
    "relu6": ["Clip a low high y"],
    "batch norm": ["BatchNormalization a b b b b n", "Relu n y"],
    "bias as a sum": ["Add a each s", "Relu s y"],
    "SiLU": ["Sigmoid a s", "Mul a s y"],
    "SiLU, other way round": ["Sigmoid a s", "Mul s a y"],
    "hard swish in pieces": ["Add a c s", "Clip s low high t", "Mul a t u", "Div u c y"],
    "hard swish": ["HardSigmoid a s", "Mul a s y"],
    "mish": ["Softplus a s", "Tanh s t", "Mul a t y"],
    "GELU": ["Div a c s", "Erf s t", "Add t c u", "Mul a u v2", "Mul v2 c y"],
    "GELU by tanh": ["Pow a c s", "Mul s c t", "Add a t u", "Tanh u v2", "Add v2 c z", "Mul a z y"],
    "skip": ["Add a x y"],
    "skip, then activation": ["BatchNormalization a b b b b n", "Add x n s", "Relu s y"],
    "activation, then skip": ["Sigmoid a s", "Mul a s t", "Add t x y"],
    "nothing else": [],
}


@pytest.mark.parametrize("case", FUSED)
def test_a_convolution_takes_in_what_follows(kernels_of: KernelsOf, case: str) -> None:
    nodes = _chain(*FUSED[case])
    (kernel,) = kernels_of(nodes, weights=W, output=nodes[-1].output[0])
    assert kernel.kind == "dense"
    assert Counter(kernel.nodes) == Counter(made.name for made in nodes)
    assert kernel.nodes[0] == "a"
    assert (kernel.elements_read, kernel.elements_written) == (288, 288)
    assert kernel.macs == 288 * 72


APART = {
    "no elementwise operator": (["Softmax a y"], "y"),
    "another size": (["Concat a a y"], "y"),
    "needed elsewhere": (["Relu a y"], "a y"),
    "needed by two": (["Relu a s", "Softmax a t", "Add s t y"], "y"),
    "needed within": (["Sigmoid a s", "Mul a s y"], "s y"),
    "a product of two that were there": (["Mul a x y"], "y"),
}


@pytest.mark.parametrize("case", APART)
def test_what_does_not_run_inside_a_convolution(kernels_of: KernelsOf, case: str) -> None:
    ops, output = APART[case]
    nodes = _chain(*ops)
    for made in nodes:
        if made.op_type == "Concat":
            made.attribute.append(onnx.helper.make_attribute("axis", 1))
    first, *_ = kernels_of(nodes, weights=W, output=output)
    assert first.nodes == ("a",)


def test_a_sum_runs_with_the_later_of_its_summands(kernels_of: KernelsOf) -> None:
    nodes = [
        node("Conv", "x w", "a", **CONV),
        node("Conv", "x v b", "p", **CONV),
        node("Add", "a p", "s"),
        node("Relu", "s", "y"),
    ]
    first, second = kernels_of(nodes, weights=W)
    assert (first.nodes, second.nodes) == (("a",), ("p", "s", "y"))
    assert (second.elements_read, second.elements_written) == (2 * 288, 288)
    assert second.weights == 8 * 8 * 9 + 8


def test_one_sum_a_kernel(kernels_of: KernelsOf) -> None:
    nodes = [node("Relu", "x", "r"), *_chain("Add a x s", "Add s r y")]
    assert [kernel.nodes for kernel in kernels_of(nodes, weights=W)] == [("r",), ("a", "s"), ("y",)]


def test_batch_norm_before_a_convolution_is_a_kernel_with_its_activation(kernels_of: KernelsOf) -> None:
    nodes = [
        node("BatchNormalization", "x b b2 m v2", "n"),
        node("Relu", "n", "r"),
        node("Conv", "r w", "y", **CONV),
    ]
    weights = {**W, "b2": (8,), "m": (8,), "v2": (8,)}
    first, second = kernels_of(nodes, weights=weights)
    assert (first.kind, first.nodes, first.weights) == ("elementwise", ("n", "r"), 16)
    assert second.nodes == ("y",)


def test_a_squeeze_excite_is_what_it_is_made_of(kernels_of: KernelsOf) -> None:
    nodes = [
        *_chain("Sigmoid a s", "Mul a s t"),
        node("GlobalAveragePool", "t", "p"),
        node("Conv", "p down", "d"),
        node("Relu", "d", "r"),
        node("Conv", "r up", "u"),
        node("HardSigmoid", "u", "g"),
        node("Mul", "g t", "m"),
        node("Conv", "m last", "l"),
        node("Add", "l x", "y"),
    ]
    weights = {**W, "down": (2, 8, 1, 1), "up": (8, 2, 1, 1), "last": (8, 8, 1, 1)}
    kernels = kernels_of(nodes, weights=weights)
    assert [kernel.kind for kernel in kernels] == [
        "dense", "global-pooling", "pointwise", "pointwise", "elementwise", "pointwise",
    ]  # fmt: skip
    assert [kernel.nodes for kernel in kernels[2:]] == [("d", "r"), ("u", "g"), ("m",), ("l", "y")]
    assert kernels[4].elements_read == 288 + 8


def test_views_cost_nothing_and_are_seen_through(kernels_of: KernelsOf) -> None:
    nodes = [
        node("GlobalAveragePool", "x", "p"),
        node("Transpose", "p", "t", perm=[0, 2, 3, 1]),
        node("Flatten", "t", "f"),
        node("Dropout", "f", "d"),
        node("Gemm", "d w", "g", transB=1),
        node("Reshape", "g shape", "h"),
        node("Relu", "h", "r"),
        node("Identity", "r", "y"),
    ]
    weights = {"w": (5, 8), "shape": np.array([0, 5, 1])}
    pool, gemm = kernels_of(nodes, weights=weights)
    assert (pool.nodes, gemm.nodes) == (("p",), ("g", "r"))
    assert (gemm.elements_read, gemm.elements_written, gemm.input_shapes) == (8, 5, ((1, 8),))


def test_quantisation_marks_cost_nothing(kernels_of: KernelsOf) -> None:
    nodes = [
        node("DequantizeLinear", "stored scale", "w"),
        node("Conv", "x w", "a", **CONV),
        node("QuantizeLinear", "a scale", "q"),
        node("DequantizeLinear", "q scale", "d"),
        node("Relu", "d", "y"),
    ]
    weights = {"stored": np.zeros((8, 8, 3, 3), np.uint8), "scale": np.float32(1)}
    (kernel,) = kernels_of(nodes, weights=weights)
    assert (kernel.nodes, kernel.weights) == (("a", "y"), 8 * 8 * 9)


@pytest.mark.parametrize(
    ("mode", "follower", "kinds"),
    [
        ("constant", node("Conv", "p w", "y"), ["dense"]),
        ("constant", node("MaxPool", "p", "y", kernel_shape=[2, 2]), ["pooling"]),
        ("reflect", node("Conv", "p w", "y"), ["copy", "dense"]),
        ("constant", node("Relu", "p", "y"), ["copy", "elementwise"]),
    ],
)
def test_zeros_around_an_image_are_the_next_kernels_to_add(
    kernels_of: KernelsOf, mode: str, follower: NodeProto, kinds: list[str]
) -> None:
    nodes = [node("Pad", "x pads", "p", mode=mode), follower]
    weights = {**W, "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1])}
    kernels = kernels_of(nodes, weights=weights)
    assert [kernel.kind for kernel in kernels] == kinds
    assert sum(len(kernel.nodes) for kernel in kernels) == 2
    if kinds == ["dense"]:
        assert kernels[0].elements_read == 288 and kernels[0].macs == 8 * 36 * 72


def test_traffic_of_splits_and_concatenations(kernels_of: KernelsOf) -> None:
    nodes = [node("Split", "x", "l r", axis=1), node("Concat", "r l", "y", axis=1)]
    split, concat = kernels_of(nodes)
    for kernel in (split, concat):
        assert (kernel.kind, kernel.elements_read, kernel.elements_written) == ("copy", 288, 288)
    assert split.output_shapes == concat.input_shapes == ((1, 4, 6, 6),) * 2


# Any graph.

OPS = ["Conv", "Relu", "Sigmoid", "Add", "Mul", "Reshape", "Softmax", "MadeUp"]


@st.composite
def graphs(draw: st.DrawFn) -> list[NodeProto]:
    values, nodes = ["x"], []
    for i in range(draw(st.integers(1, 14))):
        op = draw(st.sampled_from(OPS))
        count = 2 if op in ("Add", "Mul") else 1
        inputs = [values[-1 - draw(st.integers(0, min(4, len(values) - 1)))] for _ in range(count)]
        extra = {"Conv": " w", "Reshape": " shape"}.get(op, "")
        attributes: dict[str, Any] = CONV if op == "Conv" else {"domain": "made.up"} if op == "MadeUp" else {}
        nodes.append(node(op, " ".join(inputs) + extra, f"v{i}", **attributes))
        values.append(f"v{i}")
    return nodes


@given(graphs(), st.integers(0, 3))
@settings(max_examples=60)
def test_every_node_runs_once_and_after_what_it_needs(
    tmp_path_factory: pytest.TempPathFactory, nodes: list[NodeProto], more: int
) -> None:
    outputs = " ".join(dict.fromkeys([nodes[-1].output[0], nodes[-1 - more % len(nodes)].output[0]]))
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    weights = {"w": (8, 8, 3, 3), "shape": np.array([0, 8, 6, 6])}
    path.write_bytes(model(nodes, weights=weights, output=outputs).SerializeToString())
    graph = shaped(read_model(path, 1))
    kernels = fused_kernels(graph)
    run = [name for kernel in kernels for name in kernel.nodes]
    assert Counter(run) == Counter(made.name for made in graph.nodes if made.op_type != "Reshape")
    seen = {"x"}
    by_name = {made.name: made for made in graph.nodes}
    views = {made.output[0]: made.input[0] for made in graph.nodes if made.op_type == "Reshape"}
    for kernel in kernels:
        for name in kernel.nodes:
            for value in by_name[name].input:
                while value in views:
                    value = views[value]
                assert value in seen | {"w"}
            seen.add(by_name[name].output[0])
    convolutions = sum(made.op_type == "Conv" for made in graph.nodes)
    assert sum(kernel.macs for kernel in kernels) == convolutions * 288 * 72
    assert all(kernel.elements_written > 0 and kernel.elements_read > 0 for kernel in kernels)


# Networks of edgenas.

SPACES = [
    mbconv(32, 10),
    mbconv(32, 10, squeeze_excite=True, activation="hswish"),
    nasbench_macro(),
]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.signature)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_network_of_edgenas_has_the_macs_of_its_architecture(
    tmp_path: Path, space: SearchSpace, batch: int
) -> None:
    path = tmp_path / "model.onnx"
    for seed in range(3):
        architecture = space.sample(np.random.default_rng(seed))
        blocks = space.blocks(architecture)
        path.write_bytes(onnx_from_blocks(blocks, random_weights(0)).SerializeToString())
        kernels = fused_kernels(shaped(read_model(path, batch)))
        assert sum(kernel.macs for kernel in kernels) == batch * space.macs(architecture)
        assert len(kernels) == sum(layer.kernels for block in blocks for layer in block.layers)
        assert all(
            second.input_shapes[0] in first.output_shapes + first.input_shapes or second.kind == "linear"
            for first, second in pairwise(kernels)
            if second.kind != "elementwise"
        )


# Networks of torchvision, as torch exports them.


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        (
            "mobilenet_v3_small",
            {"dense": 1, "depthwise": 11, "global-pooling": 10, "pointwise": 40, "elementwise": 9, "linear": 2},
        ),
        (
            "shufflenet_v2_x0_5",
            {"dense": 1, "pooling": 1, "depthwise": 19, "pointwise": 36, "copy": 58, "global-pooling": 1, "linear": 1},
        ),
        ("squeezenet1_1", {"dense": 9, "pooling": 3, "pointwise": 17, "copy": 8, "global-pooling": 1}),
    ],
)  # fmt: skip
def test_networks_of_torchvision(tmp_path: Path, name: str, kinds: dict[str, int]) -> None:
    torch = pytest.importorskip("torch")
    models = pytest.importorskip("torchvision.models")
    counting = pytest.importorskip("fvcore.nn")
    network, images = getattr(models, name)(weights=None).eval(), torch.zeros(1, 3, 224, 224)
    path = tmp_path / f"{name}.onnx"
    torch.onnx.export(
        network, (images,), str(path), dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}}
    )
    counts = counting.FlopCountAnalysis(network, images).unsupported_ops_warnings(False).by_operator()
    kernels = fused_kernels(shaped(read_model(path, 1)))
    assert sum(kernel.macs for kernel in kernels) == counts["conv"] + counts["linear"]
    assert Counter(kernel.kind for kernel in kernels) == kinds
    # Batch norm is folded: of its scale and shift the shift is left, as a bias.
    folded = sum(m.num_features for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    weights = sum(parameter.numel() for parameter in network.parameters()) - folded
    assert sum(kernel.weights for kernel in kernels) == weights
