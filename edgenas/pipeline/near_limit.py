"""Candidates near the limit are measured before any of them is trained.

A prediction has an interval. Where it contains the limit, the prediction does not say whether the network will do, and
training it would take minutes; timing it with random weights takes a second.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgenas.errors import RUN_TROUBLE, DeviceError, InputError
from edgenas.inputs.targets import board_of
from edgenas.pipeline.final_measuring import HERE_S, measuring_seconds
from edgenas.pipeline.network_times import time_networks
from edgenas.pipeline.session import Session
from edgenas.progress import named
from edgenas.searchers.loop import Evaluated
from edgenas.space import Block
from edgenas.timing.measuring import Timing
from edgenas.units import change_of_speed, counted, format_milliseconds
from edgenas.vocabulary import Precision

CHOSEN = "finalists chosen"
"""Event of the store: a resumed run trains the same models, even if the device answers only then."""

MAX_TURNS = 3
"""How often the device is asked: for the candidates, and for those that take the place of some."""

MIN_RATIOS, MAX_OFF = 3, 0.05
"""Measured candidates from which predictions are said to be off, and by how much, in the median, they may be."""

TIME_SHARE = 0.05
"""Share of the time left that asking the device may take."""

Rank = Callable[[set[str]], list[Evaluated]]
"""The candidates for training, most important first, without those of the given ids."""


def first_within_limit(
    session: Session, evaluated: Sequence[Evaluated], rank: Rank, count: int
) -> list[Evaluated]:
    """The first candidates that are not measured above the limit.

    Those whose interval contains the limit are measured, if the device is this machine or has a host, and the time
    allows it. If all are above, the first are trained all the same: they are measured again once exported.

    Args:
        session: the search.
        evaluated: all candidates.
        rank: orders them; asked again without those that are too slow.
        count: how many to train.
    """
    if (chosen := session.store.last_event(CHOSEN)) is None:
        ids, measured_ms = _choose(session, rank, count)
        chosen = {"ids": ids, "measured_ms": measured_ms}
        session.store.record(CHOSEN, **chosen)
    by_id = {each.architecture.id: each for each in evaluated}
    found = [by_id[id_] for id_ in chosen["ids"]]
    _note(session, by_id, chosen)
    return found


def _choose(session: Session, rank: Rank, count: int) -> tuple[list[str], dict[str, float]]:
    """Ids to train, and what was measured, milliseconds by id."""
    limit_ms = session.settings.max_latency_ms
    measured_ms: dict[str, float] = {}
    first = ranked = rank(set())
    for _ in range(MAX_TURNS):
        unknown = [each for each in ranked[:count] if each.architecture.id not in measured_ms]
        if not (found := _measured(session, unknown)):
            break
        measured_ms |= found
        ranked = rank({id_ for id_, ms in measured_ms.items() if ms > limit_ms})
    return [each.architecture.id for each in (ranked or first)[:count]], measured_ms


def _measured(session: Session, candidates: Sequence[Evaluated]) -> dict[str, float]:
    """Milliseconds of those near the limit, by id, as far as they can be had."""
    near = _near_limit(session, candidates)
    takes_s = len(near) * measuring_seconds(session.config.device)
    if not takes_s or takes_s > TIME_SHARE * session.budget.left_s:
        return {}
    found: dict[str, float] = {}
    for precision, networks in near.items():
        try:
            found |= _measured_in(session, precision, networks)
        except RUN_TROUBLE:
            raise
        except (DeviceError, InputError) as error:
            which = f" in {precision}" if len(session.predictor.parts) > 1 else ""
            session.note(f"candidates{which} near the limit were not measured: {error}")
    return found


def _near_limit(
    session: Session, candidates: Sequence[Evaluated]
) -> dict[Precision, dict[str, Sequence[Block]]]:
    """The blocks of those whose interval contains the limit, by precision and id."""
    near: dict[Precision, dict[str, Sequence[Block]]] = {}
    for each in candidates:
        if session.predictor.predict(each.architecture).high > session.settings.max_latency_ms:
            precision, network = session.in_precision(each.architecture)
            near.setdefault(precision, {})[each.architecture.id] = session.space.blocks(network)
    return near


def _measured_in(
    session: Session, precision: Precision, networks: Mapping[str, Sequence[Block]]
) -> dict[str, float]:
    """Milliseconds of networks in a precision, by id."""
    device = session.config.device.at(precision)
    times = time_networks(networks, device, board_of(device), HERE_S, named(session.progress, "candidates"))
    timings: Mapping[str, Timing] = times.measured.timings
    # A time taken on a busy machine is no reason to leave a network out.
    return {id_: timings[id_].typical_ms for id_ in networks if id_ in timings and not timings[id_].unstable}


def _note(session: Session, by_id: Mapping[str, Evaluated], chosen: Mapping[str, Any]) -> None:
    """Say which were left out, and whether predictions are off."""
    limit_ms, measured_ms = session.settings.max_latency_ms, chosen["measured_ms"]
    if above := sorted(ms for id_, ms in measured_ms.items() if ms > limit_ms and id_ not in chosen["ids"]):
        session.note(
            f"{len(above)} of {counted(len(measured_ms), 'candidates')} near the limit of {limit_ms:g} ms took longer "
            f"when measured ({', '.join(map(format_milliseconds, above))}): not trained"
        )
    ratios = [
        ms / session.predictor.predict(by_id[id_].architecture).predicted for id_, ms in measured_ms.items()
    ]
    if len(ratios) >= MIN_RATIOS and abs((ratio := float(np.median(ratios))) - 1) > MAX_OFF:
        session.note(
            f"networks near the limit are {change_of_speed(ratio)} than predicted (median of {len(ratios)}): see "
            f"edgenas profile --device {session.config.device.name}"
        )
