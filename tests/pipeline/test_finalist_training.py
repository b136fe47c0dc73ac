"""Who is trained after the search: from which weights, how long, with what teacher."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.configurations import changed_config
from fixtures.pipeline import for_device, in_precisions
from torch import nn

from edgenas.accuracy.network_predictions import recalibrate
from edgenas.accuracy.standalone import Teacher, fresh_network
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.exporting.final_network import OfSpace
from edgenas.latency.predictor import predictor_from_device
from edgenas.pipeline import baselines, final_training
from edgenas.pipeline import finalist_training as module
from edgenas.pipeline.final_model import FinalModel, TrainingOutcome
from edgenas.pipeline.finalist_training import train_and_export
from edgenas.pipeline.session import Session
from edgenas.pipeline.time_budget import Budget
from edgenas.pretrained.source import PretrainedRecord
from edgenas.pretrained.weights import PretrainedWeights
from edgenas.searchers.loop import Evaluated
from edgenas.searchers.problem import Problem
from edgenas.space.baselines import BASELINES
from edgenas.space.modules import Network


@dataclass
class Training:
    """How one final_model was to be trained."""

    final_model: FinalModel
    network: Network
    recipe: FinalistRecipe
    phase: str
    seconds: float | None
    teacher: Teacher | None


@dataclass
class Trainings:
    """Stands in for `outcome_of_training`, and keeps what it was asked; each outcome is recorded until it is read."""

    made: list[Training] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)

    def __call__(
        self, session: Session, final_model: FinalModel, make_network: Callable[[], Network], *rest: Any
    ) -> TrainingOutcome:
        self.made.append(Training(final_model, make_network(), *rest))
        return TrainingOutcome({})

    def record(self, session: Session, final_model: FinalModel, outcome: TrainingOutcome) -> None:
        self.unread.add(final_model.id)

    def as_recorded(self, session: Session, final_model: FinalModel) -> FinalModel | None:
        if final_model.id not in self.unread:
            return None
        self.unread.remove(final_model.id)
        return final_model

    @property
    def finalists(self) -> list[Training]:
        return [training for training in self.made if not training.final_model.name]

    @property
    def baselines(self) -> list[Training]:
        return [training for training in self.made if training.final_model.name]


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trainings]:
    trainings = Trainings()
    monkeypatch.setattr(final_training, "outcome_of_training", trainings)
    monkeypatch.setattr(module, "record_outcome", trainings.record)
    monkeypatch.setattr(module, "as_recorded", trainings.as_recorded)
    monkeypatch.setattr(baselines, "scaled_baselines", narrow_baselines)
    yield trainings


def narrow_baselines(session: Session) -> list[FinalModel]:
    """Both baselines, whatever the limit."""
    found = []
    for id_, (title, make) in BASELINES.items():
        space, architecture = make(16, 3, 0.1)
        latency = predictor_from_device(space, session.config.device).predict(architecture)
        found.append(FinalModel(id_, OfSpace(space, architecture), "fp32", latency, name=f"{title} x0.1"))
    return found


def configured(session: Session, **changes: Any) -> Session:
    return replace(session, config=changed_config(session.config, **changes))


def test_leaders_of_the_search_come_first_then_baselines(
    session: Session, supernet: Supernet, candidates: list[Evaluated], trainings: Trainings
) -> None:
    failed = Evaluated(session.space.sample(np.random.default_rng(5)), None, 0.01, "out of memory")
    brought = train_and_export(configured(session, baselines=True), supernet, [failed, *candidates])
    fastest, slowest = (candidate.architecture.id for candidate in candidates)
    assert [final_model.id for final_model in brought] == [
        fastest, slowest, "mobilenet-v2", "mobilenet-v3-small"
    ]  # fmt: skip
    assert [final_model.searched for final_model in brought] == [0.5, 0.7, None, None]
    names = [final_model.name for final_model in brought[2:]]
    assert [training.phase for training in trainings.made] == [
        "finalist 1/2", f"baseline {names[0]}", "finalist 2/2", f"baseline {names[1]}"
    ]  # fmt: skip
    assert trainings.finalists[0].final_model.id == slowest  # the more accurate one matters most


@pytest.mark.parametrize(
    ("finalists", "learnt", "wanted"),
    [(3, 1, [0, 1, 4]), (3, 4, [0, 2, 4]), (1, 1, [1]), (5, 1, [0, 1, 2, 3, 4]), (3, None, [0, 2, 4])],
)
def test_what_the_gradient_searcher_arrived_at_is_trained_beside_both_ends_of_the_front(
    session: Session, supernet: Supernet, trainings: Trainings,
    finalists: int, learnt: int | None, wanted: list[int],
) -> None:  # fmt: skip
    rng = np.random.default_rng(0)
    drawn = {a.id: a for a in (session.space.sample(rng) for _ in range(5))}
    ordered = sorted(drawn.values(), key=session.problem.latency_ms)
    front = [Evaluated(a, 0.5 + 0.1 * i, session.problem.latency_ms(a)) for i, a in enumerate(ordered)]
    if learnt is not None:
        session.store.record("architecture chosen", id=front[learnt].architecture.id)
    train_and_export(configured(session, finalists=finalists), supernet, front)
    assert {each.final_model.id for each in trainings.made} == {front[i].architecture.id for i in wanted}
    assert learnt is None or trainings.made[0].final_model.id == front[learnt].architecture.id


@pytest.mark.parametrize("finalists", [2, 4])
def test_the_pretrained_network_is_trained_even_if_others_lead(
    session: Session, supernet: Supernet, candidates: list[Evaluated], trainings: Trainings, finalists: int
) -> None:
    session = replace(configured(session, finalists=finalists), pretrained=weights_of(supernet))
    whole = session.whole_network
    assert whole == session.space.largest
    others = [each for each in candidates if each.architecture != whole]
    behind = Evaluated(whole, 0.1, session.problem.latency_ms(whole))
    train_and_export(session, supernet, [behind, *others])
    trained = [each.final_model.id for each in trainings.made]
    assert whole.id in trained
    assert len(trained) == min(finalists, 1 + len(others))


def test_a_single_finalist_is_the_best_that_was_found(
    session: Session, supernet: Supernet, candidates: list[Evaluated], trainings: Trainings
) -> None:
    session = replace(configured(session, finalists=1), pretrained=weights_of(supernet))
    whole = session.space.largest
    best = next(each for each in candidates if each.architecture != whole)
    behind = Evaluated(whole, 0.1, session.problem.latency_ms(whole))
    train_and_export(session, supernet, [behind, replace(best, accuracy=0.9)])
    assert [each.final_model.id for each in trainings.made] == [best.architecture.id]


def test_a_network_is_trained_once_and_deployed_in_every_precision_within_the_limit(
    session: Session, supernet: Supernet, trainings: Trainings
) -> None:
    board = for_device(session, "raspberry-pi-5")
    mixed = in_precisions(configured(board, finalists=2), "fp32", "int8")
    space, latency_ms = mixed.problem.space, mixed.problem.latency_ms
    small, large = mixed.space.smallest, mixed.space.largest
    small_fp32, small_int8, large_int8 = (
        space.joined(*each) for each in (("fp32", small), ("int8", small), ("int8", large))
    )
    limit_ms = 0.99 * latency_ms(space.joined("fp32", large))
    mixed = replace(mixed, problem=Problem(space, mixed.predictor, limit_ms))
    found = [
        Evaluated(small_fp32, 0.6, latency_ms(small_fp32)),
        Evaluated(large_int8, 0.9, latency_ms(large_int8)),
    ]
    brought = train_and_export(mixed, supernet, found)
    assert [each.final_model.architecture for each in trainings.made] == [large, small]
    assert {each.id: each.searched for each in brought} == {
        small_fp32.id: 0.6, small_int8.id: None, large_int8.id: 0.9
    }  # fmt: skip


def test_of_a_network_that_leads_in_two_precisions_one_finalist_is_made(
    session: Session, supernet: Supernet, trainings: Trainings
) -> None:
    board = for_device(session, "raspberry-pi-5")
    mixed = in_precisions(configured(board, finalists=2), "fp32", "int8")
    space = mixed.problem.space
    small, large = mixed.space.smallest, mixed.space.largest
    in_order = [("fp32", large, 0.9), ("int8", large, 0.8), ("fp32", small, 0.2), ("int8", small, 0.1)]
    found = [(space.joined(precision, network), accuracy) for precision, network, accuracy in in_order]
    train_and_export(
        mixed,
        supernet,
        [Evaluated(each, accuracy, mixed.problem.latency_ms(each)) for each, accuracy in found],
    )
    assert [each.final_model.architecture for each in trainings.made] == [large, small]


def weights_of(supernet: Supernet) -> PretrainedWeights:
    record = PretrainedRecord(name="p", licence="MIT", origin="here", sha256="0" * 64)
    return PretrainedWeights(record, supernet.extract(supernet.space.largest).state_dict())


def test_finalists_begin_with_the_supernets_weights_and_baselines_with_none(
    session: Session, supernet: Supernet, candidates: list[Evaluated], trainings: Trainings
) -> None:
    train_and_export(configured(session, baselines=True), supernet, candidates)
    inherited = supernet.extract(candidates[1].architecture)  # the more accurate one, trained first
    recalibrate(inherited, session.dataset_on_device)
    assert_equal(trainings.finalists[0].network, inherited)
    baseline = trainings.baselines[0]
    fresh = fresh_network(
        baseline.final_model.space, baseline.final_model.architecture, 0, torch.device("cpu")
    )
    assert_equal(baseline.network, fresh)


def assert_equal(one: nn.Module, other: nn.Module) -> None:
    mine, others = one.state_dict(), other.state_dict()
    assert mine.keys() == others.keys()
    assert all(torch.equal(mine[name], others[name]) for name in mine)


@pytest.mark.parametrize(
    ("supernet_epochs", "largest_epochs", "baseline_epochs"),
    [(None, None, 7), (9.5, None, 12), (20.0, None, 17), (9.5, 3.0, 13)],
)
def test_a_baseline_is_trained_longer_by_a_finalists_share_of_the_supernet(
    supernet_epochs: float | None,
    largest_epochs: float | None,
    baseline_epochs: int,
    session: Session,
    supernet: Supernet,
    candidates: list[Evaluated],
    trainings: Trainings,
) -> None:
    recipe = FinalistRecipe(epochs=7, batch_size=8, distillation=0.5)
    if supernet_epochs is not None:
        session.store.record("supernet trained", epochs=supernet_epochs)
    if largest_epochs is not None:
        session.store.record("largest network trained", epochs=largest_epochs)
    asked = configured(session, baselines=True, finalist_recipe=recipe)
    train_and_export(asked, supernet, candidates)
    expected = recipe.model_copy(update={"epochs": baseline_epochs, "distillation": 0.0})
    assert [training.recipe for training in trainings.finalists] == [recipe, recipe]
    assert [training.recipe for training in trainings.baselines] == [expected, expected]


def test_the_supernets_largest_network_teaches_finalists_only(
    session: Session, supernet: Supernet, candidates: list[Evaluated], trainings: Trainings
) -> None:
    train_and_export(configured(session, baselines=True), supernet, candidates)
    images = session.dataset.normalise(session.dataset.train.images[:4])
    largest = session.problem.predictor.slowest()
    assert all(training.teacher is None for training in trainings.baselines)
    for training in trainings.finalists:
        assert training.teacher is not None
        assert torch.equal(training.teacher(images), supernet(images, largest))


def test_without_a_supernet_finalists_begin_afresh_and_have_no_teacher(
    session: Session, candidates: list[Evaluated], trainings: Trainings
) -> None:
    train_and_export(configured(session, evaluator="trained"), None, candidates)
    fresh = fresh_network(session.space, candidates[1].architecture, 0, torch.device("cpu"))
    assert_equal(trainings.finalists[0].network, fresh)
    assert all(training.teacher is None for training in trainings.made)


def test_without_a_budget_the_recipe_says_how_long(
    session: Session, supernet: Supernet, candidates: list[Evaluated], trainings: Trainings
) -> None:
    train_and_export(session, supernet, candidates)
    assert all(training.seconds is None for training in trainings.made)
    assert session.store.last_event("finalist plan") is None


class FixedBudget(Budget):
    """So much is left, whatever the clock says."""

    def __init__(self, left_s: float) -> None:
        super().__init__(left_s, 0.0, 0.0)
        self.fixed_s = left_s

    @property
    def left_s(self) -> float:
        return self.fixed_s


@pytest.fixture
def half_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step takes half a second, an evaluation a quarter; four seconds are for measuring."""
    monkeypatch.setattr(module, "step_seconds", lambda *_: 0.5)
    monkeypatch.setattr(module, "evaluation_seconds", lambda *_: 0.25)
    monkeypatch.setattr(module, "final_measuring_seconds", lambda _: 4.0)


def test_a_budget_is_planned_once_in_equal_steps_with_the_supernets_for_baselines(
    session: Session,
    supernet: Supernet,
    candidates: list[Evaluated],
    trainings: Trainings,
    half_seconds: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session.store.record("supernet trained", epochs=4.0)
    asked = replace(
        configured(session, baselines=True, time_budget="100s"), budget=FixedBudget(85.0)
    )  # a second of it to judge four
    train_and_export(asked, supernet, candidates)
    # 2 supernet epochs a finalist of 6 steps each are 12 extra steps, 6 s, for each of two baselines.
    seconds = [training.seconds for training in trainings.made]
    assert seconds == pytest.approx([17.0, 23.0, 17.0, 23.0])
    assert sum(seconds) == pytest.approx(84.0 - 4.0)  # type: ignore[arg-type]
    (plan,) = session.store.events("finalist plan")
    assert list(plan["seconds"].values()) == pytest.approx(seconds)

    monkeypatch.setattr(module, "step_seconds", lambda *_: pytest.fail("timed again"))
    train_and_export(replace(asked, budget=FixedBudget(80.0)), supernet, candidates)
    assert [training.seconds for training in trainings.made[4:]] == seconds
    assert session.store.events("finalist plan") == [plan]


def allowed(trainings: Trainings) -> list[str]:
    return ["baseline" if each.final_model.name else "finalist" for each in trainings.made]


@pytest.mark.parametrize(
    ("left_s", "made", "note"),
    [
        (6.0, ["finalist", "baseline", "finalist", "baseline"], None),
        (5.9, ["finalist", "baseline", "finalist"], "1 of 2 baselines"),
        (5.2, ["finalist", "baseline"], "1 of 2 finalists and 1 of 2 baselines"),
        (0.1, ["finalist"], "1 of 2 finalists and 0 of 2 baselines"),
    ],
)
def test_where_judging_would_take_most_of_the_time_the_least_important_are_left_out(
    left_s: float,
    made: list[str],
    note: str | None,
    session: Session,
    supernet: Supernet,
    candidates: list[Evaluated],
    trainings: Trainings,
    half_seconds: None,
) -> None:
    asked = replace(configured(session, baselines=True, time_budget="100s"), budget=FixedBudget(left_s))
    found = train_and_export(asked, supernet, candidates)
    assert allowed(trainings) == made
    assert len(found) == len(made)
    notes = [event["text"] for event in session.store.events("note") if "allowed" in event["text"]]
    assert notes == ([f"the time budget allowed {note}"] if note else [])


def test_what_the_budget_no_longer_allows_is_left_out_unless_it_has_begun(
    session: Session,
    supernet: Supernet,
    candidates: list[Evaluated],
    trainings: Trainings,
    half_seconds: None,
) -> None:
    asked = configured(session, time_budget="100s")
    slowest, fastest = candidates[1].architecture.id, candidates[0].architecture.id
    session.store.record(
        "finalist plan", seconds={slowest: 10.0, fastest: 8.0}, beside_s={slowest: 1.0, fastest: 2.0}
    )
    for left_s, expected in ((5.1, [slowest, fastest]), (4.9, [slowest])):
        trainings.made.clear()
        train_and_export(replace(asked, budget=FixedBudget(4.0 + left_s)), supernet, candidates)
        assert [each.final_model.id for each in trainings.made] == expected
    assert session.store.last_event("note", text="the time budget allowed 1 of 2 finalists")

    trainings.made.clear()
    checkpoint = session.folder.training(fastest)
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.write_bytes(b"half of it")
    train_and_export(replace(asked, budget=FixedBudget(0.1)), supernet, candidates)
    assert [each.final_model.id for each in trainings.made] == [slowest, fastest]


@pytest.mark.parametrize(("refits", "each_s"), [(False, 42.0), (True, 39.0)])
def test_nothing_but_fits_of_classifiers_is_left_out_of_the_plan_for_a_device_elsewhere(
    refits: bool,
    each_s: float,
    session: Session,
    supernet: Supernet,
    candidates: list[Evaluated],
    trainings: Trainings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "step_seconds", lambda *_: 0.5)
    monkeypatch.setattr(module, "evaluation_seconds", lambda *_: 0.0)
    monkeypatch.setattr(module, "regression_seconds", lambda *_: 3.0)
    device = session.config.device.model_copy(update={"reach": "none"})
    recipe = session.config.finalist_recipe.model_copy(update={"refits_classifier": refits})
    asked = configured(session, device=device, time_budget="100s", finalist_recipe=recipe)
    train_and_export(replace(asked, budget=FixedBudget(84.0)), supernet, candidates)
    assert [training.seconds for training in trainings.made] == pytest.approx([each_s, each_s])
