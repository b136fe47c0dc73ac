"""What every latency predictor of buildable networks offers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgenas.device import Device, Provenance
from edgenas.latency.energy import Energy, energy_of
from edgenas.latency.latency import Latency
from edgenas.latency.table import BlockEnergy
from edgenas.space import Architecture, NetworkSpace


@dataclass(frozen=True, slots=True)
class LayerLatency:
    """One block's contribution to a network's latency; `block` is its key, `interpolated` says it was not timed."""

    block: str
    latency_ms: float
    interpolated: bool = False


class NetworkPredictor(ABC):
    """Latency of one space's architectures on one device. Immutable; safe to share between threads.

    A `LatencyPredictor` is of a space for one image size, a `ResolutionPredictor` of one for several.
    """

    device: Device
    energies: Mapping[str, BlockEnergy] = {}
    """Of blocks, by key, as far as they were measured."""

    @property
    @abstractmethod
    def space(self) -> NetworkSpace:
        """Whose architectures are predicted."""

    @property
    def name(self) -> str:
        """The device's name."""
        return self.device.name

    @property
    @abstractmethod
    def interpolated(self) -> tuple[str, ...]:
        """Keys of the space's blocks that were interpolated."""

    @property
    @abstractmethod
    def provenance(self) -> Provenance:
        """The weakest provenance of all the space's networks."""

    @property
    @abstractmethod
    def table_checksum(self) -> str | None:
        """Checksum of all values that this space's predictions depend on; None for a predictor without a table.

        It does not change when blocks of another space are added to the table.
        """

    @abstractmethod
    def predict(self, architecture: Architecture) -> Latency:
        """Latency of one architecture."""

    def energy(self, architecture: Architecture) -> Energy | None:
        """Energy of one architecture; None if that of a block was not measured."""
        return energy_of(self.space.blocks(architecture), self.energies)

    def text(self, architecture: Architecture) -> str:
        """Latency of one architecture for people; see `Latency.text`."""
        return self.predict(architecture).text

    @abstractmethod
    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """Milliseconds of canonical integer encodings, shape (n, variables) to (n,)."""

    @abstractmethod
    def layers(self, architecture: Architecture) -> Sequence[LayerLatency]:
        """Contribution of each block, in order; with `constant_of` they sum to the prediction."""

    @abstractmethod
    def constant_of(self, architecture: Architecture) -> float:
        """Milliseconds that a network costs in addition to its blocks."""

    @abstractmethod
    def fastest(self) -> Architecture:
        """The architecture of least latency."""

    @abstractmethod
    def slowest(self) -> Architecture:
        """The architecture of greatest latency."""
