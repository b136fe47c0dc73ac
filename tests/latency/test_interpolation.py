"""Blocks nobody timed: near what they take, sure of it where there are neighbours, refused where there are none."""

from collections.abc import Callable

import numpy as np
import pytest

from edgenas.device import Device
from edgenas.device_models.roofline import estimate_block_ms
from edgenas.errors import IncompleteTableError
from edgenas.latency.interpolation import Interpolated, interpolator
from edgenas.space import Block, SearchSpace, mbconv
from edgenas.space.block import Head, MBConv, block_macs, block_parameters

SPACES = [mbconv(64, 10), mbconv(32, 10), mbconv(224, 1000), mbconv(224, 1000, 1.0, True, "hswish")]
Clock = Callable[[Block, Device], float]


def _by_weights(block: Block, device: Device) -> float:
    """As the fake runtime has it: nothing the datasheet model knows of."""
    return block_parameters(block) * 1e-4


def _distorted(block: Block, device: Device) -> float:
    """The datasheet model times what varies smoothly with the work and steps with the kernel."""
    kernel = block.kernel if isinstance(block, MBConv) else 1
    wave = 1.5 + 0.3 * np.sin(np.log(block_macs(block)))
    return float(estimate_block_ms(block, device) * wave * (1 + 0.05 * kernel))


def _timed(space: SearchSpace, device: Device, clock: Clock, seed: int = 0) -> dict[str, float]:
    """A table's times, off by a hundredth."""
    rng = np.random.default_rng(seed)
    return {b.key: clock(b, device) * float(np.exp(rng.normal(0, 0.01))) for b in space.distinct_blocks}


def _without_a_fifth(
    space: SearchSpace, net_ms: dict[str, float], device: Device, seed: int
) -> dict[str, Interpolated]:
    """What is said of blocks left out, by key."""
    layers = [block for block in space.distinct_blocks if isinstance(block, MBConv)]
    out = np.random.default_rng(seed).choice(len(layers), len(layers) // 5, replace=False)
    gone = {layers[i].key: layers[i] for i in out}
    interpolate = interpolator({key: ms for key, ms in net_ms.items() if key not in gone}, device)
    return {key: interpolate(block) for key, block in gone.items()}


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.signature)
@pytest.mark.parametrize("clock", [_by_weights, _distorted])
def test_left_out_blocks_are_found_again(space: SearchSpace, device: Device, clock: Clock) -> None:
    errors: list[float] = []
    sds: list[float] = []
    estimates: list[float] = []
    for seed in range(4):
        net_ms = _timed(space, device, clock, seed)
        for key, found in _without_a_fifth(space, net_ms, device, seed).items():
            errors.append(abs(found.net_ms / net_ms[key] - 1))
            sds.append(found.relative_sd)
            block = next(block for block in space.distinct_blocks if block.key == key)
            estimates.append(abs(estimate_block_ms(block, device) / net_ms[key] - 1))
    assert np.median(errors) < 0.025
    assert max(errors) < 0.1
    assert np.mean(errors) < 0.2 * np.mean(estimates)  # much nearer than the datasheet alone
    assert np.mean(np.array(errors) <= 2 * np.array(sds)) > 0.6


@pytest.mark.parametrize("clock", [_by_weights, _distorted])
def test_most_lie_within_two_standard_deviations(device: Device, clock: Clock) -> None:
    held = [
        abs(found.net_ms / net_ms[key] - 1) <= 2 * found.relative_sd
        for space in SPACES
        for seed in range(4)
        for net_ms in [_timed(space, device, clock, seed)]
        for key, found in _without_a_fifth(space, net_ms, device, seed).items()
    ]
    assert np.mean(held) > 0.8


@pytest.mark.parametrize("space", SPACES[:2], ids=lambda space: space.signature)
def test_timed_blocks_are_met(space: SearchSpace, device: Device) -> None:
    net_ms = _timed(space, device, _distorted)
    interpolate = interpolator(net_ms, device)
    for block in space.distinct_blocks:
        assert interpolate(block).net_ms == pytest.approx(net_ms[block.key], rel=0.05)


def test_far_from_what_was_timed_the_doubt_grows(device: Device) -> None:
    space = SPACES[0]
    interpolate = interpolator(_timed(space, device, _distorted), device)
    near = [interpolate(block).relative_sd for block in space.distinct_blocks]
    far = interpolate(MBConv(7, 6, 1, 0, "relu6", 320, 320, 112, 112))
    assert far.relative_sd > 3 * max(near)
    assert far.net_ms > 0


def test_another_number_of_classes_costs_about_the_same(device: Device) -> None:
    interpolate = interpolator(_timed(SPACES[0], device, _distorted), device)
    for classes in (2, 9, 11, 20):
        head = SPACES[0].distinct_blocks[-1]
        assert isinstance(head, Head)
        other = Head(
            head.activation, head.in_channels, head.hidden_channels, classes, head.height, head.width
        )
        assert interpolate(other).net_ms == pytest.approx(_distorted(other, device), rel=0.1)


def test_the_same_blocks_give_the_same_figures(device: Device) -> None:
    net_ms = _timed(SPACES[1], device, _distorted)
    first, again = (_without_a_fifth(SPACES[1], net_ms, device, seed=1) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_a_slower_device_is_slower_throughout(device: Device, factor: float) -> None:
    net_ms = _timed(SPACES[0], device, _by_weights)
    one = _without_a_fifth(SPACES[0], net_ms, device, seed=0)
    other = _without_a_fifth(SPACES[0], {key: factor * ms for key, ms in net_ms.items()}, device, seed=0)
    for key, found in one.items():
        assert other[key].net_ms == pytest.approx(factor * found.net_ms, rel=1e-3)
        assert other[key].relative_sd == pytest.approx(found.relative_sd, rel=1e-2)


def test_five_blocks_are_enough(device: Device) -> None:
    net_ms = dict(list(_timed(SPACES[0], device, _distorted).items())[:5])
    found = interpolator(net_ms, device)(SPACES[0].distinct_blocks[7])
    assert found.net_ms > 0 and found.relative_sd > 0


@pytest.mark.parametrize("count", [0, 1, 4])
@pytest.mark.parametrize("free", [0, 3])
def test_too_few_timed_blocks_are_refused(device: Device, count: int, free: int) -> None:
    """Blocks that seem to cost nothing are no neighbours."""
    keys = list(_timed(SPACES[0], device, _distorted))
    net_ms = {key: float(i < count) for i, key in enumerate(keys[: count + free])}
    with pytest.raises(
        IncompleteTableError,
        match=rf"^{count} timed blocks are too few to interpolate between; profile the space itself$",
    ):
        interpolator(net_ms, device)
