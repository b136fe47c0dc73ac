"""The inputs of a model, with the shapes that they have in a call: as the file says, or the user, or as is likely."""

import math
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from edgenas.board.problem import shortened
from edgenas.board.random_inputs import COUNTS, FLOATS, TEXT, TYPES, random_input
from edgenas.errors import InputError, UnknownNameError
from edgenas.onnx_latency.likely_sizes import SAMPLES, Axis, axes_of, batch_axis, likely_sizes
from edgenas.onnx_latency.limits import MAX_AXES, MAX_INPUT_BYTES
from edgenas.onnx_latency.stored_weights import size_bytes

MAX_SHOWN = 4
"""Options in one message."""

MAX_AXIS_NAME, MAX_SHAPE = 24, 120
"""Characters of the name of an axis in a message, and of a whole shape."""

_TEXT_BYTES = 32
"""Of a short text in a runtime."""

SAMPLE_RATES = ("sr", "sample_rate", "sampling_rate")
"""Names of inputs that say how many samples a second has."""

Shapes = Mapping[str, tuple[int, ...]]
"""By the name of an input."""

Axes = Mapping[str, int]
"""Sizes by the name of an axis."""

_NONE: Mapping[str, int] = {}
_NO_METADATA: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a call.

    Attributes:
        name: in the file.
        shape: with every axis decided.
        kind: type of its elements, by ONNX's number.
        open_axes: those that the file leaves open.
        assumed_axes: of these, the ones beside the batch whose size nobody gave: it is only a likely one.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    open_axes: tuple[int, ...]
    assumed_axes: tuple[int, ...] = ()

    @property
    def dtype(self) -> str:
        """NumPy's name of the type; empty if arrays of it cannot be made."""
        if self.kind == onnx.TensorProto.STRING:
            return TEXT
        name: str = helper.tensor_dtype_to_np_dtype(self.kind).name
        return name if name in TYPES else ""

    @property
    def is_sample_rate(self) -> bool:
        """Whether it says how many samples a second of audio has."""
        is_single = math.prod(self.shape) == 1 and self.dtype in (*COUNTS, *FLOATS)
        return is_single and self.name.lower() in SAMPLE_RATES


def decided_inputs(
    path: Path,
    values: Sequence[onnx.ValueInfoProto],
    batch: int | None,
    shapes: Shapes,
    axes: Axes = _NONE,
    metadata: Mapping[str, str] = _NO_METADATA,
) -> tuple[Input, ...]:
    """The inputs of a call. Open axes of one name have one size, unless shapes are given that say otherwise.

    Args:
        path: of the model, for messages.
        values: its inputs.
        batch: images per call; None for that of the file, which is 1 where it is open.
        shapes: given ones by name; names that the model lacks are passed over.
        axes: sizes of open axes by their names, likewise.
        metadata: of the file, from which sizes are guessed.

    Raises:
        InputError: a shape does not fit its input, or is too large; an input is no tensor; the batch is another one.
    """
    for value in values:
        _check_tensor(path, value)
        if value.name in shapes:
            _check_fits(path, value, shapes[value.name], axes)
    if batch is not None:
        _check_batch(path, values, batch, shapes, axes)
    likely = likely_sizes(values, metadata)
    told = {**axes, **_named(values, shapes)}
    sizes = _sizes_of_names(values, batch or 1, told, likely)
    inputs = []
    for value in values:
        if (shape := shapes.get(value.name)) is not None:
            inputs.append(_input(path, value, shape))
            continue
        shape = _shape(value, batch or 1, sizes, likely[value.name])
        inputs.append(_input(path, value, shape, told))
    return tuple(inputs)


def feeds_of(inputs: Sequence[Input], seed: int = 0, fill: int | None = None) -> dict[str, NDArray[Any]]:
    """Arrays for a call, by name: of random or other valid values, and 16 kHz for the sample rate of audio.

    Args:
        inputs: of types that NumPy has (`Input.dtype`).
        seed: of what is random.
        fill: a value that all elements have instead, but those of a sample rate.
    """
    feeds = {
        each.name: random_input(each.shape, each.dtype, seed)
        if fill is None
        else np.full(each.shape, fill).astype(each.dtype)
        for each in inputs
    }
    return feeds | {
        each.name: np.full(each.shape, SAMPLES, each.dtype) for each in inputs if each.is_sample_rate
    }


def batch_of_inputs(values: Iterable[onnx.ValueInfoProto], shapes: Shapes, axes: Axes) -> int | None:
    """Images per call, by the first input that has a batch: 1 if none has, None if it is open and nothing is given."""
    for value in values:
        if (found := batch_axis(value)) is None:
            continue
        axis = _batch_size(value)
        if isinstance(axis, int):
            return axis
        if given := shapes.get(value.name):
            return given[found] if found < len(given) else None
        return None if axis is None else axes.get(axis)
    return 1


def check_named(inputs: Mapping[Path, Sequence[onnx.ValueInfoProto]], shapes: Shapes, axes: Axes) -> None:
    """Check that every given shape is of an input that a file has, and every given size of an axis.

    Args:
        inputs: by file.
        shapes: by name.
        axes: sizes by name.

    Raises:
        UnknownNameError: no file has an input, or an open axis, of that name.
    """
    files = " and ".join(map(str, inputs))
    values = [value for each in inputs.values() for value in each]
    known = [value.name for value in values]
    for name in shapes:
        if name not in known:
            raise UnknownNameError(f"input of {files}:", name, known)
    sizes = [axis for value in values for axis in axes_of(value) or [None]]
    open_axes = {axis for axis in sizes if isinstance(axis, str)}
    unnamed = "no open axis has a name: use --shape" if None in sizes else "all sizes are fixed: leave it out"
    for name in axes:
        if name not in open_axes:
            hint = "" if open_axes else unnamed
            raise UnknownNameError(f"axis of {files}:", name, open_axes, hint)


def assumed(inputs: Sequence[Input], values: Sequence[onnx.ValueInfoProto]) -> tuple[str, str] | None:
    """What was assumed of inputs, and how to say otherwise; None if nothing was.

    Args:
        inputs: decided ones.
        values: the same as the file has them.
    """
    guessed = {each.name: each for each in inputs if each.assumed_axes}
    if not guessed:
        return None
    open_ones = [value for value in values if value.name in guessed]
    problems = [
        f"input {value.name!r:.60} has no shape"
        if axes_of(value) is None
        else f"input {value.name!r:.60} has open axes besides the batch ({_as_in_file(value)})"
        for value in open_ones[:MAX_SHOWN]
    ]
    options = [
        f"--shape {shlex.quote(f'{value.name}={written(guessed[value.name].shape)}')}"
        for value in open_ones[:MAX_SHOWN]
    ]
    names = [
        (axis, guessed[value.name].shape[i])
        for value in open_ones
        for i, axis in enumerate(axes_of(value) or [])
        if isinstance(axis, str) and axis.isprintable() and i in guessed[value.name].assumed_axes
    ]
    by_axis = f", or with --axis {shlex.quote(f'{names[0][0]}={names[0][1]}')}" if names else ""
    more = len(open_ones) - len(options)
    others = f", and {more} more" if more else ""
    return (
        f"{', '.join(problems)}{others}, assumed {' '.join(options)}{others}",
        f"give other sizes in the same way{by_axis}",
    )


def written(shape: Sequence[int]) -> str:
    """A shape as `--shape` has it: `1x3x224x224`."""
    return "x".join(map(str, shape))


def _named(values: Iterable[onnx.ValueInfoProto], shapes: Shapes) -> dict[str, int]:
    """Sizes of open axes by their names, from given shapes; the first input that has a name decides."""
    found: dict[str, int] = {}
    for value in values:
        for axis, size in zip(axes_of(value) or [], shapes.get(value.name, ()), strict=False):
            if isinstance(axis, str):
                found.setdefault(axis, size)
    return found


def _sizes_of_names(
    values: Sequence[onnx.ValueInfoProto], batch: int, told: Axes, likely: Mapping[str, Sequence[int]]
) -> dict[str, int]:
    """The size of every open axis that has a name: as told, or the batch, or the least that is likely of it."""
    batches = {axis for value in values if isinstance(axis := _batch_size(value), str)}
    every: dict[str, list[int]] = {}
    for value in values:
        for axis, size in zip(axes_of(value) or [], likely[value.name], strict=False):
            if isinstance(axis, str):
                every.setdefault(axis, []).append(size)
    sizes = {name: batch if name in batches else min(some) for name, some in every.items()} | dict(told)
    for name in every.keys() - told.keys():  # such as `past_length + length`
        parts = [part.strip() for part in name.split("+")]
        if len(parts) > 1 and all(part in sizes or re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
            sizes[name] = sum(sizes[part] if part in sizes else int(part) for part in parts)
    return sizes


def _batch_size(value: onnx.ValueInfoProto) -> Axis:
    """The axis that is the batch of an input; None if it has no name, or there is none."""
    axes, batch = axes_of(value), batch_axis(value)
    return None if axes is None or batch is None else axes[batch]


def _shape(value: onnx.ValueInfoProto, batch: int, sizes: Axes, likely: Sequence[int]) -> tuple[int, ...]:
    """Sizes of names, and for other open axes the batch or likely ones."""
    first, axes = batch_axis(value), axes_of(value) or [None] * len(likely)
    usual = [batch if i == first and axes[i] is None else size for i, size in enumerate(likely)]
    return tuple(
        sizes[axis] if isinstance(axis, str) else size for axis, size in zip(axes, usual, strict=True)
    )


def _input(path: Path, value: onnx.ValueInfoProto, shape: tuple[int, ...], told: Axes | None = None) -> Input:
    """An input of a shape, of which sizes of names are told; None if the shape itself is."""
    kind = value.type.tensor_type.elem_type
    size = math.prod(shape) * _TEXT_BYTES if kind == onnx.TensorProto.STRING else size_bytes(kind, shape) or 0
    if len(shape) > MAX_AXES or size > MAX_INPUT_BYTES:
        raise InputError(
            f"{path}: input {value.name!r:.60} of {written(shape):.60} is too large",
            f"at most {MAX_AXES} axes and {MAX_INPUT_BYTES // 2**20} MiB are possible",
        )
    axes, first = axes_of(value), batch_axis(value)
    open_axes = [i for i in range(len(shape)) if axes is None or not isinstance(axes[i], int)]
    assumed = [
        i for i in open_axes if told is not None and i != first and (axes is None or axes[i] not in told)
    ]
    return Input(value.name, shape, kind, tuple(open_axes), tuple(assumed))


def _check_tensor(path: Path, value: onnx.ValueInfoProto) -> None:
    kind = value.type.tensor_type.elem_type
    if not value.type.HasField("tensor_type") or kind not in helper.get_all_tensor_dtypes():
        raise InputError(
            f"{path}: input {value.name!r:.60} is no tensor",
            "export the model with inputs of numbers or texts",
        )


def _check_fits(path: Path, value: onnx.ValueInfoProto, given: tuple[int, ...], sizes: Axes) -> None:
    axes = axes_of(value)
    if axes is None:
        return
    if not axes and given:
        raise InputError(
            f"{path}: input {value.name!r:.60} is a single number, which has no shape",
            "leave it out of --shape; values of inputs cannot be given",
        )
    if len(axes) != len(given) or any(
        isinstance(axis, int) and axis != size for axis, size in zip(axes, given, strict=False)
    ):
        raise InputError(
            f"{path}: input {value.name!r:.60} has the shape {_as_in_file(value)}, not {written(given):.60}",
            "change only the axes that have names, or none",
        )
    for axis, size in zip(axes, given, strict=True):
        if isinstance(axis, str) and sizes.get(axis, size) != size:
            raise InputError(
                f"{path}: --axis {axis:.60}={sizes[axis]} contradicts --shape {value.name:.60}={written(given):.60}",
                "give only one of them",
            )


def _check_batch(
    path: Path, values: Sequence[onnx.ValueInfoProto], batch: int, shapes: Shapes, axes: Axes
) -> None:
    """Check that the batch is that of the first input that has one."""
    found = batch_of_inputs(values, shapes, axes)
    value = next((each for each in values if batch_axis(each) is not None), None)
    if value is None or found in (None, batch):
        return
    axis = _batch_size(value)
    if isinstance(axis, int):
        raise InputError(
            f"{path}: input {value.name!r:.60} has a fixed batch of {found}, not {batch}",
            f"use --batch {found}, or export with a dynamic batch axis",
        )
    shape = shapes.get(value.name)
    option = f"--axis {axis!s:.60}={found}" if shape is None else f"--shape {value.name}={written(shape):.60}"
    raise InputError(
        f"{path}: {option} is a batch of {found}, not {batch}", f"use --batch {found}, or leave it out"
    )


def _as_in_file(value: onnx.ValueInfoProto) -> str:
    """A shape with the names of its open axes, such as `N x 3 x height x ?`; long names end in dots."""
    dims = value.type.tensor_type.shape.dim
    sizes = (
        str(dim.dim_value) if dim.dim_value > 0 else shortened(dim.dim_param or "?", MAX_AXIS_NAME)
        for dim in dims
    )
    return shortened(" x ".join(sizes), MAX_SHAPE)
