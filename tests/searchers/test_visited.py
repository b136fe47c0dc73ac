import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgenas.searchers.visited import Visited

SIZES = np.array([300, 2, 1])
vectors = st.lists(
    st.tuples(st.integers(0, 299), st.integers(0, 1), st.just(0)), max_size=20
).map(lambda rows: np.array(rows, np.int64).reshape(-1, len(SIZES)))  # fmt: skip


@given(vectors, vectors)
def test_new_is_what_was_neither_added_nor_met_further_up(known: np.ndarray, asked: np.ndarray) -> None:
    archive = Visited(SIZES)
    archive.add(known)
    met = {tuple(row) for row in known.tolist()}
    assert len(archive) == len(met)
    expected = []
    for row in map(tuple, asked.tolist()):
        expected.append(row not in met)
        met.add(row)
    assert archive.new(asked).tolist() == expected
    assert archive.new(asked).tolist() == expected  # asking adds nothing
