"""Predicted latency: additive, with an interval, and honest about where it comes from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgenas.device import Device, Provenance, find_device
from edgenas.errors import FileFormatError, IncompleteTableError
from edgenas.latency.estimate import estimate_block_ms
from edgenas.latency.predictor import (
    Latency,
    LatencyPredictor,
    predictor_for,
    predictor_from_device,
    predictor_from_table,
)
from edgenas.latency.table import Calibration, LatencyTable, save_table
from edgenas.space import SearchSpace, mbconv

seeds = st.integers(0, 2**32 - 1)
properties = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["estimated", "measured"])
def predictor(request: pytest.FixtureRequest, space: SearchSpace, device: Device) -> LatencyPredictor:
    if request.param == "estimated":
        return predictor_from_device(space, device)
    return predictor_from_table(space, device, request.getfixturevalue("table"))


def _many(space: SearchSpace, seed: int, count: int = 30) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


@given(seed=seeds)
@properties
def test_encoded_and_single_predictions_agree(predictor: LatencyPredictor, seed: int) -> None:
    space = predictor.space
    architectures = _many(space, seed)
    vectors = np.array([space.encode(architecture) for architecture in architectures])
    together = predictor.predict_encoded(vectors)
    assert together.shape == (len(architectures),)
    assert together.tolist() == [predictor.predict(each).predicted_ms for each in architectures]


@given(seed=seeds)
@properties
def test_layers_and_constant_sum_to_the_prediction(predictor: LatencyPredictor, seed: int) -> None:
    (architecture,) = _many(predictor.space, seed, 1)
    layers = predictor.layers(architecture)
    assert [layer.block for layer in layers] == [b.key for b in predictor.space.blocks(architecture)]
    assert all(layer.latency_ms > 0 for layer in layers)
    total = predictor.constant_ms + sum(layer.latency_ms for layer in layers)
    assert total == pytest.approx(predictor.predict(architecture).predicted_ms)


@given(seed=seeds)
@properties
def test_fastest_and_slowest_are_extremes(predictor: LatencyPredictor, seed: int) -> None:
    fastest = predictor.predict(predictor.fastest()).predicted_ms
    slowest = predictor.predict(predictor.slowest()).predicted_ms
    for architecture in _many(predictor.space, seed):
        assert fastest * (1 - 1e-12) <= predictor.predict(architecture).predicted_ms <= slowest * (1 + 1e-12)


def test_extremes_are_canonical_points_of_the_space(predictor: LatencyPredictor) -> None:
    for end in (predictor.fastest(), predictor.slowest()):
        assert predictor.space.architecture(end.choices) == end


@given(seed=seeds)
@properties
def test_interval_holds_the_prediction(predictor: LatencyPredictor, seed: int) -> None:
    (architecture,) = _many(predictor.space, seed, 1)
    latency = predictor.predict(architecture)
    assert 0 <= latency.low_ms <= latency.predicted_ms <= latency.high_ms < float("inf")


def test_provenance_and_width_of_an_estimate(space: SearchSpace, device: Device) -> None:
    predictor = predictor_from_device(space, device)
    latency = predictor.predict(predictor.fastest())
    assert latency.provenance is predictor.provenance is Provenance.ESTIMATED
    assert latency.low_ms == pytest.approx(latency.predicted_ms / 2)
    assert latency.high_ms == pytest.approx(latency.predicted_ms * 2)
    blocks = space.blocks(predictor.fastest())
    assert latency.predicted_ms == pytest.approx(sum(estimate_block_ms(block, device) for block in blocks))
    assert latency.text.endswith("ms, estimated)")


def test_a_measured_prediction_is_the_calibrated_sum(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    calibration = Calibration(slope=2.0, intercept_ms=0.75, overhead_ms=0.001, residuals=(0.01, -0.03))
    changed = table.model_copy(update={"calibrations": {space.signature: calibration}})
    predictor = predictor_from_table(space, device, changed)
    (architecture,) = _many(space, 0, 1)
    entries = [table.entries[block.key] for block in space.blocks(architecture)]
    expected = 2.0 * sum(entry.min_ms - calibration.overhead_ms for entry in entries) + 0.75
    latency = predictor.predict(architecture)
    assert latency.predicted_ms == pytest.approx(expected)
    assert latency.provenance is Provenance.MEASURED
    # Two residuals: the larger, widened by 3/2.
    assert latency.low_ms / latency.predicted_ms == pytest.approx(1 / 1.045)
    assert latency.high_ms / latency.predicted_ms == pytest.approx(1 / 0.955)
    assert predictor.constant_ms == 0.75


def test_wide_residuals_do_not_give_negative_times(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    calibration = Calibration(slope=1.0, intercept_ms=0.0, overhead_ms=0.001, residuals=(3.0, -0.9))
    changed = table.model_copy(update={"calibrations": {space.signature: calibration}})
    latency = predictor_from_table(space, device, changed).predict(_many(space, 0, 1)[0])
    assert 0 < latency.low_ms < latency.predicted_ms
    assert latency.high_ms == pytest.approx(10 * latency.predicted_ms)


@pytest.mark.parametrize(
    ("latency", "text"),
    [
        (Latency(0.27, 0.135, 0.54, Provenance.ESTIMATED), "0.27 ms (0.135 to 0.54 ms, estimated)"),
        (Latency(20, 19, 21, Provenance.MEASURED), "20 ms (19 to 21 ms, measured)"),
    ],
)
def test_text_shows_interval_and_provenance(latency: Latency, text: str) -> None:
    assert latency.text == text


MEND = r"add them: edgenas profile --device cpu --resolution 16 --classes 10 --threads 1"


def test_missing_blocks_name_the_mend(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    gone = {block.key for block in space.distinct_blocks[1:4]}
    rest = {key: entry for key, entry in table.entries.items() if key not in gone}
    with pytest.raises(
        IncompleteTableError,
        match=rf"table of cpu \(onnxruntime-cpu-fp32-t1-b1\) lacks 3 blocks, such as mbconv/.*; {MEND}",
    ):
        predictor_from_table(space, device, table.model_copy(update={"entries": rest}))


def test_missing_calibration_names_the_mend(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    with pytest.raises(IncompleteTableError, match=rf"lacks a calibration for this space; {MEND}"):
        predictor_from_table(space, device, table.model_copy(update={"calibrations": {}}))


def test_the_mend_follows_device_and_space(table: LatencyTable) -> None:
    device = find_device("cpu", threads=2)
    with pytest.raises(IncompleteTableError, match=r"--resolution 32 --classes 7 --threads 2"):
        predictor_from_table(mbconv(32, 7), device, table)


def test_predictor_for_takes_the_table_where_there_is_one(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    assert predictor_for(space, device).provenance is Provenance.ESTIMATED
    save_table(device, table)
    assert predictor_for(space, device).provenance is Provenance.MEASURED
    assert predictor_for(space, find_device("cpu", threads=2)).provenance is Provenance.ESTIMATED


def test_predictor_for_does_not_fall_back_from_a_table_it_cannot_use(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    path: Path = save_table(device, table)
    with pytest.raises(IncompleteTableError, match="lacks"):
        predictor_for(mbconv(32, 10), device)
    path.write_text(path.read_text().replace('"n": ', '"n": 1'))
    with pytest.raises(FileFormatError, match="checksum: does not match the content"):
        predictor_for(space, device)


@pytest.mark.parametrize(("name", "provenance"), [("jetson", "estimated"), ("pi4", "estimated")])
def test_boards_without_a_table_are_estimated(space: SearchSpace, name: str, provenance: str) -> None:
    predictor = predictor_for(space, find_device(name))
    assert predictor.predict(predictor.slowest()).provenance == provenance
