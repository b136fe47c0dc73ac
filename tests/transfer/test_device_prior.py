"""What is learnt of known devices: relative costs, their spread, and which feature_set they follow."""

from types import SimpleNamespace

import numpy as np
import pytest

from edgenas.transfer.cell_features import EVERY, LIVE, LONGEST
from edgenas.transfer.device_prior import (
    CONSTANT_BREADTH,
    SPEED_SD,
    Prior,
    feature_set_probabilities,
    prior_from_costs,
    relative_costs,
)


def test_costs_are_relative_to_an_average_network(world: SimpleNamespace) -> None:
    features = world.feature_sets[EVERY]
    times = np.column_stack([speed * (features @ world.costs) for speed in (1, 40)])
    expected = world.costs / (features @ world.costs).mean()
    assert relative_costs(features, times) == pytest.approx(np.array([expected, expected]))


def test_disturbed_times_hardly_count(world: SimpleNamespace) -> None:
    features = world.feature_sets[EVERY]
    times = features @ world.costs
    disturbed = times.copy()
    disturbed[::10] *= 4
    clean, found = (relative_costs(features, each[:, None])[0] for each in (times, disturbed))
    assert found == pytest.approx(clean, abs=2e-3)


def test_the_prior_is_the_mean_and_covariance_of_devices() -> None:
    prior = prior_from_costs(np.array([[0.6, 0.1], [0.4, 0.3]]))
    assert prior.mean == pytest.approx([0.5, 0.2])
    assert prior.covariance == pytest.approx(np.array([[0.01, -0.01], [-0.01, 0.01]]))
    assert not prior_from_costs(np.array([[0.6, 0.1]])).covariance.any()


def test_without_devices_all_networks_are_expected_to_take_as_long(world: SimpleNamespace) -> None:
    prior = prior_from_costs(relative_costs(world.feature_sets[EVERY], world.references_ms[:, :0]))
    assert prior.mean.tolist() == [1, 0, 0, 0, 0]
    assert not prior.covariance.any()


def test_widening_adds_pace_and_breadth() -> None:
    wide = Prior(np.array([0.5, 0.2]), np.zeros((2, 2))).widened(0.1)
    speed = SPEED_SD**2 * np.array([[0.25, 0.1], [0.1, 0.04]])
    assert wide.covariance == pytest.approx(speed + np.diag([(0.1 * CONSTANT_BREADTH) ** 2, 0.01]))


def _probabilities(
    world: SimpleNamespace, times: "np.ndarray[tuple[int, int], np.dtype[np.float64]]"
) -> dict[str, float]:
    costs = {name: relative_costs(features, times) for name, features in world.feature_sets.items()}
    return feature_set_probabilities(world.feature_sets, costs, times)


def test_views_that_explain_known_devices_are_probable(world: SimpleNamespace) -> None:
    assert _probabilities(world, world.references_ms)[EVERY] == pytest.approx((8 + 1 / 3) / 9)
    pruned = world.target_ms(LIVE, noise=0.02)
    mixed = _probabilities(world, np.column_stack([world.references_ms, pruned, pruned]))
    assert mixed[LIVE] == pytest.approx((2 + 1 / 3) / 11)
    assert mixed[LONGEST] == pytest.approx((1 / 3) / 11)


def test_without_devices_all_views_are_as_probable(world: SimpleNamespace) -> None:
    assert _probabilities(world, world.references_ms[:, :0]) == pytest.approx(
        dict.fromkeys(world.feature_sets, 1 / 3)
    )
