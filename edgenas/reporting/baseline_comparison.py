"""What was the search worth? A network made by hand, set beside the front in a sentence."""

from collections.abc import Sequence

from edgenas.reporting.report_content import figure_ms
from edgenas.reporting.series import Mark


def worth(baseline: Mark, front: Sequence[Mark], measure: str) -> str:
    """The most accurate model of the front that is predicted no slower than a baseline, and by how much it leads.

    Args:
        baseline: the network made by hand.
        front: models, fastest first; untrained ones are not compared.
        measure: what an accuracy is, such as `macro F1`.
    """
    if not baseline.has_accuracy:
        why = f": {baseline.model.note}" if baseline.model.note else ""
        return f"{baseline.label} has no {measure} to compare{why}."
    trained = [mark for mark in front if mark.model.accuracies.validation is not None]
    if not trained:
        return f"There is no trained model on the front to set beside {baseline.label}."
    limit_ms = baseline.model.latency_ms.predicted
    as_fast = [mark for mark in trained if mark.model.latency_ms.predicted <= limit_ms]
    if as_fast:
        best = max(as_fast, key=lambda mark: mark.model.accuracies.validation or 0.0)
        return (
            f"Of the models predicted no slower than {baseline.label}, {_number(best)} is the most accurate: "
            f"{_lead(best, baseline, measure)}, at {_ms(best)} against {_ms(baseline)}."
        )
    fastest = min(trained, key=lambda mark: mark.model.latency_ms.predicted)
    return (
        f"No model of the front is predicted as fast as {baseline.label}, {_ms(baseline)}. The fastest, "
        f"{_number(fastest)}, takes {_ms(fastest)} and is {_lead(fastest, baseline, measure)}."
    )


def _lead(mark: Mark, baseline: Mark, measure: str) -> str:
    """Such as `2.0 points ahead in validation accuracy, 0.4 points behind in test accuracy`."""
    ours, theirs = mark.model.accuracies, baseline.model.accuracies
    pairs = (("validation", ours.validation, theirs.validation), ("test", ours.test, theirs.test))
    return ", ".join(
        f"{_points(mine - other)} in {kind} {measure}"
        for kind, mine, other in pairs
        if mine is not None and other is not None
    )


def _points(difference: float) -> str:
    tenths = round(1000 * difference)
    if tenths == 0:
        return "level"
    return f"{abs(tenths) / 10:.1f} points {'ahead' if tenths > 0 else 'behind'}"


def _number(mark: Mark) -> str:
    return f"number {mark.number} ({mark.label})"


def _ms(mark: Mark) -> str:
    return f"{figure_ms(mark.model.latency_ms.predicted)} ms"
