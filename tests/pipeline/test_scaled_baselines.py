"""Baselines are as wide as the latency limit allows, and left out where no width does."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from edgenas.latency.predictor import LatencyPredictor, predictor_from_device
from edgenas.pipeline import scaled_baselines as module
from edgenas.pipeline.scaled_baselines import WIDTHS, scaled_baselines
from edgenas.pipeline.session import Session
from edgenas.searchers.problem import Problem
from edgenas.space import SearchSpace, mbconv
from edgenas.space.baselines import BASELINES


@pytest.fixture
def session(session: Session) -> Session:
    """The session, at a resolution where the space holds networks as slow as the baselines."""
    space = mbconv(32, 3)
    predictor = predictor_from_device(space, session.config.device)
    return replace(session, predictor=predictor, problem=Problem(space, predictor, 50.0))


def limited(session: Session, limit_ms: float) -> Session:
    return replace(session, problem=replace(session.problem, max_latency_ms=limit_ms))


def slowest_ms(session: Session) -> float:
    return session.problem.latency_ms(session.problem.predictor.slowest())


def latency_ms(session: Session, id_: str, width: float) -> float:
    space, architecture = BASELINES[id_].make(32, 3, width)
    return predictor_from_device(space, session.config.device).predict(architecture).predicted


@pytest.mark.parametrize(("bound", "fitting"), [("limit", 1), ("limit", 2), ("slowest", 2)])
def test_each_baseline_is_the_widest_within_the_limit_and_the_spaces_slowest(
    bound: str, fitting: int, session: Session
) -> None:
    narrowest_ms = [latency_ms(session, id_, WIDTHS[0]) for id_ in ("mobilenet-v3-small", "mobilenet-v2")]
    slower_ms = [narrowest_ms[1], slowest_ms(session)][fitting - 1]
    limit_ms = 50.0 if bound == "slowest" else (narrowest_ms[fitting - 1] + slower_ms) / 2
    target_ms = min(limit_ms, slowest_ms(session))
    assert (target_ms == limit_ms) == (bound == "limit")
    found = scaled_baselines(limited(session, limit_ms))
    assert len(found) == fitting
    for final_model in found:
        title, _, width = final_model.name.partition(" x")
        assert title == BASELINES[final_model.id].title
        place = WIDTHS.index(float(width))
        predicted = [latency_ms(session, final_model.id, each) for each in WIDTHS[place : place + 2]]
        assert final_model.latency.predicted == pytest.approx(predicted[0])
        assert predicted[0] <= target_ms < predicted[1]
        assert final_model.space.classes == session.space.classes
        assert final_model.space.input_shape == session.space.input_shape
        assert final_model.searched is None


def test_the_widest_there_is_serves_where_everything_fits(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WIDTHS", WIDTHS[:2])
    names = [final_model.name for final_model in scaled_baselines(session)]
    assert names == ["MobileNetV2 x0.15", "MobileNetV3-Small x0.15"]


def test_one_that_no_width_makes_fast_enough_is_left_out_with_one_note(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WIDTHS", (4.0,))
    for _ in range(2):  # as when resumed
        assert scaled_baselines(limited(session, 0.3)) == []
    notes = [event["text"] for event in session.store.events("note")]
    assert len(notes) == 2
    for title, note in zip(("MobileNetV2", "MobileNetV3-Small"), notes, strict=True):
        expected = rf"{title} is left out: at width 4 it takes [\d.]+ ms \(.*\), above the limit of 0\.3 ms"
        assert re.fullmatch(expected, note), note


def test_where_even_the_narrowest_is_slower_than_the_space_it_is_taken(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WIDTHS", (2.0, 4.0))
    found = scaled_baselines(limited(session, 1e3))
    assert [final_model.name for final_model in found] == ["MobileNetV2 x2", "MobileNetV3-Small x2"]
    slowest = session.problem.predictor.predict(session.problem.predictor.slowest())
    assert all(slowest.predicted < final_model.latency.predicted <= 1e3 for final_model in found)


def test_where_there_is_a_table_blocks_it_lacks_are_interpolated(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = SimpleNamespace()
    asked = []

    def predictor(space: SearchSpace, device: object, given: object, missing: str) -> LatencyPredictor:
        asked.append((given, missing))
        return predictor_from_device(space, session.config.device)

    monkeypatch.setattr(module, "find_table", lambda _: ("table.json", table))
    monkeypatch.setattr(module, "predictor_from_table", predictor)
    assert len(scaled_baselines(session)) == 2
    assert all(given is table and missing == "interpolate" for given, missing in asked)
