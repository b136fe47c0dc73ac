"""The inputs of a model, with the shapes that they have in a call: as the file says, or as the user does."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import helper

from edgenas.board.random_inputs import TYPES
from edgenas.errors import InputError, UnknownNameError
from edgenas.onnx_latency.limits import MAX_AXES, MAX_INPUT_BYTES
from edgenas.onnx_latency.stored_weights import size_bytes

CHANNELS = (1, 3, 4)
"""Of pictures."""

MAX_SHOWN = 4
"""Options in one message."""

Shapes = Mapping[str, tuple[int, ...]]
"""By the name of an input."""


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a call.

    Attributes:
        name: in the file.
        shape: with every axis decided.
        kind: type of its elements, by ONNX's number.
        open_axes: those that the file leaves open.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    open_axes: tuple[int, ...]

    @property
    def dtype(self) -> str:
        """NumPy's name of the type; empty if arrays of it cannot be made."""
        name: str = helper.tensor_dtype_to_np_dtype(self.kind).name
        return name if name in TYPES else ""


class UndecidedShapeError(InputError):
    """An input's shape is neither in the file nor given."""


def decided_inputs(
    path: Path, values: Sequence[onnx.ValueInfoProto], batch: int | None, given: Shapes
) -> tuple[Input, ...]:
    """The inputs of a call.

    Args:
        path: of the model, for messages.
        values: its inputs; the first axis of the first one is the batch, if it has one.
        batch: images per call; None for that of the file, which is 1 where it is open.
        given: shapes by name; names that the model lacks are passed over.

    Raises:
        UndecidedShapeError: a shape is open in more axes than the first.
        InputError: a shape does not fit its input, or is too large; an input is no tensor; the batch is another one.
    """
    for value in values:
        _check_tensor(path, value)
        if value.name in given:
            _check_fits(path, value, given[value.name])
    undecided = {value.name: value for value in values if value.name not in given and not _is_decided(value)}
    if undecided:
        raise _undecided(path, undecided, batch)
    if values and batch is not None and has_batch(values[0]):
        _check_batch(path, values[0], batch, given.get(values[0].name))
    return tuple(_input(path, value, batch or 1, given.get(value.name)) for value in values)


def check_named(inputs: Mapping[Path, Sequence[str]], given: Shapes) -> None:
    """Check that every given shape is of an input that a file has.

    Args:
        inputs: their names, by file.
        given: shapes by name.

    Raises:
        UnknownNameError: no file has an input of that name.
    """
    known = [name for names in inputs.values() for name in names]
    for name in given:
        if name not in known:
            raise UnknownNameError(f"input of {' and '.join(map(str, inputs))}:", name, known)


def has_batch(value: onnx.ValueInfoProto) -> bool:
    """Whether the first axis of an input is taken to be the batch: not where it looks like a single picture."""
    sizes = _sizes(value)
    return sizes is None or not _is_picture(sizes)


def _is_picture(sizes: Sequence[int | None]) -> bool:
    """Whether sizes are height, width and channels."""
    return len(sizes) == 3 and sizes[2] in CHANNELS


def _sizes(value: onnx.ValueInfoProto) -> list[int | None] | None:
    """The sizes that a file gives an input, None for open ones; None if it does not even say how many."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]


def _is_decided(value: onnx.ValueInfoProto) -> bool:
    sizes = _sizes(value)
    return sizes is not None and None not in sizes[1:]


def _input(path: Path, value: onnx.ValueInfoProto, batch: int, given: tuple[int, ...] | None) -> Input:
    sizes = _sizes(value)
    shape = tuple(size or batch for size in sizes or []) if given is None else given
    kind = value.type.tensor_type.elem_type
    if len(shape) > MAX_AXES or (size_bytes(kind, shape) or 0) > MAX_INPUT_BYTES:
        raise InputError(
            f"{path}: input {value.name!r:.60} of {written(shape):.60} is too large",
            f"at most {MAX_AXES} axes and {MAX_INPUT_BYTES // 2**20} MiB are possible",
        )
    open_axes = range(len(shape)) if sizes is None else [i for i, size in enumerate(sizes) if size is None]
    return Input(value.name, shape, kind, tuple(open_axes))


def _check_tensor(path: Path, value: onnx.ValueInfoProto) -> None:
    kind = value.type.tensor_type.elem_type
    if not value.type.HasField("tensor_type") or kind not in helper.get_all_tensor_dtypes():
        what = "is no tensor"
    elif kind == onnx.TensorProto.STRING:
        what = "takes texts"
    else:
        return
    raise InputError(f"{path}: input {value.name!r:.60} {what}", "export the model with inputs of numbers")


def _check_fits(path: Path, value: onnx.ValueInfoProto, given: tuple[int, ...]) -> None:
    sizes = _sizes(value)
    if sizes is None:
        return
    fits = len(sizes) == len(given) and all(
        mine in (None, size) for mine, size in zip(sizes, given, strict=True)
    )
    if not fits:
        raise InputError(
            f"{path}: input {value.name!r:.60} has the shape {_as_in_file(value)}, not {written(given):.60}",
            "change only the axes that have names, or none",
        )


def _check_batch(path: Path, value: onnx.ValueInfoProto, batch: int, given: tuple[int, ...] | None) -> None:
    first = (_sizes(value) or [None])[0]
    if first is None and given and given[0] != batch:
        raise InputError(
            f"{path}: --shape {value.name}={written(given):.60} is a batch of {given[0]}, not {batch}",
            f"use --batch {given[0]}, or leave it out",
        )
    if first is not None and first != batch:
        raise InputError(
            f"{path}: input {value.name!r:.60} has a fixed batch of {first}, not {batch}",
            f"use --batch {first}, or export with a dynamic batch axis",
        )


def _undecided(
    path: Path, undecided: Mapping[str, onnx.ValueInfoProto], batch: int | None
) -> UndecidedShapeError:
    problems, options = [], []
    for name, value in list(undecided.items())[:MAX_SHOWN]:
        sizes = _sizes(value)
        problems.append(
            f"input {name!r:.60} has no shape"
            if sizes is None
            else f"input {name!r:.60} has open axes besides the batch ({_as_in_file(value)})"
        )
        options.append(f"--shape {shlex.quote(f'{name}={written(_example(sizes, batch or 1))}')}")
    more = len(undecided) - len(options)
    others = f", and {more} more" if more else ""
    return UndecidedShapeError(
        f"{path}: {', '.join(problems)}{others}", f"say how large, such as {' '.join(options)}{others}"
    )


def _example(sizes: Sequence[int | None] | None, batch: int) -> tuple[int, ...]:
    """Likely sizes: of a picture with channels last or first, else of a text."""
    if sizes is None:
        return (batch, 3, 224, 224)
    if _is_picture(sizes):
        usual = [480, 640, 3]
    elif _is_picture(sizes[1:]):
        usual = [batch, 480, 640, 3]
    else:
        usual = [batch, *[224 if len(sizes) >= 4 else 128] * (len(sizes) - 1)]
    return tuple(size or likely for size, likely in zip(sizes, usual, strict=True))


def _as_in_file(value: onnx.ValueInfoProto) -> str:
    """A shape with the names of its open axes, such as `N x 3 x height x ?`."""
    dims = value.type.tensor_type.shape.dim
    return " x ".join(str(dim.dim_value) if dim.dim_value > 0 else dim.dim_param or "?" for dim in dims)[:60]


def written(shape: Sequence[int]) -> str:
    """A shape as `--shape` has it: `1x3x224x224`."""
    return "x".join(map(str, shape))
