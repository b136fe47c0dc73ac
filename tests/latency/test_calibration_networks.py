"""Networks to calibrate on: distinct, repeatable, and worth more than random ones."""

import numpy as np
import pytest
from numpy.typing import NDArray

from edgenas.device import Device
from edgenas.device_models.roofline import estimate_block_ms
from edgenas.latency.calibration import NOISE, SLOPE_SD
from edgenas.latency.calibration_networks import CORRECTION_SHARE, informative_networks, random_networks
from edgenas.space import Architecture, Layout, MBConvSpace, SearchSpace, Stage, mbconv

SPACES = [mbconv(16, 10), mbconv(32, 10, squeeze_excite=True), mbconv(224, 1000)]


def _single_layer(kernels: int) -> MBConvSpace:
    """A space of as many networks as kernels."""
    return MBConvSpace(
        Layout(
            resolution=16,
            classes=2,
            stem_channels=8,
            stem_stride=1,
            stages=(Stage(channels=8, depth=1, stride=2),),
            head_channels=16,
            kernels=(3, 5, 7)[:kernels],
            expansions=(3,),
        )
    )


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.signature)
@pytest.mark.parametrize("count", [1, 3, 40])
def test_as_many_as_asked_all_distinct_and_of_the_space(
    space: SearchSpace, device: Device, count: int
) -> None:
    chosen = informative_networks(space, device, count, seed=0)
    assert len(chosen) == len({architecture.id for architecture in chosen}) == count
    assert all(space.architecture(architecture.choices) == architecture for architecture in chosen)


def test_the_seed_decides(space: SearchSpace, device: Device) -> None:
    first, again, other = (informative_networks(space, device, 10, seed) for seed in (5, 5, 6))
    assert first == again != other


def test_the_first_ones_do_not_depend_on_how_many_are_asked_of_the_same_pool(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgenas.latency.calibration_networks.POOL", 60)
    few = informative_networks(SPACES[0], device, 4, seed=0)
    monkeypatch.setattr("edgenas.latency.calibration_networks.POOL", 30)
    assert informative_networks(SPACES[0], device, 8, seed=0)[:4] == few


@pytest.mark.parametrize("kernels", [1, 2, 3])
def test_a_space_with_fewer_networks_gives_them_all(device: Device, kernels: int) -> None:
    chosen = informative_networks(_single_layer(kernels), device, 8, seed=0)
    assert {architecture.choices for architecture in chosen} == {("k3e3",), ("k5e3",), ("k7e3",)} - {
        (f"k{kernel}e3",) for kernel in (3, 5, 7)[kernels:]
    }
    assert len(chosen) == kernels


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.signature)
@pytest.mark.parametrize("count", [8, 40])
def test_they_leave_less_unknown_than_random_ones(space: SearchSpace, device: Device, count: int) -> None:
    for seed in range(4):
        rng = np.random.default_rng(100 + seed)
        fresh = [space.sample(rng) for _ in range(100)]
        designed = informative_networks(space, device, count, seed)
        drawn = [space.sample(rng) for _ in range(count)]
        assert _unknown(space, device, designed, fresh) < 0.95 * _unknown(space, device, drawn, fresh)


def _unknown(
    space: SearchSpace, device: Device, chosen: list[Architecture], fresh: list[Architecture]
) -> float:
    """Mean posterior variance, relative to themselves, of fresh networks once the chosen ones are measured."""
    unit_ms = float(np.mean([estimate_block_ms(block, device) for block in space.distinct_blocks]))
    known = _features(space, device, chosen, unit_ms)
    wanted = _features(space, device, fresh, unit_ms)
    precision = np.eye(known.shape[1]) + known.T @ known / NOISE**2
    return float(np.einsum("nf,fn->n", wanted, np.linalg.solve(precision, wanted.T)).mean())


def _features(
    space: SearchSpace, device: Device, architectures: list[Architecture], unit_ms: float
) -> NDArray[np.float64]:
    """What multiplies standard normal weights: corrections, slope, intercept; relative to the networks."""
    costs = np.array([estimate_block_ms(block, device) for block in space.distinct_blocks])
    chains = [space.blocks(architecture) for architecture in architectures]
    counts = np.array([[chain.count(block) for block in space.distinct_blocks] for chain in chains])
    sums = counts @ costs
    intercept = np.full(len(sums), SLOPE_SD * 10 * unit_ms)
    features = np.column_stack([CORRECTION_SHARE * counts * costs, SLOPE_SD * sums, intercept])
    return np.asarray(features / sums[:, None])


def test_both_ends_of_the_latency_are_covered(space: SearchSpace, device: Device) -> None:
    def ms(architecture: Architecture) -> float:
        return sum(estimate_block_ms(block, device) for block in space.blocks(architecture))

    rng = np.random.default_rng(7)
    low, high = np.quantile([ms(space.sample(rng)) for _ in range(500)], [0.1, 0.9])
    times = [ms(architecture) for architecture in informative_networks(space, device, 10, seed=0)]
    assert min(times) < low < high < max(times)


def test_random_networks_are_none_of_the_others(device: Device) -> None:
    space = mbconv(16, 10)
    others = informative_networks(space, device, 20, seed=0)
    drawn = random_networks(space, 15, 0, others)
    assert len({network.id for network in drawn}) == 15
    assert not {network.id for network in drawn} & {network.id for network in others}
    assert drawn == random_networks(space, 15, 0, others)
    assert drawn != random_networks(space, 15, 1, others)
    assert random_networks(space, 0, 0, others) == []
