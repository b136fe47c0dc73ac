"""Learning curves of the distribution over architectures: recorded by the searcher, shown in the report."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgenas.formats import Document

_ROUNDING = 1e-9  # tolerance of sums of probabilities
_Share = Annotated[float, Field(ge=-_ROUNDING, le=1 + _ROUNDING)]
_Done = Annotated[float, Field(ge=0, le=1)]


class Curve(Document):
    """One target's distribution; every tuple has one value for each moment of `Curves.done`."""

    target_ms: float = Field(gt=0)
    expected_ms: tuple[float, ...] = Field(description="expected latency under the distribution")
    likeliest_ms: tuple[float, ...] = Field(description="latency of the most likely architecture")
    loss: tuple[float | None, ...] = Field(
        description="mean loss of paths sampled since the previous moment, on validation images with augmentation "
        "and label smoothing as in training; None if none was sampled"
    )
    entropy: tuple[_Share, ...] = Field(
        description="mean over variables, relative to the uniform distribution"
    )
    multiplier: tuple[float, ...] = Field(
        description="price of a millisecond, nats per ms; negative if latency would otherwise be below the target"
    )
    skips: tuple[_Share, ...] = Field(
        description="expected share of skippable layers that are skipped; 0 if no layer is skippable"
    )


class Curves(Document):
    """All targets of one training, over the same moments."""

    schema_: Literal["edgenas.curves/1"] = Field(default="edgenas.curves/1", alias="schema")
    gates: str = Field(description="gradient estimator, such as `two-path`")
    latency_loss: str = Field(
        description="`constraint`, or a loss of the paper, without multipliers (all 0): `mul#log`, `add#linear`"
    )
    warm_up: float = Field(ge=0, le=1, description="share of the training before the architecture is learnt")
    finished: bool = Field(default=True, description="False if the training was interrupted")
    done: tuple[_Done, ...] = Field(description="moments: shares of the training, ascending")
    targets: tuple[Curve, ...] = Field(min_length=1, description="by ascending `target_ms`")

    @model_validator(mode="after")
    def _values_belong_to_moments(self) -> "Curves":
        for i, curve in enumerate(self.targets):
            for name, values in curve:
                if isinstance(values, tuple) and len(values) != len(self.done):
                    raise ValueError(
                        f"targets.{i}.{name} has {len(values)} values, but there are {len(self.done)} moments"
                    )
        return self

    @model_validator(mode="after")
    def _order_is_ascending(self) -> "Curves":
        orders = {"done": self.done, "targets": [curve.target_ms for curve in self.targets]}
        for name, values in orders.items():
            if any(before > after for before, after in pairwise(values)):
                raise ValueError(f"{name} must be ascending")
        return self
