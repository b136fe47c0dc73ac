"""Predicted latency in a family of spaces: a predictor for each member."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.device import Provenance
from edgenas.latency.latency import Latency
from edgenas.latency.network_predictor import ArchitecturePredictor, NetworkPredictor
from edgenas.space import Architecture
from edgenas.space.family_space import FamilySpace


class FamilyPredictor(ArchitecturePredictor):
    """See `ArchitecturePredictor`; the first variable of an architecture selects who predicts the rest."""

    @property
    @abstractmethod
    @override
    def space(self) -> FamilySpace: ...

    @property
    @abstractmethod
    def members(self) -> Mapping[Any, NetworkPredictor]:
        """A predictor for each member of the space, in its order."""

    @abstractmethod
    def split(self, architecture: Architecture) -> tuple[NetworkPredictor, Architecture]:
        """The predictor of an architecture's member, and the architecture there."""

    @abstractmethod
    def joined(self, member: Any, architecture: Architecture) -> Architecture:
        """The architecture of the family that is `architecture` in a member."""

    @property
    @override
    def interpolated(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key for part in self.members.values() for key in part.interpolated))

    @property
    @override
    def provenance(self) -> Provenance:
        return _weakest({part.provenance for part in self.members.values()})

    @override
    def predict(self, architecture: Architecture) -> Latency:
        part, inner = self.split(architecture)
        return part.predict(inner)

    @override
    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        return self.space.selected(vectors, [part.predict_encoded for part in self.members.values()])

    @override
    def fastest(self) -> Architecture:
        return min(self._ends(lambda part: part.fastest()), key=self._predicted_ms)

    @override
    def slowest(self) -> Architecture:
        return max(self._ends(lambda part: part.slowest()), key=self._predicted_ms)

    def _ends(self, end: Callable[[NetworkPredictor], Architecture]) -> list[Architecture]:
        return [self.joined(member, end(part)) for member, part in self.members.items()]

    def _predicted_ms(self, architecture: Architecture) -> float:
        return float(self.predict_encoded(self.space.encode(architecture)[None])[0])


def _weakest(found: Collection[Provenance]) -> Provenance:
    """The provenance that can be claimed for all."""
    in_order = (Provenance.ESTIMATED, Provenance.CALIBRATED, Provenance.MEASURED)
    return next(each for each in in_order if each in found)
