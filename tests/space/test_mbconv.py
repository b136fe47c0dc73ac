"""The `mbconv` space: the contract, counts to the digit, and the known networks that are its points."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from fvcore.nn import FlopCountAnalysis, parameter_count
from torch import nn

from edgenas.errors import InputError
from edgenas.space import Architecture, Layout, MBConvSpace, SearchSpace, Stage, mbconv
from edgenas.space.block import Head, MBConv, Stem
from edgenas.testing import SearchSpaceConformance

CONFIGURATIONS: list[dict[str, Any]] = [
    {"resolution": 16},
    {"resolution": 31, "width": 0.5, "activation": "hswish"},
    {"resolution": 32, "squeeze_excite": True},
    {"resolution": 48, "activation": "hswish"},
    {"resolution": 64, "squeeze_excite": True, "activation": "hswish", "width": 1.4},
]


def _layout(**changes: Any) -> Layout:
    fields: dict[str, Any] = {
        "resolution": 12,
        "classes": 5,
        "stem_channels": 8,
        "stem_stride": 1,
        "stages": ({"channels": 8, "depth": 2, "stride": 1}, {"channels": 16, "depth": 1, "stride": 2}),
        "head_channels": 32,
    }
    return Layout.model_validate({**fields, **changes})


class TestSmallPreset(SearchSpaceConformance):
    @pytest.fixture(params=CONFIGURATIONS, ids=str)
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        return mbconv(classes=10, **request.param)


class TestOwnLayout(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return MBConvSpace(_layout(first_channels=8, in_channels=1, kernels=(3, 7), expansions=(2, 4)))


class TestRareFields(SearchSpaceConformance):
    @pytest.fixture
    def space(self) -> SearchSpace:
        stages = (
            {"channels": 8, "depth": 3, "stride": 1, "kernels": (5,), "expansions": (2, 3, 6)},
            {"channels": 16, "depth": 2, "stride": 2},
            {"channels": 16, "depth": 2, "stride": 1, "expansions": (1,), "pointwise": True},
        )
        first = {
            "first_channels": 8,
            "first_stride": 2,
            "first_squeeze_excite": 4,
            "first_activation": "relu",
        }
        return MBConvSpace(_layout(stages=stages, **first))


class TestLargePreset(SearchSpaceConformance):
    builds = 1

    @pytest.fixture
    def space(self) -> SearchSpace:
        return mbconv(96, 100, width=0.35)


def test_room_is_imported_without_torch() -> None:
    code = "import sys, edgenas.space; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _fvcore_counts(network: nn.Module, shape: tuple[int, int, int]) -> tuple[int, int]:
    """MACs of convolutions and linears (batch norm and pooling are listed too, but are none), parameters."""
    analysis = FlopCountAnalysis(network.eval(), torch.zeros(1, *shape))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counts = analysis.by_operator()
    assert set(counts) <= {"conv", "linear", "batch_norm", "adaptive_avg_pool2d"}
    return counts["conv"] + counts["linear"], parameter_count(network)[""]


def _assert_counts(space: SearchSpace, architecture: Architecture) -> None:
    expected = _fvcore_counts(space.build(architecture), space.input_shape)
    assert (space.macs(architecture), space.parameters(architecture)) == expected


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_counts_agree_with_fvcore(configuration: dict[str, Any]) -> None:
    space = mbconv(classes=10, **configuration)
    rng = np.random.default_rng(configuration["resolution"])
    for _ in range(5):
        _assert_counts(space, space.sample(rng))


@pytest.mark.parametrize(
    "configuration",
    [
        {"resolution": 96, "squeeze_excite": True},
        {"resolution": 130, "width": 0.5, "activation": "hswish"},
        {"resolution": 224},
        {"resolution": 224, "width": 0.75, "activation": "hswish", "squeeze_excite": True},
    ],
    ids=str,
)
def test_counts_agree_with_fvcore_on_large_images(configuration: dict[str, Any]) -> None:
    space = mbconv(classes=1000, **configuration)
    _assert_counts(space, space.sample(np.random.default_rng(0)))


def test_mobilenet_v2_is_a_point() -> None:
    from torchvision.models import mobilenet_v2

    rows = ((24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
    space = MBConvSpace(
        Layout(
            resolution=224,
            classes=1000,
            stem_channels=32,
            stem_stride=2,
            first_channels=16,
            stages=tuple(Stage(channels=c, depth=n, stride=s) for c, n, s in rows),  # type: ignore[arg-type]
            head_channels=1280,
        )
    )
    architecture = space.architecture(["k3e6"] * 16)
    assert space.parameters(architecture) == 3_504_872
    reference = mobilenet_v2()
    assert _fvcore_counts(reference, (3, 224, 224)) == (space.macs(architecture), 3_504_872)
    # The same weights in the same order: the same network.
    network = space.build(architecture)
    theirs, ours = reference.state_dict(), network.state_dict()
    assert [value.shape for value in theirs.values()] == [value.shape for value in ours.values()]
    network.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
    images = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(network.eval()(images), reference.eval()(images), atol=1e-5)


def test_proxylessnas_like_default() -> None:
    space = mbconv(224, 1000)
    assert len(space.variables) == 21
    assert space.fixed_blocks[:2] == (
        Stem(3, 2, "relu6", 3, 32, 224, 224),
        MBConv(3, 1, 1, 0, "relu6", 32, 16, 112, 112),
    )
    assert space.fixed_blocks[-1] == Head("relu6", 320, 1280, 1000, 7, 7)
    assert set(space.variables[0]) == {f"k{k}e{e}" for k in (3, 5, 7) for e in (3, 6)}
    assert set(space.variables[1]) == {*space.variables[0], "skip"}
    # ProxylessNAS (mobile) has 320 MMACs and 4.1 M parameters: well inside.
    macs = [space.macs(space.architecture(choices)) for choices in (_smallest(space), _largest(space))]
    assert macs[0] < 320e6 < macs[1]


def test_mobilenet_v3_like_configuration_builds() -> None:
    space = mbconv(96, 10, squeeze_excite=True, activation="hswish")
    network = space.build(space.architecture(_smallest(space)))
    kinds = [type(module).__name__ for module in network.modules()]
    assert "Hardswish" in kinds and "SqueezeExciteModule" in kinds and "ReLU6" not in kinds
    assert network(torch.randn(2, 3, 96, 96)).shape == (2, 10)


def _smallest(space: SearchSpace) -> list[str]:
    return ["skip" if "skip" in names else "k3e3" for names in space.variables]


def _largest(space: SearchSpace) -> list[str]:
    return [names[-1] if names[-1] != "skip" else names[-2] for names in space.variables]


def test_skips_go_to_the_end_of_their_stage() -> None:
    space = MBConvSpace(_layout(stages=[{"channels": 8, "depth": 3, "stride": 2}] * 2))
    given = ("k3e3", "skip", "k5e6", "k7e3", "skip", "skip")
    assert space.canonical(given) == ("k3e3", "k5e6", "skip", "k7e3", "skip", "skip")
    assert space.architecture(given) == space.architecture(space.canonical(given))


def test_first_layer_of_a_stage_cannot_be_skipped() -> None:
    with pytest.raises(InputError, match=r"choices\.0: unknown choice 'skip'; use one of k3e3, k3e6, k5e3"):
        MBConvSpace(_layout()).architecture(["skip", "skip", "k3e3"])


def test_stage_options_reach_the_blocks() -> None:
    stages = (
        {"channels": 8, "depth": 1, "stride": 1, "activation": "relu"},
        {"channels": 16, "depth": 1, "stride": 2, "activation": "hswish", "squeeze_excite": 4},
    )
    space = MBConvSpace(_layout(stages=stages, stem_activation="none", head_activation="relu"))
    stem, one, two, head = space.blocks(space.architecture(["k3e3", "k5e6"]))
    assert stem.activation == "none"
    assert one == MBConv(3, 3, 1, 0, "relu", 8, 8, 12, 12)
    assert two == MBConv(5, 6, 2, 4, "hswish", 8, 16, 12, 12)
    assert head == Head("relu", 16, 32, 5, 6, 6)


def test_the_first_block_may_stride_and_squeeze() -> None:
    first = {"first_stride": 2, "first_squeeze_excite": 4, "first_activation": "relu"}
    space = MBConvSpace(_layout(first_channels=16, stem_activation="hswish", **first))
    stem, block, *_, head = space.blocks(space.architecture(["k3e3", "skip", "k3e3"]))
    assert stem.activation == "hswish"
    assert block == MBConv(3, 1, 2, 4, "relu", 8, 16, 12, 12)
    assert (head.height, head.width) == (3, 3)
    _assert_counts(space, space.sample(np.random.default_rng(0)))


def test_a_stage_may_have_choices_of_its_own() -> None:
    own = {"channels": 8, "depth": 2, "stride": 1, "kernels": (5,), "expansions": (4,)}
    space = MBConvSpace(_layout(stages=(own, {"channels": 8, "depth": 1, "stride": 2}), expansions=(2,)))
    assert space.variables == (("k5e4",), ("k5e4", "skip"), ("k3e2", "k5e2", "k7e2"))


@pytest.mark.parametrize(
    ("resolution", "size"), [(16, 2), (31, 4), (32, 4), (48, 3), (64, 4), (96, 3), (224, 7)]
)
def test_preset_follows_the_resolution(resolution: int, size: int) -> None:
    space = mbconv(resolution, 10)
    assert space.input_shape == (3, resolution, resolution)
    head = space.fixed_blocks[-1]
    assert (head.height, head.width) == (size, size)


def test_small_presets_are_trainable_on_a_cpu() -> None:
    for resolution, most in ((16, 1.5e6), (32, 40e6)):
        space = mbconv(resolution, 10)
        assert space.macs(space.architecture(_largest(space))) < most


@pytest.mark.parametrize("width", [0.1, 0.35, 0.75, 1.4, 4])
def test_width_scales_channels_to_multiples_of_eight(width: float) -> None:
    narrow, plain = mbconv(32, 10, width=width).layout, mbconv(32, 10).layout
    pairs = [
        (narrow.stem_channels, plain.stem_channels),
        *((a.channels, b.channels) for a, b in zip(narrow.stages, plain.stages, strict=True)),
    ]
    for scaled, channels in pairs:
        assert scaled % 8 == 0
        assert max(8, 0.9 * width * channels) <= scaled <= width * channels + 8
    assert narrow.head_channels >= plain.head_channels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": 15}, r"--resolution 15 is not supported; use 16 to 64 or 96 to 224"),
        ({"resolution": 80}, r"--resolution 80 is not supported; use 16 to 64 or 96 to 224"),
        ({"resolution": 225}, r"--resolution 225 is not supported; use 16 to 64 or 96 to 224"),
        ({"width": 0.05}, r"--width 0\.05 is out of range; use 0\.1 to 4"),
        ({"width": float("nan")}, r"--width nan is out of range; use 0\.1 to 4"),
        ({"classes": 1}, r"--classes 1 is out of range; use 2 to 100000"),
        ({"activation": "gelu"}, r"unknown activation 'gelu'; use one of none, relu, relu6, hswish"),
    ],
)
def test_refused_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mbconv(**{"resolution": 32, "classes": 10, **arguments})
