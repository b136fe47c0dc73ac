"""Made-up devices over random cells, whose costs are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from fixtures.timing import device, fake, folders, make_table, small_space, space, table
from numpy.typing import NDArray

from edgenas.space.nasbench201 import EDGES, OPERATIONS
from edgenas.transfer.cell_features import EVERY, feature_sets_of

COSTS = np.array([1, 0.05, 0.3, 1.2, 0.2])
"""Of the constant, a skip, a 1x1 and a 3x3 convolution and a pooling, in ms on an average device."""

__all__ = ["device", "fake", "folders", "make_table", "small_space", "space", "table"]


@pytest.fixture(scope="session")
def world() -> SimpleNamespace:
    """600 cells, and eight devices that differ in speed by up to 30 times and in each cost by some 10 %.

    `feature_sets` and `references_ms` are theirs, `costs` their average. `target_ms(feature_set, speed, noise)` gives
    the latencies on one more device, linear in that feature set.
    """
    rng = np.random.default_rng(3)
    feature_sets = feature_sets_of(rng.integers(len(OPERATIONS), size=(600, len(EDGES))))
    costs = COSTS * np.exp(0.1 * rng.standard_normal((8, 5)))

    def target_ms(feature_set: str = EVERY, speed: float = 3.0, noise: float = 0.0) -> NDArray[np.float64]:
        times = speed * (feature_sets[feature_set][:, :5] @ (COSTS * [1.1, 0.9, 1.05, 1, 1.1]))
        return np.asarray(times * np.exp(noise * np.random.default_rng(9).standard_normal(len(times))))

    references_ms = feature_sets[EVERY] @ costs.T * np.geomspace(0.5, 15, 8)
    return SimpleNamespace(
        feature_sets=feature_sets, references_ms=references_ms, costs=COSTS, target_ms=target_ms
    )
