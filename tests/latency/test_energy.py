"""Energy of a network: that of its blocks."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from edgenas.device import Device
from edgenas.latency.energy import Energy, energy_of
from edgenas.latency.predictor import predictor_from_device, predictor_from_table
from edgenas.latency.resolution_predictor import by_resolution
from edgenas.latency.table import BlockEnergy, LatencyTable
from edgenas.space import ResolutionSpace, SearchSpace, mbconv


def _energies(space: SearchSpace) -> dict[str, BlockEnergy]:
    return {
        block.key: BlockEnergy(mj=number - 1, sd_mj=0.1 * number, meter="x")
        for number, block in enumerate(space.distinct_blocks)
    }


def test_it_is_the_sum_and_so_is_its_deviation(space: SearchSpace) -> None:
    energies = _energies(space)
    blocks = space.distinct_blocks[:3]
    found = energy_of((*blocks, blocks[2]), energies)  # a block may come twice
    assert found is not None
    assert found.predicted == -1 + 0 + 1 + 1
    assert (found.low, found.high) == pytest.approx((1 - 1.645 * 0.5, 1 + 1.645 * 0.5))
    assert found.text == "1 mJ (0.177 to 1.82 mJ)"


def test_without_that_of_one_block_it_is_unknown(space: SearchSpace) -> None:
    energies = _energies(space)
    del energies[space.distinct_blocks[1].key]
    assert energy_of(space.distinct_blocks, energies) is None
    assert energy_of(space.distinct_blocks[2:], energies) is not None


def test_predictors_from_a_table_know_it(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    architecture = space.decode([0] * len(space.variables))
    assert predictor_from_table(space, device, table).energy(architecture) is None
    assert predictor_from_device(space, device).energy(architecture) is None
    known = table.model_copy(update={"energies": _energies(space)})
    found = predictor_from_table(space, device, known).energy(architecture)
    assert found is not None and found == energy_of(space.blocks(architecture), known.energies)


def test_so_does_one_of_several_image_sizes(device: Device) -> None:
    sizes = ResolutionSpace(mbconv(16, 3), (16, 24, 32))
    energies = {key: each for size in sizes.resolutions for key, each in _energies(sizes.at(size)).items()}

    def predictor(each: SearchSpace) -> Any:
        made = predictor_from_device(each, device)
        made.energies = energies
        return made

    joint = by_resolution(sizes, predictor)
    inner = sizes.at(sizes.resolutions[-1])
    architecture = inner.decode([0] * len(inner.variables))
    found = joint.energy(sizes.joined(sizes.resolutions[-1], architecture))
    assert found is not None and found == energy_of(inner.blocks(architecture), energies)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "much"])
def test_from_a_file_it_is_finite(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Energy).validate_python({"predicted": value, "low": 1.0, "high": 2.0})
