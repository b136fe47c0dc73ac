"""Several boards of one kind: their results taken together, and how much the boards differ."""

import logging
from collections.abc import Mapping

import numpy as np

from edgenas.board.bursts import Bursts
from edgenas.errors import DeviceError
from edgenas.formats import Line
from edgenas.kits.kit_results import KitResults
from edgenas.timing.measuring import measurement_of

DEVIATION = 0.05
"""A board whose times are further off those of the others is named."""

log = logging.getLogger(__name__)


class FleetResults(KitResults):
    """The results of several boards as those of one.

    Attributes:
        boards: by host, its times as a multiple of those of the others (median over the models).
        changes_there: conditions that changed while a board measured, with its host.
    """

    boards: dict[Line, float]
    changes_there: tuple[Line, ...]

    @property
    def changed(self) -> tuple[str, ...]:
        """Conditions that changed while the boards measured, in words."""
        return self.changes_there


def fleet_results(found: Mapping[str, KitResults]) -> FleetResults:
    """Take results of the same kit together; a board that deviates is named in a warning.

    A model's bursts are those of all boards, one board after the other: its time is between theirs, and the interval
    of the calibration, which compares halves of the bursts, covers their differences. A model that one board could
    not run counts as failed.

    Args:
        found: by host; at least one.

    Raises:
        DeviceError: the boards differ in hardware or in the version of their runtime.
    """
    for name, what in (("host_description", "hardware"), ("runtime_version", "versions of the runtime")):
        values = {host: getattr(results, name) for host, results in found.items()}
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{host}: {value}" for host, value in values.items())
            raise DeviceError(
                f"the boards have different {what} ({listed})", "profile boards of one kind, set up alike"
            )
    failed = {key: reason for results in found.values() for key, reason in results.failed.items()}
    first = next(iter(found.values()))
    bursts: Bursts = {
        key: [burst for results in found.values() for burst in results.bursts[key]]
        for key in first.bursts
        if key not in failed
    }
    boards = _ratios({host: results.bursts for host, results in found.items()}, list(bursts))
    for host, ratio in boards.items():
        if abs(ratio - 1) > DEVIATION:
            change = f"{ratio - 1:.0%} slower" if ratio > 1 else f"{1 / ratio - 1:.0%} faster"
            log.warning(
                "%s is %s than the other boards; compare clocks, cooling and power supply (run.py --check)",
                host,
                change,
            )
    return FleetResults(
        **dict(first)
        | {
            "bursts": bursts,
            "failed": failed,
            "retaken": sum(results.retaken for results in found.values()),
            "boards": boards,
            "changes_there": tuple(
                f"{host}: {change}" for host, results in found.items() for change in results.changed
            ),
        }
    )


def _ratios(bursts: Mapping[str, Bursts], keys: list[str]) -> dict[str, float]:
    """By host, the median over models of its time as a multiple of the others' (their median)."""
    times = {}
    for host, each in bursts.items():
        timings = measurement_of({key: each[key] for key in keys}).timings
        times[host] = np.array([timings[key].typical_ms for key in keys])
    if len(times) == 1:
        return dict.fromkeys(times, 1.0)
    ratios = {}
    for host, own in times.items():
        others = np.median([time for other, time in times.items() if other != host], axis=0)
        ratios[host] = float(np.median(own / others))
    return ratios
