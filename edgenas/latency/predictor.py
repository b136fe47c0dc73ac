"""Predicted latency of architectures: a sum over blocks, a line, an interval."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgenas.device import Device, Provenance
from edgenas.errors import IncompleteTableError
from edgenas.latency.calibration import interval_factors
from edgenas.latency.estimate import INTERVAL_FACTOR, estimate_block_ms
from edgenas.latency.table import LatencyTable, find_table
from edgenas.space import Architecture, Block, SearchSpace, mbconv
from edgenas.units import format_milliseconds


@dataclass(frozen=True, slots=True)
class Latency:
    """A predicted latency with its interval and where it comes from."""

    predicted_ms: float
    low_ms: float
    high_ms: float
    provenance: Provenance

    @property
    def text(self) -> str:
        """For people, such as `0.27 ms (0.13 to 0.54 ms, estimated)`."""
        interval = f"{self.low_ms:.3g} to {self.high_ms:.3g} ms"
        return f"{format_milliseconds(self.predicted_ms)} ({interval}, {self.provenance})"


@dataclass(frozen=True, slots=True)
class LayerLatency:
    """What one block adds to a network's latency; `block` is its key."""

    block: str
    latency_ms: float


class LatencyPredictor:
    """Latency of one space's architectures on one device. Immutable; safe to share between threads.

    Made by `predictor_from_table`, `predictor_from_device` or `predictor_for`.

    Args:
        space: whose architectures are predicted.
        device: where they would run.
        block_ms: milliseconds a block adds, calibration included.
        constant_ms: what every network costs beside its blocks.
        low_factor: low end of the interval as a multiple of the prediction.
        high_factor: high end of it.
        provenance: where the figures come from.
        table_checksum: of the entries and the calibration of a measured table that it uses; None without a table.
    """

    def __init__(
        self,
        space: SearchSpace,
        device: Device,
        block_ms: Callable[[Block], float],
        constant_ms: float,
        low_factor: float,
        high_factor: float,
        provenance: Provenance,
        table_checksum: str | None = None,
    ) -> None:
        self.space = space
        self.device = device
        self.provenance = provenance
        self.table_checksum = table_checksum
        self._block_ms = block_ms
        self._factors = (low_factor, high_factor)
        self._constant_ms = constant_ms
        self._fixed_ms = constant_ms + sum(map(block_ms, space.fixed_blocks))
        self._choice_ms = tuple(
            np.array([block_ms(block) if block else 0.0 for block in options]) for options in space.candidates
        )

    def predict(self, architecture: Architecture) -> Latency:
        """Latency of one architecture."""
        value = float(self.predict_encoded(self.space.encode(architecture)[None])[0])
        low, high = self._factors
        return Latency(value, value * low, value * high, self.provenance)

    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """Milliseconds of canonical integer encodings, shape (n, variables) to (n,)."""
        total = np.full(len(vectors), self._fixed_ms)
        for costs, column in zip(self._choice_ms, vectors.T, strict=True):
            total += costs[column]
        return total

    def layers(self, architecture: Architecture) -> list[LayerLatency]:
        """What each block adds, in order; with `constant_ms` they sum to the prediction."""
        return [LayerLatency(b.key, self._block_ms(b)) for b in self.space.blocks(architecture)]

    @property
    def constant_ms(self) -> float:
        """What every network costs beside its blocks."""
        return self._constant_ms

    def fastest(self) -> Architecture:
        """The architecture of least latency: the cheapest choice of each variable."""
        return self.space.decode([int(costs.argmin()) for costs in self._choice_ms])

    def slowest(self) -> Architecture:
        """The architecture of greatest latency."""
        return self.space.decode([int(costs.argmax()) for costs in self._choice_ms])


def predictor_from_device(space: SearchSpace, device: Device) -> LatencyPredictor:
    """Predict from the device's datasheet alone; provenance `estimated`."""
    return LatencyPredictor(
        space,
        device,
        block_ms=lambda block: estimate_block_ms(block, device),
        constant_ms=0.0,
        low_factor=1 / INTERVAL_FACTOR,
        high_factor=INTERVAL_FACTOR,
        provenance=Provenance.ESTIMATED,
    )


def predictor_from_table(space: SearchSpace, device: Device, table: LatencyTable) -> LatencyPredictor:
    """Predict from a measured table, calibrated for this very space.

    Raises:
        IncompleteTableError: blocks or the calibration of the space are missing.
    """
    missing = [block.key for block in space.distinct_blocks if block.key not in table.entries]
    calibration = table.calibrations.get(space.signature)
    if missing or calibration is None:
        lacks = f"{len(missing)} blocks, such as {missing[0]}" if missing else "a calibration for this space"
        raise IncompleteTableError(
            f"the latency table of {device.name} ({device.table_name}) lacks {lacks}",
            f"add them: {profile_command(space, device)}",
        )
    slope, overhead_ms = calibration.slope, calibration.overhead_ms
    low_factor, high_factor = interval_factors(calibration.residuals)
    return LatencyPredictor(
        space,
        device,
        block_ms=lambda block: slope * (table.entries[block.key].min_ms - overhead_ms),
        constant_ms=calibration.intercept_ms,
        low_factor=low_factor,
        high_factor=high_factor,
        provenance=Provenance.MEASURED,
        table_checksum=_checksum(space, table),
    )


def predictor_for(space: SearchSpace, device: Device) -> LatencyPredictor:
    """The best predictor there is: the device's table, or its datasheet where it has none.

    Raises:
        FileFormatError, IncompleteTableError: the device has a table that cannot be used.
    """
    found = find_table(device)
    if found is None:
        return predictor_from_device(space, device)
    return predictor_from_table(space, device, found[1])


def _checksum(space: SearchSpace, table: LatencyTable) -> str:
    """Changes when a figure this space's predictions rest on does, not when the table grows for another."""
    used = {block.key: table.entries[block.key].min_ms for block in space.distinct_blocks}
    content = [used, table.calibrations[space.signature].model_dump(mode="json")]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def profile_command(space: SearchSpace, device: Device) -> str:
    """The command line that measures what predicting this space on this device needs."""
    channels, resolution, _ = space.input_shape
    command = (
        f"edgenas profile --device {device.name} --resolution {resolution} --classes {space.classes}"
        f" --threads {device.threads}"
    )
    plain = channels == 3 and space.config() == mbconv(resolution, space.classes).config()
    return command if plain else f"{command} with the search's own --width, --squeeze-excite and --activation"
