from collections.abc import Callable, Sequence
from itertools import product

import pytest
from typing_extensions import override

from edgenas.errors import DivergenceError
from edgenas.search.loop import PATIENCE, Evaluated, search
from edgenas.search.nsga2 import NSGA2Searcher
from edgenas.search.problem import Problem
from edgenas.search.random import RandomSearcher
from edgenas.search.searcher import Outcome, Searcher
from edgenas.space import Architecture
from edgenas.testing.searcher import made_up_error, make_problem

BUDGET = 20


class Scripted(Searcher):
    """Asks for what it was given, round after round; keeps what it was told."""

    name = "scripted"

    def __init__(self, *rounds: Sequence[Architecture]) -> None:
        self._rounds = list(rounds)
        self.told: list[Outcome] = []

    @override
    def ask(self) -> Sequence[Architecture]:
        return self._rounds.pop(0) if self._rounds else []

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self.told += outcomes


class Disk:
    """Stands in for the run's store, and evaluates; stops as a killed process would, at a given point."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.log: list[str] = []
        self.kept: dict[str, Evaluated] = {}
        self.stop_before: int | None = None
        self.stop_after: int | None = None

    def evaluate(self, architecture: Architecture) -> float:
        if len(self.kept) == self.stop_before:
            raise KeyboardInterrupt
        self.log.append(f"evaluate {architecture.id}")
        return 1 - made_up_error(self.problem, architecture)

    def commit(self, one: Evaluated) -> None:
        self.log.append(f"commit {one.architecture.id}")
        assert one.architecture.id not in self.kept
        self.kept[one.architecture.id] = one
        if len(self.kept) == self.stop_after:
            raise KeyboardInterrupt

    def search(self, searcher: Searcher, evaluations: int = BUDGET) -> list[Evaluated]:
        return search(self.problem, searcher, self.evaluate, evaluations, dict(self.kept), self.commit)


@pytest.fixture
def problem() -> Problem:
    return make_problem(0.5)


@pytest.fixture
def disk(problem: Problem) -> Disk:
    return Disk(problem)


@pytest.fixture
def feasible(problem: Problem) -> list[Architecture]:
    every = {problem.space.architecture(choices) for choices in product(*problem.space.variables)}
    return sorted(
        (a for a in every if problem.latency_ms(a) <= problem.max_latency_ms), key=problem.latency_ms
    )


def ids(found: Sequence[Evaluated]) -> list[str]:
    return [one.architecture.id for one in found]


def names(architectures: Sequence[Architecture]) -> list[str]:
    return [architecture.id for architecture in architectures]


def test_what_is_too_slow_is_told_but_never_evaluated(disk: Disk, feasible: list[Architecture]) -> None:
    slow, fast = disk.problem.predictor.slowest(), feasible[0]
    searcher = Scripted([slow, fast])
    assert ids(disk.search(searcher)) == [fast.id]
    assert [outcome.architecture for outcome in searcher.told] == [slow, fast]
    assert (searcher.told[0].error, searcher.told[0].excess_ms > 0) == (1.0, True)
    assert searcher.told[0].latency_ms == disk.problem.latency_ms(slow)
    assert searcher.told[1].excess_ms <= 0


def test_a_latency_of_just_the_limit_keeps_it() -> None:
    disk = Disk(make_problem(0.0))
    assert ids(disk.search(Scripted([disk.problem.predictor.fastest()]))) == [
        disk.problem.predictor.fastest().id
    ]


def test_nothing_is_evaluated_twice_and_repeats_are_told_the_same(
    disk: Disk, feasible: list[Architecture]
) -> None:
    a, b = feasible[:2]
    searcher = Scripted([a, a, b], [b, a])
    assert ids(disk.search(searcher)) == [a.id, b.id]
    assert [outcome.architecture for outcome in searcher.told] == [a, a, b, b, a]
    errors = {a.id: made_up_error(disk.problem, a), b.id: made_up_error(disk.problem, b)}
    assert [o.error for o in searcher.told] == pytest.approx(
        [errors[o.architecture.id] for o in searcher.told]
    )


def test_every_evaluation_is_committed_before_the_next_begins(disk: Disk) -> None:
    found = disk.search(NSGA2Searcher(disk.problem, 0))
    assert disk.log == [f"{step} {one}" for one in ids(found) for step in ("evaluate", "commit")]


@pytest.mark.parametrize("budget", [0, 1, 5, 30])
def test_the_budget_is_kept(disk: Disk, budget: int) -> None:
    assert len(disk.search(RandomSearcher(disk.problem, 0), budget)) == budget
    assert sum(entry.startswith("evaluate") for entry in disk.log) == budget


def test_within_one_round_the_budget_is_kept(disk: Disk, feasible: list[Architecture]) -> None:
    slow = disk.problem.predictor.slowest()
    found = disk.search(Scripted([feasible[0], slow, feasible[1], feasible[0], feasible[2]]), evaluations=2)
    assert ids(found) == names(feasible[:2])


def test_what_is_known_is_told_in_its_turn_without_evaluating(
    disk: Disk, feasible: list[Architecture]
) -> None:
    a, b, c = feasible[:3]
    disk.kept = {b.id: Evaluated(b, 0.125, disk.problem.latency_ms(b))}
    searcher = Scripted([a, b, c])
    assert ids(disk.search(searcher)) == [a.id, b.id, c.id]
    assert disk.log == [f"evaluate {a.id}", f"commit {a.id}", f"evaluate {c.id}", f"commit {c.id}"]
    assert searcher.told[1].error == 0.875


def test_what_is_known_counts_towards_the_budget_only_when_asked_for(
    disk: Disk, feasible: list[Architecture]
) -> None:
    stranger = feasible[5]
    disk.kept = {stranger.id: Evaluated(stranger, 0.5, disk.problem.latency_ms(stranger))}
    assert ids(disk.search(Scripted(feasible[:3]), evaluations=2)) == names(feasible[:2])


Make = Callable[[Problem, int], Searcher]


@pytest.mark.parametrize("make", [NSGA2Searcher, RandomSearcher])
@pytest.mark.parametrize("when", ["stop_before", "stop_after"])
def test_a_search_stopped_at_any_point_and_resumed_ends_as_an_uninterrupted_one(
    make: Make, when: str
) -> None:
    problem = make_problem(0.5)
    whole = Disk(problem)
    expected = whole.search(make(problem, 4))
    for point in range(BUDGET):
        disk = Disk(problem)
        setattr(disk, when, point + (when == "stop_after"))
        with pytest.raises(KeyboardInterrupt):
            disk.search(make(problem, 4))
        disk.stop_before = disk.stop_after = None
        assert ids(disk.search(make(problem, 4))) == ids(expected)
        assert disk.log == whole.log


def test_a_search_stopped_again_and_again_loses_and_repeats_nothing() -> None:
    problem = make_problem(0.5)
    whole, disk = Disk(problem), Disk(problem)
    expected = whole.search(NSGA2Searcher(problem, 4))
    for point in range(1, BUDGET + 1, 3):
        disk.stop_after = point
        with pytest.raises(KeyboardInterrupt):
            disk.search(NSGA2Searcher(problem, 4))
    disk.stop_after = None
    assert ids(disk.search(NSGA2Searcher(problem, 4))) == ids(expected)
    assert disk.log == whole.log


def test_a_failure_is_recorded_with_its_reason_and_told_as_the_worst_error(
    disk: Disk, feasible: list[Architecture]
) -> None:
    def evaluate(architecture: Architecture) -> float:
        if architecture == feasible[0]:
            raise DivergenceError("the loss is nan in epoch 3", "lower the learning rate")
        return 0.5

    searcher = Scripted(feasible[:2])
    found = search(disk.problem, searcher, evaluate, 9, {}, disk.commit)
    assert [(one.accuracy, one.reason) for one in found] == [
        (None, "the loss is nan in epoch 3; lower the learning rate"),
        (0.5, ""),
    ]
    assert list(disk.kept.values()) == found
    assert [outcome.error for outcome in searcher.told] == [1.0, 0.5]


def test_a_known_failure_is_not_tried_again(disk: Disk, feasible: list[Architecture]) -> None:
    failed = Evaluated(feasible[0], None, 1.0, "it failed")
    disk.kept = {feasible[0].id: failed}
    searcher = Scripted(feasible[:1])
    assert disk.search(searcher) == [failed]
    assert searcher.told[0].error == 1.0
    assert disk.log == []


def test_an_error_that_is_no_failure_of_the_candidate_ends_the_search(
    disk: Disk, feasible: list[Architecture]
) -> None:
    def evaluate(_: Architecture) -> float:
        raise ZeroDivisionError("a mistake in the program")

    with pytest.raises(ZeroDivisionError, match="a mistake in the program"):
        search(disk.problem, Scripted(feasible), evaluate, 5, {}, disk.commit)
    assert disk.kept == {}


@pytest.mark.parametrize("make", [NSGA2Searcher, RandomSearcher])
def test_a_small_space_is_exhausted_and_the_search_ends(make: Make) -> None:
    disk = Disk(make_problem(1.0, kernels=(3,), depth=2))
    every = {disk.problem.space.architecture(choices) for choices in product(*disk.problem.space.variables)}
    assert set(ids(disk.search(make(disk.problem, 0), evaluations=1000))) == {a.id for a in every}


def test_a_searcher_that_finds_nothing_new_is_asked_a_limited_number_of_times(
    disk: Disk, feasible: list[Architecture]
) -> None:
    searcher = Scripted(feasible[:1], *[feasible[:1]] * 100)
    assert ids(disk.search(searcher)) == [feasible[0].id]
    assert len(searcher.told) == 1 + PATIENCE


def test_patience_begins_anew_with_every_find(disk: Disk, feasible: list[Architecture]) -> None:
    idle = [feasible[:1]] * (PATIENCE - 1)
    searcher = Scripted(feasible[:1], *idle, feasible[1:2], *idle, feasible[2:3])
    assert ids(disk.search(searcher)) == names(feasible[:3])


def test_an_empty_ask_ends_the_search(disk: Disk, feasible: list[Architecture]) -> None:
    assert ids(disk.search(Scripted(feasible[:2], [], feasible[2:4]))) == names(feasible[:2])


def test_progress_counts_known_and_new_alike_and_shows_the_best(
    disk: Disk, feasible: list[Architecture]
) -> None:
    seen: list[tuple[str, float, float, str]] = []
    values = {feasible[0].id: 0.25, feasible[1].id: 0.5, feasible[2].id: 0.125}
    known = {feasible[0].id: Evaluated(feasible[0], 0.25, 1.0)}
    search(
        disk.problem,
        Scripted(feasible[:3]),
        lambda a: values[a.id],
        3,
        known,
        disk.commit,
        lambda phase, done, total, detail="": seen.append((phase, done, total, detail)),
    )
    assert seen == [
        ("search", 1, 3, "best 25.0%"),
        ("search", 2, 3, "best 50.0%"),
        ("search", 3, 3, "best 50.0%"),
    ]


def test_an_accuracy_that_is_no_number_is_a_failure(disk: Disk, feasible: list[Architecture]) -> None:
    found = search(disk.problem, Scripted(feasible[:1]), lambda _: float("nan"), 9, {}, disk.commit)
    assert [(one.accuracy, one.reason) for one in found] == [(None, "the accuracy is nan")]
