"""The settings of `edgenas run`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edgenas.errors import InputError
from edgenas.settings.declaration import Settings
from edgenas.settings.option import Option


def one_a_line(value: object, option: str) -> str:
    """Paths, one a line; commas may be part of a name.

    Text alone may hold several lines already: that is how a settings file keeps them.

    Raises:
        InputError: one is neither text nor a path, or its name has a line break.
    """
    if isinstance(value, str):
        return value
    paths = value if isinstance(value, list | tuple) else [value]
    names = [os.fsdecode(each) for each in paths if isinstance(each, str | bytes | os.PathLike)]
    if len(names) < len(paths):
        raise InputError(
            f"{option}: what is of type {type(value).__name__} cannot be used",
            "give paths of pictures or folders",
        )
    if broken := [name for name in names if "\n" in name]:
        raise InputError(
            f"{option}: the name {broken[0]!r:.60} has a line break", "rename it, or give its folder"
        )
    return "\n".join(names)


@dataclass(frozen=True)
class RunModelSettings(Settings):
    """Which pictures an exported file classifies."""

    model: Annotated[
        "str | Path", Option("ONNX file that edgenas exported.", argument=True, example="model.onnx")
    ]
    images: Annotated[
        str | Path | Sequence[str | Path] | None,
        Option(
            "Pictures, and folders of pictures.",
            normal=one_a_line,
            argument=True,
            repeats=True,
            example="photo.jpg",
        ),
    ] = None
    check: Annotated[
        "str | Path | None",
        Option(
            "Also classify this folder's pictures, in test/<class>/, val/<class>/ or <class>/, "
            "and count those that are right.",
            example="photos",
        ),
    ] = None

    @property
    def paths(self) -> list[Path]:
        """The pictures and folders that were named."""
        return [Path(line) for line in one_a_line(self.images or [], "IMAGES").split("\n") if line]
