import logging
import sys
from collections.abc import Callable

import numpy as np
import pytest
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.registry import searcher_for
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture
from edgenas.testing.searcher_conformance import SearcherConformance, made_up_error

optuna = pytest.importorskip("optuna", reason="the extra `bayes` is not installed")


class TestBayes(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return searcher_for("bayes")(problem, seed)


def test_nothing_is_asked_for_twice(make_problem: Callable[[float], Problem]) -> None:
    problem = make_problem(0.5)
    searcher = searcher_for("bayes")(problem, 0)
    asked: list[Architecture] = []
    for _ in range(80):
        (one,) = searcher.ask()
        asked.append(one)
        searcher.tell([Outcome(one, made_up_error(problem, one), problem.latency_ms(one), 0)])
    assert len(set(asked)) == 80
    assert all(problem.latency_ms(one) <= problem.max_latency_ms for one in asked)


@pytest.mark.filterwarnings("error")
def test_optuna_says_nothing_and_is_left_as_it_was(
    make_problem: Callable[[float], Problem], capfd: pytest.CaptureFixture[str]
) -> None:
    before = optuna.logging.get_verbosity()
    assert before == logging.INFO
    problem = make_problem(0.5)
    searcher = searcher_for("bayes")(problem, 0)
    for _ in range(12):
        searcher.tell([Outcome(one, 0.5, problem.latency_ms(one), 0) for one in searcher.ask()])
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_it_dominates_more_than_random_search_with_as_many_evaluations(
    dominated: Callable[..., float],
) -> None:
    learnt = [dominated(searcher_for("bayes"), seed, 100) for seed in range(3)]
    assert np.mean(learnt) > np.mean([dominated(RandomSearcher, seed, 100) for seed in range(3)])


def test_without_optuna_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "edgenas.searchers.bayes", raising=False)
    with pytest.raises(InputError, match=r"--searcher bayes needs optuna; pip install 'edgenas\[bayes\]'"):
        searcher_for("bayes")
