from collections.abc import Callable

import pytest
from fixtures.plugins import AddPackage

from edgenas.errors import InputError, UnknownNameError
from edgenas.searchers.nsga2 import NSGA2Searcher
from edgenas.searchers.problem import Problem
from edgenas.searchers.registry import ALL_SEARCHERS, SEARCHERS, searcher_for
from edgenas.searchers.searcher import Searcher
from edgenas.settings.option import name_of


@pytest.mark.parametrize("name", SEARCHERS)
def test_every_searcher_is_found_by_its_own_name(make_problem: Callable[[float], Problem], name: str) -> None:
    searcher = searcher_for(name)(make_problem(0.5), 0)
    assert isinstance(searcher, Searcher)
    assert searcher.name == name


def test_the_gradient_searcher_cannot_be_made_from_a_problem() -> None:
    assert {*ALL_SEARCHERS} == {*SEARCHERS, "proxyless"}
    message = "searcher proxyless is trained together with the weights of a supernet, .*; use it in `edgenas search`"
    with pytest.raises(InputError, match=message):
        searcher_for("proxyless")


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"unknown searcher 'nsga-2'; did you mean 'nsga2'\? known: bayes, dqn, .*random",
    ):
        searcher_for("nsga-2")


def test_a_searcher_of_ones_own_is_called_by_its_name_or_by_what_makes_it() -> None:
    def make(problem: Problem, seed: int) -> Searcher:
        raise NotImplementedError

    assert name_of(searcher_for("nsga2")) == "nsga2"
    assert name_of(make) == "make"

    class Derived(NSGA2Searcher):
        pass

    assert name_of(Derived) == "Derived"


def test_a_package_adds_searchers_and_replaces_none(add_package: AddPackage) -> None:
    points = "[edgenas.searchers]\nmine = my_searchers:make\nnsga2 = my_searchers:make\n"
    add_package("my_searchers", points, "def make(problem, seed): ...\n")
    assert searcher_for("mine").__module__ == "my_searchers"
    assert searcher_for("nsga2") is NSGA2Searcher
    with pytest.raises(UnknownNameError, match=r"did you mean 'mine'\? known: bayes, .*, mine, nsga2, "):
        searcher_for("mime")
