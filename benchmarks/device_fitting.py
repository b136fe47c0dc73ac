"""Fitting the costs of `calibrated.Calibrated` to published latencies of whole networks, of many devices at once.

Six to thirty networks a device do not tell a dozen costs apart. So devices share what they have in common: a
cost is the least that the hardware allows, plus something whose logarithm is what the datasheet suggests,
plus what all devices share, plus what those of a runtime share, plus what those of a board share, plus its
own; each of these is a deviation with a Gaussian prior around zero (a hierarchical model: Gelman et al.,
Bayesian Data Analysis, 3rd edition 2013, chapter 5). The mode of the posterior is found by Levenberg-
Marquardt. Errors are relative (of logarithms) and bounded in their pull, as a published figure may be of a
network that is not quite ours. No cost is negative.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from edgenas.device.device import Costs, Datasheet
from edgenas.device_models.roofline import BYTES
from edgenas.vocabulary import Precision

NAMES = tuple(Costs.model_fields)
"""Costs, in the order of every array of them."""

NOISE = 0.08
"""Relative standard deviation of a published latency around the model."""

OUTLIER = 2.0
"""Errors beyond so many times the noise pull in proportion to their size only, not to its square."""

GROUPS = tuple("depthwise" if name == "macs_depthwise" else name.partition("_")[0] for name in NAMES)
"""Costs that are likely to deviate together: launches, products, depthwise arithmetic, traffic."""

LOOSE: Mapping[str, float] = {"launch_copy": 1.5, "macs_depthwise": 2.0}
"""Costs that runtimes and boards differ in by more than in others, as a multiple of the usual deviation."""

SHARED, RUNTIME, RUNTIME_GROUP = 0.5, 0.5, 0.3
BOARD, BOARD_GROUP, BOARD_COST = 0.5, 0.4, 0.2
OWN = 0.2
"""Prior standard deviations (of logarithms) of what each level adds: by cost, by group of costs, or to all costs."""


PEAK_TIMES: Mapping[str, float] = {
    "dense": 3.0,
    "pointwise": 4.0,
    "depthwise": 30.0,
    "linear": 3.0,
    "matmul": 5.0,
}
"""Time of arithmetic, as a multiple of what the datasheet's peak would take: where the fit begins."""

BANDWIDTH_TIMES: Mapping[str, float] = {
    "product": 2.0,
    "weights": 2.0,
    "functions": 4.0,
    "copy": 2.0,
    "other": 2.0,
}
"""The same of memory traffic and the peak bandwidth."""

LEAST_TIMES: Mapping[str, float] = {"dense": 1 / 2.25, "pointwise": 1.0, "linear": 1.0, "matmul": 1.0}
"""No kernel computes faster than the peak, but for the 3x3 convolutions of Winograd (Lavin & Gray, CVPR 2016)."""

READS_OF_DEPTHWISE = 0.9
"""Numbers a GPU moves for each multiply-accumulate of a depthwise convolution, in place of the peak: there it is
traffic through the caches that takes the time."""


class Setting(NamedTuple):
    """Where figures were taken, and what each cost may be there, in the order of `NAMES`.

    Attributes:
        board: what hardware.
        runtime: what executes on it.
        expected_ms: what a datasheet and experience suggest.
        least_ms: what the hardware cannot go below.
    """

    board: str
    runtime: str
    expected_ms: tuple[float, ...]
    least_ms: tuple[float, ...]


def setting_from_datasheet(
    board: str, runtime: str, sheet: Datasheet, precision: Precision, on_gpu: bool
) -> Setting:
    """The setting of a board whose datasheet is known."""
    gmacs_ms = 2e3 / sheet.peak_gflops
    million_ms = BYTES[precision] / sheet.memory_bandwidth_gb_s
    expected = {name: sheet.kernel_launch_us / 1e3 for name in NAMES if name.startswith("launch_")}
    expected |= {f"macs_{kind}": gmacs_ms * times for kind, times in PEAK_TIMES.items()}
    expected |= {f"traffic_{kind}": million_ms * times for kind, times in BANDWIDTH_TIMES.items()}
    if on_gpu:
        expected["macs_depthwise"] = 1e3 * million_ms * READS_OF_DEPTHWISE
    least = {f"macs_{kind}": gmacs_ms * times for kind, times in LEAST_TIMES.items()} | {
        "traffic_weights": million_ms
    }
    return Setting(
        board, runtime, tuple(expected[name] for name in NAMES), tuple(least.get(name, 0.0) for name in NAMES)
    )


@dataclass(frozen=True, slots=True)
class Figure:
    """One published latency.

    Attributes:
        setting: where it was taken.
        network: its name; left out together with all figures of that name.
        amounts: what the network has of everything that costs, summed over its kernels, shape (costs,).
        latency_ms: as published.
    """

    setting: Setting
    network: str
    amounts: NDArray[np.float64]
    latency_ms: float


class LeftOut(NamedTuple):
    """A figure and what a fit without its network predicts."""

    figure: Figure
    predicted_ms: float


def amounts_array(amounts: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
    """Sums over a network's kernels of what `calibrated.amounts` gives, shape (costs,)."""
    return np.array([math.fsum(each.get(name, 0.0) for each in amounts) for name in NAMES])


def fit(figures: Sequence[Figure]) -> Callable[[Setting], Costs]:
    """Fit the costs of every setting among the figures; the function gives those of one of them."""
    levels = _Levels([figure.setting for figure in figures])
    least = np.array([figure.amounts @ np.array(figure.setting.least_ms) for figure in figures])
    amounts = np.array([figure.amounts * _above(figure.setting) for figure in figures])
    wanted = np.log([figure.latency_ms for figure in figures])
    places = levels.places([figure.setting for figure in figures])
    residuals = _Residuals(least, amounts, wanted, places, levels.sds)
    start = np.zeros(len(levels.sds))
    found = least_squares(residuals.values, start, jac=residuals.jacobian, method="lm", xtol=1e-6, ftol=1e-8)
    deviations = found.x * levels.sds

    def costs(setting: Setting) -> Costs:
        factors = np.exp(deviations[levels.places([setting])[0]].sum(0))
        values = np.array(setting.least_ms) + factors * _above(setting)
        return Costs(**dict(zip(NAMES, values.tolist(), strict=True)))

    return costs


def _above(setting: Setting) -> NDArray[np.float64]:
    """What is expected of each cost beyond the least it can be, shape (costs,)."""
    above: NDArray[np.float64] = np.array(setting.expected_ms) - np.array(setting.least_ms)
    return above


def leave_one_out(figures: Sequence[Figure]) -> Iterator[LeftOut]:
    """Predict each network from fits that never saw it, on any device."""
    for network in sorted({figure.network for figure in figures}):
        costs = fit([figure for figure in figures if figure.network != network])
        for figure in figures:
            if figure.network == network:
                values = np.array(list(costs(figure.setting).model_dump().values()))
                yield LeftOut(figure, float(figure.amounts @ values))


def interval_factor(errors: Sequence[float], confidence: float = 0.9) -> float:
    """Factor both ways within which the next network lies with that confidence, from logarithms of left-out ratios.

    The jackknife's order statistic (Barber et al., Ann. Stat. 2021), which guarantees nothing; with fewer than nine
    errors, for 90 %, the largest one.
    """
    sizes = sorted(map(abs, errors))
    place = math.ceil(confidence * (len(sizes) + 1)) - 1
    return math.exp(sizes[min(place, len(sizes) - 1)])


class _Levels:
    """Numbers the deviations: to each setting and cost, one of every level, of whose sum the cost is made."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        self._runtimes = sorted({setting.runtime for setting in settings})
        self._boards = sorted({setting.board for setting in settings})
        self._owns = sorted({setting[:2] for setting in settings})
        self._groups = sorted(set(GROUPS))
        loose = np.array([LOOSE.get(name, 1.0) for name in NAMES])
        groups, runtimes, boards = len(self._groups), len(self._runtimes), len(self._boards)
        parts = [
            np.full(len(NAMES), SHARED),
            np.full(runtimes * groups, RUNTIME_GROUP),
            np.tile(RUNTIME * loose, runtimes),
            np.full(boards, BOARD),
            np.full(boards * groups, BOARD_GROUP),
            np.tile(BOARD_COST * loose, boards),
            np.full(len(self._owns) * len(NAMES), OWN),
        ]
        self.sds: NDArray[np.float64] = np.concatenate(parts)
        self._starts = np.cumsum([0, *map(len, parts[:-1])])

    def places(self, settings: Sequence[Setting]) -> NDArray[np.int64]:
        """Places of a setting's deviations, shape (settings, levels, costs)."""
        return np.array([self._of(setting) for setting in settings])

    def _of(self, setting: Setting) -> NDArray[np.int64]:
        cost = np.arange(len(NAMES))
        group = np.array([self._groups.index(each) for each in GROUPS])
        runtime = self._runtimes.index(setting.runtime)
        board = self._boards.index(setting.board)
        own = self._owns.index(setting[:2])
        rows = [
            cost,
            runtime * len(self._groups) + group,
            runtime * len(NAMES) + cost,
            np.full(len(NAMES), board),
            board * len(self._groups) + group,
            board * len(NAMES) + cost,
            own * len(NAMES) + cost,
        ]
        places: NDArray[np.int64] = np.array(rows) + self._starts[:, None]
        return places


@dataclass(frozen=True, slots=True)
class _Residuals:
    """What least squares takes, in deviations over their standard deviations: errors, then the deviations themselves.

    Shapes: least (n,), milliseconds that nothing can spare; amounts (n, costs), what each costs beyond that where
    nothing deviates; wanted (n,), logarithms; places (n, levels, costs).
    """

    least: NDArray[np.float64]
    amounts: NDArray[np.float64]
    wanted: NDArray[np.float64]
    places: NDArray[np.int64]
    sds: NDArray[np.float64]

    def values(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = self._parts(x)
        return np.concatenate([_bounded(self._errors(parts)), x])

    def jacobian(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = self._parts(x)
        slopes = _bounded_slope(self._errors(parts)) / NOISE
        shares = parts * (slopes / (self.least + parts.sum(1)))[:, None]
        errors = np.zeros((len(parts), len(x)))
        rows = np.arange(len(parts))[:, None, None]
        np.add.at(errors, (rows, self.places), shares[:, None, :])
        return np.concatenate([errors * self.sds, np.eye(len(x))])

    def _parts(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Milliseconds of each cost in each network, shape (n, costs)."""
        # Far outside of what the priors allow a trial step may still land.
        logarithms = np.clip((x * self.sds)[self.places].sum(1), -50.0, 50.0)
        parts: NDArray[np.float64] = self.amounts * np.exp(logarithms)
        return parts

    def _errors(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        errors: NDArray[np.float64] = (np.log(self.least + parts.sum(1)) - self.wanted) / NOISE
        return errors


def _bounded(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers whose squares are the pseudo-Huber loss of the errors (Charbonnier et al., IEEE TIP 1997)."""
    loss = 2 * OUTLIER**2 * (np.sqrt(1 + (errors / OUTLIER) ** 2) - 1)
    roots: NDArray[np.float64] = np.sign(errors) * np.sqrt(loss)
    return roots


def _bounded_slope(errors: NDArray[np.float64]) -> NDArray[np.float64]:
    roots = _bounded(errors)
    small = np.abs(errors) < 1e-4
    full = errors / np.sqrt(1 + (errors / OUTLIER) ** 2) / np.where(small, 1.0, roots)
    return np.where(small, 1.0, full)
