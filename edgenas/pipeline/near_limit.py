"""Candidates near the limit are measured before any of them is trained.

A prediction has an interval. Where it contains the limit, the prediction does not say whether the network will do, and
training it would take minutes; timing it with random weights takes a second.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from edgenas.errors import DeviceError, EdgenasError, InputError
from edgenas.kits.ssh import SshBoard
from edgenas.pipeline.final_measuring import HERE_S, measuring_seconds
from edgenas.pipeline.network_times import time_networks
from edgenas.pipeline.session import Session
from edgenas.searchers.loop import Evaluated
from edgenas.units import change_of_speed, format_milliseconds

CHOSEN = "finalists chosen"
"""Event of the store: a resumed run trains the same models, even if the device answers only then."""

ENOUGH, OFF = 3, 0.05
"""Measured candidates from which predictions are said to be off, and by how much, in the median, they must be."""

TIME_SHARE = 0.05
"""Share of the time left that measuring may take."""


def first_within_limit(session: Session, ranked: Sequence[Evaluated], count: int) -> list[Evaluated]:
    """The first candidates that are not measured above the limit.

    Those whose interval contains the limit are measured, if the device is this machine or has a host, and the time
    allows it.

    Args:
        session: the search.
        ranked: candidates for training, most important first.
        count: how many to train.

    Raises:
        EdgenasError: all of them are measured above the limit.
    """
    if (chosen := session.store.last_event(CHOSEN)) is not None:
        by_id = {each.architecture.id: each for each in ranked}
        return [by_id[id_] for id_ in chosen["ids"]]
    limit_ms = session.settings.max_latency_ms
    measured_ms: dict[str, float] = {}
    kept: list[Evaluated] = []
    left = list(ranked)
    while left and len(kept) < count:
        batch, left = left[: count - len(kept)], left[count - len(kept) :]
        measured_ms |= _measured(session, batch)
        kept += [each for each in batch if measured_ms.get(each.architecture.id, 0.0) <= limit_ms]
    if not kept:
        raise EdgenasError(
            f"every candidate was measured above the limit of {limit_ms:g} ms, the fastest at "
            f"{format_milliseconds(min(measured_ms.values()))}",
            f"profile {session.config.device.name} again, or raise --max-latency",
        )
    _note(session, ranked, measured_ms)
    session.store.record(CHOSEN, ids=[each.architecture.id for each in kept])
    return kept


def _measured(session: Session, candidates: Sequence[Evaluated]) -> dict[str, float]:
    """Milliseconds of those near the limit, by id, as far as they can be had."""
    device = session.config.device
    near = [each.architecture for each in candidates if _may_exceed_limit(session, each)]
    networks = {each.id: session.space.blocks(each) for each in near}
    takes_s = measuring_seconds(device)
    if not networks or not takes_s or takes_s > TIME_SHARE * session.budget.left_s:
        return {}
    board = None if device.ssh is None else SshBoard(device.ssh.host, device.ssh.python)
    try:
        timings = time_networks(networks, device, board, HERE_S, session.progress).measured.timings
    except (DeviceError, InputError) as error:
        session.note(f"candidates near the limit were not measured: {error}")
        return {}
    return {id_: timings[id_].typical_ms for id_ in networks if id_ in timings}


def _may_exceed_limit(session: Session, candidate: Evaluated) -> bool:
    return session.predictor.predict(candidate.architecture).high > session.settings.max_latency_ms


def _note(session: Session, ranked: Sequence[Evaluated], measured_ms: Mapping[str, float]) -> None:
    """Say which were left out, and whether predictions are off."""
    limit_ms = session.settings.max_latency_ms
    if above := sorted(ms for ms in measured_ms.values() if ms > limit_ms):
        session.note(
            f"of {len(measured_ms)} candidates near the limit of {limit_ms:g} ms, {len(above)} were measured above it "
            f"({', '.join(map(format_milliseconds, above))}) and not trained"
        )
    ratios = [
        measured_ms[each.architecture.id] / session.predictor.predict(each.architecture).predicted
        for each in ranked
        if each.architecture.id in measured_ms
    ]
    if len(ratios) >= ENOUGH and abs((ratio := float(np.median(ratios))) - 1) > OFF:
        session.note(
            f"networks near the limit are {change_of_speed(ratio)} than predicted (median of {len(ratios)}): see "
            f"edgenas profile --device {session.config.device.name}"
        )
