"""What each primitive layer costs, counted against PyTorch's own modules and against its formulas."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from edgenas.space.layers import Add, Conv, GlobalPool, Linear, SqueezeExcite, make_divisible, strided

sizes = st.integers(1, 40)


@given(sizes, st.sampled_from([1, 2, 3]), st.sampled_from([1, 3, 5, 7]))
def test_strided_is_what_pytorch_gives(size: int, stride: int, kernel: int) -> None:
    image = torch.zeros(1, 1, size, 1)
    output = nn.Conv2d(1, 1, kernel, stride, kernel // 2)(image)
    assert strided(size, stride) == output.shape[2]


@given(
    sizes, sizes, st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 2]), st.sampled_from([1, 3, 5])
)
@settings(max_examples=40)
def test_conv_counts(height: int, width: int, per_group: int, groups: int, stride: int, kernel: int) -> None:
    channels = per_group * groups
    layer = Conv(channels, 2 * groups, kernel, stride, groups, "relu", height, width)
    conv = nn.Conv2d(channels, 2 * groups, kernel, stride, kernel // 2, groups=groups, bias=False)
    output = conv(torch.zeros(1, channels, height, width))
    assert (layer.out_height, layer.out_width) == output.shape[2:]
    assert layer.macs == conv.weight[0].numel() * output.numel()
    assert layer.parameters == conv.weight.numel() + 2 * output.shape[1]
    assert layer.elements_moved == channels * height * width + output.numel() + layer.parameters
    assert layer.elements_alive == channels * height * width + output.numel()
    assert layer.kernels == 1


def test_squeeze_excite_counts() -> None:
    layer = SqueezeExcite(channels=16, squeezed=8, height=5, width=3)
    assert layer.macs == 16 * 8 + 8 * 16
    assert layer.parameters == 16 * 8 + 8 + 8 * 16 + 16
    assert layer.elements_moved == 3 * 16 * 15 + layer.parameters
    assert layer.elements_alive == 16 * 15 + 16 + 8
    assert layer.kernels > 1


def test_add_and_pool_have_no_macs() -> None:
    add, pool = Add(8, 4, 5), GlobalPool(8, 4, 5)
    assert (add.macs, add.parameters, add.kernels, add.elements_moved) == (0, 0, 0, 160)
    assert (pool.macs, pool.parameters, pool.kernels, pool.elements_moved) == (0, 0, 1, 168)
    assert (add.elements_alive, pool.elements_alive) == (160, 168)


def test_linear_counts() -> None:
    layer = Linear(12, 5)
    assert layer.macs == 60
    assert layer.parameters == sum(p.numel() for p in nn.Linear(12, 5).parameters())
    assert layer.elements_moved == 12 + 5 + 65
    assert layer.elements_alive == 12 + 5


@given(st.floats(min_value=0.1, max_value=10_000), st.sampled_from([1, 4, 8, 16]))
def test_make_divisible_rounds_but_never_far_down(value: float, divisor: int) -> None:
    channels = make_divisible(value, divisor)
    assert channels % divisor == 0
    assert channels >= divisor
    assert channels >= 0.9 * value
    assert channels <= max(divisor, value + divisor)


@pytest.mark.parametrize(
    ("value", "channels"), [(1, 8), (8, 8), (11, 16), (12, 16), (22.4, 24), (33.6, 32), (32, 32), (1e3, 1000)]
)
def test_make_divisible_as_mobilenet(value: float, channels: int) -> None:
    from torchvision.models._utils import _make_divisible

    assert make_divisible(value) == channels == _make_divisible(value, 8)
