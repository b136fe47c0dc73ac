"""Several boards of one kind: their results taken together, and how much the boards differ."""

import logging
import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from edgenas.board.bursts import MAX_ROUNDS, Bursts, level
from edgenas.board.energy import Energies, Energy
from edgenas.board.problem import one_line
from edgenas.errors import DeviceError
from edgenas.formats import MAX_LINE, Line
from edgenas.kits.kit_results import KitResults
from edgenas.timing.measuring import measurement_of
from edgenas.units import change_of_speed

DEVIATION = 0.05
"""A board whose times are further off those of the others is named."""

_REVISION = re.compile(r" Rev [0-9.]+")
"""Of a board in its processor's description; revisions of a board are of one kind."""

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
    not run counts as failed. An energy is the mean of those of the boards that measured it, and its deviation holds
    their differences.

    Args:
        found: by host; at least one.

    Raises:
        DeviceError: the boards differ in hardware or in the version of their runtime.
    """
    kinds = {host: _REVISION.sub("", results.host_description) for host, results in found.items()}
    versions = {host: results.runtime_version for host, results in found.items()}
    for what, values in (("hardware", kinds), ("versions of the runtime", versions)):
        if len(set(values.values())) > 1:
            listed = ", ".join(f"{host}: {value}" for host, value in values.items())
            raise DeviceError(
                f"the boards have different {what} ({listed})", "profile boards of one kind, set up alike"
            )
    failed = {key: reason for results in found.values() for key, reason in results.failed.items()}
    each = {host: _without(results.bursts, failed) for host, results in found.items()}
    first = next(iter(found.values()))
    keys = [key for key in first.bursts if key not in failed]
    if not keys:
        raise DeviceError(
            "there is no model that all boards can run", "install another version of the runtime"
        )
    boards = _ratios(each, keys)
    for host, ratio in boards.items():
        if abs(ratio - 1) > DEVIATION:
            log.warning(
                "%s is %s than the other boards; compare clocks, cooling and power supply (run.py --check)",
                host,
                change_of_speed(ratio),
            )
    events = [results.throttle_events for results in found.values()]
    return FleetResults(
        **dict(first)
        | {
            "bursts": _joined(each, keys),
            "failed": failed,
            "energies": _mean_energies(found.values(), keys),
            "retaken": sum(results.retaken for results in found.values()),
            "throttle_events": None if None in events else sum(filter(None, events)),
            "boards": boards,
            "changes_there": tuple(
                one_line(f"{host}: {change}", MAX_LINE)
                for host, results in found.items()
                for change in results.changed
            ),
        }
    )


def _without(bursts: Bursts, failed: Mapping[str, str]) -> Bursts:
    return {key: rounds[:MAX_ROUNDS] for key, rounds in bursts.items() if key not in failed}


def _joined(bursts: Mapping[str, Bursts], keys: Sequence[str]) -> Bursts:
    """The bursts of all boards, each with the sentinel's readings relative to its board's own usual level.

    Otherwise all bursts of a slower board would pass for disturbed ones.
    """
    levels = {host: level(each) for host, each in bursts.items()}
    usual_ms = float(np.median(list(levels.values())))
    return {
        key: [
            burst._replace(
                before_ms=burst.before_ms / levels[host] * usual_ms,
                after_ms=burst.after_ms / levels[host] * usual_ms,
            )
            for host, each in bursts.items()
            for burst in each[key]
        ]
        for key in keys
    }


def _mean_energies(found: Collection[KitResults], keys: Sequence[str]) -> Energies:
    """Over boards, of models that all could run; none, with a warning, if different meters measured them."""
    energies = {key: [each.energies[key] for each in found if key in each.energies] for key in keys}
    meters = {each.meter for measured in energies.values() for each in measured}
    if len(meters) > 1:
        log.warning(
            "the boards have different power meters (%s): energies are left out", ", ".join(sorted(meters))
        )
        return {}
    return {key: _mean_energy(measured) for key, measured in energies.items() if measured}


def _mean_energy(measured: Sequence[Energy]) -> Energy:
    """The mean, and its deviation for any one board: that of the mean, and how much the boards differ."""
    figures_mj = [each.mj for each in measured]
    noise_mj2 = sum(each.sd_mj**2 for each in measured) / len(measured) ** 2
    scatter_mj2 = float(np.var(figures_mj, ddof=1)) if len(measured) > 1 else 0.0
    return Energy(float(np.mean(figures_mj)), (noise_mj2 + scatter_mj2) ** 0.5, measured[0].meter)


def _ratios(bursts: Mapping[str, Bursts], keys: Sequence[str]) -> dict[str, float]:
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
