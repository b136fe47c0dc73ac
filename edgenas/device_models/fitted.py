"""The device model of a device whose file carries costs fitted to published latencies; provenance `calibrated`.

A kernel takes the sum of three times: its launch, its arithmetic and its memory traffic. Each is a cost by kind of
kernel times an amount of work, and no cost is negative. Small kernels are launch and traffic, large ones arithmetic,
so that the share of the peak that a kernel reaches grows with its size.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from edgenas.device.device import CalibratedModel, Costs, Device, Provenance
from edgenas.device_models.roofline import Roofline
from edgenas.device_models.work import DeviceModel, Interval, Kind, Work

log = logging.getLogger(__name__)

MILLION = 1e6
GIGA = 1e9

MEMORY_SHARE = 0.3
"""Share of a typical network's time that may not follow the clock: by the fitted costs, half of the published networks
spend at most 9 to 30 % on memory traffic, by board, activation functions aside."""

_PRODUCTS: Mapping[Kind, str] = {
    "dense": "dense",
    "pointwise": "pointwise",
    "depthwise": "depthwise",
    "grouped": "dense",
    "linear": "linear",
    "matmul": "matmul",
}
"""What multiplies, and whose arithmetic it is charged; a grouped convolution bears some of the depthwise cost too."""


def amounts(work: Work) -> dict[str, float]:
    """How much a kernel has of what each of `Costs` charges for; the time is the sum of cost times amount.

    Amounts are launches, 10^9 multiply-accumulates and 10^6 numbers; what is missing is 0.
    """
    arithmetic = _PRODUCTS.get(work.kind)
    # What runs inside a product's kernel (a skip connection) is charged as the product's own traffic.
    place = "product" if arithmetic or not work.launches else "copy" if work.kind == "copy" else "other"
    found = {
        f"launch_{place}": float(work.launches),
        f"traffic_{place}": work.features / MILLION,
        "traffic_weights": work.weights / MILLION,
        "traffic_functions": work.functions / MILLION,
    }
    if arithmetic:
        found[f"macs_{arithmetic}"] = work.macs / GIGA
    if work.kind == "grouped":
        found["macs_depthwise"] = work.macs / GIGA / work.reuse
    return found


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The device model that fitted costs give (a `DeviceModel`).

    Attributes:
        costs: at the operating point of the figures.
        interval: of a whole network.
        slowdown: time at the device's operating point over time at that of the figures.
    """

    costs: Costs
    interval: Interval
    slowdown: float = 1.0

    provenance = Provenance.CALIBRATED

    def work_ms(self, work: Work) -> float:
        """Milliseconds of one kernel."""
        costs = self.costs.model_dump()
        total_ms: float = sum(costs[name] * amount for name, amount in amounts(work).items())
        return self.slowdown * total_ms


def model_of(device: Device) -> DeviceModel:
    """The best model of a device without a table: fitted costs where its file has them for what is asked.

    That is their own precision, threads and batch: elsewhere nothing was published, and the datasheet alone is left.
    """
    fitted = device.calibrated
    if fitted is None:
        return Roofline(device)
    if not _applies(fitted, device):
        log.warning(
            "%s is calibrated at %s, threads %d, batch %d alone: for anything else its datasheet is all there is",
            device.name,
            fitted.precision,
            fitted.threads,
            fitted.batch,
        )
        return Roofline(device)
    slowdown = device.slowdown_since(fitted.power_mode)
    factor = fitted.interval_factor * _clock_factor(slowdown)
    return Calibrated(fitted.costs, Interval(1 / factor, factor), slowdown)


def _clock_factor(slowdown: float) -> float:
    """How many times longer or shorter a network may take where its memory traffic does not follow the clock."""
    ratio = 1 - MEMORY_SHARE + MEMORY_SHARE / slowdown
    return max(ratio, 1 / ratio)


def _applies(fitted: CalibratedModel, device: Device) -> bool:
    return (fitted.precision, fitted.threads, fitted.batch) == (
        device.precision,
        device.threads,
        device.batch,
    )
