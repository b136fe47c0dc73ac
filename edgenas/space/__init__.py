"""What can be built? Blocks, architectures and search spaces."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from edgenas.errors import FileFormatError, InputError, UnknownNameError
from edgenas.formats import Document, parse_json, validate
from edgenas.plugins import SPACES, load_plugin, plugin_names
from edgenas.space.architecture import Architecture, ArchitectureSpace
from edgenas.space.block import Block, block_from_key
from edgenas.space.mbconv import MBConvSpace, mbconv
from edgenas.space.mbconv_layout import Layout, Stage
from edgenas.space.nasbench201 import NASBench201Space
from edgenas.space.nasbench_macro import MacroLayout, NASBenchMacroSpace, nasbench_macro
from edgenas.space.network_space import NetworkSpace
from edgenas.space.precision_space import PrecisionSpace
from edgenas.space.resolution_space import ResolutionSpace
from edgenas.space.space import SearchSpace
from edgenas.units import MAX_RESOLUTION, MAX_RESOLUTIONS
from edgenas.vocabulary import Precision

__all__ = [
    "Architecture",
    "ArchitectureSpace",
    "Block",
    "Layout",
    "MBConvSpace",
    "MacroLayout",
    "NASBench201Space",
    "NASBenchMacroSpace",
    "NetworkSpace",
    "PrecisionSpace",
    "ResolutionSpace",
    "SearchSpace",
    "Stage",
    "architecture_from_json",
    "architecture_space_from_config",
    "block_from_key",
    "mbconv",
    "nasbench_macro",
    "network_space_from_config",
    "space_from_config",
    "space_of_package",
]


class _NASBench201Config(Document):
    name: Literal["nasbench201"]


class _ResolutionsConfig(Document):
    name: Literal["resolutions"]
    resolutions: tuple[Annotated[int, Field(ge=1, le=MAX_RESOLUTION)], ...] = Field(
        min_length=2, max_length=MAX_RESOLUTIONS
    )
    space: dict[str, Any]

    @model_validator(mode="after")
    def _resolutions_ascend(self) -> "_ResolutionsConfig":
        if list(self.resolutions) != sorted(set(self.resolutions)):
            raise ValueError("resolutions must be distinct and ascending")
        return self


class _PrecisionsConfig(Document):
    name: Literal["precisions"]
    precisions: tuple[Precision, ...] = Field(min_length=2)
    space: dict[str, Any]

    @model_validator(mode="after")
    def _precisions_are_in_order(self) -> "_PrecisionsConfig":
        if list(self.precisions) != [each for each in get_args(Precision) if each in self.precisions]:
            raise ValueError("precisions must be distinct, the widest first")
        return self


def architecture_space_from_config(config: dict[str, Any], path: Path = Path("space")) -> ArchitectureSpace:
    """Make the space that `ArchitectureSpace.config` describes.

    Raises:
        UnknownNameError: no space has that name.
        FileFormatError: a missing or invalid field; the error names `path`.
    """

    def nasbench201() -> NASBench201Space:
        validate(config, _NASBench201Config, path)
        return NASBench201Space()

    def resolutions() -> ResolutionSpace:
        family = validate(config, _ResolutionsConfig, path)
        return ResolutionSpace(space_from_config(family.space, path), family.resolutions)

    def precisions() -> PrecisionSpace:
        family = validate(config, _PrecisionsConfig, path)
        return PrecisionSpace(network_space_from_config(family.space, path), family.precisions)

    spaces: dict[str, Callable[[], ArchitectureSpace]] = {
        "mbconv": lambda: MBConvSpace(validate(config, Layout, path)),
        "nasbench-macro": lambda: NASBenchMacroSpace(validate(config, MacroLayout, path)),
        "nasbench201": nasbench201,
        PrecisionSpace.name: precisions,
        ResolutionSpace.name: resolutions,
    }
    name = str(config.get("name"))
    if name in spaces:
        return spaces[name]()
    if name not in plugin_names(SPACES):
        raise UnknownNameError("search space", name, (*spaces, *plugin_names(SPACES)))
    try:
        return space_of_package(name).from_config(config)
    except FileFormatError:
        raise
    except InputError as error:
        raise FileFormatError(path, "", error.problem, error.hint) from None


def space_of_package(name: str) -> type[SearchSpace]:
    """The class that another package brings under a name.

    Raises:
        InputError: it cannot be loaded, or is no search space.
    """
    found = load_plugin(SPACES, name)
    if not (isinstance(found, type) and issubclass(found, SearchSpace)):
        raise InputError(f"{SPACES} {name!r} is no class derived from SearchSpace", "see docs/extending.md")
    return found


def network_space_from_config(config: dict[str, Any], path: Path = Path("space")) -> NetworkSpace:
    """Make the space that `NetworkSpace.config` describes; errors as `architecture_space_from_config`.

    Of the configuration of a `PrecisionSpace`, the space of its networks.

    Raises:
        InputError: the networks of the space cannot be timed or built.
    """
    space = architecture_space_from_config(config, path)
    if isinstance(space, PrecisionSpace):
        return space.networks
    if not isinstance(space, NetworkSpace):
        raise InputError(
            f"search space {space.name} has no blocks to time or build", "use mbconv or nasbench-macro"
        )
    return space


def space_from_config(config: dict[str, Any], path: Path = Path("space")) -> SearchSpace:
    """As `network_space_from_config`, for a space of one image size.

    Raises:
        InputError: also for a space of several image sizes.
    """
    space = network_space_from_config(config, path)
    if not isinstance(space, SearchSpace):
        raise InputError(f"search space {space.name} has several image sizes", "use a space of one size")
    return space


class _ArchitectureDocument(Document):
    schema_: Literal["edgenas.architecture/1"] = Field(alias="schema")
    space: dict[str, Any]
    choices: tuple[str, ...]


def _without_card(value: object) -> object:
    """The architecture inside a card (`edgenas.card/1`); anything else unchanged."""
    match value:
        case {"schema": "edgenas.card/1", "model": {"architecture": architecture}}:
            return architecture
    return value


def architecture_from_json(path: Path) -> tuple[NetworkSpace, Architecture]:
    """Read an architecture file, as made by `NetworkSpace.document`, or the card of an exported model.

    Raises:
        FileFormatError: not such a file, an unknown space, or invalid choices.
    """
    document = validate(_without_card(parse_json(path)), _ArchitectureDocument, path)
    try:
        space = network_space_from_config(document.space, path)
        return space, space.architecture(document.choices)
    except FileFormatError:
        raise
    except InputError as error:
        raise FileFormatError(path, "", error.problem, error.hint) from None
