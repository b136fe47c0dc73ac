"""What the devices that are known tell of the blocks of one that is not, once a few networks were timed on it."""

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
from edgenas.transfer.block_features import BlockViews
from edgenas.transfer.cell_features import Views, rows_of
from edgenas.transfer.sample_selection import CANDIDATES, informative_samples

log = logging.getLogger(__name__)

DRIFT = 0.02
"""Standard deviation of a machine's pace from one session to the next: a virtual one moved by 1 to 3 % in minutes."""

STAYS = INTERVAL_SDS * DRIFT
"""Half the interval of a device that is known to the last block, as a share of a prediction."""

MIN_SAMPLES, MAX_SAMPLES = 3, 100
"""With more, every block is soon timed as well."""

TELL = 8
"""Samples that are too few to say that no number of further ones would halve the interval."""

MORE = (1, 2, 5, 10, 20, 50)
"""Numbers of further networks that are tried in thought."""

FUTURES, TYPICAL = 25, 100
"""How often each is, and on how many networks the interval is looked at then."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A network and what it took; `uncertainty` is how far that may be off for a restless machine, as a share."""

    network: Architecture
    measured_ms: float
    uncertainty: float = 0.0


@dataclass(frozen=True, slots=True)
class Inferred:
    """What blocks cost, and how well that is known.

    `halving` is how many more networks should halve the interval; None where none of those tried do.
    """

    inference: Inference
    halving: int | None

    @property
    def half_width(self) -> float:
        """Half the 90 % interval, as a share of a prediction."""
        return self.inference.high_factor - 1

    @property
    def outlook(self) -> str:
        """What more networks would do to the interval, and what to do about it; for people."""
        samples = len(self.inference.calibration.references)
        if self.halving is not None:
            return f"about {self.halving} more should halve the interval: --samples {samples + self.halving}"
        hardly = "more will hardly halve the interval"
        if self.half_width < 2 * STAYS:
            return f"{hardly}: the machine's own drift alone is {STAYS:.1%}"
        if samples < TELL:
            return f"{samples} networks are too few to tell how many more would halve the interval: try --samples 10"
        return (
            f"{hardly}: what a timing is off and no sum over blocks can tell ({self.inference.noise:.1%}) stays, "
            "and so does the machine's own drift; leave out --samples to time every block"
        )


class KnownDevices:
    """All devices but one, as they divide a network's time between its blocks.

    Args:
        space: whose networks and blocks.
        target: the device that is not known; its own table and model count for nothing here.

    Raises:
        FileFormatError: a device file is wrong.
    """

    def __init__(self, space: SearchSpace, target: Device) -> None:
        self._space = space
        self._views = BlockViews(space, target.batch)
        networks = self._views.average
        latencies_ms = known_latencies(space, target, networks)
        self._names = tuple(latencies_ms)
        self._average = self._views.of_networks(networks)
        self._hypotheses = hypotheses_from_devices(
            self._average, np.array([*latencies_ms.values()]).reshape(-1, len(networks)).T
        )

    def telling_networks(self, count: int, known: Sequence[Architecture], seed: int) -> list[Architecture]:
        """Networks that tell most beside the `known` ones; fewer than `count` where the space has fewer.

        Args:
            count: how many.
            known: timed already, or about to be.
            seed: draws those that are chosen from.
        """
        drawn = random_networks(self._space, max(CANDIDATES, 10 * count), seed, known)
        views = self._views.of_networks([*known, *drawn])
        rows = informative_samples(self._hypotheses, views, min(count, len(drawn)), range(len(known)))
        return [drawn[row - len(known)] for row in rows]

    def infer(self, samples: Sequence[Sample], sentinel_ms: float) -> Inferred:
        """What every block of the space costs on the target.

        Args:
            samples: what was timed there, at least two networks.
            sentinel_ms: what the sentinel took meanwhile.
        """
        device = self._after(samples)
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
            views=dict(device.view_weights),
            known_devices=self._names,
        )
        return Inferred(inference, self._halving(samples, device))

    def _halving(self, samples: Sequence[Sample], device: FewSamples) -> int | None:
        """How many more samples halve the interval in half of the futures that the present ones leave open."""
        typical = rows_of(self._average, np.arange(TYPICAL))
        goal = _half_width(device, typical) / 2
        if goal < STAYS:
            return None
        telling = self.telling_networks(MORE[-1], [each.network for each in samples], 0)
        tried = [more for more in MORE if more <= min(len(telling), MAX_SAMPLES - len(samples))]
        rng = np.random.default_rng(0)

        def halves(more: int) -> bool:
            networks = telling[:more]
            drawn = (device.draw(self._views.of_networks(networks), rng) for _ in range(FUTURES))
            later = (
                self._after([*samples, *map(Sample, networks, future_ms.tolist())]) for future_ms in drawn
            )
            return bool(np.median([_half_width(each, typical) for each in later]) <= goal)

        least = bisect_left(tried, True, key=halves)
        return tried[least] if least < len(tried) else None

    def _after(self, samples: Sequence[Sample]) -> FewSamples:
        return FewSamples(
            self._hypotheses,
            self._views.of_networks([each.network for each in samples]),
            np.array([each.measured_ms for each in samples]),
            np.array([each.uncertainty for each in samples]),
        )

    def _costs(self, device: FewSamples) -> tuple[dict[str, float], float]:
        """Milliseconds of each block, by key, and the intercept.

        A block that would cost less than nothing costs nothing; what an average network loses so goes to the intercept.
        """
        found = device.costs_ms(self._views.of_blocks)
        costs = np.maximum(found, 0.0)
        share = self._views.counts(self._views.average).mean(axis=0)
        intercept_ms = float(device.costs_ms(self._views.of_nothing)[0] + share @ (found - costs))
        keys = (block.key for block in self._space.distinct_blocks)
        return dict(zip(keys, costs.tolist(), strict=True)), intercept_ms

    def _residuals(self, samples: Sequence[Sample]) -> tuple[float, ...]:
        """(predicted - measured) / measured of each sample, predicted from the others."""
        residuals = []
        for sample in samples:
            device = self._after([each for each in samples if each is not sample])
            predicted = device.predict(self._views.of_networks([sample.network]))
            residuals.append(float(predicted.latency_ms[0]) / sample.measured_ms - 1)
        return tuple(residuals)


def _half_width(device: FewSamples, networks: Views) -> float:
    """Half the interval as a share of a prediction, in another session than this: one width that holds 90 % of all."""
    predicted = device.predict(networks)
    widths = np.hypot(predicted.high_ms / predicted.latency_ms - 1, STAYS)
    return float(np.sqrt(np.square(widths).mean()))


def known_latencies(
    space: SearchSpace, target: Device, networks: Sequence[Architecture]
) -> Mapping[str, NDArray[np.float64]]:
    """Milliseconds of networks, shape (n,), on every device but the target, by its name.

    Raises:
        FileFormatError: a device file is wrong.
    """
    vectors = np.array([space.encode(network) for network in networks])
    others = [device for device in all_devices() if device.name != target.name]
    return {each.name: _predictor(space, each, target.batch).predict_encoded(vectors) for each in others}


def _predictor(space: SearchSpace, device: Device, batch: int) -> LatencyPredictor:
    measured = _from_measurements(space, device) if device.batch == batch else None
    return measured or predictor_from_device(space, device.model_copy(update={"batch": batch}))


def _from_measurements(space: SearchSpace, device: Device) -> LatencyPredictor | None:
    """None where the device was not measured on this space, or its table cannot be used."""
    try:
        found = find_table(device)
        measured = found is not None and space.signature in found[1].calibrations
        return predictor_from_table(space, device, found[1]) if found and measured else None
    except EdgenasError as error:
        log.warning("the table of %s is not used: %s", device.name, error)
        return None
