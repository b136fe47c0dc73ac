"""How the distribution over architectures was learnt: what the searcher records and the report shows."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgenas.formats import Document

_ROUNDING = 1e-9  # what sums of probabilities may be off
_Share = Annotated[float, Field(ge=-_ROUNDING, le=1 + _ROUNDING)]
_Done = Annotated[float, Field(ge=0, le=1)]


class Curve(Document):
    """One target's distribution; every tuple has one value for each moment of `Curves.done`."""

    target_ms: float = Field(gt=0)
    expected_ms: tuple[float, ...] = Field(description="expected latency under the distribution")
    likeliest_ms: tuple[float, ...] = Field(description="latency of the most likely architecture")
    loss: tuple[float | None, ...] = Field(
        description="mean loss of paths drawn since the moment before, on validation images augmented and with "
        "labels smoothed as in training; None without any"
    )
    entropy: tuple[_Share, ...] = Field(
        description="mean over variables, as a share of the uniform distribution's"
    )
    multiplier: tuple[float, ...] = Field(
        description="price of a millisecond, nats per ms; negative where latency would else be below the target"
    )
    skips: tuple[_Share, ...] = Field(
        description="expected share, of the layers that may be skipped, which are; 0 where none may"
    )


class Curves(Document):
    """All targets of one training, over the same moments."""

    schema_: Literal["edgenas.curves/1"] = Field(default="edgenas.curves/1", alias="schema")
    gates: str = Field(description="what carries gradients to the distribution, such as `two-path`")
    latency_loss: str = Field(
        description="`constraint`, or a loss of the paper without multiplier (all 0): `mul#log`, `add#linear`"
    )
    warm_up: float = Field(ge=0, le=1, description="share of the training before the distribution is learnt")
    finished: bool = Field(default=True, description="False where the training was interrupted")
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
