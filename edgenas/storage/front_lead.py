"""By how much the front is ahead of a baseline at equal latency, or behind."""

from collections.abc import Sequence

from edgenas.storage.search_result import FrontLead, Model, most_accurate_within


def with_front_lead(baseline: Model, front: Sequence[Model]) -> Model:
    """The baseline with its comparison: None if it has no figure, or no trained model of the front is as fast.

    The front's model is chosen by its validation figure and compared by test, which nothing was chosen by. Latencies
    are the predicted ones, as everywhere on the front. Where several precisions are searched, baselines are in
    the widest only, so the lead of an int8 model is partly that of int8.
    """
    best = most_accurate_within(front, baseline.latency_ms.predicted)
    theirs = baseline.accuracies.test
    if best is None or best.accuracies.test is None or theirs is None:
        return baseline
    points = round(100 * (best.accuracies.test - theirs), 6)
    return baseline.model_copy(update={"front_lead": FrontLead(model=best.id, points=points)})
