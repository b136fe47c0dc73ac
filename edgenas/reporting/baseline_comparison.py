"""Was the search worth it? Compares a hand-designed network with the front in one sentence."""

from collections.abc import Sequence

from edgenas.reporting.report_content import figure_ms
from edgenas.reporting.series import ModelEntry


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
    limit_ms = baseline.model.latency_ms.predicted
    as_fast = [entry for entry in trained if entry.model.latency_ms.predicted <= limit_ms]
    if as_fast:
        best = max(as_fast, key=lambda entry: entry.model.accuracies.validation or 0.0)
        return (
            f"Of the models predicted no slower than {baseline.label}, {_number(best)} is the most accurate: "
            f"{_lead(best, baseline, metric_name)}, at {_ms(best)} against {_ms(baseline)}."
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


def _ms(entry: ModelEntry) -> str:
    return f"{figure_ms(entry.model.latency_ms.predicted)} ms"
