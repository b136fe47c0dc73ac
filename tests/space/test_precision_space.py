import numpy as np
import pytest

from edgenas.errors import FileFormatError, InputError
from edgenas.space import (
    MBConvSpace,
    NetworkSpace,
    PrecisionSpace,
    ResolutionSpace,
    architecture_space_from_config,
    mbconv,
    network_space_from_config,
)
from edgenas.space.costs import cost_function
from edgenas.testing import ArchitectureSpaceConformance


class TestOneSize(ArchitectureSpaceConformance):
    @pytest.fixture
    def space(self, tiny_space: MBConvSpace) -> PrecisionSpace:
        return PrecisionSpace(tiny_space, ("fp32", "int8"))


class TestSeveralSizes(ArchitectureSpaceConformance):
    @pytest.fixture
    def space(self) -> PrecisionSpace:
        sizes: NetworkSpace = ResolutionSpace(mbconv(64, 10), (32, 48, 64))
        return PrecisionSpace(sizes, ("fp32", "fp16", "int8"))


@pytest.fixture
def space(tiny_space: MBConvSpace) -> PrecisionSpace:
    return PrecisionSpace(tiny_space, ("fp32", "int8"))


def test_a_network_in_each_precision_is_another_architecture(space: PrecisionSpace) -> None:
    network = space.networks.sample(np.random.default_rng(0))
    joined = [space.joined(precision, network) for precision in space.precisions]
    assert len({each.id for each in joined}) == 2
    assert [space.split(each) for each in joined] == [("fp32", network), ("int8", network)]
    assert [space.text(each).partition("-")[0] for each in joined] == ["fp32", "int8"]


@pytest.mark.parametrize("name", ["params", "macs", "peak-memory"])
def test_costs_are_those_of_the_network(space: PrecisionSpace, name: str) -> None:
    rng = np.random.default_rng(1)
    drawn = [space.sample(rng) for _ in range(20)]
    found = cost_function(space, name)(np.array([space.encode(each) for each in drawn]))  # type: ignore[arg-type]
    alone = np.array([space.networks.encode(space.split(each).network) for each in drawn])
    assert (found == cost_function(space.networks, name)(alone)).all()  # type: ignore[arg-type]
    assert cost_function(space, name).largest == cost_function(space.networks, name).largest  # type: ignore[arg-type]


def test_its_configuration_also_gives_the_space_of_its_networks(space: PrecisionSpace) -> None:
    assert network_space_from_config(space.config()).config() == space.networks.config()


@pytest.mark.parametrize("precisions", [["fp32"], ["int8", "fp32"], ["fp32", "fp32"], ["fp32", "fp8"]])
def test_precisions_of_a_file_are_distinct_and_in_order(space: PrecisionSpace, precisions: list[str]) -> None:
    with pytest.raises(FileFormatError, match=r"precisions"):
        architecture_space_from_config({**space.config(), "precisions": precisions})


def test_an_unknown_precision_is_refused(space: PrecisionSpace) -> None:
    network = space.networks.sample(np.random.default_rng(0))
    with pytest.raises(InputError, match=r"choices.0: unknown choice 'fp16'; use one of fp32, int8"):
        space.architecture(("fp16", *network.choices))
