"""Kernels of image, sound and video networks that the families of `network_families` lack."""

import math

from onnx import TensorProto

from edgenas.fragments.graph_builder import GraphBuilder, Value
from edgenas.fragments.kinds.arrays import reduced
from edgenas.fragments.kinds.starting import Built, Draw, Kind, Start, image
from edgenas.space.onnx_graph import INPUT


def _grouped(draw: Draw, start: Start) -> Built:
    width = draw.of(32, 64, 128, 256, 512)
    builder = start(width, draw.of(50, 200, 800)) if draw.chance(0.3) else image(draw, start, width)
    value, groups, kernel = INPUT, draw.of(2, 4, 8, 32), draw.of(1, 3, 3)
    for _ in range(draw.of(2, 3)):
        value = builder.conv(value, width, kernel, groups=groups, act=draw.word("relu", "silu", "none"))
    return builder, value


def _multiplied(draw: Draw, start: Start) -> Built:
    """Depthwise convolutions with several outputs a channel, and with channels that fill no block."""
    builder = image(draw, start, 3, 12, 20, 30, 64)
    width, value, factor = builder.channels(INPUT), INPUT, draw.of(1, 2, 4)
    for _ in range(draw.of(1, 2)):
        value = builder.conv(value, width * factor, draw.of(3, 5), groups=width, act="relu")
        value = builder.conv(value, width, 1)
    return builder, value


def _dilated(draw: Draw, start: Start) -> Built:
    builder = image(draw, start, 16, 32, 64, 128)
    value, groups = INPUT, draw.of(1, 1, builder.channels(INPUT))
    for dilation in (1, 2, 4)[: draw.of(2, 3)]:
        value = builder.conv(value, builder.channels(INPUT), 3, groups=groups, act="relu", dilation=dilation)
    return builder, value


def _odd(draw: Draw, start: Start) -> Built:
    """Channels that are no multiple of a block: ONNX Runtime leaves them in rows."""
    builder = image(draw, start, 1, 3, 5, 10, 21, 30)
    value = INPUT
    for _ in range(draw.of(2, 3)):
        value = builder.conv(value, draw.of(5, 10, 18, 27, 50), draw.of(1, 3, 5), act="relu")
    return builder, value


def _thin(draw: Draw, start: Start) -> Built:
    """Few channels, so that an element that is read serves few outputs, under square or long kernels."""
    builder = image(draw, start, 8, 16, 24)
    value = INPUT
    for _ in range(draw.of(2, 3)):
        kernel = draw.of(3, 5, 7) if draw.chance(0.6) else draw.of(9, 25, 39)
        long = (1, kernel) if kernel > 7 else kernel
        value = builder.conv(value, draw.of(8, 8, 16, 24), long, act=draw.word("relu", "none"))
    return builder, value


def _sequence(draw: Draw, start: Start) -> Built:
    """Temporal convolutions, dense, dilated or separable, then the mean or maximum over time."""
    width, value = draw.of(16, 32, 64, 128, 256), INPUT
    builder = start(width, draw.of(4, 16, 50, 100, 400, 1000))
    for dilation in (1, 2, 4)[: draw.of(2, 3)]:
        groups, kernel = draw.of(1, 1, width), draw.of(1, 3, 5, 9)
        value = builder.conv(value, width, kernel, draw.of(1, 1, 2), groups, "relu", dilation)
    value = builder.pooled(value, "MaxPool", 2, 2) if draw.chance(0.5) else value
    operator = draw.word("GlobalMaxPool", "GlobalAveragePool")
    return builder, builder.node(operator, [value], (*builder.shape(value)[:2], 1))


def _spectrum(draw: Draw, start: Start) -> Built:
    """A short-time Fourier transform as a strided convolution, magnitudes, mel bands and their logarithm."""
    taps = draw.of(128, 256, 400, 512)
    stride, pad, bins = draw.of(taps // 4, taps // 2), taps // 2, taps // 2 + 1
    samples = taps * draw.of(4, 16, 60)
    builder = start(samples)
    value = builder.reshaped(INPUT, start.batch, 1, samples)
    pads = builder.integers(0, 0, pad, 0, 0, pad)
    value = builder.node("Pad", [value, pads], (start.batch, 1, samples + 2 * pad), mode="reflect")
    value = builder.conv(value, 2 * bins, taps, stride)
    parts = [builder.unary("Pow", half, 2.0) for half in builder.halves(value)]
    value = builder.unary("Sqrt", builder.add(*parts))
    value = builder.transposed(value, 0, 2, 1)
    value = builder.matmul(value, builder.weight(bins, draw.of(40, 80)))
    return builder, builder.unary("Log", builder.unary("Clip", value, 1e-5))


def _video(draw: Draw, start: Start) -> Built:
    width, rows = draw.of(3, 8, 16, 32), draw.of(7, 14, 28)
    builder = start(width, draw.of(4, 8, 16), rows, rows)
    value = builder.conv(INPUT, draw.of(8, 16, 32), draw.of(1, 3), act="relu")
    value = builder.conv(value, draw.of(8, 16, 32), 3, draw.of(1, 2), act="relu")
    return builder, builder.pooled(value, "MaxPool", 2, 2) if draw.chance(0.5) else value


def _upsampled(builder: GraphBuilder, value: Value, out: int, kernel: int, stride: int) -> Value:
    """A transposed convolution whose output is `stride` times as large, or smaller by what an odd kernel lacks."""
    batch, channels, *rest = builder.shape(value)
    pad = max(0, (kernel - stride + 1) // 2)
    shape = (batch, out, *[(size - 1) * stride - 2 * pad + kernel for size in rest])
    axes = len(rest)
    weight = builder.weight(channels, out, *[kernel] * axes)
    builder.macs += math.prod(builder.shape(value)) * out * kernel**axes
    return builder.node(
        "ConvTranspose", [value, weight, builder.weight(out)], shape,
        kernel_shape=[kernel] * axes, strides=[stride] * axes, pads=[pad] * 2 * axes,
    )  # fmt: skip


def _transposed(draw: Draw, start: Start) -> Built:
    width, rows = draw.of(8, 16, 32, 64, 128), draw.of(4, 7, 14, 28)
    builder = start(width, *[rows] * draw.of(1, 2, 2))
    value = INPUT
    for _ in range(draw.of(2, 3)):
        kernel, stride = draw.of(2, 3, 4), draw.of(1, 2, 2)
        value = builder.activated(_upsampled(builder, value, draw.of(8, 16, 32, 64), kernel, stride), "relu")
    return builder, builder.conv(value, draw.of(8, 16), 3) if draw.chance(0.5) else value


def _stem(draw: Draw, start: Start) -> Built:
    """Large kernels or large strides on a picture or a spectrogram."""
    builder = start(draw.of(1, 3, 3), *[draw.of(64, 96, 160, 224)] * 2)
    out = draw.of(16, 24, 32, 64)
    kernel, stride = (7, 2) if draw.chance(0.4) else (11, 4) if draw.chance(0.5) else (16, 16)
    value = builder.conv(INPUT, out, kernel, stride, act=draw.word("none", "relu"))
    return builder, builder.conv(builder.pooled(value, "MaxPool", 3, 2), out, 5, act="relu")


def _thin_stem(draw: Draw, start: Start) -> Built:
    """Convolutions of few outputs on a picture."""
    builder = start(draw.of(1, 3, 3), *[draw.of(96, 128, 160, 224)] * 2)
    value = builder.conv(INPUT, draw.of(8, 8, 16), 3, draw.of(1, 2, 2), act=draw.word("none", "relu"))
    return builder, builder.pooled(value, "MaxPool", 3, 2)


def _asymmetric(draw: Draw, start: Start) -> Built:
    builder = image(draw, start, 16, 32, 64, 128, 192)
    value, size = INPUT, draw.of(3, 5, 7)
    groups = draw.of(1, 1, builder.channels(INPUT))
    for kernel in ((1, size), (size, 1)):
        value = builder.conv(value, builder.channels(INPUT), kernel, groups=groups, act="relu")
    return builder, value


def _resized(*modes: str) -> Kind:
    """A decoder: images are enlarged between convolutions."""

    def build(draw: Draw, start: Start) -> Built:
        builder = start(draw.of(3, 16, 32, 64), *[draw.of(7, 14, 28)] * 2)
        value = builder.conv(INPUT, draw.of(12, 16, 32), 3, act="relu") if draw.chance(0.7) else INPUT
        for _ in range(draw.of(1, 2)):
            mode, (batch, channels, *rest) = draw.word(*modes), builder.shape(value)
            where = "asymmetric" if mode == "nearest" else draw.word("half_pixel", "align_corners")
            value = builder.node(
                "Resize", [value, "", builder.floats(1, 1, 2, 2)], (batch, channels, *[2 * size for size in rest]),
                mode=mode, coordinate_transformation_mode=where, nearest_mode="floor",
            )  # fmt: skip
            value = builder.conv(value, draw.of(8, 16, 21), 3, act="relu") if draw.chance(0.7) else value
        return builder, value

    return build


def _shuffled(draw: Draw, start: Start) -> Built:
    """Depth to space and back, around convolutions."""
    builder = image(draw, start, 16, 32, 64)
    batch, channels, rows, columns = builder.shape(INPUT)
    value = builder.conv(INPUT, channels, 3, act="relu")
    shape = (batch, channels // 4, 2 * rows, 2 * columns)
    value = builder.node("DepthToSpace", [value], shape, blocksize=2, mode=draw.word("DCR", "CRD"))
    value = builder.conv(value, channels // 4, 3, act="relu")
    return builder, builder.node("SpaceToDepth", [value], (batch, channels, rows, columns), blocksize=2)


def _response(draw: Draw, start: Start) -> Built:
    """Local response norm."""
    width = 32 * draw.between(1, 6)
    builder = start(width, *[draw.between(7, 55)] * 2)
    value = INPUT
    for _ in range(draw.of(1, 2)):
        value = builder.conv(value, width, draw.of(1, 3), act="relu")
        value = builder.node("LRN", [value], builder.shape(value), size=5, alpha=1e-4, beta=0.75)
    return builder, builder.pooled(value, "MaxPool", 3, 2)


def _instance(draw: Draw, start: Start) -> Built:
    """Instance norm, or group norm as exporters write it."""
    builder = image(draw, start, 16, 32, 64, 128)
    value = INPUT
    for _ in range(draw.of(1, 2)):
        value = builder.conv(value, builder.channels(INPUT), draw.of(1, 3))
        shape = builder.shape(value)
        groups = draw.of(8, shape[1])
        grouped = builder.reshaped(value, shape[0], groups, -1 if groups < shape[1] else math.prod(shape[2:]))
        inputs = [grouped, builder.weight(groups), builder.weight(groups)]
        sizes = (shape[0], groups, math.prod(shape[1:]) // groups)
        value = builder.reshaped(builder.node("InstanceNormalization", inputs, sizes), *shape)
        for operator in ("Mul", "Add"):
            value = builder.node(operator, [value, builder.weight(shape[1], 1, 1)], shape)
        value = builder.activated(value, "relu")
    return builder, value


def _preactivated(draw: Draw, start: Start) -> Built:
    """Batch norms that nothing can be folded into."""
    builder = image(draw, start, 16, 32, 64, 128, 256)
    value = INPUT
    for _ in range(draw.of(1, 2, 3)):
        value = builder.activated(builder.batch_norm(value), draw.word("relu", "sigmoid"))
        value = builder.add(INPUT, value)
    return builder, value


def _pooled(draw: Draw, start: Start) -> Built:
    """Pooling over large windows, and to one element in all ways, side by side."""
    builder = image(draw, start, 16, 30, 64, 128, 256)
    value = builder.conv(INPUT, builder.channels(INPUT), 1, act="relu") if draw.chance(0.5) else INPUT
    for _ in range(draw.of(1, 2)):
        operator = draw.word("MaxPool", "AveragePool")
        value = builder.pooled(value, operator, draw.of(3, 5, 7), 1)
    shape = (*builder.shape(value)[:2], 1, 1)
    whole = builder.node("AveragePool", [value], shape, kernel_shape=builder.shape(value)[2:])
    ends = [builder.node(operator, [value], shape) for operator in ("GlobalMaxPool", "GlobalAveragePool")]
    ends.extend(reduced(builder, operator, value, [2, 3], True) for operator in ("ReduceMax", "ReduceMean"))
    return builder, builder.concatenated([whole, *ends])


def _padded(draw: Draw, start: Start) -> Built:
    """Padding that no convolution absorbs."""
    builder = image(draw, start, 3, 16, 32, 64)
    value = INPUT
    for mode in ("constant", "reflect", "edge")[draw.of(0, 1) :]:
        before, after = draw.of(1, 2), draw.of(1, 2, 3)
        batch, channels, *rest = builder.shape(value)
        pads = builder.integers(0, 0, before, before, 0, 0, after, after)
        shape = (batch, channels, *[size + before + after for size in rest])
        value = builder.node("Pad", [value, pads], shape, mode=mode)
        value = builder.unary("LeakyRelu", value, alpha=0.1)
    return builder, value


def _prepared(draw: Draw, start: Start) -> Built:
    """A picture of bytes, channels last, made the input of a network."""
    rows = draw.of(64, 128, 224)
    builder = start(rows, rows, 3, kind=TensorProto.UINT8)
    value = builder.cast(INPUT, TensorProto.FLOAT)
    if draw.chance(0.5):
        value = builder.unary("Div", value, 255.0)
    for operator in ("Sub", "Div"):
        value = builder.node(operator, [value, builder.weight(3)], builder.shape(value))
    return builder, builder.conv(builder.transposed(value, 0, 3, 1, 2), draw.of(8, 16, 32), 3, 2, act="relu")


def _detected(draw: Draw, start: Start) -> Built:
    """The end of a detector: boxes decoded, the best of them kept."""
    count, classes = draw.of(100, 400, 1000), draw.of(2, 20, 80)
    builder = start(count, 4 + classes)
    parts = (start.batch, count)
    boxes = builder.node("Split", [INPUT, builder.integers(4, classes)], (*parts, 4), axis=2)
    scores = builder.also((*parts, classes))
    boxes = builder.node("Mul", [builder.unary("Exp", boxes), builder.weight(4)], (*parts, 4))
    scores = builder.transposed(builder.unary("Sigmoid", scores), 0, 2, 1)
    limits = [builder.integers(10), builder.floats(0.5), builder.floats(0.3)]
    chosen = builder.node(
        "NonMaxSuppression", [boxes, scores, *limits], (start.batch * classes, 3), TensorProto.INT64
    )
    return builder, reduced(builder, "ReduceMax", builder.cast(chosen, TensorProto.FLOAT), [0], False)


IMAGES: dict[str, Kind] = {
    "grouped": _grouped,
    "multiplied": _multiplied,
    "dilated": _dilated,
    "odd-channels": _odd,
    "thin": _thin,
    "conv1d": _sequence,
    "spectrum": _spectrum,
    "conv3d": _video,
    "conv-transposed": _transposed,
    "stem": _stem,
    "asymmetric": _asymmetric,
    "nearest-resize": _resized("nearest"),
    "smooth-resize": _resized("linear", "linear", "cubic"),
    "depth-to-space": _shuffled,
    "local-response": _response,
    "instance-norm": _instance,
    "batch-norm": _preactivated,
    "large-pooling": _pooled,
    "padding": _padded,
    "prepared": _prepared,
    "detection": _detected,
    "thin-stem": _thin_stem,
}
