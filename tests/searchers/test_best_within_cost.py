"""Against looking through everything that was ever added."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.searchers.best_within_cost import best_within_costs

FIFTHS = st.integers(0, 5).map(lambda fifths: fifths / 5)


@pytest.mark.parametrize("costs", [1, 2, 3])
@given(data=st.data())
def test_the_best_is_the_most_accurate_of_those_that_cost_no_more(costs: int, data: st.DataObject) -> None:
    point = st.tuples(*[st.integers(0, 4)] * costs)
    found = best_within_costs(costs)
    added: list[tuple[tuple[int, ...], float]] = []
    for at, accuracy in data.draw(st.lists(st.tuples(point, FIFTHS), max_size=30)):
        as_cheap = [a for c, a in added if all(x <= y for x, y in zip(c, at, strict=True))]
        assert found.best(np.array(at, float)) == max(as_cheap, default=None)
        found.add(np.array(at, float), accuracy)
        added.append((at, accuracy))
