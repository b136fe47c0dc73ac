"""Inferring a device's block latencies from a few timed networks, with known devices as the prior."""

import logging
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgenas.device import Device, all_devices
from edgenas.errors import EdgenasError
from edgenas.latency.calibration import MIN_SHARE
from edgenas.latency.calibration_networks import random_networks
from edgenas.latency.predictor import LatencyPredictor, predictor_from_device, predictor_from_table
from edgenas.latency.table import Calibration, Inference, Reference, find_table
from edgenas.space import Architecture, SearchSpace
from edgenas.transfer.bayesian_regression import INTERVAL_SDS, FewSamples, hypotheses_from_devices
from edgenas.transfer.block_features import BlockFeatures
from edgenas.transfer.cell_features import FeatureSets, rows_of
from edgenas.transfer.sample_selection import CANDIDATES, informative_samples

log = logging.getLogger(__name__)

DRIFT = 0.02
"""Relative standard deviation of a machine's speed between sessions: a virtual one drifted by 1 to 3 % in minutes."""

DRIFT_HALF_WIDTH = INTERVAL_SDS * DRIFT
"""Smallest possible half-width of the interval, relative: drift remains even if all costs are known."""

MIN_SAMPLES, MAX_SAMPLES = 3, 100
"""With more samples, timing every block is hardly slower."""

MIN_FOR_FORECAST = 8
"""Fewest samples that justify the claim that no further ones would halve the interval."""

FURTHER_SAMPLES = (1, 2, 5, 10, 20, 50)
"""Numbers of further networks whose effect on the interval is simulated."""

SIMULATIONS, PROBE_NETWORKS = 25, 100
"""Simulations of each, and networks on which the resulting interval is evaluated."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A timed network; `uncertainty` is the relative standard deviation of the timing, due to machine noise."""

    network: Architecture
    measured_ms: float
    uncertainty: float = 0.0


@dataclass(frozen=True, slots=True)
class Inferred:
    """Inferred block costs and their uncertainty.

    `halving` is how many more networks should halve the interval; None if none of the simulated numbers does.
    """

    inference: Inference
    halving: int | None

    @property
    def half_width(self) -> float:
        """Half the 90 % interval, as a share of a prediction."""
        return self.inference.high_factor - 1

    @property
    def outlook(self) -> str:
        """How more networks would change the interval, and what to do; for people."""
        samples = len(self.inference.calibration.references)
        if self.halving is not None:
            return f"about {self.halving} more should halve the interval: --samples {samples + self.halving}"
        hardly = "more samples are unlikely to halve the interval"
        if self.half_width < 2 * DRIFT_HALF_WIDTH:
            return f"{hardly}: the machine's speed drift alone is {DRIFT_HALF_WIDTH:.1%}"
        if samples < MIN_FOR_FORECAST:
            return f"{samples} networks are too few to predict how many more would halve the interval: try --samples 10"
        return (
            f"{hardly}: timing noise ({self.inference.noise:.1%}) and the machine's speed drift remain; "
            "leave out --samples to time every block"
        )


class KnownDevices:
    """All devices except the target, as a prior over how latency is distributed over blocks.

    Args:
        space: whose blocks are inferred.
        target: the new device; its own table and device model are not used.

    Raises:
        FileFormatError: a device file is wrong.
    """

    def __init__(self, space: SearchSpace, target: Device) -> None:
        self._space = space
        self._block_features = BlockFeatures(space, target.batch)
        networks = self._block_features.average
        latencies_ms = known_latencies(space, target, networks)
        self._names = tuple(latencies_ms)
        self._average = self._block_features.of_networks(networks)
        self._hypotheses = hypotheses_from_devices(
            self._average, np.array([*latencies_ms.values()]).reshape(-1, len(networks)).T
        )

    def informative_networks(
        self, count: int, known: Sequence[Architecture], seed: int
    ) -> list[Architecture]:
        """The most informative networks to time beside the `known` ones; fewer than `count` if the space has fewer.

        Args:
            count: how many.
            known: timed already, or about to be.
            seed: draws the candidates.
        """
        drawn = random_networks(self._space, max(CANDIDATES, 10 * count), seed, known)
        feature_sets = self._block_features.of_networks([*known, *drawn])
        rows = informative_samples(self._hypotheses, feature_sets, min(count, len(drawn)), range(len(known)))
        return [drawn[row - len(known)] for row in rows]

    def infer(self, samples: Sequence[Sample], sentinel_ms: float) -> Inferred:
        """Infer the cost of every block of the space on the target, for grey and for RGB images.

        Args:
            samples: timed on the target, at least two networks.
            sentinel_ms: the sentinel's time in the same session.
        """
        device = self._posterior_of(samples)
        half = _half_width(device, self._average)
        block_ms, intercept_ms = self._costs(device)
        inference = Inference(
            block_ms=block_ms,
            calibration=Calibration(
                slope=1.0,
                intercept_ms=intercept_ms,
                overhead_ms=0.0,
                residuals=self._residuals(samples),
                networks=tuple(each.network.id for each in samples),
                references=tuple(
                    Reference(choices=each.network.choices, measured_ms=each.measured_ms) for each in samples
                ),
            ),
            uncertainties=tuple(each.uncertainty for each in samples),
            sentinel_ms=sentinel_ms,
            low_factor=max(1 - half, MIN_SHARE),
            high_factor=1 + half,
            noise=device.noise,
            views=dict(device.feature_set_weights),
            known_devices=self._names,
        )
        return Inferred(inference, self._halving(samples, device))

    def _halving(self, samples: Sequence[Sample], device: FewSamples) -> int | None:
        """How many more samples halve the interval in at least half of the simulations from the posterior."""
        typical = rows_of(self._average, np.arange(PROBE_NETWORKS))
        goal = _half_width(device, typical) / 2
        if goal < DRIFT_HALF_WIDTH:
            return None
        candidates = self.informative_networks(FURTHER_SAMPLES[-1], [each.network for each in samples], 0)
        tried = [more for more in FURTHER_SAMPLES if more <= min(len(candidates), MAX_SAMPLES - len(samples))]
        rng = np.random.default_rng(0)

        def halves(more: int) -> bool:
            networks = candidates[:more]
            drawn = (device.draw(self._block_features.of_networks(networks), rng) for _ in range(SIMULATIONS))
            later = (
                self._posterior_of([*samples, *map(Sample, networks, future_ms.tolist())])
                for future_ms in drawn
            )
            return bool(np.median([_half_width(each, typical) for each in later]) <= goal)

        least = bisect_left(tried, True, key=halves)
        return tried[least] if least < len(tried) else None

    def _posterior_of(self, samples: Sequence[Sample]) -> FewSamples:
        return FewSamples(
            self._hypotheses,
            self._block_features.of_networks([each.network for each in samples]),
            np.array([each.measured_ms for each in samples]),
            np.array([each.uncertainty for each in samples]),
        )

    def _costs(self, device: FewSamples) -> tuple[dict[str, float], float]:
        """Milliseconds of each block, by key, and the intercept.

        Negative costs are clipped to 0; the intercept absorbs the change for an average network.
        """
        found = device.costs_ms(self._block_features.of_blocks)
        costs = np.maximum(found, 0.0)
        share = self._block_features.counts(self._block_features.average).mean(axis=0)
        intercept_ms = float(device.costs_ms(self._block_features.of_nothing)[0] + share @ (found - costs))
        keys = (block.key for block in self._space.blocks_of_any_channels)
        return dict(zip(keys, costs.tolist(), strict=True)), intercept_ms

    def _residuals(self, samples: Sequence[Sample]) -> tuple[float, ...]:
        """Leave-one-out residuals of the samples: (predicted - measured) / measured."""
        residuals = []
        for sample in samples:
            device = self._posterior_of([each for each in samples if each is not sample])
            predicted = device.predict(self._block_features.of_networks([sample.network]))
            residuals.append(float(predicted.latency_ms[0]) / sample.measured_ms - 1)
        return tuple(residuals)


def _half_width(device: FewSamples, networks: FeatureSets) -> float:
    """Relative half-width of the 90 % interval in another session, one for all networks: the root mean square."""
    predicted = device.predict(networks)
    widths = np.hypot(predicted.high_ms / predicted.latency_ms - 1, DRIFT_HALF_WIDTH)
    return float(np.sqrt(np.square(widths).mean()))


def known_latencies(
    space: SearchSpace, target: Device, networks: Sequence[Architecture]
) -> Mapping[str, NDArray[np.float64]]:
    """Latencies of networks, ms, shape (n,), on every device except the target, by device name."""
    vectors = np.array([space.encode(network) for network in networks])
    others = [device for device in all_devices() if device.name != target.name]
    return {each.name: _predictor(space, each, target.batch).predict_encoded(vectors) for each in others}


def _predictor(space: SearchSpace, device: Device, batch: int) -> LatencyPredictor:
    measured = _from_measurements(space, device) if device.batch == batch else None
    return measured or predictor_from_device(space, device.model_copy(update={"batch": batch}))


def _from_measurements(space: SearchSpace, device: Device) -> LatencyPredictor | None:
    """None if the device was not measured on this space, or its table cannot be used."""
    try:
        found = find_table(device)
        measured = found is not None and space.signature in found[1].calibrations
        return predictor_from_table(space, device, found[1]) if found and measured else None
    except EdgenasError as error:
        log.warning("the table of %s is not used: %s", device.name, error)
        return None
