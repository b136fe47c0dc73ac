"""Predicted latency of architectures: a calibrated sum over blocks, with an interval."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple, get_args, overload

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.device import Device, Provenance
from edgenas.device_models.fitted import model_of
from edgenas.device_models.work import block_work
from edgenas.errors import IncompleteTableError, InputError
from edgenas.latency.calibration import interval_factors
from edgenas.latency.interpolation import interpolator
from edgenas.latency.latency import Latency
from edgenas.latency.network_predictor import LayerLatency, NetworkPredictor
from edgenas.latency.profile_command import profile_command
from edgenas.latency.resolution_predictor import by_resolution
from edgenas.latency.size_interpolation import Between, between_sizes
from edgenas.latency.table import BlockEnergy, Calibration, Inference, LatencyTable, find_table, net_ms
from edgenas.space import Architecture, Block, NetworkSpace, SearchSpace
from edgenas.units import counted
from edgenas.vocabulary import Missing

log = logging.getLogger(__name__)

INTERPOLATED_SDS = 2.5
"""Standard deviations of interpolated blocks that a network's interval is widened by.

A normal distribution would need 1.645; `benchmarks/interpolation.py` finds that 90 % coverage needs 2.0 to 2.4.
"""


BORROWED_FACTOR = 1.1
"""Factor that widens both sides of the interval if the calibration is from another space."""


class BlockCost(NamedTuple):
    """A block's contribution to a network's latency, ms; the standard deviation is 0 unless it was interpolated."""

    latency_ms: float
    sd_ms: float = 0.0


class LatencyPredictor(NetworkPredictor):
    """Latency of the architectures of a space for one image size: a constant and a sum over choices.

    Made by `predictor_from_table`, `predictor_from_device` or `predictor_for`.

    Args:
        space: whose architectures are predicted.
        device: where they would run.
        block_cost: a block's contribution, calibration included.
        constant_ms: cost of every network in addition to its blocks.
        low_factor: low end of the interval as a multiple of the prediction.
        high_factor: high end, likewise.
        provenance: of the block costs; a network with an interpolated block is `calibrated` instead.
        from_table: whether the costs come from a table; `table_checksum` then identifies them.
        energies: of blocks, by key.
    """

    def __init__(
        self,
        space: SearchSpace,
        device: Device,
        block_cost: Callable[[Block], BlockCost],
        constant_ms: float,
        low_factor: float,
        high_factor: float,
        provenance: Provenance,
        from_table: bool = False,
        energies: Mapping[str, BlockEnergy] | None = None,
    ) -> None:
        self._space = space
        self.device = device
        self.energies = energies or {}
        self._costs = {block: block_cost(block) for block in space.distinct_blocks}
        self._factors = (low_factor, high_factor)
        self._provenance = provenance
        self._from_table = from_table
        self.constant_ms = constant_ms
        """Cost of every network in addition to its blocks."""
        self.fixed_ms = constant_ms + sum(self._costs[block].latency_ms for block in space.fixed_blocks)
        """Cost that does not depend on any choice: the constant and the fixed blocks."""
        self.choice_ms = tuple(
            np.array([self._costs[block].latency_ms if block else 0.0 for block in options])
            for options in space.candidates
        )
        """For each variable the contributions of its choices, shape (choices,)."""

    @property
    @override
    def space(self) -> SearchSpace:
        return self._space

    @property
    @override
    def interpolated(self) -> tuple[str, ...]:
        return tuple(block.key for block, cost in self._costs.items() if cost.sd_ms)

    @property
    @override
    def provenance(self) -> Provenance:
        return Provenance.CALIBRATED if self.interpolated else self._provenance

    @property
    @override
    def table_checksum(self) -> str | None:
        if not self._from_table:
            return None
        # An interpolated cost depends on all other entries of the table.
        costs = {block.key: None if cost.sd_ms else cost.latency_ms for block, cost in self._costs.items()}
        content = json.dumps([costs, self.constant_ms, self._factors], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @override
    def predict(self, architecture: Architecture) -> Latency:
        value = float(self.predict_encoded(self.space.encode(architecture)[None])[0])
        low, high = self._factors
        sd_ms = sum(self._costs[block].sd_ms for block in self.space.blocks(architecture))
        margin = INTERPOLATED_SDS * sd_ms
        return Latency(
            predicted=value,
            low=max(value * low - margin, 0.0),
            high=value * high + margin,
            provenance=Provenance.CALIBRATED if sd_ms else self._provenance,
        )

    @override
    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        total = np.full(len(vectors), self.fixed_ms)
        for costs, column in zip(self.choice_ms, vectors.T, strict=True):
            total += costs[column]
        return total

    @override
    def most_saved_ms(self, other: NetworkPredictor) -> float:
        assert isinstance(other, LatencyPredictor)
        choices = zip(self.choice_ms, other.choice_ms, strict=True)
        return other.fixed_ms - self.fixed_ms + sum(float((theirs - ours).max()) for ours, theirs in choices)

    @override
    def layers(self, architecture: Architecture) -> list[LayerLatency]:
        rows = ((block, self._costs[block]) for block in self.space.blocks(architecture))
        return [LayerLatency(block.key, cost.latency_ms, cost.sd_ms > 0) for block, cost in rows]

    @override
    def constant_of(self, architecture: Architecture) -> float:
        return self.constant_ms

    @override
    def fastest(self) -> Architecture:
        """The architecture of least latency: the cheapest choice of each variable."""
        return self.space.decode([int(costs.argmin()) for costs in self.choice_ms])

    @override
    def slowest(self) -> Architecture:
        """The architecture of greatest latency."""
        return self.space.decode([int(costs.argmax()) for costs in self.choice_ms])


def predictor_from_device(space: SearchSpace, device: Device) -> LatencyPredictor:
    """Predict with the device's model: `calibrated` if its file has fitted costs, else `estimated`."""
    model = model_of(device)
    return LatencyPredictor(
        space,
        device,
        block_cost=lambda block: BlockCost(sum(map(model.work_ms, block_work(block, device.batch)))),
        constant_ms=0.0,
        low_factor=model.interval.low,
        high_factor=model.interval.high,
        provenance=model.provenance,
    )


def predictor_from_table(
    space: SearchSpace,
    device: Device,
    table: LatencyTable,
    missing: Missing = "refuse",
    asked: NetworkSpace | None = None,
) -> LatencyPredictor:
    """Predict from a measured table, or from block costs inferred from a few measured networks.

    A space whose image size lies between sizes that were profiled is predicted from these (see `size_interpolation`).

    Args:
        space: whose architectures are predicted.
        device: the table's device.
        table: the measurements.
        missing: what to do about blocks, or a calibration, that the table lacks: refuse, or interpolate blocks
            between those it has and use the calibration of the most similar space.
        asked: the space to profile if the table cannot be used; by default the space itself.

    Raises:
        IncompleteTableError: blocks or the calibration of the space are missing, and `missing` is `refuse` or the
            table has too few blocks to interpolate.
    """
    if missing not in get_args(Missing):
        raise InputError(f"unknown missing {missing!r}", f"use one of {', '.join(get_args(Missing))}")
    lacking = [block.key for block in space.distinct_blocks if block.key not in table.entries]
    calibration = table.calibrations.get(space.signature)
    inference = table.inferences.get(space.signature)
    if inference and (lacking or calibration is None):
        return _predictor_from_inference(space, device, inference)
    if (lacking or calibration is None) and (between := between_sizes(space, table)) is not None:
        return _predictor_between_sizes(space, device, between)
    if (missing == "refuse" or not table.calibrations) and (lacking or calibration is None):
        lacks = (
            f"{counted(len(lacking), 'blocks')}, such as {lacking[0]}"
            if lacking
            else "a calibration for this space"
        )
        few = " --samples 10" if table.inferences and not table.calibrations else ""
        hint = f"add them: {profile_command(asked or space, device)}{few}"
        raise IncompleteTableError(
            f"the latency table of {device.name} ({device.table_name}) lacks {lacks}",
            f"{hint}; or use --missing interpolate" if table.calibrations else hint,
        )
    own = calibration is not None
    calibration = calibration or _borrowed_calibration(space, table)
    low_factor, high_factor = interval_factors(calibration.residuals)
    return LatencyPredictor(
        space,
        device,
        block_cost=_costs_from_table(device, table, calibration),
        constant_ms=calibration.intercept_ms,
        low_factor=low_factor if own else low_factor / BORROWED_FACTOR,
        high_factor=high_factor if own else high_factor * BORROWED_FACTOR,
        # With another space's calibration it is a fitted model, not a measurement.
        provenance=Provenance.MEASURED if own else Provenance.CALIBRATED,
        from_table=True,
        energies=table.energies,
    )


def _predictor_from_inference(space: SearchSpace, device: Device, inference: Inference) -> LatencyPredictor:
    return LatencyPredictor(
        space,
        device,
        block_cost=lambda block: BlockCost(inference.block_ms[block.key]),
        constant_ms=inference.calibration.intercept_ms,
        low_factor=inference.low_factor,
        high_factor=inference.high_factor,
        provenance=Provenance.CALIBRATED,
        from_table=True,
    )


def _predictor_between_sizes(space: SearchSpace, device: Device, between: Between) -> LatencyPredictor:
    return LatencyPredictor(
        space,
        device,
        block_cost=lambda block: BlockCost(
            between.block_ms[block], between.relative_sd * abs(between.block_ms[block])
        ),
        constant_ms=between.constant_ms,
        low_factor=between.low_factor,
        high_factor=between.high_factor,
        provenance=Provenance.CALIBRATED,
        from_table=True,
    )


def _costs_from_table(
    device: Device, table: LatencyTable, calibration: Calibration
) -> Callable[[Block], BlockCost]:
    net = {key: net_ms(entry, calibration.overhead_ms) for key, entry in table.entries.items()}
    learn = cache(lambda: interpolator(net, device))  # fitted only if a block is missing

    def cost(block: Block) -> BlockCost:
        if block.key in net:
            correction_ms = calibration.corrections_ms.get(block.key, 0.0)
            return BlockCost(calibration.slope * net[block.key] + correction_ms)
        found = learn()(block)
        value = calibration.slope * found.net_ms
        return BlockCost(value, value * found.relative_sd)

    return cost


def _borrowed_calibration(space: SearchSpace, table: LatencyTable) -> Calibration:
    """The calibration whose networks share most blocks with the space.

    The intercept depends on the size of the networks it was fitted on. If they share less than half of the space's
    blocks, it is replaced by the overhead of a call.
    """
    keys = {block.key for block in space.distinct_blocks}
    nearest = max(table.calibrations.values(), key=lambda each: len(keys & each.corrections_ms.keys()))
    alike = 2 * len(keys & nearest.corrections_ms.keys()) >= len(keys)
    return nearest if alike else nearest.model_copy(update={"intercept_ms": nearest.overhead_ms})


@overload
def predictor_for(space: SearchSpace, device: Device, missing: Missing = "refuse") -> LatencyPredictor: ...


@overload
def predictor_for(space: NetworkSpace, device: Device, missing: Missing = "refuse") -> NetworkPredictor: ...


def predictor_for(space: NetworkSpace, device: Device, missing: Missing = "refuse") -> NetworkPredictor:
    """The best available predictor: from the device's table, or from the device's model if it has none.

    Raises:
        FileFormatError, IncompleteTableError: the device's table cannot be used.
    """
    found = find_table(device)
    if found is not None:
        table = found[1]
        return by_resolution(space, lambda each: predictor_from_table(each, device, table, missing, space))
    predictor = by_resolution(space, lambda each: predictor_from_device(each, device))
    if device.is_host:
        command = profile_command(space, device)
        log.warning("no latency table %s: %s; %s", device.table_name, predictor.provenance, command)
    return predictor
