"""The settings `--shape` and `--axis`: sizes of inputs, and of their axes, by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from edgenas.errors import InputError
from edgenas.settings.declaration import Settings
from edgenas.settings.option import Group, Option

MAX_SIZE = 2**31 - 1


def shapes_setting(value: object, option: str) -> str:
    """Shapes as text, one a line; from text, several texts, or sizes by name.

    Raises:
        InputError: one is no shape, or an input is named twice.
    """
    return _as_text(value, option, _SHAPE)


def axes_setting(value: object, option: str) -> str:
    """Sizes of axes as text, one a line; from text, several texts, or sizes by name.

    Raises:
        InputError: one is no size, or an axis is named twice.
    """
    return _as_text(value, option, _AXIS)


@dataclass(frozen=True, slots=True)
class _Form:
    """How one of them is written: what it is, of what, the pattern of its sizes, and a hint."""

    what: str
    of: str
    pattern: str
    hint: str


_SHAPE = _Form(
    "shape",
    "input",
    r"[0-9]+(x[0-9]+)*",
    "write it as image=1x480x640x3: the input's name, and a size of at least 1 for each axis",
)
_AXIS = _Form(
    "size of an axis", "axis", r"[0-9]+", "write it as height=320: the axis's name, and a size of at least 1"
)


def _as_text(value: object, option: str, form: _Form) -> str:
    if isinstance(value, Mapping):
        value = [f"{name}={_joined(sizes)}" for name, sizes in value.items()]
    texts = value.split("\n") if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts:
        texts = [value]
    lines = [_text(text, option, form) for text in texts]
    names = [_parsed(line, option, form)[0] for line in lines]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{option}: {form.of} {repeated[0]!r:.60} is named twice", "give each once")
    return "\n".join(lines)


def _text(text: object, option: str, form: _Form) -> str:
    if isinstance(text, str):
        return text
    raise InputError(f"{option}: what is of type {type(text).__name__} is no {form.what}", form.hint)


def _parsed(text: str, option: str, form: _Form) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.rpartition("=")
    if not name or not re.fullmatch(form.pattern, sizes):
        raise InputError(f"{option}: {text!r:.60} is no {form.what}", form.hint)
    if any(len(size) > 10 or not 1 <= int(size) <= MAX_SIZE for size in sizes.split("x")):
        raise InputError(f"{option}: {text!r:.60} has an impossible size", form.hint)
    return name, tuple(map(int, sizes.split("x")))


def _joined(sizes: object) -> str:
    return "x".join(str(size) for size in sizes) if isinstance(sizes, list | tuple) else str(sizes)


@dataclass(frozen=True, kw_only=True)
class ShapedInputs(Settings):
    """The shapes of inputs that an ONNX file leaves open."""

    shape: Annotated[
        str | Sequence[str] | Mapping[str, Sequence[int]] | None,
        Option(
            "Shape of an input, NAME=1x480x640x3, where the ONNX file leaves more open than the batch; default: a "
            "likely one. Repeat it for other inputs.",
            Group.DEVICE,
            normal=shapes_setting,
            example="image=1x480x640x3",
            repeats=True,
        ),
    ] = None

    axis: Annotated[
        str | Sequence[str] | Mapping[str, int] | None,
        Option(
            "Size of an open axis, NAME=320, in every input of the ONNX file that has an axis of that name; repeat it "
            "for other axes.",
            Group.DEVICE,
            normal=axes_setting,
            example="height=320",
            repeats=True,
        ),
    ] = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes by the names of inputs."""
        return _by_name(self.shape, "--shape", _SHAPE)

    @property
    def axes(self) -> dict[str, int]:
        """The sizes by the names of axes."""
        return {name: size for name, (size,) in _by_name(self.axis, "--axis", _AXIS).items()}


def _by_name(value: object, option: str, form: _Form) -> dict[str, tuple[int, ...]]:
    if value is None:
        return {}
    return dict(_parsed(line, option, form) for line in _as_text(value, option, form).split("\n"))
