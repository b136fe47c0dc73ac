"""Device model with costs fitted to published latencies, read from the device's file; provenance `calibrated`.

A kernel takes the sum of launch, arithmetic and memory traffic, each a non-negative cost per kind of kernel times an
amount of work. Launch and traffic dominate small kernels, arithmetic large ones, so that the attained share of the
peak grows with a kernel's size.
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
"""Share of a typical network's time that may not scale with the clock: by the fitted costs, half of the published
networks spend at most 9 to 30 % on memory traffic, depending on the board, activation functions excluded."""

_PRODUCTS: Mapping[Kind, str] = {
    "dense": "dense",
    "pointwise": "pointwise",
    "depthwise": "depthwise",
    "grouped": "dense",
    "linear": "linear",
    "matmul": "matmul",
    "recurrent": "linear",
}
"""Kinds with MACs, and the arithmetic cost they are charged; grouped convolutions also get a depthwise share."""


def amounts(work: Work) -> dict[str, float]:
    """Amount of work by the name of its cost in `Costs`; a kernel's time is the sum of cost times amount.

    Units are launches, 10^9 multiply-accumulates and 10^6 elements; missing amounts are 0.
    """
    arithmetic = _PRODUCTS.get(work.kind)
    # Work fused into a product's kernel (a skip connection) is charged as the product's traffic.
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
    """The device model of fitted costs (a `DeviceModel`).

    Attributes:
        costs: at the operating point of the published latencies.
        interval: of a whole network.
        slowdown: time at the device's operating point / time at that of the published latencies.
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
    """The best model of a device without a table: fitted costs if they apply, else the datasheet.

    Fitted costs apply only to the precision, threads and batch they were fitted at.
    """
    fitted = device.calibrated
    if fitted is None:
        return Roofline(device)
    if not _applies(fitted, device):
        log.warning(
            "%s is calibrated only at %s, threads %d, batch %d; this prediction is an estimate from its datasheet",
            device.name,
            fitted.precision,
            fitted.threads,
            fitted.batch,
        )
        return Roofline(device)
    slowdown = device.slowdown_since(fitted.power_mode)
    factor = fitted.interval_factor * _clock_factor(slowdown)
    return Calibrated(fitted.costs, Interval(1 / factor, factor), slowdown)


def has_fitted_costs(device: Device) -> bool:
    """Whether its file has costs that were fitted at the device's precision, threads and batch."""
    return device.calibrated is not None and _applies(device.calibrated, device)


def _clock_factor(slowdown: float) -> float:
    """Error factor if a network's memory traffic does not scale with the clock."""
    ratio = 1 - MEMORY_SHARE + MEMORY_SHARE / slowdown
    return max(ratio, 1 / ratio)


def _applies(fitted: CalibratedModel, device: Device) -> bool:
    return (fitted.precision, fitted.threads, fitted.batch) == (
        device.precision,
        device.threads,
        device.batch,
    )
