"""Trees and linear models, control flow, and networks of other floating-point types."""

from typing import Any

from onnx import TensorProto

from edgenas.fragments.graph_builder import GraphBuilder, Value
from edgenas.fragments.graph_writer import CLASSICAL
from edgenas.fragments.kinds.starting import Built, Draw, Kind, Start
from edgenas.space.onnx_graph import INPUT

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def _rows(draw: Draw, start: Start, *counts: int) -> tuple[GraphBuilder, Value]:
    """Rows of features, scaled; of one of these counts, or of a usual one if none is given."""
    features = draw.of(4, 10, 30, 100)
    builder = start(draw.of(*(counts or (1, 16, 64, 256, 1024))), features)
    value = builder.reshaped(INPUT, start.batch * builder.shape(INPUT)[1], features)
    return builder, builder.node(
        "Scaler",
        [value],
        builder.shape(value),
        domain=CLASSICAL,
        offset=[0.5] * features,
        scale=[2.0] * features,
    )


def _visited(builder: GraphBuilder, rows: int, trees: int, depth: int) -> None:
    """Count what each row visits: a node takes as long as writing some twenty elements."""
    builder.elements += 20 * rows * trees * depth


def _forest(trees: int, depth: int, features: int) -> dict[str, Any]:
    """The nodes of balanced trees, numbered row by row: those after the inner ones are leaves."""
    inner, count = 2**depth - 1, 2 ** (depth + 1) - 1
    one = range(count)
    return {
        "nodes_treeids": [tree for tree in range(trees) for _ in one],
        "nodes_nodeids": [*one] * trees,
        "nodes_featureids": [
            (node + tree) % features if node < inner else 0 for tree in range(trees) for node in one
        ],
        "nodes_values": [(node * 37 % 100) / 50 - 1 if node < inner else 0.0 for node in one] * trees,
        "nodes_modes": ["BRANCH_LEQ" if node < inner else "LEAF" for node in one] * trees,
        "nodes_truenodeids": [2 * node + 1 if node < inner else 0 for node in one] * trees,
        "nodes_falsenodeids": [2 * node + 2 if node < inner else 0 for node in one] * trees,
    }


def _regression(draw: Draw, start: Start) -> Built:
    builder, value = _rows(draw, start)
    rows, features = builder.shape(value)
    trees, depth = draw.of(10, 30, 100, 200, 500), draw.of(3, 4, 6)
    _visited(builder, rows, trees, depth)
    leaves = range(2**depth - 1, 2 ** (depth + 1) - 1)
    return builder, builder.node(
        "TreeEnsembleRegressor", [value], (rows, 1), domain=CLASSICAL, n_targets=1,
        target_treeids=[tree for tree in range(trees) for _ in leaves],
        target_nodeids=[*leaves] * trees,
        target_ids=[0] * len(leaves) * trees,
        target_weights=[leaf / 1000 for leaf in leaves] * trees,
        **_forest(trees, depth, features),
    )  # fmt: skip


def _classification(draw: Draw, start: Start) -> Built:
    """Trees of several classes; the probabilities are what is used."""
    builder, value = _rows(draw, start)
    rows, features = builder.shape(value)
    trees, depth, classes = draw.of(10, 30, 100, 200), draw.of(3, 4, 6), draw.of(2, 3, 10)
    _visited(builder, rows, trees, depth)
    leaves = range(2**depth - 1, 2 ** (depth + 1) - 1)
    builder.node(
        "TreeEnsembleClassifier", [value], (rows,), INT64, domain=CLASSICAL, classlabels_int64s=[*range(classes)],
        class_treeids=[tree for tree in range(trees) for _ in leaves],
        class_nodeids=[*leaves] * trees,
        class_ids=[(leaf + tree) % classes for tree in range(trees) for leaf in leaves],
        class_weights=[leaf / 1000 for leaf in leaves] * trees,
        **_forest(trees, depth, features),
    )  # fmt: skip
    scores = builder.also((rows, classes), FLOAT)
    return builder, builder.node("Normalizer", [scores], (rows, classes), domain=CLASSICAL, norm="L1")


def _linear(draw: Draw, start: Start) -> Built:
    """Linear models, as scikit-learn's converters write them."""
    builder, value = _rows(draw, start)
    classes = draw.of(3, 10, 100)
    if not draw.chance(0.3):
        return builder, _classified(draw, builder, value, classes)
    shape = (builder.shape(value)[0], classes)
    slopes = _slopes(builder, value, classes)
    return builder, builder.node("LinearRegressor", [value], shape, targets=classes, **slopes)


def _dictionaries(draw: Draw, start: Start) -> Built:
    """Few rows whose scores become dictionaries by class, as those converters end classifiers unless told otherwise."""
    builder, value = _rows(draw, start, 1, 1, 3, 16)
    return builder, builder.dictionaries(_classified(draw, builder, value, draw.of(3, 10, 100)))


def _classified(draw: Draw, builder: GraphBuilder, value: Value, classes: int) -> Value:
    """Probabilities of classes; their labels are another output of the operator, which is not used."""
    rows = builder.shape(value)[0]
    builder.node(
        "LinearClassifier",
        [value],
        (rows,),
        INT64,
        classlabels_ints=[*range(classes)],
        post_transform="SOFTMAX",
        **_slopes(builder, value, classes),
    )
    scores = builder.also((rows, classes), FLOAT)
    norm = draw.word("L1", "L2", "MAX")
    return builder.node("Normalizer", [scores], (rows, classes), domain=CLASSICAL, norm=norm)


def _slopes(builder: GraphBuilder, value: Value, classes: int) -> dict[str, Any]:
    """Attributes of a linear model, whose products are counted."""
    rows, features = builder.shape(value)
    builder.macs += rows * features * classes
    slopes = [(i * 37 % 100) / 100 for i in range(classes * features)]
    return {"coefficients": slopes, "intercepts": [0.5] * classes, "domain": CLASSICAL}


def _layers(draw: Draw, builder: GraphBuilder, value: Value) -> Value:
    """What the branches of a condition do."""
    width = builder.shape(value)[-1]
    for _ in range(draw.of(1, 2)):
        value = builder.linear(value, width, "relu")
    return value


def _condition(draw: Draw, start: Start) -> Built:
    """Two branches, and a condition that is computed, or that the runtime knows beforehand."""
    builder = start(draw.of(16, 64, 256, 512))
    value, shape = INPUT, builder.shape(INPUT)
    known = draw.chance(0.3)
    for _ in range(draw.of(2, 4)):
        inside = value
        branches = {
            f"{name}_branch": builder.body([], lambda: [_layers(draw, builder, inside)])  # noqa: B023 - called at once
            for name in ("then", "else")
        }
        if known:
            condition = builder.scalar(1, BOOL)
        else:
            total = builder.node("ReduceMax", [value], (), axes=[0, 1], keepdims=0)
            condition = builder.node("Greater", [total, builder.scalar(0.0)], (), BOOL)
        value = builder.unary("Abs", builder.node("If", [condition], shape, FLOAT, **branches))
    return builder, value


def _loop(draw: Draw, start: Start) -> Built:
    """A small body, a fixed number of times."""
    builder = start(draw.of(8, 32, 128, 256))
    shape = builder.shape(INPUT)

    def once(_: Value, goes_on: Value, state: Value) -> list[Value]:
        state = builder.unary("Tanh", _layers(draw, builder, state))
        return [builder.node("Identity", [goes_on], (), BOOL), state]

    body = builder.body([((), INT64), ((), BOOL), (shape, FLOAT)], once)
    trips = builder.scalar(draw.between(2, 50), INT64)
    value = builder.node("Loop", [trips, builder.scalar(1, BOOL), INPUT], shape, FLOAT, body=body)
    return builder, builder.linear(value, 10)


def _half_images(draw: Draw, start: Start) -> Built:
    """A small convolutional network of float16; no runtime has convolutions of doubles."""
    rows = draw.of(14, 28, 56)
    builder = start(draw.of(3, 16, 32), rows, rows, kind=TensorProto.FLOAT16)
    value = INPUT
    for _ in range(draw.of(2, 3)):
        value = builder.conv(value, draw.of(16, 32), draw.of(1, 3, 3), act=draw.word("relu", "silu"))
    value = builder.flat(builder.global_pooled(builder.pooled(value, "MaxPool", 3, 2)))
    return builder, builder.linear(value, draw.of(10, 100))


def _tokens_of(kind: int) -> Kind:
    """Linear layers with norms and activations, of another type than float32."""

    def build(draw: Draw, start: Start) -> Built:
        width = draw.of(32, 64, 128, 256)
        builder = start(draw.between(1, 100), width, kind=kind)
        value = INPUT
        for _ in range(draw.of(1, 2)):
            inside = builder.linear(
                builder.normalised(value), 2 * width, draw.word("relu", "tanh", "sigmoid")
            )
            value = builder.add(value, builder.linear(inside, width))
        return builder, builder.softmax(value)

    return build


OTHERS: dict[str, Kind] = {
    "tree-regression": _regression,
    "tree-classification": _classification,
    "linear-models": _linear,
    "condition": _condition,
    "loop": _loop,
    "half-images": _half_images,
    "half-tokens": _tokens_of(TensorProto.FLOAT16),
    "double-tokens": _tokens_of(TensorProto.DOUBLE),
    "dictionaries": _dictionaries,
}
