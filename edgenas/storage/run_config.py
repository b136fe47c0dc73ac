"""What a run was asked to do and what came of that here: everything that decides its result, kept in `run.json`."""

import platform
from importlib import metadata
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator

from edgenas.accuracy.training_recipe import FinalistRecipe, SupernetRecipe
from edgenas.device import Device
from edgenas.errors import InputError
from edgenas.formats import Document
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.settings.search import SearchSettings

_VERSIONED = ("edgenas", "torch", "numpy", "pymoo", "moocore", "onnx", "onnxruntime")


def _settings(value: Any) -> SearchSettings:
    if isinstance(value, SearchSettings):
        return value
    try:
        return SearchSettings(**value)
    except (InputError, TypeError) as error:
        raise ValueError(str(error)) from None


class DataRecord(Document):
    """The data set that was learnt from: what using a trained model needs, without the images.

    `mean` and `std` are per channel, of images scaled to 0..1. `classes` is empty in a run from before it was kept.
    """

    fingerprint: str
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


class WarmStart(Document):
    """The earlier run that a run began from, and what it was given of it."""

    name: str
    evaluations: int = Field(ge=1)
    digest: str


class RunConfig(Document):
    """Two runs with equal configurations, on the same machine and versions, end with the same front.

    `settings` are complete: what was left open is filled in with what the device, the data and the space said.
    """

    settings: Annotated[
        SearchSettings,
        PlainValidator(_settings),
        PlainSerializer(lambda settings: settings.plain()),
    ]
    device: Device
    table_checksum: str | None = Field(description="of the table used; None for the device's model")
    space: dict[str, Any]
    data: DataRecord
    supernet_recipe: SupernetRecipe
    finalist_recipe: FinalistRecipe
    gradient_recipe: GradientRecipe | None = Field(default=None, description="of the gradient searcher alone")
    warm_start: WarmStart | None = None

    def with_settings(self, **changes: Any) -> Self:
        """A copy that was asked for something else."""
        return self.model_copy(update={"settings": self.settings.with_changes(**changes)})

    def differences(self, other: "RunConfig") -> list[str]:
        """In what two configurations differ, as `--option: here -> there`.

        Where all settings are the same, the other fields that differ: what follows from a setting goes without saying.
        """
        mine, theirs = (each.model_dump(mode="json") for each in (self, other))
        asked, now_asked = ({_flag(k): v for k, v in each.pop("settings").items()} for each in (mine, theirs))
        return _differences(asked, now_asked, "") or _differences(mine, theirs, "")


class RunDocument(Document):
    """The file `run.json`."""

    schema_: Literal["edgenas.run/2"] = Field(default="edgenas.run/2", alias="schema")
    name: str
    created_at: str
    config: RunConfig
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Versions that a result may depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _VERSIONED}}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _differences(mine: dict[str, Any], theirs: dict[str, Any], prefix: str) -> list[str]:
    """Down to the single field, but for things with a name: another name says it all."""
    found: list[str] = []
    for key in dict.fromkeys([*mine, *theirs]):
        here, there = mine.get(key), theirs.get(key)
        if isinstance(here, dict) and isinstance(there, dict) and here.get("name") == there.get("name"):
            found += _differences(here, there, f"{prefix}{key}.")
        elif here != there:
            found.append(f"{prefix}{key}: {_short(here)} -> {_short(there)}")
    return found


def _short(value: object) -> str:
    if value is None:
        return "not set"
    text = str(value.get("name", "...") if isinstance(value, dict) else value)
    return text if len(text) <= 40 else text[:37] + "..."
