"""The `nasbench201` space: canonical forms against a model of the cell, the strings, the published table."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgenas.errors import InputError
from edgenas.space import ArchitectureSpace, NASBench201Space, SearchSpace
from edgenas.space.nasbench201 import CONVOLUTIONS, EDGES, NONE, OPERATIONS, POOL, SKIP, Operations
from edgenas.testing import ArchitectureSpaceConformance

SPACE = NASBench201Space()
TABLE = "nasbench201_pi5_onnxruntime_cifar100.csv.gz"
CONV1, CONV3 = CONVOLUTIONS
cells = st.tuples(*[st.sampled_from(OPERATIONS)] * len(EDGES))

PublishedRows = Callable[[str], list[dict[str, str]]]


class TestNASBench201(ArchitectureSpaceConformance):
    @pytest.fixture
    def space(self) -> ArchitectureSpace:
        return NASBench201Space()


PRIME = 2**61 - 1
WEIGHTS = {CONV1: (3, 1009, 200_003, 7, 30_011, 5_000_011), CONV3: (5, 2003, 300_007, 11, 40_009, 6_000_011)}
"""For each convolution six sets of weights, one an edge at most."""


def _output(cell: Operations, weights: Mapping[int, int], signal: int = 17) -> int:
    """What the cell computes, in exact arithmetic: functions of a number that are no sum of others, and keep zero.

    Args:
        cell: its operations.
        weights: of each edge with a convolution.
        signal: what node 0 holds.
    """
    nodes = [signal, 0, 0, 0]
    for edge, ((source, target), operation) in enumerate(zip(EDGES, cell, strict=True)):
        value = nodes[source]
        if operation == POOL:
            value = value * (value * value + 29)
        elif operation in CONVOLUTIONS:
            value = weights[edge] * value * (value + 41) * (3 if operation == CONV3 else 1)
        nodes[target] += 0 if operation == NONE else value
        nodes[target] %= PRIME
    return nodes[3]


def _weightings(cell: Operations, counts: Mapping[str, int]) -> Iterator[dict[int, int]]:
    """Every way to give the cell's convolutions the first `counts` sets of weights of their kind."""
    edges = {kind: [e for e, operation in enumerate(cell) if operation == kind] for kind in CONVOLUTIONS}
    ways = [permutations(WEIGHTS[kind][: counts[kind]], len(edges[kind])) for kind in CONVOLUTIONS]
    for chosen in product(*ways):
        yield {
            edge: weight
            for kind, weights in zip(CONVOLUTIONS, chosen, strict=True)
            for edge, weight in zip(edges[kind], weights, strict=True)
        }


def _counts(cell: Operations) -> dict[str, int]:
    return {kind: cell.count(kind) for kind in CONVOLUTIONS}


@given(cells)
def test_the_canonical_form_computes_the_same(cell: Operations) -> None:
    """With the cell's own weights on its edges, whichever goes where."""
    trained = next(_weightings(cell, _counts(cell)))
    canonical = SPACE.canonical(cell)
    assert any(
        all(_output(canonical, w, signal) == _output(cell, trained, signal) for signal in (17, 23))
        for w in _weightings(canonical, _counts(cell))
    )


def test_different_canonical_forms_compute_different_things() -> None:
    """No two of them agree, however the weights are spread over their edges."""
    forms = {SPACE.canonical(cell) for cell in product(OPERATIONS, repeat=len(EDGES))}
    assert len(forms) == 5260
    behaviours = {frozenset(_output(form, w) for w in _weightings(form, _counts(form))) for form in forms}
    assert len(behaviours) == len(forms)


def _runs(cell: Operations) -> int:
    return sum(operation not in (NONE, SKIP) for operation in cell)


@given(cells)
def test_the_canonical_form_runs_no_more(cell: Operations) -> None:
    assert _runs(SPACE.canonical(cell)) <= _runs(cell)


def _canonical(short: str) -> Operations:
    """Of a cell such as `3 s1 0p0`: the operations of each node's edges."""
    operations = {"0": NONE, "s": SKIP, "1": CONV1, "3": CONV3, "p": POOL}
    return SPACE.canonical([operations[letter] for letter in short.replace(" ", "")])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3 p1 000", "0 00 000"),  # nothing reaches the output
        ("0 00 ps3", "0 00 p00"),  # sources that get nothing
        ("3 13 0s0", "0 00 300"),  # node 2 is not read
        ("s 0s 00s", "0 00 s00"),  # a chain of skips
        ("3 p0 013", "p 30 031"),  # the inner nodes change places
        ("p p0 0ss", "p 0s 0ss"),  # pooling has no weights: once or twice is the same
    ],
)
def test_same_networks(one: str, other: str) -> None:
    assert _canonical(one) == _canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("3 0s 0ss", "3 30 0ss"),  # one convolution read twice, and two
        ("3 0s 0ss", "3 00 0s0"),  # read twice, and once
        ("0 00 300", "0 00 100"),
        ("3 ss 00p", "3 00 pp0"),  # the pooling of a sum costs less than the sum of two, though it is equal
    ],
)
def test_different_networks(one: str, other: str) -> None:
    assert _canonical(one) != _canonical(other)


def _formula_of_the_benchmark(cell: Operations) -> str:
    """How the benchmark's authors tell networks apart: `to_unique_str(consider_zero=True)` of their code."""
    nodes, incoming = {0: "0"}, defaultdict(list)
    for (source, target), operation in zip(EDGES, cell, strict=True):
        if operation == NONE or nodes[source] == "#":
            incoming[target].append("#")
        elif operation == SKIP:
            incoming[target].append(nodes[source])
        else:
            incoming[target].append(f"({nodes[source]})@{operation}")
        if source == target - 1:
            nodes[target] = "+".join(sorted(incoming[target]))
    return nodes[3]


def _classes(
    cells: Iterable[Operations], network: Callable[[Operations], object]
) -> set[frozenset[Operations]]:
    found: dict[object, set[Operations]] = defaultdict(set)
    for cell in cells:
        found[network(cell)].add(cell)
    return {frozenset(members) for members in found.values()}


def test_the_benchmark_tells_networks_apart_by_another_rule() -> None:
    everything = list(product(OPERATIONS, repeat=len(EDGES)))
    theirs = _classes(everything, _formula_of_the_benchmark)
    ours = _classes(everything, SPACE.canonical)
    assert (len(theirs), len(ours)) == (6466, 5260)
    # Theirs calls two convolutions one; and makes something of a zero that is added.
    assert sum(len({SPACE.canonical(cell) for cell in members}) > 1 for members in theirs) == 430
    assert sum(len({_formula_of_the_benchmark(cell) for cell in members}) > 1 for members in ours) == 688


def test_strings_of_the_published_table_read_back(published_rows: PublishedRows) -> None:
    rows = published_rows(TABLE)
    cells = {_read(row["arch"]) for row in rows}
    assert cells == set(product(OPERATIONS, repeat=len(EDGES)))
    for row in rows[:500]:
        architecture = SPACE.architecture_from_text(row["arch"])
        assert architecture == SPACE.architecture(_read(row["arch"]))
        assert SPACE.architecture_from_text(SPACE.text(architecture)) == architecture
    measured = [_formula_of_the_benchmark(_read(row["arch"])) for row in rows if row["measured"] == "1"]
    assert len(measured) == len(set(measured)) == 6466


def test_networks_explain_the_published_accuracies_better_than_formulas(
    published_rows: PublishedRows,
) -> None:
    """Splitting the benchmark's classes by ours takes far more of their variance than chance would."""
    accuracies = {_read(row["arch"]): float(row["accuracy_percent"]) for row in published_rows(TABLE)}
    rng = np.random.default_rng(0)
    between, shuffled = 0.0, np.zeros(20)
    for members in _classes(accuracies, _formula_of_the_benchmark):
        cells = sorted(members)
        values = np.array([accuracies[cell] for cell in cells])
        networks = [SPACE.canonical(cell) for cell in cells]
        if len(set(networks)) > 1:
            between += _variance_between(values, networks)
            shuffled += [_variance_between(rng.permutation(values), networks) for _ in shuffled]
    assert between > shuffled.mean() + 5 * shuffled.std()


def _variance_between(values: NDArray[np.float64], groups: list[Operations]) -> float:
    """Sum of squares of the groups' means, about the mean of all."""
    labels = np.unique(np.array(groups), axis=0, return_inverse=True)[1].ravel()
    counts, sums = np.bincount(labels), np.bincount(labels, weights=values)
    return float((counts * (sums / counts - values.mean()) ** 2).sum())


def _read(text: str) -> Operations:
    """The operations of a string, without regard to what they mean."""
    return tuple(part.split("~")[0] for part in text.split("|") if "~" in part)


def test_text_is_the_benchmarks() -> None:
    text = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"
    architecture = SPACE.architecture_from_text(text)
    assert architecture.choices == (CONV3, CONV1, POOL, SKIP, CONV3, CONV1)
    assert SPACE.text(architecture) == text


GOOD = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[:-1],
        GOOD + "\n",
        GOOD.replace("none~2", "none~1"),
        GOOD.replace("none~2", "nor_conv_5x5~2"),
        GOOD.replace("|+|none~0|none~1", "", 1),
        "01200210",
        "|" * 100_000,
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(
        InputError, match=r"is not an architecture of nasbench201; use a form like \|nor_conv_3x3~0"
    ) as e:
        SPACE.architecture_from_text(text)
    assert len(str(e.value)) < 300


def test_it_has_nothing_to_build() -> None:
    assert not isinstance(SPACE, SearchSpace)
