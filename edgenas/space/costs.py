"""What networks cost anywhere: parameters, MACs, memory. As arrays, for one architecture or a million."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import InputError
from edgenas.space.architecture import ArchitectureSpace
from edgenas.space.block import Block, block_macs, block_parameters, block_peak_elements
from edgenas.space.space import SearchSpace

BYTES = 4
"""Of a number in fp32."""

CostName = Literal["params", "macs", "peak-memory"]
Cost = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Figures of canonical integer encodings, shape (n, variables) to (n,)."""


def cost_function(space: ArchitectureSpace, name: CostName) -> Cost:
    """Trained parameters, multiply-accumulates of one image, or peak memory in bytes.

    Peak memory is what a runtime needs that runs one layer after another in fp32: all parameters, and the largest
    sum of what a layer reads, writes and keeps for a later addition.

    Raises:
        InputError: a space that does not say what its networks are made of.
    """
    if not isinstance(space, SearchSpace):
        raise InputError(
            f"objective {name}: space {space.name} does not say what its networks are made of",
            "use accuracy,latency",
        )
    parameters = _combined(space, block_parameters, np.add)
    if name == "params":
        return parameters
    if name == "macs":
        return _combined(space, block_macs, np.add)
    elements = _combined(space, block_peak_elements, np.maximum)
    return lambda vectors: BYTES * (parameters(vectors) + elements(vectors))


def _combined(space: SearchSpace, figure: Callable[[Block], int], combine: np.ufunc) -> Cost:
    """The sum or the greatest of a figure over a network's blocks."""
    fixed = combine.reduce([figure(block) for block in space.fixed_blocks], dtype=float)
    tables = [
        np.array([figure(block) if block else 0 for block in options], float) for options in space.candidates
    ]

    def cost(vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        total = np.full(len(vectors), fixed)
        for table, column in zip(tables, vectors.T, strict=True):
            total = combine(total, table[column])
        return total

    return cost
