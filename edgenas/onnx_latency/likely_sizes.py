"""Likely sizes of the axes that a model's inputs leave open, by what the file says and what the inputs look like.

Pictures are 224 x 224, or as the file's metadata say; those of detectors, whose input is called `images`, 640 x 640;
those of a camera, in bytes, 480 x 640. Audio is a second long, or a chunk of 512 samples where the network keeps a
state between calls. Texts have 128 tokens, and other sequences as many steps.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from onnx import TensorProto, ValueInfoProto

CHANNELS = (1, 3, 4)
"""Of pictures."""

PICTURE, DETECTOR_PICTURE, CAMERA_PICTURE = (224, 224), (640, 640), (480, 640)
"""Height and width."""

FRAMES = 16
"""Of a clip, or slices of a volume."""

TOKENS = 128
"""Of a text, and steps of other sequences."""

SAMPLES, CHUNK = 16_000, 512
"""A second of speech, and what voice activity detectors take at a time."""

MAX_PICTURE = 8192
"""Larger sizes in metadata are something else."""

METADATA_KEYS = ("imgsz", "image_size", "img_size", "input_size", "input_shape", "shape")
"""Under which exporters write the size of pictures; Ultralytics writes `imgsz`."""

_BYTES = (TensorProto.UINT8, TensorProto.INT8)
_TOKENS = (TensorProto.INT32, TensorProto.INT64)
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)

_LENGTH = re.compile(r"seq|time|len|frame|sample|token|step|word|char|^[tls]$", re.IGNORECASE)
"""Names of axes that count what follows one another."""

_STATE = re.compile(r"^[hc][nx]?_?\d*$|state|hidden|cell", re.IGNORECASE)
"""Names of what a recurrent network keeps from one call to the next."""

Axis = int | str | None
"""A fixed size, the name of an open axis, or None for an open one without a name."""


def axes_of(value: ValueInfoProto) -> list[Axis] | None:
    """The axes of an input; None if the file does not even say how many."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [dim.dim_value if dim.dim_value > 0 else _name(dim.dim_param) for dim in tensor.shape.dim]


def batch_axis(value: ValueInfoProto) -> int | None:
    """The axis of an input that is the batch; None if there is none.

    That is one called so; else the first one if it is open or the input has the four axes of pictures, unless it is a
    length, or the first of a single picture; or the second of a recurrent network's state.
    """
    axes = axes_of(value)
    if axes is None:
        return 0
    if (named := [i for i, axis in enumerate(axes) if "batch" in str(axis).lower()]) or not axes:
        return named[0] if named else None
    if _is_state(value, axes):
        return 1
    if isinstance(axes[0], int):
        return 0 if len(axes) >= 4 else None
    return None if _is_length(axes[0]) or _is_single_picture(value, axes) else 0


def _is_text(values: Iterable[ValueInfoProto]) -> bool:
    """Whether some input takes tokens, so that all sequences are texts."""
    for value in values:
        axes, batch = axes_of(value), batch_axis(value)
        is_open = axes is not None and any(
            not isinstance(axis, int) for i, axis in enumerate(axes) if i != batch
        )
        if is_open and value.type.tensor_type.elem_type in _TOKENS:
            return True
    return False


def likely_sizes(values: Sequence[ValueInfoProto], metadata: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """A likely size for every open axis of each input, by its name, with the fixed ones; 1 for the batch.

    Args:
        values: all inputs.
        metadata: of the file.
    """
    text = _is_text(values)
    samples = CHUNK if any(_is_state(value, axes_of(value) or []) for value in values) else SAMPLES
    return {value.name: _likely(value, metadata, text, samples) for value in values}


def _likely(value: ValueInfoProto, metadata: Mapping[str, str], text: bool, samples: int) -> tuple[int, ...]:
    kind, axes, batch = value.type.tensor_type.elem_type, axes_of(value), batch_axis(value)
    tokens = kind not in (*_FLOATS, *_BYTES)
    if axes is None:
        return (1, TOKENS) if tokens or text else (1, 3, *_picture(value, metadata))
    usual = [1 if i == batch else TOKENS for i in range(len(axes))]
    alone = _is_single_picture(value, axes)
    if not tokens and (alone or len(axes) >= 4):
        channels = _channels(axes, 0 if alone else 1)
        usual[channels] = 3
        spatial = [i for i in range(len(axes)) if i not in (batch, channels) and not _is_length(axes[i])]
        for i, size in zip(
            reversed(spatial), [*_picture(value, metadata)[::-1], *[FRAMES] * len(axes)], strict=False
        ):
            usual[i] = size
    elif not tokens and not text and _is_audio(axes, batch):
        usual[-1] = samples
    return tuple(axis if isinstance(axis, int) else size for axis, size in zip(axes, usual, strict=True))


def _name(text: str) -> str | None:
    """A name, unless it is only a sign for an open axis, such as `?`."""
    return text if any(char.isalpha() for char in text) else None


def _is_length(axis: Axis) -> bool:
    return isinstance(axis, str) and bool(_LENGTH.search(axis))


def _is_state(value: ValueInfoProto, axes: Sequence[Axis]) -> bool:
    """Whether an input has layers, batch and features of a recurrent network's state."""
    if len(axes) != 3 or value.type.tensor_type.elem_type not in _FLOATS:
        return False
    layers, batch, features = axes
    if not isinstance(layers, int) or not isinstance(features, int) or isinstance(batch, int):
        return False
    return not _is_length(batch) and (layers > 1 or bool(_STATE.search(value.name)))


def _is_single_picture(value: ValueInfoProto, axes: Sequence[Axis]) -> bool:
    """Whether an input is one picture without a batch: an open height and width, and channels after or before them."""
    if len(axes) != 3 or value.type.tensor_type.elem_type not in (*_FLOATS, *_BYTES):
        return False
    last = axes[2] in CHANNELS and not isinstance(axes[0], int) and not isinstance(axes[1], int)
    first = axes[0] == 3 and not isinstance(axes[1], int) and not isinstance(axes[2], int)
    return (last or first) and not any(_is_length(axis) or "batch" in str(axis).lower() for axis in axes)


def _channels(axes: Sequence[Axis], first: int) -> int:
    """The axis of a picture's channels: the last one if it has as many and the other has not."""
    last = len(axes) - 1
    return last if axes[last] in CHANNELS and axes[first] not in CHANNELS else first


def _is_audio(axes: Sequence[Axis], batch: int | None) -> bool:
    """Whether an input is a signal, perhaps with an axis of one or two channels."""
    last = len(axes) - 1
    if last < 0 or last == batch or isinstance(axes[last], int):
        return False
    return all(axis in (1, 2) for i, axis in enumerate(axes[:last]) if i != batch)


def _picture(value: ValueInfoProto, metadata: Mapping[str, str]) -> tuple[int, int]:
    """Height and width."""
    if told := _told(metadata):
        return told
    if value.type.tensor_type.elem_type in _BYTES:
        return CAMERA_PICTURE
    return DETECTOR_PICTURE if value.name.lower() == "images" else PICTURE


def _told(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Height and width that metadata tell as `640`, `[480, 640]`, `3x480x640` or `(1, 480, 640, 3)`."""
    for key in METADATA_KEYS:
        text = metadata.get(key, "")[:100]
        if not re.fullmatch(r"[\[({]?\s*\d+(\s*[,x ]\s*\d+){0,3}\s*[\])}]?", text, re.ASCII):
            continue
        sizes = [int(size) for size in re.findall(r"\d+", text, re.ASCII)]
        sizes = sizes[1:] if len(sizes) == 4 else sizes
        if len(sizes) == 3:
            sizes = sizes[1:] if sizes[0] in CHANNELS else sizes[:2]
        if all(1 < size <= MAX_PICTURE for size in sizes):
            return sizes[0], sizes[-1]
    return None
