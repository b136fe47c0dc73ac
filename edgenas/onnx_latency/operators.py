"""ONNX operators: one table from an operator's name to its kind of kernel, its role in fusion and its MACs.

An operator missing from the table is `UNKNOWN`; only its memory traffic is known.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar, cast

from onnx import NodeProto, helper

from edgenas.device_models.work import Kind, conv_kind
from edgenas.onnx_latency.onnx_reading import operator
from edgenas.onnx_latency.shape_inference import Graph


class Role(Enum):
    """An operator's role in kernel fusion."""

    PRODUCT = "begins a kernel that following elementwise operators are fused into"
    ELEMENTWISE = "is fused into the previous kernel if possible, else begins one as a product does"
    ALONE = "is a kernel of its own"
    VIEW = "is free: the same elements in another shape, or an annotation for the runtime"


@dataclass(frozen=True, slots=True)
class Multiplied:
    """A node's multiply-accumulates, and how many outputs each input element contributes to (`Work.reuse`)."""

    macs: int = 0
    reuse: int = 1


@dataclass(frozen=True, slots=True)
class Operator:
    """One row of the table; kind and product depend on the node's shapes."""

    role: Role
    kind: Callable[[Graph, NodeProto], Kind]
    multiplied: Callable[[Graph, NodeProto], Multiplied] = lambda _, __: Multiplied()
    window: Callable[[Graph, NodeProto], int] = lambda _, __: 1  # of pooling: elements visited per output
    steps: Callable[[Graph, NodeProto], int] = lambda _, __: 1  # of recurrent layers: one after the other
    picks: bool = False  # reads only as many elements as it writes
    pads: bool = False  # absorbs a preceding constant Pad


def operator_of(node: NodeProto) -> Operator:
    """The table's row for a node's operator."""
    return _OPERATORS.get(operator(node), UNKNOWN)


T = TypeVar("T")


def attribute(node: NodeProto, name: str, default: T) -> T:
    """An attribute of a node, of the default's type."""
    found = next((a for a in node.attribute if a.name == name), None)
    return default if found is None else cast(T, helper.get_attribute_value(found))


def _always(kind: Kind) -> Callable[[Graph, NodeProto], Kind]:
    return lambda _, __: kind


def _groups(node: NodeProto) -> int:
    return max(1, attribute(node, "group", 1))


def _conv(weight: int) -> Operator:
    """A convolution whose weight, of shape (out, in / groups, *window), is the given input."""

    def kind(graph: Graph, node: NodeProto) -> Kind:
        _, width, *window = graph.shapes[node.input[weight]]
        groups = _groups(node)
        return conv_kind(groups, width * groups, math.prod(window))

    def multiplied(graph: Graph, node: NodeProto) -> Multiplied:
        out, *rest = graph.shapes[node.input[weight]]
        return Multiplied(graph.size(node.output[0]) * math.prod(rest), max(1, out // _groups(node)))

    return Operator(Role.PRODUCT, kind, multiplied, pads=True)


def _transposed_kind(graph: Graph, node: NodeProto) -> Kind:
    channels, _, *window = graph.shapes[node.input[1]]
    return conv_kind(_groups(node), channels, math.prod(window))


def _transposed(graph: Graph, node: NodeProto) -> Multiplied:
    """Every input element is multiplied by the weights of its channel, shape (in, out / groups, *window)."""
    _, *rest = graph.shapes[node.input[1]]
    return Multiplied(graph.size(node.input[0]) * math.prod(rest), max(1, rest[0]))


def _product(right: int) -> Operator:
    """A matrix product of the first and the given input."""

    def kind(graph: Graph, node: NodeProto) -> Kind:
        return "matmul" if graph.constants.isdisjoint((node.input[0], node.input[right])) else "linear"

    def multiplied(graph: Graph, node: NodeProto) -> Multiplied:
        inner = graph.shapes[node.input[0]][-2 if attribute(node, "transA", 0) else -1]
        columns = graph.shapes[node.output[0]][-1:]
        return Multiplied(graph.size(node.output[0]) * inner, math.prod(columns))

    return Operator(Role.PRODUCT, kind, multiplied)


def _recurrent() -> Operator:
    """An LSTM, GRU or RNN: input (steps, batch, features), weights of all gates and directions for input and state."""

    def multiplied(graph: Graph, node: NodeProto) -> Multiplied:
        steps, batch, *_ = graph.shapes[node.input[0]]
        weights = sum(graph.size(name) for name in node.input[1:3])
        return Multiplied(
            steps * batch * weights, max(1, weights // math.prod(graph.shapes[node.input[0]][2:]))
        )

    return Operator(
        Role.ALONE,
        _always("recurrent"),
        multiplied,
        steps=lambda graph, node: graph.shapes[node.input[0]][0],
    )


def _attention() -> Operator:
    """Self-attention in one node: input (batch, tokens, width), one weight for queries, keys and values."""

    def multiplied(graph: Graph, node: NodeProto) -> Multiplied:
        shape, projection = graph.shapes[node.input[0]], graph.shapes.get(node.input[1], ())
        tokens, written = shape[1] if len(shape) > 2 else 1, graph.size(node.output[0])
        project = shape[0] * tokens * math.prod(projection) if node.input[1] in graph.weights else 0
        return Multiplied(project + 2 * written * tokens, max(1, shape[-1]))

    return Operator(Role.PRODUCT, _always("matmul"), multiplied)


def _einsum() -> Operator:
    """One product for each combination of indices."""

    def multiplied(graph: Graph, node: NodeProto) -> Multiplied:
        terms = attribute(node, "equation", b"").decode(errors="replace").partition("->")[0].split(",")
        sizes: dict[str, int] = {}
        for term, name in zip(terms, node.input, strict=False):
            sizes.update(zip(reversed(term.strip()), reversed(graph.shapes[name]), strict=False))
        sizes.pop(".", None)
        return Multiplied(math.prod(sizes.values()), 1)

    return Operator(Role.PRODUCT, _always("matmul"), multiplied)


def _rows_times(amount: Callable[[NodeProto], int]) -> Operator:
    """Something of `ai.onnx.ml` that takes the same amount of work for each row of its input."""

    def multiplied(graph: Graph, node: NodeProto) -> Multiplied:
        return Multiplied(next(iter(graph.shapes[node.input[0]]), 1) * amount(node))

    return Operator(Role.ALONE, _always("trees"), multiplied)


def _visited(node: NodeProto) -> int:
    """Nodes of all trees that a row visits, if the trees are balanced."""
    trees = attribute(node, "nodes_treeids", [0])
    count = len(set(trees))
    return math.ceil(count * math.log2(max(2, len(trees) / count)))


def _pooling(otherwise: Kind) -> Operator:
    """Pooling; global if one element per channel remains."""

    def kind(graph: Graph, node: NodeProto) -> Kind:
        shape = graph.shapes[node.input[0]]
        one_left = graph.size(node.output[0]) == math.prod(shape[:2])
        return "global-pooling" if len(shape) >= 4 and one_left else otherwise

    def window(_: Graph, node: NodeProto) -> int:
        return math.prod(attribute(node, "kernel_shape", [1]))

    return Operator(Role.ALONE, kind, window=window, pads=otherwise == "pooling")


def _named(row: Operator, names: str) -> Iterable[tuple[str, Operator]]:
    return ((name, row) for name in names.split())


UNKNOWN = Operator(Role.ALONE, _always("unknown"))
_VIEW = Operator(Role.VIEW, _always("copy"))
_ELEMENTWISE = Operator(Role.ELEMENTWISE, _always("elementwise"))
COPY = Operator(Role.ALONE, _always("copy"))
_PICK = Operator(Role.ALONE, _always("copy"), picks=True)

_OPERATORS: dict[str, Operator] = {
    "Conv": _conv(weight=1),
    "ConvInteger": _conv(weight=1),
    "QLinearConv": _conv(weight=3),
    **dict(_named(_conv(weight=1), "com.microsoft.FusedConv com.microsoft.nchwc.Conv")),
    "com.microsoft.QLinearConv": _conv(weight=3),
    **dict(_named(_product(right=1), """
        com.microsoft.DynamicQuantizeMatMul com.microsoft.FusedGemm com.microsoft.FusedMatMul
        com.microsoft.MatMulIntegerToFloat""")),
    "com.microsoft.QGemm": _product(right=3),
    **dict(_named(_recurrent(), "GRU LSTM RNN com.microsoft.DynamicQuantizeLSTM")),
    **dict(_named(_attention(), "com.microsoft.Attention com.microsoft.MultiHeadAttention com.microsoft.QAttention")),
    "Einsum": _einsum(),
    **dict(_named(_rows_times(_visited), """
        ai.onnx.ml.TreeEnsembleClassifier ai.onnx.ml.TreeEnsembleRegressor""")),
    **dict(_named(_rows_times(lambda node: len(attribute(node, "coefficients", [0.0]))), """
        ai.onnx.ml.LinearClassifier ai.onnx.ml.LinearRegressor""")),
    **dict(_named(_rows_times(lambda node: len(attribute(node, "support_vectors", [0.0]))), """
        ai.onnx.ml.SVMClassifier ai.onnx.ml.SVMRegressor""")),
    "ConvTranspose": Operator(Role.PRODUCT, _transposed_kind, _transposed),
    "Gemm": _product(right=1),
    "MatMul": _product(right=1),
    "MatMulInteger": _product(right=1),
    "QLinearMatMul": _product(right=3),
    **dict(_named(_pooling("pooling"), """
        AveragePool LpPool MaxPool com.microsoft.nchwc.AveragePool com.microsoft.nchwc.MaxPool
        com.microsoft.QLinearAveragePool""")),
    **dict(_named(_pooling("reduction"), """
        GlobalAveragePool GlobalLpPool GlobalMaxPool
        com.microsoft.nchwc.GlobalAveragePool com.microsoft.nchwc.GlobalMaxPool
        com.microsoft.QLinearGlobalAveragePool com.microsoft.QLinearReduceMean
        ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
        ReduceSumSquare""")),
    **dict(_named(Operator(Role.ALONE, _always("reduction")), """
        ArgMax ArgMin CumSum DFT GroupNormalization Hardmax InstanceNormalization LayerNormalization LogSoftmax
        LpNormalization MeanVarianceNormalization NonMaxSuppression RMSNormalization Softmax STFT TopK Unique
        SimplifiedLayerNormalization ai.onnx.ml.Normalizer ai.onnx.ml.Scaler
        com.microsoft.EmbedLayerNormalization com.microsoft.QLinearSoftmax com.microsoft.SkipLayerNormalization
        com.microsoft.SkipSimplifiedLayerNormalization""")),
    "LRN": Operator(Role.ALONE, _always("reduction"), window=lambda _, node: attribute(node, "size", 1)),
    **dict(_named(_ELEMENTWISE, """
        Abs Acos Acosh Add And Asin Asinh Atan Atanh BatchNormalization BitShift BitwiseAnd BitwiseNot BitwiseOr
        BitwiseXor Cast CastLike Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater
        GreaterOrEqual HardSigmoid HardSwish IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul
        Neg Not Or
        Pow PRelu Reciprocal Relu Round Selu Sigmoid Sign Sin Sinh Shrink Softplus Softsign Sqrt Sub Sum Swish Tan
        Tanh ThresholdedRelu Where Xor com.microsoft.BiasGelu com.microsoft.FastGelu com.microsoft.Gelu
        com.microsoft.QLinearAdd com.microsoft.QLinearLeakyRelu com.microsoft.QLinearMul
        com.microsoft.QLinearSigmoid com.microsoft.QuickGelu DynamicQuantizeLinear""")),
    **dict(_named(COPY, """
        Compress Concat ConstantOfShape DepthToSpace Expand EyeLike GridSample OneHot Pad Range Resize ReverseSequence
        ScatterElements ScatterND SpaceToDepth Split Tile Transpose Trilu Upsample com.microsoft.QLinearConcat
        com.microsoft.nchwc.ReorderInput com.microsoft.nchwc.ReorderOutput com.microsoft.nchwc.Upsample
        ai.onnx.ml.ArrayFeatureExtractor ai.onnx.ml.LabelEncoder ai.onnx.ml.ZipMap""")),
    **dict(_named(_PICK, "Gather GatherElements GatherND NonZero Shape Size Slice")),
    **dict(_named(_VIEW, "Dropout Flatten Identity Reshape Squeeze Unsqueeze")),
    **dict(_named(Operator(Role.VIEW, _always("elementwise")), "DequantizeLinear QuantizeLinear")),
    **dict(_named(Operator(Role.ALONE, _always("control")), "If Loop Scan")),
}  # fmt: skip
