"""Families: every block fits the one before it, whatever size and width it is asked for."""

import numpy as np
import onnx
import pytest

from edgenas.fragments.graph_builder import GraphBuilder
from edgenas.fragments.network_families import CHANNELS, STYLES, Draw
from edgenas.space.onnx_graph import INPUT


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("seed", range(4))
def test_blocks_chain_and_come_near_the_size_that_is_asked_for(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    block = STYLES[name](Draw(rng))
    builder = GraphBuilder((1, 24, 14, 14), rng)
    value = INPUT
    for out, stride in ((24, 1), (48, 2), (48, 1), (96, 2)):
        value = block(builder, value, out, stride)
        assert builder.channels(value) > 0
        assert builder.shape(value)[2] <= 14
    onnx.checker.check_model(builder.model(value), full_check=True)
    assert builder.macs > 0


def test_draws_stay_between_their_ends() -> None:
    draw = Draw(np.random.default_rng(0))
    assert {draw.of(1, 2) for _ in range(50)} == {1, 2}
    assert {draw.word("a", "b") for _ in range(50)} == {"a", "b"}
    assert {draw.chance(0.5) for _ in range(50)} == {True, False}
    assert {draw.channels(16, 40) for _ in range(200)} == {n for n in CHANNELS if 16 <= n <= 40}
    assert draw.channels(5000, 9000) == 5000
    assert {draw.between(3, 5) for _ in range(100)} == {3, 4, 5}
    assert sorted(draw.some(3, "a", "b", "c")) == ["a", "b", "c"]


def test_a_range_may_be_drawn_from_in_parts() -> None:
    low, middle, high = (Draw(np.random.default_rng(0), (part, 3)) for part in range(3))
    for _ in range(100):
        assert 1 <= low.between(1, 999) <= 10 <= middle.between(1, 999) <= 100 <= high.between(1, 999) <= 999
