"""Predicted latency where the image size is a variable: a predictor for each size."""

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.device import Provenance
from edgenas.latency.latency import Latency
from edgenas.latency.network_predictor import LayerLatency, NetworkPredictor, weakest
from edgenas.space import Architecture, NetworkSpace, ResolutionSpace, SearchSpace


def by_resolution(space: NetworkSpace, make: Callable[[SearchSpace], NetworkPredictor]) -> NetworkPredictor:
    """The predictor of a space, made from one for each of its image sizes."""
    parts = [make(space.at(size)) for size in space.resolutions]
    return ResolutionPredictor(space, parts) if isinstance(space, ResolutionSpace) else parts[0]


class ResolutionPredictor(NetworkPredictor):
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
    def interpolated(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key for part in self._parts.values() for key in part.interpolated))

    @property
    @override
    def provenance(self) -> Provenance:
        found = {part.provenance for part in self._parts.values()}
        return weakest(found)

    @property
    @override
    def table_checksum(self) -> str | None:
        found = [part.table_checksum for part in self._parts.values()]
        if None in found:
            return None
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()

    @override
    def predict(self, architecture: Architecture) -> Latency:
        part, inner = self._part(architecture)
        return part.predict(inner)

    @override
    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._space.selected(vectors, [part.predict_encoded for part in self._parts.values()])

    @override
    def layers(self, architecture: Architecture) -> Sequence[LayerLatency]:
        part, inner = self._part(architecture)
        return part.layers(inner)

    @override
    def constant_of(self, architecture: Architecture) -> float:
        part, inner = self._part(architecture)
        return part.constant_of(inner)

    @override
    def fastest(self) -> Architecture:
        return min(self._ends(lambda part: part.fastest()), key=self._predicted_ms)

    @override
    def slowest(self) -> Architecture:
        return max(self._ends(lambda part: part.slowest()), key=self._predicted_ms)

    def _ends(self, end: Callable[[NetworkPredictor], Architecture]) -> list[Architecture]:
        return [self._space.joined(size, end(part)) for size, part in self._parts.items()]

    def _predicted_ms(self, architecture: Architecture) -> float:
        return float(self.predict_encoded(self._space.encode(architecture)[None])[0])

    def _part(self, architecture: Architecture) -> tuple[NetworkPredictor, Architecture]:
        return self._parts[self._space.resolution_of(architecture)], self._space.sized(
            architecture
        ).architecture
