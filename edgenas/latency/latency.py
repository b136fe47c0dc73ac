"""A latency: predicted, with its interval and provenance, and measured where it was. Shared by all rooms."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from edgenas.device.device import Provenance
from edgenas.formats import MAX_MS
from edgenas.units import format_milliseconds

Positive = Annotated[float, Field(gt=0, le=MAX_MS)]


@dataclass(frozen=True, slots=True)
class Latency:
    """A network's latency on one device, in milliseconds. Bounds are checked when it is read from a file.

    Attributes:
        predicted: the prediction.
        low: lower end of its 90 % interval.
        high: upper end.
        provenance: where the prediction comes from.
        measured: what the network took on the device; None where it was not measured.
    """

    predicted: Positive
    low: Annotated[float, Field(ge=0, le=MAX_MS)]
    high: Positive
    provenance: Provenance
    measured: Positive | None = None

    @property
    def text(self) -> str:
        """The prediction for people, such as `0.27 ms (0.13 to 0.54 ms, datasheet estimate)`."""
        interval = f"{self.low:.3g} to {self.high:.3g} ms"
        return f"{format_milliseconds(self.predicted)} ({interval}, {self.provenance.basis})"

    @property
    def figures(self) -> dict[str, float | None]:
        """The milliseconds alone, as in the JSON object `latency_ms`, which has the provenance beside it."""
        return {"predicted": self.predicted, "low": self.low, "high": self.high, "measured": self.measured}

    @property
    def columns(self) -> dict[str, Any]:
        """All fields for a flat row, `predicted_ms`, ...; without `measured_ms` where it was not measured."""
        figures = {f"{name}_ms": ms for name, ms in self.figures.items() if ms is not None}
        return {**figures, "provenance": self.provenance.value}


@dataclass(frozen=True, slots=True)
class DataRange:
    """Predicted latencies of one file for different inputs of the same sizes.

    Attributes:
        inputs: how many ran: random ones, and ones filled with a single value.
        fastest_ms: the least that is predicted for one of them.
        slowest_ms: the most.
        step_ms: what each further step of a loop adds; None if all ran the same number of steps.
    """

    inputs: int
    fastest_ms: float
    slowest_ms: float
    step_ms: float | None

    @property
    def text(self) -> str:
        """The range for people."""
        step = "" if self.step_ms is None else f", {format_milliseconds(self.step_ms)} for each further step"
        return (
            f"what runs depends on the data: the latency is of random inputs; of {self.inputs} different ones, "
            f"{format_milliseconds(self.fastest_ms)} to {format_milliseconds(self.slowest_ms)}{step}"
        )
