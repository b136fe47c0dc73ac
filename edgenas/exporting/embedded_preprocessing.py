"""The preprocessing as nodes of an exported file: it then takes pictures as a camera gives them.

Pillow's resampling is linear and separable, so it is two products with matrices of weights. `Resize` has antialiasing
only from opset 18 on, and not in every runtime; the elementary operators used here are in all of them.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from PIL import ImageColor

from edgenas.exporting.camera import IMAGE, Camera
from edgenas.exporting.preprocessing import Preprocessing
from edgenas.vocabulary import Fit

SCOPE = "preprocessing/"
"""What the names of the new nodes and values begin with."""

_AXES_ARE_INPUT = 13
"""The opset from which ReduceSum takes its axes as an input."""

_HEIGHT, _WIDTH = 2, 3
"""Axes of planes."""

_PARTS = 8

_UNITS = 2.0**16
"""Weights are whole multiples of one part in so many. Sums of their products with 8-bit values then fit the 24 bits of
a float: they are exact, in whatever order a runtime adds, and the pixels are the same in all of them."""

Value = str | float | NDArray[Any]
"""The name of a value in the graph; or a number or array, which becomes an initialiser."""


def with_preprocessing(content: bytes, preprocessing: Preprocessing, camera: Camera) -> bytes:
    """The model with another input, `image`, and the preprocessing between it and the input it had.

    Args:
        content: serialised ONNX of opset 11 or later; its one input is float32 (batch, channels, R, R).
        preprocessing: of its pictures.
        camera: layout and size of the new input, uint8; any size where it has none.

    Returns:
        The model; its metadata have a new entry `camera`.
    """
    model = onnx.load_model_from_string(content)
    (given,) = model.graph.input
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    graph = _Graph(opset)
    _normalise(graph, _square(graph, preprocessing, camera), preprocessing, given.name)
    first = given.type.tensor_type.shape.dim[0]
    shape = (first.dim_value or first.dim_param or "batch", *camera.shape(preprocessing.channels))
    image = helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, shape)
    nodes = [*graph.nodes, *model.graph.node]
    del model.graph.input[:], model.graph.node[:]
    model.graph.input.append(image)
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(graph.initialisers)
    entries = {each.key: each.value for each in model.metadata_props}
    helper.set_model_props(model, entries | {"camera": json.dumps(camera.model_dump())})
    return bytes(model.SerializeToString())


class _Graph:
    """Nodes in the order they are added; a call adds one and returns the name of its output."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []

    def __call__(self, operator: str, *inputs: Value, output: str = "", **attributes: Any) -> str:
        name = f"{SCOPE}{len(self.nodes)}.{operator}"
        names = [self._named(each) for each in inputs]
        self.nodes.append(helper.make_node(operator, names, [output or name], name, **attributes))
        return output or name

    def _named(self, value: Value) -> str:
        if isinstance(value, str):
            return value
        array = np.float32(value) if isinstance(value, float | int) else value
        name = f"{SCOPE}constant.{len(self.initialisers)}"
        self.initialisers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def row_sums(self, matrix: str) -> str:
        """Sums over the second axis, which is kept."""
        if self.opset < _AXES_ARE_INPUT:
            return self("ReduceSum", matrix, axes=[1])
        return self("ReduceSum", matrix, np.array([1], np.int64))


def _square(graph: _Graph, preprocessing: Preprocessing, camera: Camera) -> str:
    """Values 0 to 255, whole, float32 (batch, channels, R, R), of the image."""
    numbers = graph("Cast", IMAGE, to=TensorProto.FLOAT)  # at once: TensorRT does nothing else with uint8
    planes = graph("Transpose", numbers, perm=[0, 3, 1, 2]) if camera.layout == "nhwc" else numbers
    weights = (
        _of_any_size(graph, planes, preprocessing) if camera.width is None else _of_one(camera, preprocessing)
    )
    # Pillow rounds to 8 bits each time too. It scales the width first; from version 13 on, the height where that costs
    # less, so that pixels may differ by one level.
    narrow = _rounded(graph, _scaled(graph, planes, weights.columns, _WIDTH))
    square = _rounded(graph, _scaled(graph, narrow, weights.rows, _HEIGHT))
    return square if weights.margin is None else graph("Add", square, weights.margin)


def _scaled(graph: _Graph, planes: str, weights: Value, axis: int) -> str:
    """Planes (batch, channels, H, W) with R pixels along an axis, by weights (R, H) or (R, W).

    Known weights are mostly zeros: parts of the result need parts of the image, an eighth of the products.
    """
    if not isinstance(weights, np.ndarray):
        return _product(graph, planes, weights, axis)
    scaled = []
    for part in np.array_split(weights, min(_PARTS, len(weights))):
        used = np.flatnonzero(part.any(0))
        first, end = (used[0], used[-1] + 1) if len(used) else (0, 1)
        piece = graph("Slice", planes, *(np.array([each], np.int64) for each in (first, end, axis)))
        scaled.append(_product(graph, piece, part[:, first:end], axis))
    return graph("Concat", *scaled, axis=axis)


def _product(graph: _Graph, planes: str, weights: Value, axis: int) -> str:
    if axis == _HEIGHT:
        return graph("MatMul", weights, planes)
    return graph("MatMul", planes, weights.T if isinstance(weights, np.ndarray) else _turned(graph, weights))


def _rounded(graph: _Graph, values: str) -> str:
    """Half is rounded up, as by Pillow."""
    return graph("Floor", graph("Add", values, 0.5))


def _normalise(graph: _Graph, square: str, preprocessing: Preprocessing, output: str) -> None:
    mean, std = (
        np.array(each, np.float32)[:, None, None] for each in (preprocessing.mean, preprocessing.std)
    )
    unit = graph("Div", square, 255.0)
    graph("Div", graph("Sub", unit, mean), std, output=output)


class _Weights(NamedTuple):
    """Of the pixels of its width, (R, W), and of its height, (R, H); what is added then, (R, R)."""

    columns: Value
    rows: Value
    margin: Value | None


def _of_any_size(graph: _Graph, planes: str, preprocessing: Preprocessing) -> _Weights:
    """Computed in the graph, from the size of the image it gets."""
    shape = graph("Shape", planes)
    height, width = (graph("Gather", shape, np.array(axis, np.int64)) for axis in (_HEIGHT, _WIDTH))
    return _weights(graph, height, width, preprocessing)


def _of_one(camera: Camera, preprocessing: Preprocessing) -> _Weights:
    """The same nodes, evaluated now."""
    graph = _Graph(_AXES_ARE_INPUT)
    names = [each for each in _weights(graph, "height", "width", preprocessing) if each is not None]
    sides = [helper.make_tensor_value_info(name, TensorProto.INT64, ()) for name in ("height", "width")]
    outputs = [helper.make_tensor_value_info(str(name), TensorProto.FLOAT, (None, None)) for name in names]
    proto = helper.make_graph(graph.nodes, "weights", sides, outputs, graph.initialisers)
    opsets = [helper.make_opsetid("", graph.opset)]
    evaluator = ReferenceEvaluator(helper.make_model(proto, opset_imports=opsets))
    given = {"height": np.array(camera.height, np.int64), "width": np.array(camera.width, np.int64)}
    columns, rows, *margin = evaluator.run(None, given)
    return _Weights(columns, rows, margin[0] if margin else None)


def _weights(graph: _Graph, height: str, width: str, preprocessing: Preprocessing) -> _Weights:
    """For an image whose sides are int64 scalars of the graph."""
    high, wide = (graph("Cast", each, to=TensorProto.FLOAT) for each in (height, width))
    place, size = _PLACES[preprocessing.fit], preprocessing.resolution
    down, across = place(graph, high, wide, size), place(graph, wide, high, size)
    rows, columns = _matrix(graph, height, size, down), _matrix(graph, width, size, across)
    margin = None
    if down.inside is not None and across.inside is not None:
        picture = graph("Mul", down.inside, _turned(graph, across.inside))
        margin = graph("Mul", graph("Sub", 1.0, picture), float(ImageColor.getrgb(preprocessing.padding)[0]))
    return _Weights(columns, rows, margin)


def _turned(graph: _Graph, matrix: Value) -> str:
    return graph("Transpose", matrix, perm=[1, 0])


class _Place(NamedTuple):
    """Where one side of an image lies in the network's input, of R pixels.

    Attributes:
        scale: pixels of the image that become one of the input.
        start: where it begins in the image.
        first: where it begins in the input.
        inside: (R, 1), 1 where the image lies and 0 beside it; None if that is everywhere.
    """

    scale: Value
    start: Value
    first: Value
    inside: str | None


def _cropped(graph: _Graph, side: str, other: str, size: int) -> _Place:
    shorter = graph("Min", side, other)
    start = graph("Mul", graph("Sub", side, shorter), 0.5)
    return _Place(graph("Div", shorter, size), start, 0, None)


def _stretched(graph: _Graph, side: str, other: str, size: int) -> _Place:
    return _Place(graph("Div", side, size), 0, 0, None)


def _padded(graph: _Graph, side: str, other: str, size: int) -> _Place:
    proportional = graph("Div", graph("Mul", side, size), graph("Max", side, other))
    count = graph("Max", graph("Round", proportional), 1)
    first = graph("Floor", graph("Mul", graph("Sub", size, count), 0.5))
    half = graph("Mul", count, 0.5)
    off_centre = graph("Abs", graph("Sub", graph("Sub", _centres(size), first), half))
    inside = graph("Cast", graph("Less", off_centre, half), to=TensorProto.FLOAT)
    return _Place(graph("Div", side, count), 0, first, inside)


_PLACES: dict[Fit, Callable[[_Graph, str, str, int], _Place]] = {
    "crop": _cropped,
    "pad": _padded,
    "stretch": _stretched,
}
"""For the length of a side, that of the other, and R."""


def _matrix(graph: _Graph, pixels: str, size: int, place: _Place) -> str:
    """Weights of the pixels of one side, (R, pixels), as Pillow's for BILINEAR: each row is a triangle with the sum 1.

    As in Pillow, it reaches beyond what is cropped, but not beyond the image. Rows outside the picture are 0.
    """
    every = graph("Range", np.array(0, np.int64), pixels, np.array(1, np.int64))
    pixel = graph("Add", graph("Cast", every, to=TensorProto.FLOAT), 0.5)
    centre = graph("Add", graph("Mul", graph("Sub", _centres(size), place.first), place.scale), place.start)
    distance = graph("Div", graph("Abs", graph("Sub", pixel, centre)), graph("Max", place.scale, 1))
    triangle = _fixed_point(graph, graph("Relu", graph("Sub", 1, distance)))
    if place.inside is None:
        return _fixed_point(graph, graph("Div", triangle, graph.row_sums(triangle)))
    kept = graph("Mul", triangle, place.inside)
    total = graph("Add", graph.row_sums(kept), graph("Sub", 1, place.inside))
    return _fixed_point(graph, graph("Div", kept, total))


def _fixed_point(graph: _Graph, values: str) -> str:
    """Values rounded to `_UNITS`."""
    return graph("Div", _rounded(graph, graph("Mul", values, _UNITS)), _UNITS)


def _centres(size: int) -> NDArray[np.float32]:
    """The middles of the input's pixels, (R, 1)."""
    return np.arange(size, dtype=np.float32)[:, None] + np.float32(0.5)
