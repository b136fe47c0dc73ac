"""Tests of the `Searcher` contract, to inherit; see `edgenas.searchers.searcher.Searcher`."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, product

import numpy as np
import pytest

from edgenas.device import Datasheet, Device
from edgenas.latency.predictor import predictor_from_device
from edgenas.searchers.loop import Evaluated, search
from edgenas.searchers.problem import TWO, Prior, Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture, Layout, MBConvSpace, Stage
from edgenas.vocabulary import Objective

ROUNDS = 6
"""Calls of `ask` in tests without the search loop."""

LIMITS = {
    "the fastest alone": 0.0,
    "a few": 0.02,
    "half of the range": 0.5,
    "everything": 1.0,
    "three objectives": 0.7,
}
"""Position of the latency limit between the fastest (0) and the slowest (1) network."""

OBJECTIVES: dict[str, tuple[Objective, ...]] = {"three objectives": ("accuracy", "latency", "params")}
"""Objectives of the problems that have more than accuracy and latency."""

Tell = Callable[[Problem, Architecture], Outcome]


class SearcherConformance:
    """Inherit and override `make_searcher`; pytest then checks your searcher against the contract.

    class TestMine(SearcherConformance):
        def make_searcher(self, problem, seed):
            return MySearcher(problem, seed)
    """

    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        """Make a fresh searcher."""
        raise NotImplementedError("override `make_searcher`")

    @pytest.fixture(params=LIMITS)
    def problem(self, request: pytest.FixtureRequest) -> Problem:
        """A space of 400 networks under limits from barely feasible to none; once with three objectives."""
        return make_problem(LIMITS[request.param], objectives=OBJECTIVES.get(request.param, TWO))

    def test_is_a_searcher_with_a_name(self, problem: Problem) -> None:
        """It derives from the base class and has a name."""
        searcher = self.make_searcher(problem, 0)
        assert isinstance(searcher, Searcher)
        assert isinstance(searcher.name, str)
        assert searcher.name

    def test_asks_for_valid_architectures(self, problem: Problem) -> None:
        """Every proposed architecture is in the space and in canonical form."""
        for asked in self._asks(problem, seed=1):
            for architecture in asked:
                assert problem.space.architecture(architecture.choices) == architecture

    def test_asks_the_same_for_the_same_seed_and_outcomes(self, problem: Problem) -> None:
        """Proposals depend on nothing else, in particular not on global random generators."""
        asks = []
        for state in range(2):
            random.seed(state)
            np.random.seed(state)
            asks.append(list(self._asks(problem, seed=3)))
        assert asks[0] == asks[1]

    def test_two_searchers_do_not_disturb_each_other(self, problem: Problem) -> None:
        """Two searchers used in turn propose the same as each on its own."""
        alone = list(self._asks(problem, seed=5))
        in_turn = list(zip(self._asks(problem, seed=5), self._asks(problem, seed=5), strict=True))
        assert [first for first, _ in in_turn] == alone
        assert [second for _, second in in_turn] == alone

    @pytest.mark.parametrize("stopped_after", range(3))
    def test_may_be_stopped_without_a_last_tell_and_replayed(
        self, problem: Problem, stopped_after: int
    ) -> None:
        """A fresh searcher given the known outcomes proposes what the first one would have proposed."""
        whole = list(self._asks(problem, seed=7))
        stopped = list(islice(self._asks(problem, seed=7), stopped_after + 1))
        assert stopped == whole[: stopped_after + 1]
        assert list(self._asks(problem, seed=7)) == whole

    def test_survives_failures(self, problem: Problem) -> None:
        """If all evaluations fail (error 1), proposals stay valid."""
        for asked in self._asks(problem, seed=9, tell=_failed):
            assert all(problem.space.architecture(a.choices) == a for a in asked)

    def test_stays_within_the_limit_however_tight(self, problem: Problem) -> None:
        """The loop evaluates at least one architecture, and none above the limit."""
        found = self._search(problem, evaluations=40)
        assert found
        assert all(problem.latency_ms(one.architecture) <= problem.max_latency_ms for one in found)

    def test_ends_where_there_is_a_single_architecture(self) -> None:
        """The search ends by itself with the only architecture."""
        problem = make_problem(1.0, kernels=(3,), expansions=(2,), depth=1)
        found = self._search(problem, evaluations=100)
        assert [one.architecture for one in found] == [problem.predictor.fastest()]

    def test_ends_where_a_small_space_is_exhausted(self) -> None:
        """With more evaluations than architectures, the search ends by itself without duplicates."""
        problem = make_problem(1.0, kernels=(3,), expansions=(2, 3), depth=2)
        found = [one.architecture for one in self._search(problem, evaluations=1000)]
        everything = {problem.space.architecture(choices) for choices in product(*problem.space.variables)}
        assert len(found) == len(set(found)) <= len(everything)

    def test_an_interrupted_search_ends_as_an_uninterrupted_one(self, problem: Problem) -> None:
        """Resumed after any number of evaluations, it finds the same architectures, none evaluated twice."""
        whole = [one.architecture for one in self._search(problem, evaluations=30)]
        for stop in range(0, len(whole), 7):
            known = {a.id: _evaluated(problem, a) for a in whole[:stop]}
            again: list[Architecture] = []
            found = self._search(problem, evaluations=30, known=known, evaluated=again)
            assert [one.architecture for one in found] == whole
            assert again == whole[stop:]

    @pytest.mark.parametrize("at_once", [3, 20])
    def test_several_at_a_time_find_as_much(self, problem: Problem, at_once: int) -> None:
        """With evaluations under way, all is found, once; the same again, and after an interruption."""
        alone = self._search(problem, evaluations=30)
        whole = [one.architecture for one in self._search(problem, evaluations=30, at_once=at_once)]
        assert len(set(whole)) == len(whole) == len(alone)
        for stop in range(0, len(whole), 11):
            known = {a.id: _evaluated(problem, a) for a in whole[:stop]}
            found = self._search(problem, evaluations=30, known=known, at_once=at_once)
            assert [one.architecture for one in found] == whole

    def test_works_with_what_an_earlier_search_found(self, problem: Problem) -> None:
        """Misleading prior evaluations do no harm, even above the limit; none counts as an evaluation."""
        problem = replace(problem, prior=_misleading_prior(problem))
        asks = [list(self._asks(problem, seed=13)) for _ in range(2)]
        assert asks[0] == asks[1]
        found: list[Architecture] = []
        self._search(problem, evaluations=10, evaluated=found)
        assert 0 < len(found) <= 10
        assert all(problem.latency_ms(architecture) <= problem.max_latency_ms for architecture in found)

    def _asks(
        self, problem: Problem, seed: int, tell: Tell | None = None
    ) -> Iterator[Sequence[Architecture]]:
        """A searcher's proposals in the first rounds, with made-up outcomes."""
        searcher = self.make_searcher(problem, seed)
        for _ in range(ROUNDS):
            asked = searcher.ask()
            yield list(asked)
            if not asked:
                break
            searcher.tell([(tell or _outcome)(problem, architecture) for architecture in asked])

    def _search(
        self,
        problem: Problem,
        evaluations: int,
        known: dict[str, Evaluated] | None = None,
        evaluated: list[Architecture] | None = None,
        at_once: int = 1,
    ) -> list[Evaluated]:
        return search(
            problem,
            self.make_searcher(problem, 11),
            lambda architecture, _rival: 1 - made_up_error(problem, architecture),
            evaluations,
            known or {},
            lambda one: None if evaluated is None else evaluated.append(one.architecture),
            at_once=at_once,
        )


def make_problem(
    share: float,
    kernels: tuple[int, ...] = (3, 5),
    expansions: tuple[int, ...] = (2, 3),
    depth: int = 2,
    objectives: tuple[Objective, ...] = TWO,
) -> Problem:
    """A small `mbconv` problem whose limit lies at `share` of the way from its fastest to its slowest network."""
    stages = [Stage(channels=8, depth=depth, stride=1), Stage(channels=16, depth=depth, stride=2)]
    layout = {"resolution": 8, "classes": 3, "stem_channels": 8, "stem_stride": 1, "head_channels": 16}
    space = MBConvSpace(
        Layout.model_validate({**layout, "stages": stages, "kernels": kernels, "expansions": expansions})
    )
    predictor = predictor_from_device(space, _device())
    fastest, slowest = (
        predictor.predict(end).predicted for end in (predictor.fastest(), predictor.slowest())
    )
    return Problem(space, predictor, fastest + share * (slowest - fastest), objectives)


def _misleading_prior(problem: Problem) -> Prior:
    """A prior of networks within and above the limit whose accuracies are reversed."""
    rng = np.random.default_rng(0)
    drawn = [problem.space.sample(rng) for _ in range(30)]
    vectors = np.array([problem.space.encode(architecture) for architecture in drawn])
    return Prior(vectors, np.array([1 - made_up_error(problem, architecture) for architecture in drawn]))


def made_up_error(problem: Problem, architecture: Architecture) -> float:
    """An error, 0..1, that falls with latency, not quite monotonically."""
    size = problem.latency_ms(architecture) / problem.latency_ms(problem.predictor.slowest())
    ripple = int(architecture.id, 16) % 100 / 2000
    return 1 / (1 + 4 * size) + ripple


def _device() -> Device:
    sheet = Datasheet(peak_gflops=1, memory_bandwidth_gb_s=1, memory_bytes=2**30, kernel_launch_us=10)
    return Device(
        schema="edgenas.device/1",
        name="conformance",
        description="made up",
        runtime="onnxruntime",
        provider="CPUExecutionProvider",
        precision="fp32",
        threads=1,
        power_mode="default",
        reach="none",
        datasheet=sheet,
        sources=("made up",),
    )


def _outcome(problem: Problem, architecture: Architecture, error: float | None = None) -> Outcome:
    latency_ms = problem.latency_ms(architecture)
    excess_ms = latency_ms - problem.max_latency_ms
    if error is None:
        error = 1.0 if excess_ms > 0 else made_up_error(problem, architecture)
    return Outcome(architecture, error, latency_ms, excess_ms)


def _failed(problem: Problem, architecture: Architecture) -> Outcome:
    return _outcome(problem, architecture, error=1.0)


def _evaluated(problem: Problem, architecture: Architecture) -> Evaluated:
    latency_ms = problem.latency_ms(architecture)
    return Evaluated(architecture, 1 - made_up_error(problem, architecture), latency_ms)
