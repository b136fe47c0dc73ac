"""How the hypervolume grows over a search, and when a report shows that."""

from pathlib import Path

import pytest

from edgenas.device import Provenance
from edgenas.latency.latency import Latency
from edgenas.reporting.hypervolume_curve import hypervolume_curve
from edgenas.reporting.report_assembly import report_content
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_store import Evaluation, RunStore


def row(accuracy: float | None, ms: float) -> Evaluation:
    latency = Latency(ms, ms, ms, Provenance.ESTIMATED)
    return Evaluation("0123456789", ("skip",), accuracy, "supernet", latency, seconds=2.0)


def test_the_curve_counts_evaluations_and_seconds() -> None:
    curve = hypervolume_curve([row(0.5, 5), row(None, 1), row(1.0, 5)], limit_ms=10)
    assert curve is not None
    assert (curve.evaluations, curve.seconds) == ((1, 2, 3), (2, 4, 6))
    assert curve.hypervolume == pytest.approx((0.25, 0.25, 0.5))


def test_one_evaluation_is_no_curve() -> None:
    assert hypervolume_curve([row(0.5, 5)], limit_ms=10) is None


def test_a_search_for_more_objectives_has_no_curve_of_two(in_finished_run: Path) -> None:
    folder = RunFolder(in_finished_run / "runs" / "done")
    result, store = folder.read_result(), RunStore(folder.store, writable=False)
    assert report_content(folder, store, result).progress is not None
    more = result.model_copy(update={"objectives": ("accuracy", "latency", "macs")})
    assert report_content(folder, store, more).progress is None
    store.close()
