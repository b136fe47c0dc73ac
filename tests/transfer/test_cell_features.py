"""FeatureSets of cells: what is counted, which edges are alive, how long the longest path is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.space import NASBench201Space
from edgenas.space.nasbench201 import OPERATIONS
from edgenas.transfer.cell_features import EVERY, LIVE, LONGEST, WrittenCells, feature_sets_of, rows_of

SHORT = {"-": "none", "s": "skip_connect", "1": "nor_conv_1x1", "3": "nor_conv_3x3", "p": "avg_pool_3x3"}


def _vectors(*cells: str) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Six letters a cell: edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3."""
    return np.array([[OPERATIONS.index(SHORT[letter]) for letter in cell] for cell in cells], np.int64)


@pytest.mark.parametrize(
    ("cell", "every", "live", "longest"),
    [
        ("------", [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0]),
        ("---s--", [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0]),
        ("3-3--3", [0, 0, 3, 0], [0, 0, 3, 0], [3, 3, 3]),
        ("31p3--", [0, 1, 2, 1], [0, 0, 1, 0], [1, 1, 1]),  # nobody reads nodes 1 and 2
        ("--13-3", [0, 1, 2, 0], [0, 0, 1, 0], [1, 1, 1]),  # node 1 gets nothing, so node 2 does not either
        ("33-s11", [1, 2, 2, 0], [1, 2, 2, 0], [1, 2, 2]),  # two branches side by side
        ("ps1-sp", [2, 1, 0, 2], [2, 1, 0, 2], [0, 1, 3]),
    ],
)
def test_what_is_counted(cell: str, every: list[int], live: list[int], longest: list[int]) -> None:
    feature_sets = feature_sets_of(_vectors(cell))
    assert feature_sets[EVERY].tolist() == [[1, *every]]
    assert feature_sets[LIVE].tolist() == [[1, *live]]
    assert feature_sets[LONGEST].tolist() == [[1, *live, *longest]]


@given(st.lists(st.text("-s13p", min_size=6, max_size=6), min_size=1, max_size=20))
def test_views_agree_with_each_other(cells: list[str]) -> None:
    feature_sets = feature_sets_of(_vectors(*cells))
    assert (feature_sets[LIVE] <= feature_sets[EVERY]).all()
    paths = feature_sets[LONGEST][:, 5:]
    assert (np.diff(paths, axis=1) >= 0).all()
    assert (paths[:, 2] <= 3).all()
    assert (paths[:, 2] <= feature_sets[LIVE][:, 2:].sum(axis=1)).all()


def test_rows_are_those_of_the_networks_alone() -> None:
    vectors = _vectors("3-3--3", "31p3--", "33-s11")
    some = rows_of(feature_sets_of(vectors), np.array([2, 0]))
    alone = feature_sets_of(vectors[[2, 0]])
    assert all((some[name] == alone[name]).all() for name in alone)


def test_written_cells_keep_what_the_network_does_not_need() -> None:
    text = "|nor_conv_3x3~0|+|nor_conv_1x1~0|avg_pool_3x3~1|+|skip_connect~0|none~1|none~2|"
    written, usual = WrittenCells(), NASBench201Space()
    assert written.text(written.architecture_from_text(text)) == text
    assert usual.text(usual.architecture_from_text(text)) != text
    vectors = _vectors("31ps--")
    assert (written.canonical_vectors(vectors) == vectors).all()
