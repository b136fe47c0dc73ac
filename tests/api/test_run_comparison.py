"""How runs differ."""

from collections.abc import Callable
from typing import Any

import pytest

from edgenas.api.run_comparison import differing_settings, side_by_side
from edgenas.device import Device
from edgenas.storage.run_comparison import MOST_ROWS
from edgenas.storage.run_config import DataRecord, RunConfig, RunDocument, versions
from edgenas.storage.search_result import Model, SearchResult

MakeModel = Callable[..., Model]


def document_of(config: RunConfig, **changes: Any) -> RunDocument:
    made = config.with_settings(**changes)
    return RunDocument(name="r", created_at="2026-01-01T00:00:00+00:00", config=made, versions=versions())


@pytest.fixture
def result_of(front_model: MakeModel) -> Callable[..., SearchResult]:
    """`result_of((ms, accuracy), ...)`: a result with a front of these."""

    def make(*figures: tuple[float, float], **changes: Any) -> SearchResult:
        front = [
            front_model(
                id=f"{i:010x}",
                accuracies={"validation": accuracy},
                latency_ms={"predicted": ms, "low": ms, "high": ms},
            )
            for i, (ms, accuracy) in enumerate(figures)
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
            "hypervolume": 0.81,
            "front": front,
            "seconds": {},
            "report": "report.html",
        }
        return SearchResult.model_validate({**fields, **changes})

    return make


def test_only_settings_that_differ_are_listed(run_config: RunConfig) -> None:
    documents = {
        "a": document_of(run_config, run="a"),
        "b": document_of(run_config, run="b", seed=3, max_latency="10ms"),
        "c": document_of(run_config, run="c", pretrained="none"),
    }
    assert [(each.setting, each.values) for each in differing_settings(documents)] == [
        ("--max-latency", {"a": "20ms", "b": "10ms", "c": "20ms"}),
        ("--pretrained", {"a": "auto", "b": "auto", "c": "none"}),
        ("--seed", {"a": 0, "b": 3, "c": 0}),
    ]


def test_fronts_are_compared_at_equal_latency(
    run_config: RunConfig, result_of: Callable[..., SearchResult]
) -> None:
    documents = {name: document_of(run_config) for name in "ab"}
    results = {"a": result_of((1, 0.7), (3, 0.9)), "b": result_of((2, 0.8), (4, 0.85))}
    rows, notes = side_by_side(documents, results)
    assert [(row.latency_ms, row.accuracies["a"], row.accuracies["b"]) for row in rows] == [
        (1, 0.7, None),
        (2, 0.7, 0.8),
        (3, 0.9, 0.8),
        (4, 0.9, 0.85),
    ]
    assert notes == ()


def test_long_fronts_are_compared_at_some_latencies_with_both_ends(
    run_config: RunConfig, result_of: Callable[..., SearchResult]
) -> None:
    documents = {name: document_of(run_config) for name in "ab"}
    results = {"a": result_of(*((1 + i, 0.5) for i in range(30))), "b": result_of((0.5, 0.4))}
    rows, _ = side_by_side(documents, results)
    found = [row.latency_ms for row in rows]
    assert len(found) == MOST_ROWS and found == sorted(found) and (found[0], found[-1]) == (0.5, 30)


def test_runs_that_cannot_be_compared_say_why(
    run_config: RunConfig, result_of: Callable[..., SearchResult], board: Device
) -> None:
    other = board.model_copy(update={"name": "other"})
    documents = {
        "a": document_of(run_config),
        "b": document_of(
            run_config.model_copy(update={"device": other, "data": DataRecord(fingerprint="x")})
        ),
        "c": document_of(run_config),
    }
    rows, notes = side_by_side(documents, {"a": result_of((1, 0.5)), "b": result_of((1, 0.5))})
    assert rows == ()
    assert notes == (
        "c has no result yet",
        "the runs are on different images: their accuracies say little of each other",
        "the runs have different devices: board, other",
    )


def test_untrained_models_are_not_compared(
    run_config: RunConfig, result_of: Callable[..., SearchResult], front_model: MakeModel
) -> None:
    untrained = front_model(accuracies={"supernet": 0.9}, accuracy={"value": 0.9, "kind": "supernet"})
    documents = {name: document_of(run_config) for name in "ab"}
    interrupted = result_of(status="interrupted", front=[untrained])
    rows, _ = side_by_side(documents, {"a": interrupted, "b": result_of((2, 0.8))})
    assert [(row.latency_ms, row.accuracies) for row in rows] == [(2, {"a": None, "b": 0.8})]
