"""The space of NAS-Bench-201: 15,625 cells of four nodes, each edge one of five operations.

Node 0 is the cell's input; each later node sums the outputs of its incoming edges; node 3 is the output
(Dong and Yang, "NAS-Bench-201", ICLR 2020). The space defines choices only, no blocks.

Two cells are the same network if they compute the same sums, regardless of how nodes are numbered:
  - `skip_connect` is the identity; the order of a sum does not matter.
  - An edge is dead if it is `none`, if its source receives no input, or if its target does not reach node 3.
    (A convolution of zeros gives the shift of its batch norm, which is neglected.)
  - Each convolution has its own weights: one convolution used twice differs from two. Pooling has no weights: pooling
    the same input twice equals using one pooling twice.

There are 5,260 distinct networks. The benchmark's authors count 6,466, as they compare formulas, in which two
convolutions of the same input look like one used twice, but adding a zero, also via node 2, makes a difference.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import permutations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.space.architecture import Architecture, ArchitectureSpace

NONE, SKIP, POOL = "none", "skip_connect", "avg_pool_3x3"
CONVOLUTIONS = ("nor_conv_1x1", "nor_conv_3x3")
OPERATIONS = (NONE, SKIP, *CONVOLUTIONS, POOL)

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, target) of each variable, in the order of the benchmark's strings."""

_PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""The edges along each path from input to output."""

_EXAMPLE = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
_STRING = re.compile(
    r"\+".join(
        r"\|" + "".join(rf"({'|'.join(OPERATIONS)})~{source}\|" for source, to in EDGES if to == target)
        for target in (1, 2, 3)
    )
)

Operations = tuple[str, ...]
"""One operation per edge."""

Terms = tuple[str, ...]
"""The summands of a node as sorted formulas; empty for a node without input."""


class NASBench201Space(ArchitectureSpace):
    """Cells of NAS-Bench-201; see the module's docstring and `ArchitectureSpace`."""

    name = "nasbench201"

    @property
    @override
    def variables(self) -> tuple[tuple[str, ...], ...]:
        return (OPERATIONS,) * len(EDGES)

    @override
    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Of all cells of the same network, the one with the fewest operations."""
        return _canonical_forms()[tuple(choices)]

    @override
    def canonical_vectors(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        found: NDArray[np.int64] = _canonical_table()[tuple(vectors.T)]
        return found

    @override
    def sample(self, rng: np.random.Generator) -> Architecture:
        """Each edge uniformly, as in the benchmark."""
        return self.decode(rng.integers(len(OPERATIONS), size=len(EDGES)))

    @override
    def config(self) -> dict[str, Any]:
        return {"name": self.name}

    @override
    def features(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts of paths from input to output, of their lengths, sets of operations, and runs of operations.

        A path is encoded by its operations without skips (path encoding: White et al., AAAI 2021); each contiguous
        run of them counts, like the subtrees of the Weisfeiler-Lehman kernel (Ru et al., ICLR 2021).
        """
        found: NDArray[np.int64] = _feature_table()[tuple(vectors.T)]
        return found

    @override
    def text(self, architecture: Architecture) -> str:
        """The benchmark's string, such as `|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|`."""
        nodes: dict[int, str] = {1: "|", 2: "|", 3: "|"}
        for (source, target), operation in zip(EDGES, architecture.choices, strict=True):
            nodes[target] += f"{operation}~{source}|"
        return "+".join(nodes.values())

    @override
    def architecture_from_text(self, text: str) -> Architecture:
        """Read the benchmark's string.

        Raises:
            InputError: anything else.
        """
        match = _STRING.fullmatch(text)
        if match is None:
            raise InputError(
                f"{text[:120]!r} is not an architecture of {self.name}", f"use a form like {_EXAMPLE}"
            )
        return Architecture(self.name, self.canonical(match.groups()))


@cache
def _canonical_forms() -> dict[Operations, Operations]:
    """The canonical form of every cell; takes 0.2 s, once."""
    forms: dict[Terms, Operations] = {}
    cells = sorted(product(OPERATIONS, repeat=len(EDGES)), key=_cost)
    networks = {cell: _network(cell) for cell in cells}
    for cell, network in networks.items():
        forms.setdefault(network, cell)
    return {cell: forms[network] for cell, network in networks.items()}


@cache
def _canonical_table() -> NDArray[np.int64]:
    """`_canonical_forms` as operation indices: one axis per edge, then one for the edges of the canonical form."""
    forms = _canonical_forms()
    cells = product(OPERATIONS, repeat=len(EDGES))
    table = [[OPERATIONS.index(operation) for operation in forms[cell]] for cell in cells]
    return np.array(table, np.int64).reshape(*[len(OPERATIONS)] * len(EDGES), len(EDGES))


@cache
def _feature_table() -> NDArray[np.int64]:
    """Features of every cell: one axis per edge, then one for the features."""
    counts = [_path_features(cell) for cell in product(OPERATIONS, repeat=len(EDGES))]
    names = sorted({name for count in counts for name in count})
    table = np.array([[count[name] for name in names] for count in counts], np.int64)
    return table.reshape(*[len(OPERATIONS)] * len(EDGES), len(names))


def _path_features(operations: Operations) -> Counter[tuple[str, ...]]:
    features: Counter[tuple[str, ...]] = Counter()
    for path in _PATHS:
        along = [operations[edge] for edge in path]
        if NONE in along:
            continue
        run = [operation for operation in along if operation != SKIP]
        ends = [(i, j) for i in range(len(run)) for j in range(i + 1, len(run) + 1)]
        features.update(("run", *run[i:j]) for i, j in ends)
        features.update([("path",), ("length", str(len(run))), ("operations", *sorted(run))])
    return features


def _cost(operations: Operations) -> tuple[int, int]:
    """Sort key: number of convolutions and poolings, then number of edges that are not `none`."""
    return (
        len(EDGES) - operations.count(NONE) - operations.count(SKIP),
        len(EDGES) - operations.count(NONE),
    )


def _network(operations: Operations) -> Terms:
    """The summands of node 3 with numbered convolutions: equal for cells that are the same network.

    The numbering is arbitrary, so the smallest formula over all numberings is taken. Only convolutions of the same kind
    and input need different numbers.
    """
    plain = _nodes(operations, {})
    alike: dict[tuple[str, Terms], list[int]] = {}
    for edge, ((source, _), operation) in enumerate(zip(EDGES, operations, strict=True)):
        if operation in CONVOLUTIONS and plain[source]:
            alike.setdefault((operation, plain[source]), []).append(edge)
    groups = [edges for edges in alike.values() if len(edges) > 1]
    numberings = product(*(permutations(edges) for edges in groups))
    return min(
        _nodes(operations, {edge: n for edges in numbered for n, edge in enumerate(edges)})[3]
        for numbered in numberings
    )


def _nodes(operations: Operations, numbers: Mapping[int, int]) -> list[Terms]:
    """The summands of each node; `numbers`, by edge, distinguishes convolutions."""
    nodes: list[Terms] = [("input",), (), (), ()]
    for edge, ((source, target), operation) in enumerate(zip(EDGES, operations, strict=True)):
        if operation == NONE or not nodes[source]:
            continue
        terms = nodes[source]
        if operation != SKIP:
            terms = (f"{operation}#{numbers.get(edge, 0)}({'+'.join(terms)})",)
        nodes[target] = tuple(sorted(nodes[target] + terms))
    return nodes
