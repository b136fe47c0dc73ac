"""By how much the front is ahead of baselines at equal latency, or behind."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.storage.front_lead import with_front_lead
from edgenas.storage.search_result import FrontLead, Model

MakeModel = Callable[..., Model]


def model(id_: str, ms: float, test: float | None, validation: float | None = None, name: str = "") -> Model:
    """A trained model; `test` None if it is not."""
    validation = test if validation is None else validation
    latency: dict[str, Any] = {"predicted": ms, "low": ms, "high": ms, "provenance": "estimated"}
    return Model.model_validate(
        {
            "id": id_,
            "name": name,
            "architecture": {"name": id_},
            "accuracy": {"value": validation or 0.5, "kind": "validation"},
            "accuracies": {"validation": validation, "test": test},
            "latency_ms": latency,
            "params": 1,
            "macs": 1,
        }
    )


FRONT = (model("fast", 2, 0.7), model("middle", 4, 0.8, 0.9), model("slow", 6, 0.9, 0.85))


@pytest.mark.parametrize(
    ("ms", "test", "expected"),
    [
        (1.9, 0.5, None),
        (2.0, 0.75, FrontLead(model="fast", points=-5.0)),
        (5.0, 0.75, FrontLead(model="middle", points=5.0)),
        (9.0, 0.75, FrontLead(model="middle", points=5.0)),  # chosen by validation, not by the test images
        (9.0, None, None),
    ],
)
def test_it_is_that_of_the_best_model_that_is_no_slower(
    ms: float, test: float | None, expected: FrontLead | None
) -> None:
    assert with_front_lead(model("b", ms, test, name="B"), FRONT).front_lead == expected


def test_models_that_were_not_trained_are_not_compared() -> None:
    untrained = (model("fast", 1, None),)
    baseline = model("b", 5, 0.5, name="B")
    assert with_front_lead(baseline, untrained).front_lead is None


FIGURES = st.tuples(st.floats(0.1, 10), st.floats(0, 1), st.floats(0, 1))


@given(st.lists(FIGURES, max_size=6), FIGURES)
def test_the_model_it_names_is_no_slower_and_none_such_has_a_better_validation_figure(
    front: list[tuple[float, float, float]], figures: tuple[float, float, float]
) -> None:
    models = [model(str(i), *each) for i, each in enumerate(front)]
    baseline = model("b", *figures, name="B")
    lead = with_front_lead(baseline, models).front_lead
    as_fast = [each for each in models if each.latency_ms.predicted <= baseline.latency_ms.predicted]
    assert (lead is None) == (not as_fast)
    if lead is not None:
        chosen = models[int(lead.model)]
        assert chosen in as_fast
        assert (chosen.accuracies.validation or 0) == max(each.accuracies.validation or 0 for each in as_fast)
        assert lead.points == pytest.approx(100 * ((chosen.accuracies.test or 0) - figures[1]), abs=1e-5)
