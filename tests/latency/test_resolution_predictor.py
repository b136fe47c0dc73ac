"""Predicted latency where the image size is a variable."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgenas.device import Device, Provenance
from edgenas.errors import IncompleteTableError
from edgenas.latency.network_predictor import NetworkPredictor
from edgenas.latency.predictor import (
    LatencyPredictor,
    predictor_for,
    predictor_from_device,
    predictor_from_table,
)
from edgenas.latency.resolution_predictor import ResolutionPredictor, by_resolution
from edgenas.latency.table import LatencyTable, save_table
from edgenas.space import ResolutionSpace, SearchSpace

SIZES = (16, 32)
seeds = st.integers(0, 2**32 - 1)
properties = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def family(space: SearchSpace) -> ResolutionSpace:
    """The space of the tables at two sizes."""
    return ResolutionSpace(space, SIZES)


@pytest.fixture
def predictor(family: ResolutionSpace, device: Device) -> NetworkPredictor:
    return by_resolution(family, lambda each: predictor_from_device(each, device))


@given(seed=seeds)
@properties
def test_it_says_what_the_predictor_of_the_size_says(
    predictor: NetworkPredictor, family: ResolutionSpace, device: Device, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    drawn = [family.sample(rng) for _ in range(10)]
    vectors = np.array([family.encode(architecture) for architecture in drawn])
    at_once = predictor.predict_encoded(vectors)
    for architecture, value in zip(drawn, at_once, strict=True):
        part = family.sized(architecture)
        inner = predictor_from_device(part.space, device)
        assert predictor.predict(architecture) == inner.predict(part.architecture)
        assert predictor.text(architecture) == inner.text(part.architecture)
        assert predictor.layers(architecture) == inner.layers(part.architecture)
        assert predictor.constant_of(architecture) == inner.constant_ms
        assert value == pytest.approx(predictor.predict(architecture).predicted)
    ends = [predictor.predict(end).predicted for end in (predictor.fastest(), predictor.slowest())]
    assert ends[0] - 1e-9 <= at_once.min() and at_once.max() <= ends[1] + 1e-9


def test_the_fastest_is_small_and_the_slowest_large(
    predictor: NetworkPredictor, family: ResolutionSpace
) -> None:
    assert family.resolution_of(predictor.fastest()) == 16
    assert family.resolution_of(predictor.slowest()) == 32


def test_a_space_of_one_size_keeps_its_own_predictor(space: SearchSpace, device: Device) -> None:
    made = by_resolution(space, lambda each: predictor_from_device(each, device))
    assert isinstance(made, LatencyPredictor) and made.space is space


def test_the_weakest_provenance_counts(family: ResolutionSpace, device: Device, table: LatencyTable) -> None:
    measured = predictor_from_table(family.at(32), device, table)
    estimated = predictor_from_device(family.at(16), device)
    mixed = ResolutionPredictor(family, [estimated, measured])
    assert (measured.provenance, estimated.provenance) == (Provenance.MEASURED, Provenance.ESTIMATED)
    assert mixed.provenance is Provenance.ESTIMATED
    assert mixed.table_checksum is None
    both = ResolutionPredictor(family, [measured, measured])
    assert both.provenance is Provenance.MEASURED
    assert both.table_checksum not in (None, measured.table_checksum)
    assert both.interpolated == measured.interpolated == ()


def test_a_table_that_lacks_a_size_names_the_command_for_all(
    family: ResolutionSpace, device: Device, table: LatencyTable
) -> None:
    save_table(device, table)
    with pytest.raises(IncompleteTableError, match="lacks") as caught:
        predictor_for(family, device)
    assert "--resolution 16..32 --classes 10" in caught.value.hint
    guessed = predictor_for(family, device, "interpolate")
    assert guessed.provenance is Provenance.CALIBRATED and guessed.interpolated
    assert guessed.name == "cpu"


def test_a_host_without_a_table_is_told_once(
    family: ResolutionSpace, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    assert predictor_for(family, device).provenance is Provenance.ESTIMATED
    (message,) = [
        record.getMessage() for record in caplog.records if "no latency table" in record.getMessage()
    ]
    assert "edgenas profile --device cpu --resolution 16..32 --classes 10" in message
