"""Spaces in which the image size is searched."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.errors import FileFormatError, InputError
from edgenas.space import (
    ArchitectureSpace,
    MBConvSpace,
    NetworkSpace,
    ResolutionSpace,
    SearchSpace,
    architecture_from_json,
    architecture_space_from_config,
    mbconv,
    nasbench_macro,
    network_space_from_config,
    space_from_config,
)
from edgenas.space.costs import CostName, cost_function
from edgenas.testing import NetworkSpaceConformance

SIZES = (16, 24, 32)
SPACE = ResolutionSpace(mbconv(32, 3), SIZES)
seeds = st.integers(0, 2**32 - 1)


class TestMBConv(NetworkSpaceConformance):
    @pytest.fixture
    def space(self) -> NetworkSpace:
        return ResolutionSpace(mbconv(32, 3), SIZES)


class TestManySizes(NetworkSpaceConformance):
    builds = 1

    @pytest.fixture
    def space(self) -> NetworkSpace:
        return ResolutionSpace(mbconv(224, 5, width=0.25), range(96, 225, 16))


class TestMacro(NetworkSpaceConformance):
    @pytest.fixture
    def space(self) -> NetworkSpace:
        return ResolutionSpace(nasbench_macro(16, 4, width=0.25), (16, 20))


@given(seed=seeds)
def test_an_architecture_costs_what_it_costs_at_its_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = [SPACE.sample(rng) for _ in range(8)]
    vectors = np.array([SPACE.encode(architecture) for architecture in drawn])
    names: tuple[CostName, ...] = ("params", "macs", "peak-memory")
    for name in names:
        inner = [SPACE.sized(architecture) for architecture in drawn]
        expected = [
            cost_function(part.space, name)(part.space.encode(part.architecture)[None])[0] for part in inner
        ]
        cost = cost_function(SPACE, name)
        assert cost(vectors).tolist() == expected
        assert max(expected) <= cost.largest == max(cost_function(SPACE.at(r), name).largest for r in SIZES)


@given(seed=seeds)
def test_weights_do_not_depend_on_the_size(seed: int) -> None:
    inner = SPACE.at(32).sample(np.random.default_rng(seed))
    found = [SPACE.joined(size, inner) for size in SIZES]
    assert len({SPACE.parameters(architecture) for architecture in found}) == 1
    assert len({architecture.id for architecture in found}) == len(SIZES)
    macs = [SPACE.macs(architecture) for architecture in found]
    assert macs == sorted(macs)


@given(seed=seeds)
def test_neighbouring_sizes_have_more_features_in_common(seed: int) -> None:
    inner = SPACE.at(32).sample(np.random.default_rng(seed))
    small, middle, large = SPACE.features(np.array([SPACE.encode(SPACE.joined(r, inner)) for r in SIZES]))
    assert np.abs(small - middle).sum() < np.abs(small - large).sum()


def test_the_configuration_is_that_of_one_space() -> None:
    config = SPACE.config()
    assert config == {"name": "resolutions", "resolutions": [16, 24, 32], "space": mbconv(32, 3).config()}
    made = architecture_space_from_config(config)
    assert isinstance(made, ResolutionSpace) and made.signature == SPACE.signature
    assert SPACE.signature.startswith("mbconv-16-32px-")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolutions": [16]}, "resolutions"),
        ({"resolutions": [32, 16]}, "distinct and ascending"),
        ({"resolutions": [16, 16, 32]}, "distinct and ascending"),
        ({"resolutions": [0, 16]}, "resolutions.0"),
        ({"resolutions": [16, 5000]}, "resolutions.1"),
        ({"resolutions": list(range(16, 33))}, "resolutions"),
        ({"resolutions": [2, 32]}, "resolution"),
        ({"space": {"name": "mbconf"}}, "mbconf"),
        ({"space": SPACE.config()}, "several image sizes"),
        ({"space": {"name": "nasbench201"}}, "no blocks"),
        ({"more": 1}, "more"),
    ],
)
def test_a_configuration_that_describes_none_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        network_space_from_config({**SPACE.config(), **change}, Path("run.json"))


def test_a_family_is_no_space_of_one_size() -> None:
    with pytest.raises(InputError, match="several image sizes"):
        space_from_config(SPACE.config())


def test_an_architecture_file_names_size_and_choices(tmp_path: Path) -> None:
    architecture = SPACE.sample(np.random.default_rng(1))
    document = SPACE.document(architecture)
    space, found = architecture_from_json(_written(tmp_path, document))
    assert (space.signature, found) == (SPACE.signature, architecture)
    with pytest.raises(FileFormatError, match="unknown choice 'r20'"):
        document["choices"][0] = "r20"
        architecture_from_json(_written(tmp_path, document))


def _written(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "architecture.json"
    path.write_text(json.dumps(document))
    return path


class _NoSize(MBConvSpace):
    """Its configuration says nothing of the size."""

    def config(self) -> dict[str, Any]:
        return {"name": "sizeless"}


class _OtherChoices(MBConvSpace):
    """It has another layout at another size."""

    def resized(self, resolution: int) -> SearchSpace:
        return mbconv(resolution, 3)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (_NoSize, "cannot change its image size"),
        (_OtherChoices, "other choices for images of 16 px than for 32 px"),
    ],
)
def test_a_space_that_cannot_be_resized_is_refused(kind: type[MBConvSpace], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ResolutionSpace(kind(mbconv(32, 3).layout), (16, 32))
    assert caught.value.hint == "give a single --resolution"


def test_selected_applies_the_function_of_each_size() -> None:
    vectors = np.array([SPACE.encode(SPACE.joined(r, SPACE.at(r).largest)) for r in (32, 16, 24, 16)])
    functions: Sequence[Any] = [
        lambda rows, value=value: np.full(len(rows), value) for value in (1.0, 2.0, 3.0)
    ]
    assert SPACE.selected(vectors, functions).tolist() == [3, 1, 2, 1]
    assert len(SPACE.selected(vectors[:0], functions)) == 0


def test_it_is_no_search_space() -> None:
    space: ArchitectureSpace = SPACE
    assert isinstance(space, NetworkSpace) and not isinstance(space, SearchSpace)


def test_all_sizes_change_their_channels() -> None:
    space = ResolutionSpace(mbconv(32, 3), (16, 32))
    grey = space.with_channels(1)
    assert grey is not None and (space.channels, grey.channels) == (3, 1)
    assert [grey.at(size).input_shape for size in grey.resolutions] == [(1, 16, 16), (1, 32, 32)]
    assert grey.variables == space.variables and grey.config() != space.config()
    again = grey.with_channels(3)
    assert again is not None and again.signature == space.signature
