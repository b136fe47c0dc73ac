"""Device-independent costs of networks: parameters, MACs, memory. Vectorised over architectures."""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import InputError
from edgenas.space.architecture import Architecture, ArchitectureSpace
from edgenas.space.block import Block, block_macs, block_parameters, block_peak_elements
from edgenas.space.family_space import FamilySpace
from edgenas.space.network_space import NetworkSpace
from edgenas.space.precision_space import PrecisionSpace
from edgenas.space.resolution_space import ResolutionSpace
from edgenas.space.space import SearchSpace

BYTES_PER_ELEMENT = 4
"""Bytes of an fp32 number."""

CostName = Literal["params", "macs", "peak-memory"]


class Cost(Protocol):
    """A cost of networks."""

    @property
    def largest(self) -> float:
        """An upper bound over all networks of the space."""

    def __call__(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """The costs of canonical encodings, shape (n, variables) to (n,)."""


def cost_function(space: ArchitectureSpace, name: CostName) -> Cost:
    """Trainable parameters, MACs for one image, or peak memory in bytes (see `peak_memory_bytes`); of any precision.

    Raises:
        InputError: the space does not define the blocks of its networks.
    """
    if isinstance(space, PrecisionSpace):
        return _ByMember(space, [cost_function(space.networks, name)] * len(space.precisions))
    if isinstance(space, ResolutionSpace):
        return _ByMember(space, [cost_function(space.at(size), name) for size in space.resolutions])
    if not isinstance(space, SearchSpace):
        raise InputError(
            f"objective {name}: space {space.name} does not define the blocks of its networks",
            "use accuracy,latency",
        )
    if name == "params":
        return _Combined(space, block_parameters, np.add)
    if name == "macs":
        return _Combined(space, block_macs, np.add)
    return _PeakMemory(space)


def peak_memory_bytes(space: NetworkSpace, architecture: Architecture) -> int:
    """Memory of a runtime that runs layer after layer in fp32, one image at a time.

    All parameters, plus the maximum over layers of inputs, outputs and tensors kept for a later addition.
    """
    return BYTES_PER_ELEMENT * (
        space.parameters(architecture) + max(map(block_peak_elements, space.blocks(architecture)))
    )


class _Combined:
    """The sum or the maximum of a cost over a network's blocks."""

    def __init__(self, space: SearchSpace, figure: Callable[[Block], int], combine: np.ufunc) -> None:
        self._combine = combine
        self._fixed = float(combine.reduce([figure(block) for block in space.fixed_blocks]))
        self._tables = [
            np.array([figure(block) if block else 0 for block in options], float)
            for options in space.candidates
        ]

    @property
    def largest(self) -> float:
        return float(self._combine.reduce([self._fixed, *(table.max() for table in self._tables)]))

    def __call__(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        total = np.full(len(vectors), self._fixed)
        for table, column in zip(self._tables, vectors.T, strict=True):
            self._combine(total, table[column], out=total)
        return total


class _PeakMemory:
    """Bytes of parameters and live elements."""

    def __init__(self, space: SearchSpace) -> None:
        self._parameters = _Combined(space, block_parameters, np.add)
        self._elements = _Combined(space, block_peak_elements, np.maximum)

    @property
    def largest(self) -> float:
        return BYTES_PER_ELEMENT * (self._parameters.largest + self._elements.largest)

    def __call__(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        return BYTES_PER_ELEMENT * (self._parameters(vectors) + self._elements(vectors))


class _ByMember:
    """A cost of a family of spaces, given that of each."""

    def __init__(self, space: FamilySpace, costs: Sequence[Cost]) -> None:
        self._space = space
        self._costs = costs

    @property
    def largest(self) -> float:
        return max(cost.largest for cost in self._costs)

    def __call__(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._space.selected(vectors, self._costs)
