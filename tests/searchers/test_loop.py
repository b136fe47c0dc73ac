import errno
import time
import tracemalloc
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import product
from threading import Barrier, Lock
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.device import find_device
from edgenas.errors import DivergenceError, InputError, RunConflictError, UnwritableError, WorkerError
from edgenas.latency.predictor import predictor_from_device
from edgenas.searchers.loop import PATIENCE, Evaluated, search
from edgenas.searchers.nsga2 import NSGA2Searcher
from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.registry import SEARCHERS, searcher_for
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture, mbconv
from edgenas.testing.searcher_conformance import made_up_error, make_problem
from edgenas.workers.executor import InThisProcess

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

    def evaluate(self, architecture: Architecture, to_beat: float | None) -> float:
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
    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
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
    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        raise ZeroDivisionError("a mistake in the program")

    with pytest.raises(ZeroDivisionError, match="a mistake in the program"):
        search(disk.problem, Scripted(feasible), evaluate, 5, {}, disk.commit)
    assert disk.kept == {}


@pytest.mark.parametrize(
    "error", [UnwritableError("x", OSError(errno.ENOSPC, "full")), RunConflictError("the disk is full")]
)
def test_a_full_disk_is_no_failure_of_the_candidate(
    disk: Disk, feasible: list[Architecture], error: InputError
) -> None:
    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        raise error

    with pytest.raises(type(error), match="full"):
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
        lambda a, _: values[a.id],
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


def test_progress_tells_of_an_early_end_and_of_every_evaluated_network(
    disk: Disk, feasible: list[Architecture]
) -> None:
    class Display:
        def __init__(self) -> None:
            self.seen: list[tuple[float, ...]] = []

        def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
            self.seen.append((done, total))

        def evaluated(self, latency_ms: float, accuracy: float) -> None:
            self.seen.append((latency_ms, accuracy, -1))

    display = Display()
    search(disk.problem, Scripted(feasible[:1], []), lambda a, _: 0.25, 9, {}, disk.commit, display)
    latency_ms = disk.problem.latency_ms(feasible[0])
    assert display.seen == [(pytest.approx(latency_ms), 0.25, -1), (1, 9), (1, 1)]


def test_an_accuracy_that_is_no_number_is_a_failure(disk: Disk, feasible: list[Architecture]) -> None:
    found = search(disk.problem, Scripted(feasible[:1]), lambda _, to_beat: float("nan"), 9, {}, disk.commit)
    assert [(one.accuracy, one.reason) for one in found] == [
        (None, "the accuracy is nan, not a fraction from 0 to 1")
    ]


def best_so_far(before: Sequence[Evaluated], latency_ms: float) -> float | None:
    return max(
        (one.accuracy for one in before if one.accuracy is not None and one.latency_ms <= latency_ms),
        default=None,
    )


class Coarse(Problem):
    """Latencies as they are drawn, among them equal ones."""

    def __init__(self, problem: Problem, latencies: Sequence[int]) -> None:
        super().__init__(problem.space, problem.predictor, 10.0)
        object.__setattr__(self, "drawn", dict(zip(every_id(problem), latencies, strict=False)))

    @override
    def costs_of(self, architectures: Sequence[Architecture]) -> NDArray[np.float64]:
        return np.array([[float(self.drawn[architecture.id])] for architecture in architectures])


def every(problem: Problem) -> list[Architecture]:
    found = (problem.space.architecture(choices) for choices in product(*problem.space.variables))
    return list(dict.fromkeys(found))


def every_id(problem: Problem) -> list[str]:
    return names(every(problem))


WHOLE = make_problem(1.0)
SCORES = st.none() | st.integers(0, 5).map(lambda fifths: fifths / 5) | st.floats(0, 1)


@given(
    drawn=st.lists(st.tuples(st.integers(1, 6), SCORES, st.booleans()), min_size=1, max_size=30),
)
@settings(max_examples=200)
def test_the_rival_is_the_most_accurate_of_those_evaluated_that_are_as_fast(
    drawn: list[tuple[int, float | None, bool]],
) -> None:
    problem = Coarse(WHOLE, [latency for latency, _, _ in drawn])
    asked = every(WHOLE)[: len(drawn)]
    accuracies = {a.id: accuracy for a, (_, accuracy, _) in zip(asked, drawn, strict=True)}
    known = {
        a.id: Evaluated(a, accuracy, float(latency))
        for a, (latency, accuracy, is_known) in zip(asked, drawn, strict=True)
        if is_known
    }
    best_within_costs: dict[str, float | None] = {}

    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        best_within_costs[architecture.id] = to_beat
        accuracy = accuracies[architecture.id]
        if accuracy is None:
            raise DivergenceError("the loss is nan")
        return accuracy

    found = search(problem, Scripted(asked), evaluate, 99, known, lambda one: None)
    assert ids(found) == names(asked)
    assert set(best_within_costs) == set(names(asked)) - set(known)
    for i, one in enumerate(found):
        if one.architecture.id in best_within_costs:
            assert best_within_costs[one.architecture.id] == best_so_far(found[:i], one.latency_ms)


def test_a_rival_may_be_as_fast_but_no_slower(disk: Disk, feasible: list[Architecture]) -> None:
    fast, middle, slow = feasible[0], feasible[len(feasible) // 2], feasible[-1]
    assert disk.problem.latency_ms(fast) < disk.problem.latency_ms(middle) < disk.problem.latency_ms(slow)
    best_within_costs: list[float | None] = []
    values = {middle.id: 0.5, fast.id: 0.25, slow.id: 0.75}

    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        best_within_costs.append(to_beat)
        return values[architecture.id]

    search(disk.problem, Scripted([middle, fast, slow]), evaluate, 9, {}, disk.commit)
    assert best_within_costs == [None, None, 0.5]


@pytest.mark.parametrize(("time_for", "expected"), [(0, 1), (1, 1), (2, 2), (4, 4)])
def test_when_out_of_time_a_search_ends_but_never_before_its_first_evaluation(
    disk: Disk, feasible: list[Architecture], time_for: int, expected: int
) -> None:
    searcher = Scripted(feasible[:1], feasible[1:6])
    found = search(
        disk.problem, searcher, disk.evaluate, 9, {}, disk.commit,
        out_of_time=lambda: len(disk.kept) >= time_for,
    )  # fmt: skip
    assert ids(found) == names(feasible[:expected])
    assert list(disk.kept) == names(feasible[:expected])


def test_a_failure_is_an_evaluation_too_after_which_time_may_end(
    disk: Disk, feasible: list[Architecture]
) -> None:
    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        raise DivergenceError("the loss is nan")

    found = search(disk.problem, Scripted(feasible), evaluate, 9, {}, disk.commit, out_of_time=lambda: True)
    assert [(one.accuracy, one.reason) for one in found] == [(None, "the loss is nan")]


def test_what_is_known_is_replayed_when_out_of_time(disk: Disk, feasible: list[Architecture]) -> None:
    known = {a.id: Evaluated(a, 0.5, disk.problem.latency_ms(a)) for a in feasible[:3]}
    found = search(
        disk.problem, Scripted(feasible), disk.evaluate, 9, known, disk.commit, out_of_time=lambda: True
    )
    assert ids(found) == names(feasible[:3])
    assert disk.log == []


def test_the_best_is_shown_when_everything_failed(disk: Disk, feasible: list[Architecture]) -> None:
    details: list[str] = []
    known = {feasible[0].id: Evaluated(feasible[0], None, 1.0, "it failed")}
    search(
        disk.problem, Scripted(feasible[:1]), disk.evaluate, 9, known, disk.commit,
        lambda phase, done, total, detail="": details.append(detail),
    )  # fmt: skip
    assert details == ["best 0.0%"] * 2  # the second as the search ends early


def test_an_evaluation_is_kept_in_less_than_a_kilobyte() -> None:
    """The searcher's memory of it included; not so in the first hundreds, while tables are made."""
    predictor = predictor_from_device(mbconv(16, 10), find_device("pi5"))
    problem = Problem(predictor.space, predictor, 1000.0)
    peaks = []
    for evaluations in (500, 2500):
        tracemalloc.start()
        found = search(
            problem, NSGA2Searcher(problem, 0), lambda a, _: int(a.id, 16) / 16**10, evaluations, {}, lambda _: None
        )  # fmt: skip
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(found) == evaluations
    assert (peaks[1] - peaks[0]) / 2000 < 1000


def in_any_order(seed: int, problem: Problem) -> Callable[[Architecture, float | None], float]:
    """An evaluation of any duration."""
    rng = np.random.default_rng(seed)

    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        time.sleep(rng.uniform(0, 0.004))
        return 1 - made_up_error(problem, architecture)

    return evaluate


@pytest.mark.parametrize("name", [name for name in SEARCHERS if name != "bayes"])
def test_the_same_is_found_whichever_evaluation_ends_first(name: str) -> None:
    problem, at_once = make_problem(0.7), 4
    found = []
    for seed in range(2):
        with ThreadPoolExecutor(at_once) as pool:
            evaluate = in_any_order(seed, problem)
            searcher = searcher_for(name)(problem, 1)
            found.append(
                search(problem, searcher, evaluate, BUDGET, {}, ignore, executor=pool, at_once=at_once)
            )
    alone = search(
        problem, searcher_for(name)(problem, 1), in_any_order(0, problem), BUDGET, {}, ignore, at_once=at_once
    )
    assert ids(found[0]) == ids(found[1]) == ids(alone)


def ignore(one: Evaluated) -> None:
    pass


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_are_under_way_than_allowed(at_once: int, feasible: list[Architecture]) -> None:
    problem, under_way, most = make_problem(0.5), 0, 0
    lock = Lock()

    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.002)
        with lock:
            under_way -= 1
        return 0.5

    with ThreadPoolExecutor(8) as pool:
        search(problem, Scripted(feasible), evaluate, 12, {}, ignore, executor=pool, at_once=at_once)
    assert most <= at_once


def test_the_rival_is_among_what_ended_before_the_last_few_began(feasible: list[Architecture]) -> None:
    """What an evaluation is told does not depend on which others happen to have ended."""
    problem, told = make_problem(0.5), dict[str, float | None]()

    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        told[architecture.id] = to_beat
        return 0.1 * len(told)

    search(problem, Scripted(feasible[:5]), evaluate, 5, {}, ignore, at_once=3)
    assert [told[a.id] for a in feasible[:5]] == [None, None, None, 0.1, 0.2]


def test_every_evaluation_is_committed_as_it_is_made_however_many_are_under_way(
    disk: Disk, feasible: list[Architecture]
) -> None:
    """By one process, in a search that was begun for several."""
    search(disk.problem, Scripted(feasible[:6]), disk.evaluate, 6, {}, disk.commit, at_once=4)
    assert disk.log == [f"{step} {one.id}" for one in feasible[:6] for step in ("evaluate", "commit")]


def test_what_has_ended_is_committed_before_the_trouble_of_another_is_raised(
    disk: Disk, feasible: list[Architecture]
) -> None:
    begun = Barrier(3)

    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        begun.wait()
        if architecture == feasible[0]:
            raise RunConflictError("the disk is full")
        return 0.5

    class Together(ThreadPoolExecutor):
        """Nothing is looked at before all have ended."""

        @override
        def submit(self, *job: Any, **keywords: Any) -> Any:
            future = super().submit(*job, **keywords)
            futures.append(future)
            if len(futures) == 3:
                wait(futures)
            return future

    futures: list[Any] = []
    with Together(3) as pool, pytest.raises(RunConflictError, match="full"):
        search(disk.problem, Scripted(feasible[:3]), evaluate, 3, {}, disk.commit, executor=pool, at_once=3)
    assert set(disk.kept) == set(names(feasible[1:3]))


def test_a_job_that_its_worker_cannot_do_is_a_failure(disk: Disk, feasible: list[Architecture]) -> None:
    class Dying(InThisProcess):
        @override
        def submit(self, *job: Any, **keywords: Any) -> Any:
            future: Future[Any] = Future()
            future.set_exception(WorkerError("given up after 3 attempts"))
            return future

    (one,) = search(disk.problem, Scripted(feasible[:1]), disk.evaluate, 1, {}, disk.commit, executor=Dying())
    assert (one.accuracy, one.reason) == (None, "given up after 3 attempts")


def test_seconds_are_those_of_the_evaluation(feasible: list[Architecture]) -> None:
    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        time.sleep(0.02)
        return 0.5

    (one,) = search(make_problem(0.5), Scripted(feasible[:1]), evaluate, 1, {}, ignore)
    assert one.seconds >= 0.02
