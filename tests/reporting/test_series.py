"""Where names are written in the pictures."""

from collections.abc import Callable
from typing import Any

import pytest

from edgenas.reporting.series import ModelEntry, numbered_entries, place_labels, series_by_kind

Make = Callable[..., Any]
RANGE_MS, ACCURACIES = (0.0, 10.0), (0.0, 1.0)


def _places(names: list[ModelEntry], others: list[ModelEntry] | None = None) -> dict[int, tuple[int, str]]:
    found = place_labels(names, others or [], RANGE_MS, ACCURACIES)
    return {label.entry.number: (label.lines, label.side) for label in found}


@pytest.fixture
def mark(baseline: Make) -> Callable[..., ModelEntry]:
    """`mark(number, accuracy, ms)`: a baseline with a name of twenty letters."""
    return lambda number, value, ms: ModelEntry(
        number, baseline(number, "x" * 20, value, ms), role="baseline"
    )


def test_a_name_stands_above_its_mark(mark: Make) -> None:
    assert _places([mark(1, 0.5, 5)]) == {1: (1, "center")}


@pytest.mark.parametrize(
    ("value", "ms", "place"), [(0.5, 0.2, (1, "right")), (0.5, 9.8, (1, "left")), (0.99, 5, (-1, "center"))]
)
def test_a_name_stays_inside_the_picture(mark: Make, value: float, ms: float, place: tuple[int, str]) -> None:
    assert _places([mark(1, value, ms)]) == {1: place}


def test_a_name_avoids_other_marks(mark: Make, model: Make) -> None:
    above = ModelEntry(2, model(2, 0.55, 5.0))
    assert _places([mark(1, 0.5, 5)], [above]) == {1: (-1, "center")}


def test_names_avoid_each_other(mark: Make) -> None:
    places = _places([mark(1, 0.5, 5), mark(2, 0.51, 5)])
    assert len(set(places.values())) == 2


def test_numbers_go_on(model: Make) -> None:
    marks = numbered_entries("dropped", [model(1, 0.5, 1), model(2, 0.5, 1)], 4)
    assert [(each.number, each.role) for each in marks] == [(4, "dropped"), (5, "dropped")]


def test_series_are_apart_by_kind(model: Make) -> None:
    raw = {"accuracy": {"value": 0.6, "kind": "supernet"}}
    marks = numbered_entries("front", [model(1, 0.5, 1), model(2, 0.6, 1, **raw)], 1)
    assert [(s.title, s.role, len(s.entries)) for s in series_by_kind("front", marks, "macro F1")] == [
        ("front (validation macro F1)", "front", 1),
        ("front (supernet macro F1)", "front", 1),
    ]
    assert series_by_kind("front", [], "accuracy") == []
