"""What can be built? Blocks, architectures and search spaces."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from edgenas.errors import FileFormatError, InputError, UnknownNameError
from edgenas.formats import Document, parse_json, validate
from edgenas.space.block import Block, block_from_key
from edgenas.space.mbconv import Layout, MBConvSpace, Stage, mbconv
from edgenas.space.space import Architecture, SearchSpace

__all__ = [
    "Architecture",
    "Block",
    "Layout",
    "MBConvSpace",
    "SearchSpace",
    "Stage",
    "architecture_from_json",
    "block_from_key",
    "mbconv",
    "space_from_config",
]


def space_from_config(config: dict[str, Any], path: Path = Path("space")) -> SearchSpace:
    """The space that `SearchSpace.config` described.

    Raises:
        UnknownNameError: no space of that name.
        FileFormatError: a field that is missing or wrong; named relative to `path`.
    """
    spaces = {"mbconv": lambda: MBConvSpace(validate(config, Layout, path))}
    name = str(config.get("name"))
    if name not in spaces:
        raise UnknownNameError("search space", name, spaces)
    return spaces[name]()


class _ArchitectureDocument(Document):
    schema_: Literal["edgenas.architecture/1"] = Field(alias="schema")
    space: dict[str, Any]
    choices: tuple[str, ...]


def _without_card(value: object) -> object:
    """The architecture inside a card (`edgenas.card/1`); anything else as it is."""
    match value:
        case {"schema": "edgenas.card/1", "model": {"architecture": architecture}}:
            return architecture
    return value


def architecture_from_json(path: Path) -> tuple[SearchSpace, Architecture]:
    """Read an architecture file, as `SearchSpace.document` writes it, or the card of an exported model.

    Raises:
        FileFormatError: not such a file, an unknown space, or choices it does not have.
    """
    document = validate(_without_card(parse_json(path)), _ArchitectureDocument, path)
    try:
        space = space_from_config(document.space, path)
        return space, space.architecture(document.choices)
    except FileFormatError:
        raise
    except InputError as error:
        raise FileFormatError(path, "", error.problem, error.mend) from None
