"""The result of a search: its front, its baselines, and every figure that a model has."""

from dataclasses import replace

import pytest
from fixtures.trained_models import baseline_of, with_labels, with_objectives, with_wrong

from edgenas.latency.table import BlockEnergy
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.result_assembly import result_of
from edgenas.pipeline.session import Session
from edgenas.searchers.loop import Evaluated
from edgenas.searchers.proxyless.curves import Curve, Curves
from edgenas.storage.learning_record import record_curves


@pytest.fixture
def session(session: Session) -> Session:
    """The session, with 100 validation images."""
    return with_labels(session)


@pytest.fixture
def finalists(final_models: list[FinalModel]) -> list[FinalModel]:
    """The fastest and the slowest, which get 2 and 1 of 100 images wrong."""
    return [with_wrong(final_models[0], [1, 2]), with_wrong(final_models[1], [3])]


def test_hypervolume_has_a_side_for_each_objective(session: Session, candidates: list[Evaluated]) -> None:
    asked = with_objectives(session, "macs")
    corner = asked.problem.corner
    alone = result_of(asked, candidates[:1], [], "interrupted")
    costs = asked.problem.costs_of([candidates[0].architecture])[0]
    assert alone.hypervolume == pytest.approx(0.5 * (1 - costs / corner[1:]).prod())
    assert result_of(session, candidates[:1], [], "interrupted").hypervolume > alone.hypervolume


def test_peak_memory_is_always_told(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    result = result_of(session, candidates, [*finalists, baseline_of(finalists[0])], "complete")
    for model in (*result.front, *result.baselines):
        assert model.peak_memory_bytes is not None and model.peak_memory_bytes > 4 * model.params


def test_energies_are_told_where_those_of_all_blocks_are_known(
    session: Session,
    candidates: list[Evaluated],
    finalists: list[FinalModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of baselines too, though they are of a space of their own."""
    models = [*finalists, baseline_of(finalists[0])]
    result = result_of(session, candidates, models, "complete")
    assert all(model.energy_mj is None for model in (*result.front, *result.baselines))
    blocks = {block.key for model in models for block in model.space.blocks(model.architecture)}
    energies = {key: BlockEnergy(mj=1.0, sd_mj=0.1, meter="x") for key in blocks}
    monkeypatch.setattr(session.predictor, "energies", energies)
    for model in (result := result_of(session, candidates, models, "complete")).front:
        assert model.energy_mj is not None and model.energy_mj.predicted > 3
    assert result.baselines[0].energy_mj in [model.energy_mj for model in result.front]


def test_a_baseline_stands_apart_and_neither_leaves_nor_drives_anyone_out(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    poor = with_wrong(finalists[1], range(20))
    best = baseline_of(finalists[0])  # faster than `poor`, and beyond chance better
    slow = replace(baseline_of(finalists[1], range(50)), measured_ms=80.0)
    result = result_of(session, candidates, [poor, best, slow], "complete")
    assert [model.id for model in result.front] == [poor.id]
    assert result.dropped == ()
    assert [model.name for model in result.baselines] == ["MobileNetV2 x0.35"] * 2
    assert [model.note for model in result.baselines] == ["", ""]
    assert [model.leads for model in result.baselines] == [False, False]
    assert [model.accuracy.kind for model in result.baselines] == ["validation", "validation"]
    assert all(model.accuracies.supernet is None for model in result.baselines)


def test_a_baseline_that_failed_stays_with_its_reason(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    failed = replace(baseline_of(finalists[0]), trained=None, note="training failed: the loss is nan")
    result = result_of(session, candidates, [*finalists, failed], "complete")
    (model,) = result.baselines
    assert model.note == "training failed: the loss is nan"
    assert model.accuracies.validation is None and model.onnx is None


@pytest.mark.parametrize(("evaluator", "kind"), [("supernet", "supernet"), ("trained", "validation")])
def test_interrupted_before_finalists_the_front_is_the_searchs_own(
    evaluator: str, kind: str, session: Session, candidates: list[Evaluated]
) -> None:
    failed = Evaluated(candidates[1].architecture, None, 0.01, "out of memory")
    asked = replace(session, config=session.config.with_settings(evaluator=evaluator))
    result = result_of(asked, [*candidates, failed], [], "interrupted")
    assert [model.accuracy.kind for model in result.front] == [kind, kind]
    assert [model.accuracy.value for model in result.front] == [0.5, 0.7]
    assert all(model.onnx is None for model in result.front)


def test_the_last_moment_of_the_learning_is_in_the_result(
    session: Session, candidates: list[Evaluated]
) -> None:
    assert result_of(session, candidates, [], "interrupted").learning is None
    figures = dict.fromkeys(("expected_ms", "likeliest_ms", "loss", "entropy", "multiplier", "skips"), (0.5,))
    curve = Curve(target_ms=4.0, **figures)
    done = {"gates": "full", "latency_loss": "constraint", "warm_up": 0.2, "done": (0.4,)}
    record_curves(session.store, Curves(**done, finished=False, targets=(curve,)))
    learning = result_of(session, candidates, [], "interrupted").learning
    assert learning is not None and not learning.finished
    assert [target.target_ms for target in learning.targets] == [4.0]
