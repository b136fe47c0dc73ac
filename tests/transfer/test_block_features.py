"""FeatureSets of whole networks as sums over their blocks."""

from itertools import pairwise

import numpy as np
import pytest

from edgenas.space import Architecture, SearchSpace, mbconv, nasbench_macro
from edgenas.transfer.block_features import BlockFeatures
from edgenas.transfer.cell_features import FeatureSets

SPACES = {"mbconv": mbconv(32, 10), "mbconv at 224 px": mbconv(224, 1000), "macro": nasbench_macro()}


@pytest.fixture(scope="module", params=SPACES.values(), ids=SPACES.keys())
def chosen(request: pytest.FixtureRequest) -> SearchSpace:
    found: SearchSpace = request.param
    return found


@pytest.fixture(scope="module")
def feature_sets(chosen: SearchSpace) -> BlockFeatures:
    return BlockFeatures(chosen, 1)


def _random(space: SearchSpace, count: int = 20) -> list[Architecture]:
    rng = np.random.default_rng(7)
    return [space.sample(rng) for _ in range(count)]


def test_a_network_is_the_sum_of_its_blocks_and_the_constant(
    chosen: SearchSpace, feature_sets: BlockFeatures
) -> None:
    networks = _random(chosen)
    position = {block: i for i, block in enumerate(chosen.distinct_blocks)}
    whole = feature_sets.of_networks(networks)
    for name, parts in feature_sets.of_blocks.items():
        sums = [
            parts[[position[block] for block in chosen.blocks(network)]].sum(axis=0) for network in networks
        ]
        assert whole[name] == pytest.approx(np.array(sums) + feature_sets.of_nothing[name])


def test_an_average_network_has_one_of_each(feature_sets: BlockFeatures) -> None:
    for features in feature_sets.of_networks(feature_sets.average).values():
        assert (features[:, 0] == 1).all()
        assert features.mean(axis=0) == pytest.approx(np.ones(features.shape[1]))
        assert (np.ptp(features[:, 1:], axis=0) > 0).all()


def test_blocks_cost_nothing_less_than_nothing(feature_sets: BlockFeatures) -> None:
    assert all((features >= 0).all() for features in feature_sets.of_blocks.values())


def test_simpler_views_come_first(feature_sets: BlockFeatures) -> None:
    widths = [features.shape[1] for features in feature_sets.of_blocks.values()]
    assert all(narrow < wide for narrow, wide in pairwise(widths))


def test_they_are_the_same_each_time(chosen: SearchSpace, feature_sets: BlockFeatures) -> None:
    networks = _random(chosen, 3)
    again: FeatureSets = BlockFeatures(chosen, 1).of_networks(networks)
    for name, features in feature_sets.of_networks(networks).items():
        assert (again[name] == features).all()


def test_a_batch_has_more_features_but_no_more_weights(space: SearchSpace) -> None:
    """Relative to an average network all grow alike, but for sums of features and weights."""
    networks = _random(space)
    one, many = (BlockFeatures(space, batch).of_networks(networks) for batch in (1, 16))
    assert many["kinds of kernel"] == pytest.approx(one["kinds of kernel"])
    assert many["arithmetic and traffic"] != pytest.approx(one["arithmetic and traffic"])
