"""The `nasbench-macro` space: the contract, the published counts to the digit, and weights shared by a supernet."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from fvcore.nn import FlopCountAnalysis, parameter_count
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from edgenas.accuracy.supernet import Supernet
from edgenas.device import Device
from edgenas.errors import InputError
from edgenas.latency.predictor import predictor_from_device
from edgenas.space import MacroLayout, NASBenchMacroSpace, SearchSpace, nasbench_macro
from edgenas.space.block import Head, MBConv, Projection, Stem
from edgenas.testing import SearchSpaceConformance

TABLE = "nasbench_macro_cifar10.csv.gz"
digits = st.text("012", min_size=8, max_size=8)
PublishedRows = Callable[[str], list[dict[str, str]]]


class TestTinyVariant(SearchSpaceConformance):
    @pytest.fixture(params=[(8, 0.25), (15, 0.1)], ids=str)
    def space(self, request: pytest.FixtureRequest) -> SearchSpace:
        resolution, width = request.param
        return nasbench_macro(resolution, 3, width)


class TestPublishedSpace(SearchSpaceConformance):
    builds = 1

    @pytest.fixture
    def space(self) -> SearchSpace:
        return nasbench_macro()


@pytest.fixture(scope="module")
def tiny() -> NASBenchMacroSpace:
    return nasbench_macro(8, 3, 0.25)


def test_parameters_and_macs_are_the_published_ones(published_rows: PublishedRows) -> None:
    rows, space = published_rows(TABLE), nasbench_macro()
    assert len(rows) == 6561
    for row in rows:
        architecture = space.architecture_from_text(row["arch"])
        assert space.parameters(architecture) == int(row["params"])
        assert space.macs(architecture) == int(row["flops"])


def test_equal_networks_are_those_of_equal_published_accuracy(published_rows: PublishedRows) -> None:
    """The table has one training for each network that `canonical` tells apart."""
    space, found = nasbench_macro(), {}
    for row in published_rows(TABLE):
        figures = (row["accuracy_percent"], row["accuracy_std"])
        assert found.setdefault(space.architecture_from_text(row["arch"]), figures) == figures
    assert len(found) == 3969


@pytest.mark.parametrize("text", ["00000000", "22222222", "01200210"])
def test_counts_agree_with_fvcore(text: str) -> None:
    space = nasbench_macro()
    architecture = space.architecture_from_text(text)
    network = space.build(architecture).eval()
    analysis = FlopCountAnalysis(network, torch.zeros(1, *space.input_shape))
    counts = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    assert space.macs(architecture) == counts["conv"] + counts["linear"]
    assert space.parameters(architecture) == parameter_count(network)[""]


def test_layout_is_the_published_one() -> None:
    space = nasbench_macro()
    architecture = space.architecture_from_text("01200210")
    assert architecture.choices[:2] == ("identity", "k3e3")
    assert space.blocks(architecture) == (
        Stem(3, 1, "relu", 3, 32, 32, 32),
        Projection(2, 32, 64, 32, 32),
        MBConv(3, 3, 1, 0, "relu", 64, 64, 16, 16),
        MBConv(5, 6, 2, 0, "relu", 64, 128, 16, 16),
        MBConv(5, 6, 2, 0, "relu", 128, 256, 8, 8),
        MBConv(3, 3, 1, 0, "relu", 256, 256, 4, 4),
        Head("relu", 256, 1280, 10, 4, 4),
    )
    assert [place for place, _ in space.path(architecture)] == [0, 1, 3, 5, 9, 10, 12]


@given(digits)
def test_identities_go_to_the_end_of_their_stage(text: str) -> None:
    space = nasbench_macro()
    canonical = space.text(space.architecture_from_text(text))
    for start, end in ((0, 2), (2, 5), (5, 8)):
        before, after = text[start:end], canonical[start:end]
        assert after[0] == before[0]
        assert after[1:].rstrip("0") == before[1:].replace("0", "")


@given(digits)
def test_canonical_form_runs_the_same_blocks(text: str) -> None:
    space = nasbench_macro()
    choices = [["identity", "k3e3", "k5e6"][int(digit)] for digit in text]
    pairs = zip(choices, space.candidates, strict=True)
    chosen = [options[space.variables[0].index(choice)] for choice, options in pairs]
    middle = space.blocks(space.architecture(choices))[1:-1]
    assert middle == tuple(block for block in chosen if block is not None)


@pytest.mark.parametrize(
    "text", ["", "0120021", "012002100", "01200213", "0120021٢", "01200210\n", "a" * 500]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(
        InputError, match=r"is not an architecture of nasbench-macro; expected 8 digits from 0 to 2"
    ):
        nasbench_macro().architecture_from_text(text)


def test_half_of_the_samples_are_large() -> None:
    space, rng = nasbench_macro(), np.random.default_rng(0)
    ends = [space.macs(space.architecture_from_text(text)) for text in ("0" * 8, "2" * 8)]
    macs = np.array([space.macs(space.sample(rng)) for _ in range(2000)])
    assert 0.4 < np.mean(macs > sum(ends) / 2) < 0.6


def test_the_width_multiplies_all_channels(tiny: NASBenchMacroSpace) -> None:
    stem, head = tiny.fixed_blocks
    assert (stem.out_channels, head.in_channels, head.hidden_channels) == (8, 64, 320)  # type: ignore[union-attr]
    assert tiny.input_shape == (3, 8, 8)


def test_each_projection_has_a_place_of_its_own() -> None:
    places = nasbench_macro().places
    assert [place for place, options in enumerate(places) if isinstance(options[0], Projection)] == [1, 4, 8]
    assert len(places) == 1 + 8 + 3 + 1


def test_supernet_shares_weights_by_place(tiny: NASBenchMacroSpace) -> None:
    """What is extracted computes what the path does; the loss reaches the places of the path and no others."""
    supernet = Supernet(tiny, 0).train()
    images = torch.randn(4, *tiny.input_shape, generator=torch.Generator().manual_seed(0))
    for text in ("00000000", "22222222", "01200210", "10120012"):
        architecture = tiny.architecture_from_text(text)
        supernet.zero_grad(set_to_none=True)
        logits = supernet(images, architecture)
        assert logits.shape == (4, 3)
        logits.square().sum().backward()
        trained = [any(p.grad is not None for p in place.parameters()) for place in supernet.places]
        assert [i for i, it in enumerate(trained) if it] == [place for place, _ in tiny.path(architecture)]
        extracted = supernet.extract(architecture).train()
        assert extracted.blocks == tiny.blocks(architecture)
        assert torch.allclose(extracted(images), logits, atol=1e-5)


def test_latency_is_predicted(board: Device) -> None:
    space = nasbench_macro()
    predictor = predictor_from_device(space, board)
    assert space.text(predictor.fastest()) == "00000000"
    assert space.text(predictor.slowest()) == "22222222"
    layers = predictor.layers(predictor.fastest())
    assert [layer.block for layer in layers][1] == "projection/s2/32-64/32x32"
    total = sum(layer.latency_ms for layer in layers)
    assert total == pytest.approx(predictor.predict(predictor.fastest()).predicted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": 7}, r"--resolution 7 is out of range; use 8 to 1024"),
        ({"classes": 1}, r"--classes 1 is out of range; use 2 to 100000"),
        ({"width": 0.05}, r"--width 0\.05 is out of range; use 0\.1 to 4"),
        ({"width": float("nan")}, r"--width nan is out of range; use 0\.1 to 4"),
    ],
)
def test_refused_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        nasbench_macro(**arguments)


@pytest.mark.parametrize(
    "changes", [{"resolution": 7}, {"classes": 1}, {"width": 5}, {"name": "mbconv"}, {"colour": 1}], ids=str
)
def test_refused_layouts(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(changes))):
        MacroLayout.model_validate(changes)


def test_rgb_is_not_written_down() -> None:
    """Runs and tables of earlier versions know a space by its configuration."""
    space = nasbench_macro(16, 3)
    assert "in_channels" not in space.config()
    grey = space.with_channels(1)
    assert grey.config()["in_channels"] == 1 and grey.input_shape == (1, 16, 16)
    assert isinstance(grey.fixed_blocks[0], Stem) and grey.fixed_blocks[0].in_channels == 1
