"""By how much the front is ahead of baselines at equal latency, or behind."""

from collections.abc import Iterator, Sequence

from edgenas.accuracy.metrics import METRIC_NAMES
from edgenas.storage.search_result import FrontLead, Model
from edgenas.vocabulary import Metric

LEAD = "at equal latency"
"""How the note on the comparison begins."""


def with_front_lead(baseline: Model, front: Sequence[Model]) -> Model:
    """The baseline with its comparison: None if it has no figure, or no trained model of the front is as fast.

    The front's model is chosen by its validation figure and compared by test, which nothing was chosen by. Latencies
    are the predicted ones, as everywhere on the front.
    """
    theirs, limit_ms = baseline.accuracies.test, baseline.latency_ms.predicted
    as_fast = [model for model in _trained(front) if model.latency_ms.predicted <= limit_ms]
    if theirs is None or not as_fast:
        return baseline
    best = max(as_fast, key=lambda model: model.accuracies.validation or 0.0)
    lead = 100 * ((best.accuracies.test or 0.0) - theirs)
    return baseline.model_copy(update={"front_lead": FrontLead(model=best.id, points=round(lead, 6))})


def lead_notes(baselines: Sequence[Model], front: Sequence[Model], metric: Metric) -> Iterator[str]:
    """One sentence on all baselines that were trained; none if there are none, or no trained front."""
    compared = [baseline for baseline in baselines if baseline.accuracies.test is not None]
    if not compared or not _trained(front):
        return
    leads = [_points(baseline) for baseline in compared if baseline.front_lead is not None]
    slower = [baseline.name for baseline in compared if baseline.front_lead is None]
    if slower:
        leads.append(f"has no model as fast as {' or '.join(slower)}")
    yield f"{LEAD} the front {_listed(leads)} (test {METRIC_NAMES[metric]})"


def _trained(front: Sequence[Model]) -> list[Model]:
    return [model for model in front if model.accuracies.test is not None]


def _points(baseline: Model) -> str:
    """Such as `is 1.2 points ahead of MobileNetV2 x0.35`."""
    assert baseline.front_lead is not None
    tenths = round(10 * baseline.front_lead.points)
    if tenths == 0:
        return f"is level with {baseline.name}"
    side = "ahead of" if tenths > 0 else "behind"
    return f"is {abs(tenths) / 10:.1f} points {side} {baseline.name}"


def _listed(parts: Sequence[str]) -> str:
    """Such as `a, b and c`."""
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)
