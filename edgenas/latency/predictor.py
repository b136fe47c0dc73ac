"""Predicted latency of architectures: a calibrated sum over blocks, with an interval."""

import hashlib
import json
import logging
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from edgenas.device import CPU, Device, Provenance
from edgenas.device_models.fitted import model_of
from edgenas.device_models.work import block_work
from edgenas.errors import IncompleteTableError, InputError
from edgenas.latency.calibration import interval_factors
from edgenas.latency.interpolation import interpolator
from edgenas.latency.latency import Latency
from edgenas.latency.table import Calibration, Inference, LatencyTable, find_table, net_ms
from edgenas.space import Architecture, Block, SearchSpace, mbconv, nasbench_macro
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


@dataclass(frozen=True, slots=True)
class LayerLatency:
    """One block's contribution to a network's latency; `block` is its key, `interpolated` says it was not timed."""

    block: str
    latency_ms: float
    interpolated: bool = False


class LatencyPredictor:
    """Latency of one space's architectures on one device. Immutable; safe to share between threads.

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
    ) -> None:
        self.space = space
        self.device = device
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
    def name(self) -> str:
        """The device's name."""
        return self.device.name

    @property
    def interpolated(self) -> tuple[str, ...]:
        """Keys of the space's blocks that were interpolated."""
        return tuple(block.key for block, cost in self._costs.items() if cost.sd_ms)

    @property
    def provenance(self) -> Provenance:
        """The weakest provenance of all the space's networks."""
        return Provenance.CALIBRATED if self.interpolated else self._provenance

    @property
    def table_checksum(self) -> str | None:
        """Checksum of all values that this space's predictions depend on; None for a predictor without a table.

        It does not change when blocks of another space are added to the table.
        """
        if not self._from_table:
            return None
        # An interpolated cost depends on all other entries of the table.
        costs = {block.key: None if cost.sd_ms else cost.latency_ms for block, cost in self._costs.items()}
        content = json.dumps([costs, self.constant_ms, self._factors], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def predict(self, architecture: Architecture) -> Latency:
        """Latency of one architecture."""
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

    def text(self, architecture: Architecture) -> str:
        """Latency of one architecture for people; see `Latency.text`."""
        return self.predict(architecture).text

    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """Milliseconds of canonical integer encodings, shape (n, variables) to (n,)."""
        total = np.full(len(vectors), self.fixed_ms)
        for costs, column in zip(self.choice_ms, vectors.T, strict=True):
            total += costs[column]
        return total

    def layers(self, architecture: Architecture) -> list[LayerLatency]:
        """Contribution of each block, in order; with `constant_ms` they sum to the prediction."""
        rows = ((block, self._costs[block]) for block in self.space.blocks(architecture))
        return [LayerLatency(block.key, cost.latency_ms, cost.sd_ms > 0) for block, cost in rows]

    def fastest(self) -> Architecture:
        """The architecture of least latency: the cheapest choice of each variable."""
        return self.space.decode([int(costs.argmin()) for costs in self.choice_ms])

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
    space: SearchSpace, device: Device, table: LatencyTable, missing: Missing = "refuse"
) -> LatencyPredictor:
    """Predict from a measured table, or from block costs inferred from a few measured networks.

    Args:
        space: whose architectures are predicted.
        device: the table's device.
        table: the measurements.
        missing: what to do about blocks, or a calibration, that the table lacks: refuse, or interpolate blocks
            between those it has and use the calibration of the most similar space.

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
    if (missing == "refuse" or not table.calibrations) and (lacking or calibration is None):
        lacks = f"{len(lacking)} blocks, such as {lacking[0]}" if lacking else "a calibration for this space"
        few = " --samples 10" if table.inferences and not table.calibrations else ""
        hint = f"add them: {profile_command(space, device)}{few}"
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


def predictor_for(space: SearchSpace, device: Device, missing: Missing = "refuse") -> LatencyPredictor:
    """The best available predictor: from the device's table, or from the device's model if it has none.

    Raises:
        FileFormatError, IncompleteTableError: the device's table cannot be used.
    """
    found = find_table(device)
    if found is None:
        predictor = predictor_from_device(space, device)
        if device.is_host:
            command = profile_command(space, device)
            log.warning("no latency table %s: %s; %s", device.table_name, predictor.provenance, command)
        return predictor
    return predictor_from_table(space, device, found[1], missing)


def profile_command(space: SearchSpace, device: Device) -> str:
    """The command line that profiles this space on this device."""
    _, resolution, _ = space.input_shape
    words = [f"edgenas profile --device {device.name}"]
    if space.name != "mbconv":
        words.append(f"--space {space.name}")
    words.append(f"--resolution {resolution} --classes {space.classes}")
    words.append(operating_point(device))
    if not _is_preset(space):
        words.append("with the search's own --width, --squeeze-excite and --activation")
    return " ".join(words)


def operating_point(device: Device) -> str:
    """The command-line options that select the device's table."""
    words = [f"--threads {device.threads}"] if device.provider == CPU else []
    words.append(f"--precision {device.precision} --batch {device.batch}")
    if device.power_modes:
        words.append(f"--power-mode {shlex.quote(device.power_mode)}")
    return " ".join(words)


def _is_preset(space: SearchSpace) -> bool:
    """Whether the space is fully determined by resolution and classes; those of other packages are."""
    presets: dict[str, Callable[[int, int], SearchSpace]] = {
        "mbconv": mbconv,
        "nasbench-macro": nasbench_macro,
    }
    if space.name not in presets:
        return True
    try:
        return space.config() == presets[space.name](space.input_shape[1], space.classes).config()
    except InputError:  # a size without a preset
        return False
