"""The configuration of a run, stored in `run.json`: its settings and everything else that determines its result."""

import platform
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import metadata
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from edgenas.accuracy.training_recipe import FinalistRecipe, SupernetRecipe
from edgenas.board.problem import shortened
from edgenas.device import Device
from edgenas.errors import InputError
from edgenas.formats import Document, Line
from edgenas.images.preparation import Preparation
from edgenas.pretrained.source import PretrainedRecord
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.settings.option import settings_of
from edgenas.settings.search import SearchSettings
from edgenas.vocabulary import RUN_NAME

_VERSIONED = ("edgenas", "torch", "numpy", "pymoo", "moocore", "onnx", "onnxruntime")

MAY_CHANGE = tuple(each.name for each in settings_of(SearchSettings) if each.option.may_change)
"""Settings that a resumed run may have others of."""

MAX_VALUE_SHOWN = 40
"""Characters of a setting in a message."""


def _settings(value: Any) -> SearchSettings:
    if isinstance(value, SearchSettings):
        return value
    try:
        return SearchSettings(**value)
    except (InputError, TypeError) as error:
        raise ValueError(str(error)) from None


class DataRecord(Document):
    """What using a trained model needs to know about its data set.

    `mean` and `std` are per channel, of images scaled to 0..1. `classes` is empty in runs of earlier versions.
    `preparation`: how a picture becomes an image of the data set.
    """

    fingerprint: str
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    preparation: Preparation = Field(default_factory=Preparation)


class ImageManifest(Document):
    """The file `images.json`: which images a run was started on, by their place in the folder."""

    schema_: Literal["edgenas.images/1"] = Field(default="edgenas.images/1", alias="schema")
    digests: dict[str, str] = Field(description="of the decoded pixels")

    def changes(self, now: Mapping[str, str]) -> str:
        """How other images differ from these: `3 added, 1 removed, 2 changed`; empty if they do not."""
        added, removed = now.keys() - self.digests.keys(), self.digests.keys() - now.keys()
        changed = [name for name in now.keys() & self.digests.keys() if now[name] != self.digests[name]]
        counts = {"added": len(added), "removed": len(removed), "changed": len(changed)}
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


class WarmStart(Document):
    """The earlier run that a run started from, and a digest of the evaluations it used."""

    name: str
    evaluations: int = Field(ge=1)
    digest: str


class RunConfig(Document):
    """Runs with equal configurations end with the same front on the same machine and versions.

    `settings` are complete: defaults that depend on the device, the data or the space are filled in.
    """

    settings: Annotated[
        SearchSettings,
        PlainValidator(_settings),
        PlainSerializer(lambda settings: settings.plain()),
    ]
    device: Device
    table_checksum: str | None = Field(description="of the latency table; None if the device's model is used")
    space: dict[str, Any]
    data: DataRecord
    pretrained: PretrainedRecord | None = Field(default=None, description="what training began from")
    supernet_recipe: SupernetRecipe
    finalist_recipe: FinalistRecipe
    gradient_recipe: GradientRecipe | None = Field(default=None, description="only for the gradient searcher")
    warm_start: WarmStart | None = None
    rounding: str | None = Field(
        default=None,
        description="form of int8 files whose rounding the search's accuracies have, if they have any",
    )

    @model_serializer(mode="wrap")
    def _without_no_rounding(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Exact runs are stored, and named, as earlier versions did."""
        content: dict[str, Any] = write(self)
        if content.get("rounding") is None:
            content.pop("rounding", None)
        return content

    def lacks_rounding_of(self, other: "RunConfig") -> bool:
        """Whether this is the same search as another, but by an earlier version, which did not round int8."""
        ignored = dict.fromkeys(["data", *MAY_CHANGE])
        same = self.settings.plain() | ignored == other.settings.plain() | ignored
        return same and self.rounding is None and other.rounding is not None

    def with_settings(self, **changes: Any) -> Self:
        """A copy with other settings."""
        return self.model_copy(update={"settings": self.settings.with_changes(**changes)})

    def differences(self, other: "RunConfig") -> list[str]:
        """The differences of two configurations, as `--option: here -> there`.

        The same images elsewhere make no difference. Other fields are compared only if all settings are equal, because
        they mostly follow from settings.
        """
        mine, theirs = (each.model_dump(mode="json") for each in (self, other))
        asked, now_asked = (each.pop("settings") for each in (mine, theirs))
        for each in (mine, theirs):  # what files are for, and who says so, does not change what is found
            del each["device"]["target"], each["device"]["sources"]
        now_asked |= {name: asked[name] for name in MAY_CHANGE}
        if self.data.fingerprint == other.data.fingerprint:
            now_asked["data"] = asked["data"]
            # Earlier versions did not record it, and arrays are without it; the same pixels show that nothing changed.
            theirs["data"]["preparation"]["jpeg_draft"] = mine["data"]["preparation"]["jpeg_draft"]
        return setting_differences(asked, now_asked) or _differences(mine, theirs, "")


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("must have a time zone")
    return text


class RunDocument(Document):
    """The file `run.json`."""

    schema_: Literal["edgenas.run/2"] = Field(default="edgenas.run/2", alias="schema")
    name: str = Field(pattern=RUN_NAME)
    created_at: Annotated[str, AfterValidator(_moment)]
    config: RunConfig
    versions: dict[Line, Line]


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result may depend on."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _VERSIONED}}


@cache
def _version(name: str) -> str:
    """Looked up once: every card and every exported file states it."""
    return metadata.version(name)


def setting_differences(mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """The differences of settings by name, as `--option: here -> there`."""
    asked, now_asked = ({flag_of(name): value for name, value in each.items()} for each in (mine, theirs))
    return _differences(asked, now_asked, "")


def flag_of(name: str) -> str:
    """The option of a setting."""
    return f"--{name.replace('_', '-')}"


def _differences(mine: dict[str, Any], theirs: dict[str, Any], prefix: str) -> list[str]:
    """Differences by single fields; of objects with different names, only the names."""
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
    return shortened(text, MAX_VALUE_SHOWN)
