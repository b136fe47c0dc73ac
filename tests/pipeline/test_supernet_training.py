"""What is there before the search: weights, a searcher, and with a gradient searcher what it learnt."""

import itertools
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fixtures.configurations import changed_config

from edgenas.accuracy import training
from edgenas.accuracy.standalone import fresh_network
from edgenas.accuracy.training_recipe import Recipe
from edgenas.pipeline import supernet_training as module
from edgenas.pipeline.session import Session
from edgenas.pipeline.supernet_training import phase_budgets_s, trained_supernet
from edgenas.pipeline.time_budget import Budget
from edgenas.pretrained.source import PretrainedRecord
from edgenas.pretrained.weights import PretrainedWeights
from edgenas.searchers.proxyless.curves import Curves
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.searchers.proxyless.proxyless_searcher import ProxylessSearcher
from edgenas.searchers.random_search import RandomSearcher
from edgenas.storage.learning_record import recorded_curves
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_store import RunStore


def changed(session: Session, **changes: Any) -> Session:
    return replace(session, config=changed_config(session.config, **changes))


@pytest.fixture
def gradient(session: Session) -> Session:
    """The same session with the gradient searcher, which no problem alone makes."""
    recipe = session.config.supernet_recipe.model_copy(update={"epochs": 2})
    session = changed(
        session, searcher="proxyless", gradient_recipe=GradientRecipe(targets=2), supernet_recipe=recipe
    )
    return replace(session, make_searcher=None)


def test_a_supernet_is_trained_once_and_the_searcher_is_the_one_asked_for(session: Session) -> None:
    first, second = (trained_supernet(session) for _ in range(2))
    assert first.make_searcher is second.make_searcher is RandomSearcher
    assert first.supernet is not None and second.supernet is not None
    again = second.supernet.state_dict()
    assert all(tensor.equal(again[name]) for name, tensor in first.supernet.state_dict().items())
    assert session.store.events("supernet trained") == [{"epochs": 1.0}]
    assert session.chosen is None and session.store.last_event("architecture learnt") is None


@pytest.fixture
def pretrained(session: Session) -> Session:
    """The same session with pretrained weights, whose largest network is trained first."""
    network = fresh_network(session.space, session.space.largest, 7, torch.device("cpu"))
    record = PretrainedRecord(name="p", licence="MIT", origin="here", sha256="0" * 64)
    recipe = session.config.supernet_recipe
    recipe = recipe.model_copy(
        update={"largest_first": Recipe(epochs=2, batch_size=8), "sampling": "sandwich"}
    )
    session = changed(session, supernet_recipe=recipe)
    return replace(session, pretrained=PretrainedWeights(record, network.state_dict()))


def phases(session: Session) -> list[str]:
    """The phases of a training that are reported, in order."""
    seen: dict[str, None] = {}
    trained_supernet(replace(session, progress=lambda phase, *_: seen.setdefault(phase)))
    return list(seen)


def test_from_pretrained_weights_the_largest_network_is_trained_first(pretrained: Session) -> None:
    assert phases(pretrained) == ["fitting pretrained weights", "largest network", "supernet"]
    assert pretrained.store.events("largest network trained") == [{"epochs": 2.0}]
    assert pretrained.store.events("supernet trained") == [{"epochs": 1.0}]
    assert pretrained.folder.largest_network.exists()  # until that network has been trained on its own
    assert phases(pretrained) == ["supernet"]  # its state alone is read


@pytest.mark.parametrize("phase", ["largest network", "supernet"])
def test_a_training_that_is_resumed_ends_with_the_same_weights(
    pretrained: Session, phase: str, interrupt: Any, tmp_path: Path
) -> None:
    other = replace(pretrained, folder=RunFolder(tmp_path / "other"))
    with closing(RunStore(tmp_path / "other.sqlite")) as store:
        straight = trained_supernet(replace(other, store=store)).supernet
    with pytest.raises(KeyboardInterrupt):
        trained_supernet(replace(pretrained, progress=interrupt(phase, 1)))
    resumed = trained_supernet(pretrained).supernet
    assert straight is not None and resumed is not None
    again = resumed.state_dict()
    assert all(tensor.equal(again[name]) for name, tensor in straight.state_dict().items())
    assert len(pretrained.store.events("largest network trained")) == 1


def test_both_trainings_see_other_images(pretrained: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = {}

    def spy(*arguments: Any, phase: str, **others: Any) -> float:
        seeds[phase] = arguments[4]
        return 1.0

    monkeypatch.setattr(module, "train", spy)
    trained_supernet(pretrained)
    assert len(set(seeds.values())) == len(seeds) == 2


def test_the_largest_network_gets_a_share_of_the_supernet_s_time(
    pretrained: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budget, "left_s", property(lambda _: 100.0))
    planned = phase_budgets_s(changed(pretrained, time_budget="100s"))
    assert planned == {
        "largest network": pytest.approx(14),
        "supernet": pytest.approx(21),
        "search": pytest.approx(15),
    }


def test_without_a_supernet_there_are_no_weights(session: Session) -> None:
    trained = trained_supernet(changed(session, evaluator="trained"))
    assert trained.supernet is None
    assert not session.folder.supernet.exists()


def test_a_gradient_searcher_is_made_from_what_was_learnt(gradient: Session) -> None:
    trained = trained_supernet(gradient)
    searcher = trained.make_searcher(gradient.problem, 0)
    assert isinstance(searcher, ProxylessSearcher)
    assert searcher.best(gradient.settings.max_latency_ms).id == gradient.chosen
    curves = Curves.model_validate(gradient.store.last_event("architecture learnt"))
    assert len(curves.targets) == 2 and curves.done[0] >= curves.warm_up


def test_what_was_learnt_is_said_once_however_often_the_run_is_resumed(gradient: Session) -> None:
    first, second = (trained_supernet(gradient).make_searcher(gradient.problem, 3) for _ in range(2))
    assert first.ask() == second.ask()
    note, *others = gradient.store.events("note")
    assert [each["text"][:37] for each in others] == ["the learnt architectures have not con"]
    assert note["text"].startswith(
        f"{gradient.chosen} is the architecture learnt for the limit itself, predicted at "
    )
    for name in ("architecture learnt", "architecture chosen", "supernet trained"):
        assert len(gradient.store.events(name)) == 1


@pytest.mark.parametrize(("after", "shown"), [(1, False), (3, True)])
def test_an_interrupted_learning_leaves_its_curves_so_far(
    gradient: Session, interrupt: Any, after: int, shown: bool
) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained_supernet(replace(gradient, progress=interrupt("supernet", after)))
    curves = recorded_curves(gradient.store)
    assert (curves is not None) == shown
    assert gradient.store.last_event("architecture learnt") is None
    if curves is not None:
        assert not curves.finished and curves.warm_up <= curves.done[0] <= curves.done[-1] < 1
    trained_supernet(gradient)
    ended = recorded_curves(gradient.store)
    assert ended is not None and ended.finished


def test_a_time_budget_is_kept_and_the_architecture_is_learnt_by_the_clock(
    gradient: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = itertools.count()  # at a clock that goes on by 20 ms each time, however fast the machine is
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: 0.02 * next(looks)))
    gradient = budgeted(gradient, seconds=3.0)
    trained = trained_supernet(gradient)
    curves = Curves.model_validate(gradient.store.last_event("architecture learnt"))
    assert curves.warm_up <= curves.done[0] <= curves.done[-1] <= 1
    assert trained.make_searcher(gradient.problem, 0).ask()[0].id == gradient.chosen


def test_a_budget_that_ends_before_anything_was_learnt_is_said(gradient: Session) -> None:
    gradient = budgeted(gradient, seconds=1e-6)
    searcher = trained_supernet(gradient).make_searcher(gradient.problem, 0)
    assert searcher.ask()
    assert gradient.chosen is None and gradient.store.last_event("architecture learnt") is None
    (note,) = gradient.store.events("note")
    assert note["text"] == (
        "the time budget ended before an architecture was learnt: give a longer --time-budget"
    )


def budgeted(session: Session, seconds: float) -> Session:
    """With so much of a time budget for the supernet."""
    session.store.record("plan", supernet=seconds, search=1.0)
    return changed(session, time_budget="10s")
