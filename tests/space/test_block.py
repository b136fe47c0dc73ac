"""Blocks and their canonical keys."""

from dataclasses import FrozenInstanceError
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.errors import InputError
from edgenas.space import Block, block_from_key
from edgenas.space.block import Head, MBConv, Projection, Stem, block_macs, block_parameters, output_shape
from edgenas.space.layers import Add, Conv, GlobalPool, Linear, SqueezeExcite

counts = st.integers(1, 5000)
odd = st.integers(0, 50).map(lambda half: 2 * half + 1)
activations = st.sampled_from(["none", "relu", "relu6", "hswish"])
blocks = st.one_of(
    st.builds(Stem, odd, counts, activations, counts, counts, counts, counts),
    st.builds(MBConv, odd, counts, counts, st.integers(0, 99), activations, counts, counts, counts, counts),
    st.builds(
        partial(MBConv, pointwise=True),
        odd,
        st.just(1),
        counts,
        st.just(0),
        activations,
        counts,
        counts,
        counts,
        counts,
    ),
    st.builds(Projection, counts, counts, counts, counts, counts),
    st.builds(Head, activations, counts, counts, counts, counts, counts),
)


@given(blocks)
def test_key_reads_back_as_the_block(block: Block) -> None:
    again = block_from_key(block.key)
    assert again == block
    assert type(again) is type(block)
    assert hash(again) == hash(block)


@given(blocks, blocks)
def test_keys_are_equal_when_blocks_are(one: Block, other: Block) -> None:
    assert (one.key == other.key) == (one == other)


@pytest.mark.parametrize(
    ("key", "block"),
    [
        ("mbconv/k5/e6/s2/se0/relu6/24-40/112x112", MBConv(5, 6, 2, 0, "relu6", 24, 40, 112, 112)),
        ("mbconv/k3/e1/s1/se4/hswish/16-16/56x28", MBConv(3, 1, 1, 4, "hswish", 16, 16, 56, 28)),
        (
            "mbconv/k3/e1pw/s1/se0/relu/24-24/56x56",
            MBConv(3, 1, 1, 0, "relu", 24, 24, 56, 56, pointwise=True),
        ),
        ("stem/k3/s2/relu6/3-32/224x224", Stem(3, 2, "relu6", 3, 32, 224, 224)),
        ("projection/s2/32-64/32x16", Projection(2, 32, 64, 32, 16)),
        ("head/relu6/320-1280-1000/7x7", Head("relu6", 320, 1280, 1000, 7, 7)),
    ],
)
def test_known_keys(key: str, block: Block) -> None:
    assert block_from_key(key) == block
    assert block.key == key


GOOD = "mbconv/k5/e6/s2/se0/relu6/24-40/112x112"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "mbconv",
        GOOD + "\n",
        " " + GOOD,
        GOOD.upper(),
        GOOD.replace("k5", "k05"),
        GOOD.replace("k5", "k4"),
        GOOD.replace("k5", "k0"),
        GOOD.replace("k5", "k-5"),
        GOOD.replace("k5", "k1٣"),
        GOOD.replace("e6", "e6pw"),
        GOOD.replace("24-40", "0-40"),
        GOOD.replace("24-40", "24-4٣"),
        GOOD.replace("24-40", "24"),
        GOOD.replace("relu6", "gelu"),
        GOOD.replace("112x112", "112"),
        GOOD.replace("112x112", "1" * 5000 + "x112"),
        GOOD.replace("/se0", ""),
        GOOD + "/b1",
        "head/relu6/320-1280/7x7",
        "stem/k2/s2/relu6/3-32/224x224",
        "projection/s0/32-64/32x32",
        "projection/k1/s2/32-64/32x32",
    ],
)
def test_garbage_is_refused(key: str) -> None:
    with pytest.raises(
        InputError, match=r"is not a block key; use a form like mbconv/k5/e6/s2/se0/relu6/24-40"
    ):
        block_from_key(key)


@given(st.one_of(st.text(max_size=50), st.from_regex(r"mbconv/k\d/e\d/s\d/se\d/relu6/\d+-\d+/\d+x\d+")))
def test_any_text_is_a_canonical_key_or_refused(key: str) -> None:
    try:
        block = block_from_key(key)
    except InputError:
        return
    assert block.key == key


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_a_changed_character_never_reads_as_the_same_block(position: int, character: str) -> None:
    changed = GOOD[:position] + character + GOOD[position + 1 :]
    if changed == GOOD:
        return
    try:
        assert block_from_key(changed) != block_from_key(GOOD)
    except InputError as error:
        assert repr(changed) in str(error)


def test_mbconv_layers_in_order() -> None:
    block = MBConv(5, 6, 1, 4, "hswish", 24, 24, 10, 8)
    kinds = [type(layer) for layer in block.layers]
    assert kinds == [Conv, Conv, SqueezeExcite, Conv, Add]
    expand, depthwise, attention, project, _ = block.layers
    assert isinstance(expand, Conv) and isinstance(depthwise, Conv) and isinstance(project, Conv)
    assert (expand.kernel, expand.out_channels, expand.activation) == (1, 144, "hswish")
    assert (depthwise.kernel, depthwise.groups, depthwise.activation) == (5, 144, "hswish")
    assert isinstance(attention, SqueezeExcite)
    assert attention.squeezed == 40
    assert (project.out_channels, project.activation) == (24, "none")


@pytest.mark.parametrize(
    ("block", "residual"),
    [
        (MBConv(3, 3, 1, 0, "relu6", 16, 16, 8, 8), True),
        (MBConv(3, 3, 2, 0, "relu6", 16, 16, 8, 8), False),
        (MBConv(3, 3, 1, 0, "relu6", 16, 24, 8, 8), False),
    ],
)
def test_skip_add_only_where_shapes_agree(block: MBConv, residual: bool) -> None:
    assert block.residual is residual
    assert isinstance(block.layers[-1], Add) is residual


def test_expansion_one_does_not_expand() -> None:
    block = MBConv(3, 1, 1, 0, "relu6", 32, 16, 8, 8)
    first, _ = block.layers
    assert isinstance(first, Conv)
    assert first.groups == first.out_channels == 32


def test_expansion_one_that_is_pointwise_keeps_its_first_convolution() -> None:
    block = MBConv(3, 1, 1, 0, "relu", 24, 24, 8, 8, pointwise=True)
    first, depthwise, _, _ = block.layers
    assert isinstance(first, Conv)
    assert isinstance(depthwise, Conv)
    assert (first.kernel, first.groups, first.out_channels) == (1, 1, 24)
    assert depthwise.groups == 24


def test_projection_is_linear() -> None:
    (layer,) = Projection(2, 32, 64, 32, 32).layers
    assert isinstance(layer, Conv)
    assert (layer.kernel, layer.stride, layer.groups, layer.activation) == (1, 2, 1, "none")
    assert block_parameters(Projection(2, 32, 64, 32, 32)) == 32 * 64 + 2 * 64
    assert block_macs(Projection(2, 32, 64, 32, 32)) == 32 * 64 * 16 * 16


def test_head_layers() -> None:
    assert [type(layer) for layer in Head("relu6", 8, 16, 10, 4, 4).layers] == [Conv, GlobalPool, Linear]


@pytest.mark.parametrize(
    ("block", "shape"),
    [
        (Stem(3, 2, "relu6", 3, 8, 33, 32), (8, 17, 16)),
        (MBConv(3, 3, 2, 0, "relu6", 8, 16, 7, 1), (16, 4, 1)),
        (Projection(2, 8, 16, 7, 1), (16, 4, 1)),
        (Head("relu6", 8, 16, 10, 4, 4), (10,)),
    ],
)
def test_output_shape(block: Block, shape: tuple[int, ...]) -> None:
    assert output_shape(block) == shape


@given(blocks)
def test_costs_are_the_sum_of_the_layers(block: Block) -> None:
    assert block_macs(block) == sum(layer.macs for layer in block.layers)
    assert block_parameters(block) == sum(layer.parameters for layer in block.layers)


def test_blocks_are_values() -> None:
    block = Stem(3, 2, "relu6", 3, 8, 32, 32)
    assert {block: 1}[Stem(3, 2, "relu6", 3, 8, 32, 32)] == 1
    with pytest.raises(FrozenInstanceError):
        block.kernel = 5  # type: ignore[misc]
