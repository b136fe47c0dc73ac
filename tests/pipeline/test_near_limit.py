"""Candidates whose interval contains the limit are measured before any is trained."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fixtures.pipeline import in_precisions

from edgenas.device import Device
from edgenas.errors import DeviceError
from edgenas.kits.ssh import SshBoard
from edgenas.pipeline import finalist_training, near_limit
from edgenas.pipeline.near_limit import first_within_limit
from edgenas.pipeline.session import Session
from edgenas.pipeline.time_budget import Budget
from edgenas.searchers.loop import Evaluated
from edgenas.space import PrecisionSpace

Take = Callable[[dict[str, float] | Exception], list[list[str]]]


@pytest.fixture
def ranked(session: Session) -> list[Evaluated]:
    """Six architectures, fastest first."""
    rng = np.random.default_rng(0)
    drawn = {each.id: each for each in (session.space.sample(rng) for _ in range(20))}
    six = sorted(list(drawn.values())[:6], key=session.problem.latency_ms)
    return [Evaluated(each, 0.5, session.problem.latency_ms(each)) for each in six]


@pytest.fixture
def limited(session: Session, ranked: list[Evaluated]) -> Session:
    """The limit is what the fourth is predicted to take: intervals of a datasheet contain it from the first on."""
    limit_ms = session.problem.latency_ms(ranked[3].architecture)
    settings = replace(session.settings, max_latency=f"{limit_ms}ms")
    return replace(session, config=session.config.model_copy(update={"settings": settings}))


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Take:
    """`take(ratios)`: networks take these multiples of the limit, by id, others half of it; which were timed."""

    def instead(ratios: dict[str, float] | Exception) -> list[list[str]]:
        asked: list[list[str]] = []

        def time_networks(
            networks: Mapping[str, Any], device: Device, board: SshBoard | None, *_: object
        ) -> Any:
            asked.append(list(networks))
            if isinstance(ratios, Exception):
                raise ratios
            timings = {
                id_: SimpleNamespace(typical_ms=ratios.get(id_, 0.5) * LIMIT[0], unstable=id_ in UNSTABLE)
                for id_ in networks
            }
            return SimpleNamespace(measured=SimpleNamespace(timings=timings))

        monkeypatch.setattr(near_limit, "time_networks", time_networks)
        return asked

    return instead


LIMIT = [1.0]
UNSTABLE: set[str] = set()


@pytest.fixture(autouse=True)
def _limit(limited: Session) -> None:
    LIMIT[0] = limited.settings.max_latency_ms
    UNSTABLE.clear()


def _first(session: Session, ranked: list[Evaluated], count: int) -> list[Evaluated]:
    def rank(too_slow: set[str]) -> list[Evaluated]:
        return [each for each in ranked if each.architecture.id not in too_slow]

    return first_within_limit(session, ranked, rank, count)


def _ids(candidates: list[Evaluated]) -> list[str]:
    return [each.architecture.id for each in candidates]


def _notes(session: Session) -> list[str]:
    return [event["text"] for event in session.store.events("note")]


def test_one_above_the_limit_makes_room_for_the_next(
    limited: Session, ranked: list[Evaluated], take: Take
) -> None:
    first, second, third, *_ = _ids(ranked)
    asked = take({second: 1.01})
    assert _ids(_first(limited, ranked, 2)) == [first, third]
    assert asked == [[first, second], [third]]
    (note, *_) = _notes(limited)
    assert note.startswith("1 of 3 candidates near the limit of ") and "took longer when measured (" in note


def test_a_resumed_run_trains_the_same_models(limited: Session, ranked: list[Evaluated], take: Take) -> None:
    asked = take({_ids(ranked)[0]: 2.0})
    chosen = _first(limited, ranked, 3)
    assert _first(limited, ranked, 3) == chosen and len(asked) == 2
    take(DeviceError("the board is away"))
    assert _first(limited, ranked, 3) == chosen


def test_what_is_surely_below_the_limit_is_not_measured(
    session: Session, ranked: list[Evaluated], take: Take
) -> None:
    asked = take({})
    assert _first(session, ranked, 4) == ranked[:4]  # within 50 ms
    assert not asked and not _notes(session)


def test_a_device_that_is_away_costs_nothing(limited: Session, ranked: list[Evaluated], take: Take) -> None:
    take(DeviceError("pi cannot be reached", "connect once by hand"))
    assert _first(limited, ranked, 4) == ranked[:4]
    assert _notes(limited) == [
        "candidates near the limit were not measured: pi cannot be reached; connect once by hand"
    ]


def test_a_device_elsewhere_is_not_asked(limited: Session, ranked: list[Evaluated], take: Take) -> None:
    asked = take({})
    away = limited.config.device.model_copy(update={"reach": "none"})
    config = limited.config.model_copy(update={"device": away})
    assert _first(replace(limited, config=config), ranked, 2) == ranked[:2]
    assert not asked


@pytest.mark.parametrize(("minutes", "measures"), [(1, False), (10, True)])
def test_it_takes_a_small_share_of_a_time_budget(
    minutes: float, measures: bool, limited: Session, ranked: list[Evaluated], take: Take
) -> None:
    asked = take({})

    budget = Budget(60 * minutes, 0.0, time.monotonic())
    _first(replace(limited, budget=budget), ranked, 2)
    assert bool(asked) is measures


def test_if_none_is_within_the_limit_the_first_are_trained_all_the_same(
    limited: Session, ranked: list[Evaluated], take: Take
) -> None:
    asked = take(dict.fromkeys(_ids(ranked), 1.5))
    assert _first(limited, ranked, 2) == ranked[:2] and len(asked) == 3
    (note, *_) = _notes(limited)
    assert note.startswith("4 of 6 candidates near the limit")


def test_a_time_taken_on_a_busy_machine_leaves_nothing_out(
    limited: Session, ranked: list[Evaluated], take: Take
) -> None:
    UNSTABLE.add(_ids(ranked)[0])
    take({_ids(ranked)[0]: 2.0})
    assert _first(limited, ranked, 2) == ranked[:2]


def test_the_place_of_a_slow_finalist_is_taken_by_its_neighbour_on_the_front(
    limited: Session, ranked: list[Evaluated], take: Take
) -> None:
    """Not by the farthest point, which would come next: the fastest."""
    front = [replace(each, accuracy=0.6 + 0.05 * i) for i, each in enumerate(ranked)]
    take({front[-1].architecture.id: 1.1})
    settings = replace(limited.settings, finalists=1)
    one = replace(limited, config=limited.config.model_copy(update={"settings": settings}))
    (finalist,) = finalist_training._select_finalists(one, front)
    assert finalist.id == front[-2].architecture.id


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_pretrained_network_comes_after_the_best_that_was_found(
    count: int, session: Session, ranked: list[Evaluated], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the time allows one finalist, it is not the one that needs no search."""
    front = [replace(each, accuracy=0.6 + 0.05 * i) for i, each in enumerate(ranked)]
    whole = front[2].architecture
    monkeypatch.setattr(Session, "whole_network", property(lambda _: whole))
    settings = replace(session.settings, finalists=count)
    asked = replace(session, config=session.config.model_copy(update={"settings": settings}))
    ids = [each.id for each in finalist_training._select_finalists(asked, front)]
    assert ids[:2] == [front[-1].architecture.id, whole.id][:count] and len(ids) == count


def test_each_precision_is_timed_for_itself_and_a_failure_of_one_costs_no_other(
    limited: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = in_precisions(limited, "fp32", "int8")
    space = mixed.problem.space
    assert isinstance(space, PrecisionSpace)
    (network,) = (limited.problem.predictor.slowest(),)
    both = [space.joined(precision, network) for precision in ("fp32", "int8")]
    ranked = [Evaluated(each, 0.5, mixed.problem.latency_ms(each)) for each in both]

    def time_networks(networks: Mapping[str, Any], device: Device, *_: object) -> Any:
        if device.precision == "int8":
            raise DeviceError("no int8 here")
        timings = {id_: SimpleNamespace(typical_ms=2 * LIMIT[0], unstable=False) for id_ in networks}
        return SimpleNamespace(measured=SimpleNamespace(timings=timings))

    monkeypatch.setattr(near_limit, "time_networks", time_networks)
    assert _first(mixed, ranked, 2) == ranked[1:]
    told, above = _notes(mixed)
    assert told == "candidates in int8 near the limit were not measured: no int8 here"
    assert above.startswith("1 of 1 candidate near the limit")


def test_the_time_of_each_precision_counts(
    limited: Session, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two measurements of five seconds are too much of three minutes, one is not."""
    asked = take({})
    mixed = replace(in_precisions(limited, "fp32", "int8"), budget=Budget(180, 0.0, time.monotonic()))
    space = mixed.problem.space
    assert isinstance(space, PrecisionSpace)
    network = limited.problem.predictor.slowest()
    both = [Evaluated(space.joined(precision, network), 0.5, 1.0) for precision in ("fp32", "int8")]
    assert not near_limit._measured(mixed, both) and not asked
    assert near_limit._measured(mixed, both[:1]) and len(asked) == 1


def test_predictions_that_are_off_are_told(limited: Session, ranked: list[Evaluated], take: Take) -> None:
    predicted = {each.architecture.id: each.latency_ms / LIMIT[0] for each in ranked}
    take({id_: 0.8 * ratio for id_, ratio in predicted.items()})
    _first(limited, ranked, 4)
    assert _notes(limited) == [
        "networks near the limit are 25% faster than predicted (median of 4): see edgenas profile --device cpu"
    ]
