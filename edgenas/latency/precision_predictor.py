"""Predicted latency where the precision is a variable: a predictor for each."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.latency.family_predictor import FamilyPredictor
from edgenas.latency.network_predictor import ArchitecturePredictor, NetworkPredictor
from edgenas.space import Architecture, NetworkSpace, PrecisionSpace
from edgenas.vocabulary import Precision


def by_precision(
    networks: NetworkSpace, precisions: Sequence[Precision], make: Callable[[Precision], NetworkPredictor]
) -> ArchitecturePredictor:
    """The predictor of networks in one precision or in several, made from one for each."""
    parts = {precision: make(precision) for precision in precisions}
    if len(parts) == 1:
        return parts[precisions[0]]
    return PrecisionPredictor(PrecisionSpace(networks, precisions), parts)


def without_outdone(predictor: ArchitecturePredictor) -> ArchitecturePredictor:
    """The same without the precisions in which every network is slower than in a more exact one.

    So a search of all precisions is one in fp32 where no other pays: nothing is spent on what is never chosen.
    """
    parts = predictor.parts
    if not isinstance(predictor, PrecisionPredictor):
        return predictor
    kept = [
        precision
        for i, (precision, part) in enumerate(parts.items())
        if all(part.most_saved_ms(exact) >= 0 for exact in list(parts.values())[:i])
    ]
    return by_precision(predictor.space.networks, kept, lambda each: parts[each])


class PrecisionPredictor(FamilyPredictor):
    """See `ArchitecturePredictor`.

    Args:
        space: whose architectures are predicted.
        parts: a predictor of its networks for each precision, in the order of the space, on the same device.
    """

    def __init__(self, space: PrecisionSpace, parts: Mapping[Precision, NetworkPredictor]) -> None:
        assert space.precisions == tuple(parts)
        self._space = space
        self._parts = parts

    @property
    @override
    def space(self) -> PrecisionSpace:
        return self._space

    @property
    @override
    def parts(self) -> Mapping[Precision, NetworkPredictor]:
        return self._parts

    @property
    @override
    def members(self) -> Mapping[Precision, NetworkPredictor]:
        return self._parts

    @override
    def split(self, architecture: Architecture) -> tuple[NetworkPredictor, Architecture]:
        precision, network = self._space.split(architecture)
        return self._parts[precision], network

    @override
    def outdone(self, vectors: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Those that are faster in a more exact precision: rounding further can only lose accuracy."""
        each_ms = np.stack([part.predict_encoded(vectors[:, 1:]) for part in self._parts.values()])
        exact_ms = np.minimum.accumulate(each_ms, axis=0)  # in this precision, or a more exact one
        return (each_ms > exact_ms)[vectors[:, 0], np.arange(len(vectors))]

    @override
    def joined(self, member: Precision, architecture: Architecture) -> Architecture:
        return self._space.joined(member, architecture)

    @property
    @override
    def table_checksum(self) -> str | None:
        """Also if some precisions have no table."""
        found = [part.table_checksum for part in self._parts.values()]
        return hashlib.sha256(json.dumps(found).encode()).hexdigest() if any(found) else None
