"""The evaluator of a search: by name, as an object, or made by a function."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from typing_extensions import override

from edgenas.accuracy.evaluator import AccuracyKind, Evaluator, SupernetEvaluator
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.trained_evaluator import TrainedEvaluator
from edgenas.errors import InputError, UnknownNameError
from edgenas.pipeline import evaluators
from edgenas.pipeline.evaluators import custom_evaluator_maker, evaluator_for
from edgenas.pipeline.session import Session
from edgenas.space import Architecture


class Constant(Evaluator):
    """Every architecture is equally accurate."""

    kind: AccuracyKind = "validation"

    def __init__(self, *made_from: Any) -> None:
        self.made_from = made_from

    @override
    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        return 0.5


Custom = Callable[[Any], Evaluator | None]


@pytest.fixture
def custom(session: Session) -> Custom:
    """`custom(evaluator)`: the custom evaluator of a search with this setting."""

    def made(evaluator: Any) -> Evaluator | None:
        settings = session.settings.with_changes(evaluator=evaluator, seed=7, run="r")
        make = custom_evaluator_maker(settings)
        return make and make(session.space, session.dataset, settings.seed)

    return made


@pytest.fixture
def constant_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that provides the evaluator `constant`."""
    monkeypatch.setattr(evaluators, "plugin_names", lambda group: ("constant",))
    monkeypatch.setattr(evaluators, "load_plugin", lambda group, name: Constant)


@pytest.mark.parametrize("name", ["supernet", "trained"])
def test_those_of_edgenas_are_not_custom(name: str, custom: Custom) -> None:
    assert custom(name) is None


def test_an_object_is_used_as_it_is(custom: Custom) -> None:
    evaluator = Constant()
    assert custom(evaluator) is evaluator


@pytest.mark.parametrize("make", [Constant, lambda *made_from: Constant(*made_from)])
def test_a_class_or_function_is_called_with_space_data_and_seed(
    make: Callable[..., Evaluator], custom: Custom, session: Session
) -> None:
    evaluator = custom(make)
    assert isinstance(evaluator, Constant)
    assert evaluator.made_from == (session.space, session.dataset, 7)


@pytest.mark.usefixtures("constant_plugin")
def test_one_of_an_installed_package_is_found_by_name(custom: Custom, session: Session) -> None:
    evaluator = custom("constant")
    assert isinstance(evaluator, Constant)
    assert evaluator.made_from == (session.space, session.dataset, 7)


@pytest.mark.usefixtures("constant_plugin")
def test_an_unknown_name_suggests_the_nearest_of_all(custom: Custom) -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"unknown evaluator 'constand'; did you mean 'constant'\? known: constant, supernet, trained",
    ):
        custom("constand")


@pytest.mark.parametrize("wrong", [3, lambda space, dataset, seed: "accurate"])
def test_anything_else_is_an_error(wrong: Any, custom: Custom) -> None:
    with pytest.raises(
        InputError,
        match=r"evaluator: .* is not an Evaluator and does not make one; give a name, an object, or a function of",
    ):
        custom(wrong)


def test_a_session_uses_its_custom_evaluator_else_the_supernet_else_trains_each(
    session: Session, supernet: Supernet
) -> None:
    constant = Constant()
    assert evaluator_for(replace(session, custom_evaluator=constant), supernet) is constant
    assert isinstance(evaluator_for(session, supernet), SupernetEvaluator)
    assert isinstance(evaluator_for(session, None), TrainedEvaluator)
