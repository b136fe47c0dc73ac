"""The space of NAS-Bench-201: 15,625 cells of four nodes, each edge one of five operations.

Node 0 is the cell's input; each later node sums what its edges bring from the nodes before it; node 3 is the output
(Dong and Yang, "NAS-Bench-201", ICLR 2020). Only the set of choices: no blocks yet.

Two cells are the same network when they sum the same things, whatever names their nodes have:
  - `skip_connect` adds nothing of its own; the order of a sum does not count.
  - An edge is dead when it is `none`, when its source gets nothing, or when its target does not reach node 3.
    (What a convolution makes of zeros is the shift of its batch norm; that much is let go.)
  - Convolutions have weights of their own: one that is read twice is not two. Pooling has none: twice the same
    pooling is one that is read twice.

There are 5,260 such networks. The benchmark's authors count 6,466: theirs is a comparison of formulas, in which two
convolutions of one input look like one that is read twice, and a zero that is added, or that node 2 passes on, like
something.
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
"""One operation an edge."""

Terms = tuple[str, ...]
"""What a node sums, as sorted formulas; empty for a node that gets nothing."""


class NASBench201Space(ArchitectureSpace):
    """Cells of NAS-Bench-201; see the module's docstring and `ArchitectureSpace`."""

    name = "nasbench201"

    @property
    @override
    def variables(self) -> tuple[tuple[str, ...], ...]:
        return (OPERATIONS,) * len(EDGES)

    @override
    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Of the cells that are the same network, the one that runs the fewest operations."""
        return _canonical_forms()[tuple(choices)]

    @override
    def canonical_vectors(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        found: NDArray[np.int64] = _canonical_table()[tuple(vectors.T)]
        return found

    @override
    def sample(self, rng: np.random.Generator) -> Architecture:
        """Each edge uniform, as on the benchmark."""
        return self.decode(rng.integers(len(OPERATIONS), size=len(EDGES)))

    @override
    def config(self) -> dict[str, Any]:
        return {"name": self.name}

    @override
    def features(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        """Paths from input to output: how many, of which lengths, with which operations, in which order.

        A path is known by the operations along it that are not skipped (path encoding: White et al., AAAI 2021); each
        run of operations along one counts, as do subtrees in Weisfeiler and Lehman's kernel (Ru et al., ICLR 2021).
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
                f"{text[:120]!r} is no architecture of {self.name}", f"expected such as {_EXAMPLE}"
            )
        return Architecture(self.name, self.canonical(match.groups()))


@cache
def _canonical_forms() -> dict[Operations, Operations]:
    """The canonical form of every cell. A fifth of a second, once."""
    forms: dict[Terms, Operations] = {}
    cells = sorted(product(OPERATIONS, repeat=len(EDGES)), key=_cost)
    networks = {cell: _network(cell) for cell in cells}
    for cell, network in networks.items():
        forms.setdefault(network, cell)
    return {cell: forms[network] for cell, network in networks.items()}


@cache
def _canonical_table() -> NDArray[np.int64]:
    """The same as indices of operations: an axis for each edge, the last of the shape for the form's edges."""
    forms = _canonical_forms()
    cells = product(OPERATIONS, repeat=len(EDGES))
    table = [[OPERATIONS.index(operation) for operation in forms[cell]] for cell in cells]
    return np.array(table, np.int64).reshape(*[len(OPERATIONS)] * len(EDGES), len(EDGES))


@cache
def _feature_table() -> NDArray[np.int64]:
    """Features of every cell: an axis for each edge, the last of the shape for the features."""
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
    """What runs: convolutions and poolings first, then edges at all."""
    return (
        len(EDGES) - operations.count(NONE) - operations.count(SKIP),
        len(EDGES) - operations.count(NONE),
    )


def _network(operations: Operations) -> Terms:
    """What node 3 sums, each convolution under a number of its own: equal for cells that are the same network.

    Which convolution has which number says nothing, so of all numberings the least formula counts. Only those of
    one kind and one input need to be told apart.
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
    """What each node sums; `numbers` tells convolutions apart, by edge."""
    nodes: list[Terms] = [("input",), (), (), ()]
    for edge, ((source, target), operation) in enumerate(zip(EDGES, operations, strict=True)):
        if operation == NONE or not nodes[source]:
            continue
        terms = nodes[source]
        if operation != SKIP:
            terms = (f"{operation}#{numbers.get(edge, 0)}({'+'.join(terms)})",)
        nodes[target] = tuple(sorted(nodes[target] + terms))
    return nodes
