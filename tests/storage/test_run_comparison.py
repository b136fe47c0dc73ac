"""The best models of runs at equal latency."""

from collections.abc import Callable
from typing import Any

import pytest

from edgenas.storage.run_comparison import MOST_ROWS, at_equal_latency
from edgenas.storage.search_result import Model, SearchResult

Make = Callable[..., SearchResult]


@pytest.fixture
def result_of(front_model: Callable[..., Model]) -> Make:
    """`result_of((ms, validation), ...)`: a result with a front of these; untrained where validation is None."""

    def make(*figures: tuple[float, float | None]) -> SearchResult:
        front = [
            front_model(
                accuracies={"supernet": 0.99, "validation": accuracy},
                latency_ms={"predicted": ms, "low": ms, "high": ms},
            )
            for ms, accuracy in figures
        ]
        fields: dict[str, Any] = {
            "run": "demo",
            "status": "complete",
            "device": "board",
            "data": "digits",
            "searcher": "nsga2",
            "seed": 0,
            "evaluations": 40,
            "constraint": {"max_latency_ms": 20, "fastest_ms": 0.3, "slowest_ms": 3.1, "binding": False},
            "front": front,
            "hypervolume": 0.8,
            "seconds": {},
            "report": "report.html",
        }
        return SearchResult.model_validate(fields)

    return make


def test_the_best_that_is_no_slower_is_found_in_each_run(result_of: Make) -> None:
    rows = at_equal_latency([result_of((1, 0.7), (3, 0.9)), result_of((2, 0.8), (2.5, None))])
    found = [(ms, [model and model.accuracies.validation for model in best]) for ms, best in rows]
    assert found == [(1, [0.7, None]), (2, [0.7, 0.8]), (3, [0.9, 0.8])]


def test_many_latencies_are_thinned_but_for_the_ends(result_of: Make) -> None:
    found = [ms for ms, _ in at_equal_latency([result_of(*((1.0 + i, 0.5) for i in range(30)))])]
    assert len(found) == MOST_ROWS and (found[0], found[-1]) == (1, 30)


def test_without_trained_models_nothing_is_compared(result_of: Make) -> None:
    assert at_equal_latency([result_of((1, None)), result_of()]) == []
