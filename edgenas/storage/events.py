"""What the events in a run's store hold: each is checked when it is read, by its name."""

import json
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from edgenas.precision.int8 import Ranges
from edgenas.pretrained.source import PretrainedRecord
from edgenas.searchers.proxyless.curves import Curves
from edgenas.units import MAX_RESOLUTION
from edgenas.vocabulary import MODEL_ID, SHA256, Metric

Id = Annotated[str, Field(pattern=MODEL_ID)]
Sha256 = Annotated[str, Field(pattern=SHA256)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1)]
_Amount = Annotated[float, Field(ge=0)]


class _Event(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


class _Phase(_Event):
    phase: str
    seconds: Seconds


class _Note(_Event):
    text: str


class _Trained(_Event):
    """The outcome of a training: figures, or a note on why it failed. Earlier versions did not keep `sha256`."""

    id: Id
    note: str
    predicted: list[Annotated[int, Field(ge=0)]] | None = None
    validation: dict[Metric, Share] | None = None
    test: dict[Metric, Share] | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _has_figures_or_a_note(self) -> "_Trained":
        if not self.note and None in (self.predicted, self.validation, self.test):
            raise ValueError("neither figures nor a note")
        return self


class _Converted(_Event):
    id: Id
    ranges: Ranges | None
    fine_tuned: bool
    sha256: Sha256 | None = None


class _FinalistPlan(_Event):
    seconds: dict[Id, _Amount]
    beside_s: dict[Id, _Amount]

    @model_validator(mode="after")
    def _are_of_the_same_models(self) -> "_FinalistPlan":
        if self.seconds.keys() != self.beside_s.keys():
            raise ValueError("seconds and beside_s are of different models")
        return self


class _FinalistsChosen(_Event):
    ids: list[Id]
    measured_ms: dict[Id, _Amount]


class _Plan(_Event):
    """Seconds of each phase."""

    search: _Amount
    supernet: _Amount
    largest: _Amount | None = Field(default=None, alias="largest network")


class _Epochs(_Event):
    epochs: _Amount


class _Chosen(_Event):
    id: Id


class _Ended(_Event):
    evaluations: Annotated[int, Field(ge=0)]


class _Nothing(_Event):
    pass


class _Baselines(_Event):
    chosen: list[tuple[str, Annotated[int, Field(ge=1, le=MAX_RESOLUTION)]]]
    records: dict[str, PretrainedRecord]

    @model_validator(mode="after")
    def _have_records(self) -> "_Baselines":
        if missing := [name for name, _ in self.chosen if name not in self.records]:
            raise ValueError(f"no record of {missing[0]}")
        return self


_SCHEMAS: dict[str, type[Any]] = {
    "phase": _Phase,
    "note": _Note,
    "trained": _Trained,
    "converted": _Converted,
    "finalist plan": _FinalistPlan,
    "finalists chosen": _FinalistsChosen,
    "measured": dict[Id, Annotated[float, Field(gt=0, allow_inf_nan=False)]],
    "plan": _Plan,
    "largest network trained": _Epochs,
    "supernet trained": _Epochs,
    "architecture chosen": _Chosen,
    "architecture learnt": Curves,
    "architecture learnt so far": Curves,
    "search ended": _Ended,
    "baselines": _Baselines,
    "interrupted": _Nothing,
}


@cache
def _schema(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_SCHEMAS.get(name, dict[str, Any]))


def payload_of(name: str, text: str) -> dict[str, Any]:
    """The payload of an event.

    Raises:
        ValueError: it is no JSON, or not what events of this name hold.
    """
    _schema(name).validate_json(text, strict=True)
    found: dict[str, Any] = json.loads(text)
    return found
