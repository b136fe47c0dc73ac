"""Networks made by hand: what they are to the digit, and that each can be built at every size."""

from typing import Any

import pytest
import torch
from fvcore.nn import FlopCountAnalysis, parameter_count
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import models

from edgenas.errors import InputError
from edgenas.space import block_from_key, space_from_config
from edgenas.space.baselines import BASELINES, mobilenet_v2, mobilenet_v3_small
from edgenas.space.block import MBConv, Stem
from edgenas.space.modules import Network

names = pytest.mark.parametrize("name", BASELINES)


def _fvcore_counts(network: nn.Module) -> tuple[int, int]:
    """MACs of convolutions and linears, parameters; at 224 px."""
    analysis = FlopCountAnalysis(network.eval(), torch.zeros(1, 3, 224, 224))
    counts = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    return counts["conv"] + counts["linear"], parameter_count(network)[""]


@pytest.mark.parametrize("width", [1.0, 1.4])
def test_mobilenet_v2_is_torchvisions(width: float) -> None:
    space, architecture = mobilenet_v2(224, 1000, width)
    reference = models.mobilenet_v2(width_mult=width)
    assert (space.macs(architecture), space.parameters(architecture)) == _fvcore_counts(reference)
    if width == 1:
        assert space.parameters(architecture) == 3_504_872
    ours = [value.shape for value in space.build(architecture).state_dict().values()]
    assert ours == [value.shape for value in reference.state_dict().values()]


def test_a_narrow_mobilenet_v2_differs_from_torchvisions_in_its_head_alone() -> None:
    space, architecture = mobilenet_v2(224, 1000, 0.5)
    theirs = [value.shape for value in models.mobilenet_v2(width_mult=0.5).state_dict().values()]
    ours = [value.shape for value in space.build(architecture).state_dict().values()]
    head = 6 + 2  # convolution and batch norm, classifier
    assert ours[:-head] == theirs[:-head]
    assert ours[-head] == (640, 160, 1, 1) and theirs[-head] == (1280, 160, 1, 1)


@pytest.mark.parametrize(("width", "tolerance"), [(1.0, 0.01), (0.35, 0.11), (0.75, 0.11), (1.4, 0.11)])
def test_mobilenet_v3_small_is_near_torchvisions(width: float, tolerance: float) -> None:
    space, architecture = mobilenet_v3_small(224, 1000, width)
    weights = 1000 * space.layout.head_channels
    features = (space.macs(architecture) - weights, space.parameters(architecture) - weights - 1000)
    reference = models.mobilenet_v3_small(width_mult=width)
    assert features == pytest.approx(_fvcore_counts(reference.features), rel=tolerance)


def test_mobilenet_v3_small_as_a_whole() -> None:
    space, architecture = mobilenet_v3_small(224, 1000, 1)
    macs, parameters = _fvcore_counts(models.mobilenet_v3_small())
    assert space.macs(architecture) / macs == pytest.approx(0.98, abs=0.005)
    assert space.parameters(architecture) / parameters == pytest.approx(0.59, abs=0.005)


def test_mobilenet_v3_small_opens_as_in_the_paper() -> None:
    space, architecture = mobilenet_v3_small(224, 10, 1)
    assert space.blocks(architecture)[:3] == (
        Stem(3, 2, "hswish", 3, 16, 224, 224),
        MBConv(3, 1, 2, 4, "relu", 16, 16, 112, 112),
        MBConv(3, 4, 2, 0, "relu", 16, 24, 56, 56),
    )


@names
@pytest.mark.parametrize(
    ("resolution", "strides", "size"),
    [(224, 5, 7), (96, 5, 3), (64, 4, 4), (48, 4, 3), (32, 3, 4), (16, 3, 2)],
)
def test_halvings_follow_the_resolution(name: str, resolution: int, strides: int, size: int) -> None:
    space, architecture = BASELINES[name].make(resolution, 10, 1)
    *body, head = space.blocks(architecture)
    assert sum(getattr(block, "stride", 1) == 2 for block in body) == strides
    assert (head.height, head.width) == (size, size)


@pytest.mark.parametrize(
    ("name", "channels"), [("mobilenet-v2", [32, 64, 160]), ("mobilenet-v3-small", [24, 40, 96])]
)
def test_the_last_three_strided_layers_keep_their_stride(name: str, channels: list[int]) -> None:
    space, architecture = BASELINES[name].make(32, 10, 1)
    strided = [b for b in space.blocks(architecture) if isinstance(b, MBConv) and b.stride == 2]
    assert [block.out_channels for block in strided] == channels


@names
@settings(max_examples=50)
@given(
    resolution=st.sampled_from([16, 31, 32, 48, 64, 96, 160, 224]),
    widths=st.tuples(st.floats(0.1, 4), st.floats(0.1, 4)).map(sorted),
)
def test_a_wider_one_is_no_smaller(name: str, resolution: int, widths: list[float]) -> None:
    narrow, wide = (BASELINES[name].make(resolution, 10, width) for width in widths)
    for count in ("macs", "parameters"):
        assert getattr(narrow[0], count)(narrow[1]) <= getattr(wide[0], count)(wide[1])


@names
@settings(max_examples=25)
@given(
    resolution=st.sampled_from([16, 32, 48, 64, 96, 224]),
    width=st.floats(0.1, 4),
    classes=st.integers(2, 2000),
)
def test_the_space_holds_it_alone_and_reads_back(
    name: str, resolution: int, width: float, classes: int
) -> None:
    space, architecture = BASELINES[name].make(resolution, classes, width)
    assert all(len(choices) == 1 for choices in space.variables)
    again = space_from_config(space.config())
    assert again.signature == space.signature
    assert again.architecture(architecture.choices) == architecture
    for block in space.blocks(architecture):
        assert block_from_key(block.key) == block


@names
@pytest.mark.parametrize("resolution", [16, 32, 64, 96])
def test_its_blocks_run(name: str, resolution: int) -> None:
    space, architecture = BASELINES[name].make(resolution, 7, 0.25)
    network = Network(space.blocks(architecture))
    assert network(torch.randn(2, 3, resolution, resolution)).shape == (2, 7)


def test_what_people_call_them() -> None:
    assert {name: baseline.title for name, baseline in BASELINES.items()} == {
        "mobilenet-v2": "MobileNetV2",
        "mobilenet-v3-small": "MobileNetV3-Small",
    }


@names
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resolution": 80}, r"--resolution 80 is not supported; use 16 to 64 or 96 to 224"),
        ({"width": 0.05}, r"--width 0\.05 is out of range; use 0\.1 to 4"),
        ({"classes": 1}, r"--classes 1 is out of range; use 2 to 100000"),
    ],
)
def test_refused_arguments(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BASELINES[name].make(**{"resolution": 32, "classes": 10, "width": 1.0, **changes})
