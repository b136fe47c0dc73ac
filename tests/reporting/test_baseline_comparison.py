"""The sentences that say how the front compares with baselines."""

from collections.abc import Callable
from typing import Any

import pytest

from edgenas.reporting.baseline_comparison import baseline_sentence, lead_sentence
from edgenas.reporting.series import ModelEntry
from edgenas.storage.search_result import FrontLead, Model

Make = Callable[..., Any]


def _front(*models: Model) -> list[ModelEntry]:
    return [ModelEntry(number, model) for number, model in enumerate(models, start=1)]


def _hand(model: Model) -> ModelEntry:
    return ModelEntry(9, model, "baseline")


@pytest.fixture
def front(model: Make) -> list[ModelEntry]:
    return _front(model(1, 0.91, 0.5), model(2, 0.95, 0.9), model(3, 0.97, 1.6))


def test_the_most_accurate_of_those_as_fast_is_set_beside_it(front: list[ModelEntry], baseline: Make) -> None:
    text = baseline_sentence(_hand(baseline(60, "MobileNetV2 x0.5", 0.93, 1.5)), front, "accuracy")
    assert text == (
        "Of the models predicted no slower than MobileNetV2 x0.5, number 2 (0000000002) is the most accurate: "
        "2.0 points ahead in validation accuracy, 3.0 points ahead in test accuracy, at 0.900 ms against 1.50 ms."
    )


def test_one_exactly_as_fast_counts(front: list[ModelEntry], baseline: Make) -> None:
    assert "number 3 (0000000003)" in baseline_sentence(
        _hand(baseline(60, "M", 0.93, 1.6)), front, "accuracy"
    )


def test_of_equals_the_faster_is_named(model: Make, baseline: Make) -> None:
    front = _front(model(1, 0.95, 0.5), model(2, 0.95, 0.9))
    assert "number 1 (0000000001)" in baseline_sentence(
        _hand(baseline(60, "M", 0.93, 1.6)), front, "accuracy"
    )


def test_it_says_so_when_the_search_is_behind(front: list[ModelEntry], baseline: Make) -> None:
    made = baseline(60, "MobileNetV2 x1", 0.985, 2.0, accuracies={"validation": 0.985, "test": 0.9602})
    text = baseline_sentence(_hand(made), front, "macro F1")
    assert "1.5 points behind in validation macro F1, level in test macro F1, at 1.60 ms" in text


def test_it_says_so_when_no_model_is_as_fast(front: list[ModelEntry], baseline: Make) -> None:
    text = baseline_sentence(_hand(baseline(60, "MobileNetV2 x0.1", 0.8, 0.3)), front, "accuracy")
    assert text == (
        "No model of the front is predicted as fast as MobileNetV2 x0.1, 0.300 ms. The fastest, number 1 "
        "(0000000001), takes 0.500 ms and is 11.0 points ahead in validation accuracy, 12.0 points ahead in test "
        "accuracy."
    )


def test_a_failed_baseline_comes_with_its_note(front: list[ModelEntry], baseline: Make) -> None:
    text = baseline_sentence(_hand(baseline(60, "MobileNetV2 x1", None, 2.0)), front, "accuracy")
    assert text == "MobileNetV2 x1 has no accuracy to compare: training failed: nan."


def test_an_untrained_front_is_not_compared(model: Make, baseline: Make, untrained: dict[str, Any]) -> None:
    made = _hand(baseline(60, "M x1", 0.9, 2.0))
    for front in ([], _front(*untrained["front"])):
        assert (
            baseline_sentence(made, front, "accuracy")
            == "There is no trained model on the front to compare with M x1."
        )


def test_a_test_figure_that_one_lacks_is_left_out(front: list[ModelEntry], baseline: Make) -> None:
    made = baseline(60, "M x1", 0.93, 1.0, accuracies={"validation": 0.93})
    assert "2.0 points ahead in validation accuracy, at 0.900 ms" in baseline_sentence(
        _hand(made), front, "accuracy"
    )


def test_one_sentence_tells_of_all_baselines(result: Make, baseline: Make) -> None:
    leads = {"A": 5.0, "B": -1.2, "C": 0.04, "D": None, "E": None}
    baselines = [
        baseline(60, name, 0.9, 1.5, front_lead=None if lead is None else FrontLead(model="x", points=lead))
        for name, lead in leads.items()
    ]
    failed = baseline(60, "F", None, 1.5)
    assert lead_sentence(result(baselines=(*baselines, failed), metric="macro-f1")) == (
        "at equal latency the front is 5.0 points ahead of A, is 1.2 points behind B, is level with C and has no "
        "model as fast as D or E (test macro F1)"
    )
    assert lead_sentence(result(baselines=baselines[:1])) == (
        "at equal latency the front is 5.0 points ahead of A (test accuracy)"
    )


def test_there_is_no_sentence_without_anything_trained(result: Make, baseline: Make, model: Make) -> None:
    untrained = model(1, 0.9, 1.0, accuracies={"supernet": 0.9})
    assert lead_sentence(result()) == lead_sentence(result(baselines=[baseline(60, "F", None, 1.5)])) == ""
    assert lead_sentence(result(baselines=[baseline(60, "A", 0.9, 1.5)], front=[untrained])) == ""


def test_precisions_are_named_where_they_differ(model: Make, result: Make, baseline: Make) -> None:
    front = [model(1, 0.95, 0.5, precision="int8"), model(2, 0.97, 1.6)]
    made = [
        baseline(60, "A", 0.9, 1.5, front_lead=FrontLead(model=front[0].id, points=5.0)),
        baseline(61, "B", 0.9, 1.7, front_lead=FrontLead(model=front[1].id, points=0.0)),
    ]
    assert lead_sentence(result(front=front, baselines=made)) == (
        "at equal latency the front is 5.0 points ahead of A (int8 against fp32) and is level with B (test accuracy)"
    )
    entries = _front(*front)
    assert baseline_sentence(_hand(made[0]), entries, "accuracy").endswith(
        "at 0.500 ms in int8 against 1.50 ms in fp32."
    )
    assert baseline_sentence(_hand(made[1]), entries, "accuracy").endswith("at 1.60 ms against 1.70 ms.")
