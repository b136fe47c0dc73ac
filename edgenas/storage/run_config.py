"""What a run was asked to do: everything that decides its result, kept in `run.json`."""

import platform
from importlib import metadata
from typing import Any, Literal

from pydantic import Field

from edgenas.accuracy.training_recipe import FinalistRecipe, SupernetRecipe
from edgenas.device import Device
from edgenas.formats import Document
from edgenas.searchers.problem import TWO
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.vocabulary import Metric, Objective

EvaluatorName = Literal["supernet", "trained"]

_VERSIONED = ("edgenas", "torch", "numpy", "pymoo", "moocore", "onnx", "onnxruntime")


class WarmStart(Document):
    """The earlier run that a run began from, and what it was given of it."""

    name: str
    evaluations: int = Field(ge=1)
    digest: str


class RunConfig(Document):
    """Two runs with equal configurations, on the same machine and versions, end with the same front."""

    device: Device
    table_checksum: str | None = Field(description="of the table used; None for the device's model")
    space: dict[str, Any]
    data: str
    data_fingerprint: str
    flip: bool
    max_latency_ms: float = Field(gt=0)
    searcher: str
    evaluator: EvaluatorName = "supernet"
    metric: Metric = "top-1"
    objectives: tuple[Objective, ...] = TWO
    evaluations: int = Field(ge=1)
    finalists: int = Field(ge=1)
    baselines: bool = False
    gradient: GradientRecipe | None = Field(default=None, description="of the gradient searcher alone")
    supernet_recipe: SupernetRecipe
    finalist_recipe: FinalistRecipe
    time_budget_s: float | None = Field(default=None, gt=0)
    seed: int = Field(ge=0)
    warm_start: WarmStart | None = None

    def differences(self, other: "RunConfig") -> list[str]:
        """Fields in which two configurations differ, as `field: here -> there`."""
        return _differences(self.model_dump(mode="json"), other.model_dump(mode="json"), "")


class RunDocument(Document):
    """The file `run.json`."""

    schema_: Literal["edgenas.run/1"] = Field(default="edgenas.run/1", alias="schema")
    name: str
    created_at: str
    config: RunConfig
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Versions that a result may depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _VERSIONED}}


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
    text = str(value.get("name", "...") if isinstance(value, dict) else value)
    return text if len(text) <= 40 else text[:37] + "..."
