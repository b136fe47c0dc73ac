"""The setting `--shape`: shapes of inputs by their names, such as `image=1x480x640x3`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from edgenas.errors import InputError
from edgenas.settings.declaration import Settings
from edgenas.settings.option import Group, Option

MAX_SIZE = 2**31 - 1

_HINT = "write it as image=1x480x640x3: the input's name, and a size of at least 1 for each axis"


def shapes_setting(value: object, option: str) -> str:
    """Shapes as text, one a line; from text, several texts, or sizes by name.

    Raises:
        InputError: one is no shape, or an input is named twice.
    """
    if isinstance(value, Mapping):
        value = [f"{name}={_joined(sizes)}" for name, sizes in value.items()]
    texts = value.split("\n") if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts:
        texts = [value]
    lines = [_text(text, option) for text in texts]
    names = [_parsed(line, option)[0] for line in lines]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{option}: input {repeated[0]!r:.60} is named twice", "give each once")
    return "\n".join(lines)


def _text(text: object, option: str) -> str:
    if isinstance(text, str):
        return text
    raise InputError(f"{option}: what is of type {type(text).__name__} is no shape", _HINT)


def _parsed(text: str, option: str) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.rpartition("=")
    if not name or not re.fullmatch(r"[0-9]+(x[0-9]+)*", sizes):
        raise InputError(f"{option}: {text!r:.60} is no shape", _HINT)
    if any(len(size) > 10 or not 1 <= int(size) <= MAX_SIZE for size in sizes.split("x")):
        raise InputError(f"{option}: {text!r:.60} has an impossible size", _HINT)
    return name, tuple(map(int, sizes.split("x")))


def _joined(sizes: object) -> str:
    return "x".join(str(size) for size in sizes) if isinstance(sizes, list | tuple) else str(sizes)


@dataclass(frozen=True, kw_only=True)
class ShapedInputs(Settings):
    """The shapes of inputs that an ONNX file leaves open."""

    shape: Annotated[
        str | Sequence[str] | Mapping[str, Sequence[int]] | None,
        Option(
            "Shape of an input, NAME=1x480x640x3, where the ONNX file leaves more open than the batch; repeat it for "
            "other inputs.",
            Group.DEVICE,
            normal=shapes_setting,
            example="image=1x480x640x3",
            repeats=True,
        ),
    ] = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes by the names of inputs."""
        if self.shape is None:
            return {}
        return dict(_parsed(line, "--shape") for line in shapes_setting(self.shape, "--shape").split("\n"))
