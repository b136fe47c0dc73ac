"""What a result says beside its figures."""

from dataclasses import replace

import pytest
from fixtures.pipeline import in_precisions

from edgenas.device import Provenance
from edgenas.latency.predictor import LatencyPredictor
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.result_notes import notes_on
from edgenas.pipeline.session import Session
from edgenas.searchers.loop import Evaluated
from edgenas.storage.search_result import Constraint

BINDING = Constraint(max_latency_ms=50, fastest_ms=1, slowest_ms=60, binding=True)


def notes(
    session: Session,
    evaluated: list[Evaluated],
    finalists: list[FinalModel] | None = None,
    constraint: Constraint = BINDING,
) -> list[str]:
    """All finalists are on the front."""
    return list(notes_on(session, constraint, evaluated, finalists or [], finalists or []))


def test_what_the_phases_noted_comes_first(session: Session, candidates: list[Evaluated]) -> None:
    session.note("the first")
    assert notes(session, candidates)[0] == "the first"


def test_failed_evaluations_are_counted_with_the_first_reason(
    session: Session, candidates: list[Evaluated]
) -> None:
    failures = [
        replace(each, accuracy=None, reason=reason)
        for each, reason in zip(candidates, ("out of memory", "the loss is nan"), strict=True)
    ]
    text = "2 evaluations failed, the first because: out of memory"
    assert text in notes(session, [*candidates, *failures])
    assert not any("evaluations failed" in note for note in notes(session, candidates))


def test_what_a_time_budget_allowed_is_stated(session: Session, candidates: list[Evaluated]) -> None:
    asked = replace(session, config=session.config.with_settings(time_budget="90s"))
    text = "the time budget of 1 min 30 s allowed 2 of 4 evaluations"
    assert text in notes(asked, candidates)
    all_of_them = replace(session, config=asked.config.with_settings(evaluations=2, finalists=1))
    assert "the time budget of 1 min 30 s allowed all 2 evaluations" in notes(all_of_them, candidates)
    session.store.record("supernet trained", epochs=12.345)
    assert f"{text}, and 12.3 epochs of the supernet" in notes(asked, candidates)
    session.store.record("phase", phase="search", seconds=120)
    assert "the run took 2 min 00 s, more than its time budget" in notes(asked, candidates)


def test_a_chosen_architecture_that_is_not_on_the_front_is_explained(
    session: Session, candidates: list[Evaluated], final_models: list[FinalModel]
) -> None:
    chosen = final_models[0].id
    session.store.record("architecture chosen", id=chosen)
    text = f"{chosen}, learnt for the limit itself, is not on the front: "
    assert not any(text in note for note in notes(session, candidates, final_models))
    assert f"{text}it was dropped" in notes(session, candidates, final_models[1:])
    failed = replace(candidates[0], accuracy=None, reason="out of memory")
    assert f"{text}its evaluation failed" in notes(session, [failed, candidates[1]], final_models[1:])


def measured(finalists: list[FinalModel], off: float) -> list[FinalModel]:
    """The finalists, slower by this share than predicted; the interval is -5 to +5 %."""
    return [
        replace(
            each,
            measured_ms=(1 + off) * each.latency.predicted,
            latency=replace(
                each.latency,
                low=0.95 * each.latency.predicted,
                high=1.05 * each.latency.predicted,
            ),
        )
        for each in finalists
    ]


@pytest.mark.parametrize(("off", "difference"), [(0.04, ""), (0.06, "6.0% more"), (-0.2, "20.0% less")])
def test_predictions_that_measurements_contradict_are_noted_once_and_logged(
    session: Session,
    candidates: list[Evaluated],
    final_models: list[FinalModel],
    off: float,
    difference: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = [
        note for note in notes(session, candidates, measured(final_models, off)) if "models take" in note
    ]
    text = (
        f"exported models take {difference} time than predicted (median of 2; the interval is -5.0% to +5.0%)"
    )
    assert found == ([text] if difference else [])
    assert caplog.messages == found


def test_with_a_table_the_way_to_fix_them_is_given(
    session: Session,
    candidates: list[Evaluated],
    final_models: list[FinalModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LatencyPredictor, "provenance", Provenance.MEASURED)
    found = notes(session, candidates, measured(final_models, 0.5))
    assert any("; see edgenas doctor, then profile again: edgenas profile --device cpu" in n for n in found)


def test_intervals_above_the_limit_and_a_limit_that_does_not_bind_are_noted(
    session: Session, candidates: list[Evaluated], final_models: list[FinalModel]
) -> None:
    wide = [replace(each, latency=replace(each.latency, high=51.0)) for each in final_models]
    text = "the limit applies to predicted latencies; the intervals of 2 models extend above 50 ms"
    found = notes(session, candidates, wide)
    assert text in found and not any("does not bind" in note for note in found)
    loose = BINDING.model_copy(update={"binding": False})
    found = notes(session, candidates, final_models, loose)
    assert any(
        note.startswith("the limit of 50 ms does not bind: even the slowest network of the space takes ")
        for note in found
    )


def test_estimated_latencies_are_noted_with_the_command_that_measures(
    session: Session, candidates: list[Evaluated]
) -> None:
    found = " ".join(notes(session, candidates))
    assert "estimated from the datasheet of cpu" in found
    assert "edgenas profile --device cpu --resolution 16 --classes 3" in found


@pytest.fixture
def mixed(session: Session) -> Session:
    """The session, searching fp32 and int8."""
    return in_precisions(session, "fp32", "int8")


def test_each_precision_without_a_table_is_noted_with_its_own_command(mixed: Session) -> None:
    found = [note for note in notes(mixed, []) if "estimated" in note]
    assert len(found) == 2
    for note, precision in zip(found, ("fp32", "int8"), strict=True):
        assert note.startswith(
            f"latencies in {precision} are estimated from the datasheet of cpu: it has no table; "
        )
        assert f" --precision {precision} " in note


def test_good_predictions_in_one_precision_do_not_hide_bad_ones_in_another(
    mixed: Session, final_models: list[FinalModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LatencyPredictor, "provenance", Provenance.MEASURED)
    good = [replace(each, id=f"{each.id}-{i}") for i in range(2) for each in measured(final_models, 0.0)]
    bad = [replace(each, precision="int8") for each in measured(final_models, 0.3)]
    (found,) = [note for note in notes(mixed, [], [*good, *bad]) if "models" in note and "time than" in note]
    assert found.startswith("exported models in int8 take 30.0% more time than predicted (median of 2; ")
    assert "edgenas profile --device cpu " in found and " --precision int8 " in found
