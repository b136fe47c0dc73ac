"""Was the search worth it? Compares baselines with the front: each in one sentence, and all of them in one."""

from collections.abc import Sequence

from edgenas.accuracy.metrics import METRIC_NAMES
from edgenas.reporting.series import ModelEntry
from edgenas.reporting.shown_text import figure_ms
from edgenas.storage.search_result import Model, SearchResult, most_accurate_within


def lead_sentence(result: SearchResult) -> str:
    """By how much the front is ahead of all trained baselines at equal latency, or behind, by test figures.

    Empty if no baseline was trained, or nothing on the front.
    """
    compared = [baseline for baseline in result.baselines if baseline.accuracies.test is not None]
    if not compared or all(model.accuracies.test is None for model in result.front):
        return ""
    leads = [_named_lead(baseline, result.front) for baseline in compared if baseline.front_lead is not None]
    slower = [baseline.name for baseline in compared if baseline.front_lead is None]
    if slower:
        leads.append(f"has no model as fast as {' or '.join(slower)}")
    listed = " and ".join(part for part in (", ".join(leads[:-1]), leads[-1]) if part)
    return f"at equal latency the front {listed} (test {METRIC_NAMES[result.metric]})"


def _named_lead(baseline: Model, front: Sequence[Model]) -> str:
    """Such as `is 1.2 points ahead of MobileNetV2 x0.35`, with the precisions if they differ: `(int8 against fp32)`."""
    lead = baseline.front_lead
    assert lead is not None
    others = [model.precision for model in front if model.id == lead.model and _differ(model, baseline)]
    named = baseline.name + "".join(f" ({precision} against {baseline.precision})" for precision in others)
    tenths = round(10 * lead.points)
    if tenths == 0:
        return f"is level with {named}"
    return f"is {abs(tenths) / 10:.1f} points {'ahead of' if tenths > 0 else 'behind'} {named}"


def baseline_sentence(baseline: ModelEntry, front: Sequence[ModelEntry], metric_name: str) -> str:
    """Name the most accurate front model predicted no slower than a baseline, and its lead in accuracy.

    Args:
        baseline: the hand-designed network.
        front: models, fastest first; untrained ones are not compared.
        metric_name: name of the metric, such as `macro F1`.
    """
    if not baseline.has_accuracy:
        why = f": {baseline.model.note}" if baseline.model.note else ""
        return f"{baseline.label} has no {metric_name} to compare{why}."
    trained = [entry for entry in front if entry.model.accuracies.validation is not None]
    if not trained:
        return f"There is no trained model on the front to compare with {baseline.label}."
    found = most_accurate_within([entry.model for entry in trained], baseline.model.latency_ms.predicted)
    if found is not None:
        best = next(entry for entry in trained if entry.model is found)
        return (
            f"Of the models predicted no slower than {baseline.label}, {_number(best)} is the most accurate: "
            f"{_lead(best, baseline, metric_name)}, {_times(best, baseline)}."
        )
    fastest = min(trained, key=lambda entry: entry.model.latency_ms.predicted)
    return (
        f"No model of the front is predicted as fast as {baseline.label}, {_ms(baseline)}. The fastest, "
        f"{_number(fastest)}, takes {_ms(fastest)} and is {_lead(fastest, baseline, metric_name)}."
    )


def _lead(entry: ModelEntry, baseline: ModelEntry, metric_name: str) -> str:
    """Such as `2.0 points ahead in validation accuracy, 0.4 points behind in test accuracy`."""
    ours, theirs = entry.model.accuracies, baseline.model.accuracies
    pairs = (("validation", ours.validation, theirs.validation), ("test", ours.test, theirs.test))
    return ", ".join(
        f"{_points(mine - other)} in {kind} {metric_name}"
        for kind, mine, other in pairs
        if mine is not None and other is not None
    )


def _points(difference: float) -> str:
    tenths = round(1000 * difference)
    if tenths == 0:
        return "level"
    return f"{abs(tenths) / 10:.1f} points {'ahead' if tenths > 0 else 'behind'}"


def _number(entry: ModelEntry) -> str:
    return f"number {entry.number} ({entry.label})"


def _times(entry: ModelEntry, baseline: ModelEntry) -> str:
    """Such as `at 0.900 ms against 1.50 ms`; where precisions differ, a lead is partly that of the faster one."""
    if not _differ(entry.model, baseline.model):
        return f"at {_ms(entry)} against {_ms(baseline)}"
    return f"at {_ms(entry)} in {entry.model.precision} against {_ms(baseline)} in {baseline.model.precision}"


def _differ(model: Model, baseline: Model) -> bool:
    """Whether the two are in different precisions."""
    return model.precision != baseline.precision


def _ms(entry: ModelEntry) -> str:
    return f"{figure_ms(entry.model.latency_ms.predicted)} ms"
