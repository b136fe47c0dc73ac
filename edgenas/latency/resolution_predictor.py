"""Predicted latency where the image size is a variable: a predictor for each size."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

from typing_extensions import override

from edgenas.latency.family_predictor import FamilyPredictor
from edgenas.latency.network_predictor import LayerLatency, NetworkPredictor
from edgenas.space import Architecture, NetworkSpace, ResolutionSpace, SearchSpace


def by_resolution(space: NetworkSpace, make: Callable[[SearchSpace], NetworkPredictor]) -> NetworkPredictor:
    """The predictor of a space, made from one for each of its image sizes."""
    parts = [make(space.at(size)) for size in space.resolutions]
    return ResolutionPredictor(space, parts) if isinstance(space, ResolutionSpace) else parts[0]


class ResolutionPredictor(FamilyPredictor, NetworkPredictor):
    """See `NetworkPredictor`; latency is a sum over choices at each size alone.

    Args:
        space: whose architectures are predicted.
        parts: a predictor for each of its `resolutions`, on the same device.
    """

    def __init__(self, space: ResolutionSpace, parts: Sequence[NetworkPredictor]) -> None:
        self._space = space
        self._parts = dict(zip(space.resolutions, parts, strict=True))
        self.device = parts[0].device
        self.energies = {key: each for part in parts for key, each in part.energies.items()}

    @property
    @override
    def space(self) -> ResolutionSpace:
        return self._space

    @property
    @override
    def members(self) -> Mapping[int, NetworkPredictor]:
        return self._parts

    @override
    def split(self, architecture: Architecture) -> tuple[NetworkPredictor, Architecture]:
        part = self._parts[self._space.resolution_of(architecture)]
        return part, self._space.sized(architecture).architecture

    @override
    def joined(self, member: int, architecture: Architecture) -> Architecture:
        return self._space.joined(member, architecture)

    @property
    @override
    def table_checksum(self) -> str | None:
        found = [part.table_checksum for part in self._parts.values()]
        if None in found:
            return None
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()

    @override
    def most_saved_ms(self, other: NetworkPredictor) -> float:
        assert isinstance(other, ResolutionPredictor)
        return max(part.most_saved_ms(other.members[size]) for size, part in self._parts.items())

    @override
    def layers(self, architecture: Architecture) -> Sequence[LayerLatency]:
        part, inner = self.split(architecture)
        return part.layers(inner)

    @override
    def constant_of(self, architecture: Architecture) -> float:
        part, inner = self.split(architecture)
        return part.constant_of(inner)
