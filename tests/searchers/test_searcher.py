from collections.abc import Callable, Iterator, Sequence
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from typing_extensions import override

from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture
from edgenas.testing.searcher_conformance import SearcherConformance, make_problem


def test_a_searcher_must_ask_and_tell() -> None:
    with pytest.raises(TypeError, match=r"abstract class Searcher .*ask.*tell"):
        Searcher()


def test_outcomes_are_values() -> None:
    outcome = Outcome(Architecture("mbconv", ("k3e3",)), 0.2, 3.0, -1.0)
    assert outcome == Outcome(Architecture("mbconv", ("k3e3",)), 0.2, 3.0, -1.0)
    with pytest.raises(FrozenInstanceError, match="error"):
        outcome.error = 0.1


class SharedGenerator(RandomSearcher):
    """Draws from the generator that the process shares."""

    @override
    def ask(self) -> Sequence[Architecture]:
        return [self._problem.sample(np.random.default_rng(np.random.randint(2**31))) for _ in range(8)]


class SharedState(RandomSearcher):
    """Keeps what it learnt on the class, where the next searcher finds it."""

    told: list[Outcome] = []  # noqa: RUF012 (the very mistake)

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self.told.extend(outcomes)

    @override
    def ask(self) -> Sequence[Architecture]:
        return [*[outcome.architecture for outcome in self.told[-2:]], *super().ask()]


class NotCanonical(RandomSearcher):
    """Puts choices together that no space would."""

    @override
    def ask(self) -> Sequence[Architecture]:
        return [Architecture(one.space, one.choices[::-1]) for one in super().ask()]


class IgnoresTheLimit(RandomSearcher):
    """Finds nothing where feasible architectures are rare."""

    @override
    def ask(self) -> Sequence[Architecture]:
        return [self._problem.predictor.slowest()]


class Nameless(RandomSearcher):
    """Cannot be named on the command line."""

    name = ""


class FallsOverFailures(RandomSearcher):
    """Takes it that something always succeeds."""

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        assert min(outcome.error for outcome in outcomes) < 1


def broken_checks(make: Callable[[Problem, int], Searcher], share: float) -> Iterator[str]:
    """Names of the conformance tests that a searcher fails under one limit."""

    class Kit(SearcherConformance):
        @override
        def make_searcher(self, problem: Problem, seed: int) -> Searcher:
            return make(problem, seed)

    for name in (name for name in dir(Kit) if name.startswith("test_")):
        check = getattr(Kit(), name)
        arguments = {"problem": make_problem(share), "stopped_after": 1, "at_once": 3}
        wanted = {key: value for key, value in arguments.items() if key in check.__annotations__}
        try:
            check(**wanted)
        except Exception:
            yield name.removeprefix("test_")


def test_the_conformance_kit_passes_a_right_searcher() -> None:
    assert list(broken_checks(RandomSearcher, 0.5)) == []


@pytest.mark.parametrize(
    ("searcher", "share", "check"),
    [
        (SharedGenerator, 0.5, "asks_the_same_for_the_same_seed_and_outcomes"),
        (SharedGenerator, 0.5, "two_searchers_do_not_disturb_each_other"),
        (SharedState, 0.5, "may_be_stopped_without_a_last_tell_and_replayed"),
        (SharedState, 0.5, "an_interrupted_search_ends_as_an_uninterrupted_one"),
        (NotCanonical, 1.0, "asks_for_valid_architectures"),
        (IgnoresTheLimit, 0.02, "stays_within_the_limit_however_tight"),
        (Nameless, 0.5, "is_a_searcher_with_a_name"),
        (FallsOverFailures, 0.5, "survives_failures"),
    ],
)
def test_the_conformance_kit_finds_what_is_wrong(
    searcher: type[RandomSearcher], share: float, check: str
) -> None:
    assert check in set(broken_checks(searcher, share))
