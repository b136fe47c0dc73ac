"""What every latency predictor of a search offers, and what those of buildable networks do."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.device import Device, Provenance
from edgenas.latency.energy import Energy, energy_of
from edgenas.latency.latency import Latency
from edgenas.latency.table import BlockEnergy
from edgenas.space import Architecture, ArchitectureSpace, NetworkSpace
from edgenas.vocabulary import Precision


@dataclass(frozen=True, slots=True)
class LayerLatency:
    """One block's contribution to a network's latency; `block` is its key, `interpolated` says it was not timed."""

    block: str
    latency_ms: float
    interpolated: bool = False


class ArchitecturePredictor(ABC):
    """Latency of one space's architectures on one device. Immutable; safe to share between threads.

    A `NetworkPredictor` is of networks in one precision, a `PrecisionPredictor` of networks in several.
    """

    @property
    @abstractmethod
    def space(self) -> ArchitectureSpace:
        """Whose architectures are predicted."""

    @property
    @abstractmethod
    def parts(self) -> Mapping[Precision, "NetworkPredictor"]:
        """The predictor of the networks in each precision."""

    @property
    def networks(self) -> NetworkSpace:
        """The space of the networks alone."""
        return next(iter(self.parts.values())).space

    @property
    def name(self) -> str:
        """The device's name."""
        return next(iter(self.parts.values())).device.name

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

    def text(self, architecture: Architecture) -> str:
        """Latency of one architecture for people; see `Latency.text`."""
        return self.predict(architecture).text

    @abstractmethod
    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """Milliseconds of canonical integer encodings, shape (n, variables) to (n,)."""

    def outdone(self, vectors: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which canonical encodings another one outdoes, as is known without an evaluation: (n, variables) to (n,)."""
        return np.zeros(len(vectors), bool)

    @abstractmethod
    def fastest(self) -> Architecture:
        """The architecture of least latency."""

    @abstractmethod
    def slowest(self) -> Architecture:
        """The architecture of greatest latency."""


class NetworkPredictor(ArchitecturePredictor):
    """Latency of networks whose blocks are known: what each contributes.

    A `LatencyPredictor` is of a space for one image size, a `ResolutionPredictor` of one for several.
    """

    device: Device
    energies: Mapping[str, BlockEnergy] = {}
    """Of blocks, by key, as far as they were measured."""

    @property
    @abstractmethod
    @override
    def space(self) -> NetworkSpace: ...

    @property
    @override
    def parts(self) -> Mapping[Precision, "NetworkPredictor"]:
        return {self.device.precision: self}

    @abstractmethod
    def most_saved_ms(self, other: "NetworkPredictor") -> float:
        """The most that an architecture is faster here than by another predictor of the space; negative if none is."""

    def energy(self, architecture: Architecture) -> Energy | None:
        """Energy of one architecture; None if that of a block was not measured."""
        return energy_of(self.space.blocks(architecture), self.energies)

    @abstractmethod
    def layers(self, architecture: Architecture) -> Sequence[LayerLatency]:
        """Contribution of each block, in order; with `constant_of` they sum to the prediction."""

    @abstractmethod
    def constant_of(self, architecture: Architecture) -> float:
        """Milliseconds that a network costs in addition to its blocks."""
