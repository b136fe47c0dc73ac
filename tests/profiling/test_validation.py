"""Predicted against measured: figures by hand, who is drawn, what is kept. The clock is the fake runtime's formula."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.timing import timed_by

from edgenas.device import Device
from edgenas.errors import FileFormatError, IncompleteTableError, InputError
from edgenas.formats import read_json
from edgenas.latency.predictor import predictor_from_table
from edgenas.latency.table import LatencyTable, table_path
from edgenas.profiling import validation
from edgenas.profiling.validation import (
    Validation,
    find_validation,
    save_validation,
    unseen_networks,
    validate,
    validation_path,
)
from edgenas.space import SearchSpace

Fake = Callable[..., Any]


@pytest.fixture
def found(space: SearchSpace, device: Device, table: LatencyTable, fake: Fake) -> Validation:
    """Eight networks on the runtime that the table is of."""
    return validate(space, device, table, 8, timed_by(fake()))


def test_a_validation_of_an_earlier_version_has_one_provenance_for_all_pairs(
    tmp_path: Path, found: Validation
) -> None:
    document = json.loads(found.model_dump_json())
    for pair in document["pairs"]:
        assert set(pair) == {
            "architecture", "choices", "predicted_ms", "low_ms", "high_ms", "measured_ms", "provenance"
        }  # fmt: skip
        del pair["provenance"]
    path = tmp_path / "old.json"
    path.write_text(json.dumps(document))
    assert read_json(path, Validation) == found


def test_a_pair_that_was_not_measured_is_refused(tmp_path: Path, found: Validation) -> None:
    document = json.loads(found.model_dump_json())
    del document["pairs"][0]["measured_ms"]
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match=r"pairs\.0: measured_ms is missing"):
        read_json(path, Validation)


def test_networks_are_distinct_and_reproducible(space: SearchSpace) -> None:
    first, again = (unseen_networks(space, 20, seed=3, seen=()) for _ in range(2))
    assert first == again
    assert len({architecture.id for architecture in first}) == 20
    assert unseen_networks(space, 20, seed=4, seen=()) != first
    assert unseen_networks(space, 30, seed=3, seen=())[:20] == first


def test_networks_that_were_seen_are_left_out(space: SearchSpace) -> None:
    first = unseen_networks(space, 10, seed=0, seen=())
    seen = {architecture.id for architecture in first[::2]}
    second = unseen_networks(space, 10, seed=0, seen=seen)
    assert second[:5] == first[1::2]
    assert not seen & {architecture.id for architecture in second}


def test_the_draw_is_not_that_of_a_profile_with_the_same_seed(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    pool = {space.sample(rng).id for _ in range(20)}
    assert not pool & {architecture.id for architecture in unseen_networks(space, 20, seed=0, seen=())}


def test_a_space_with_too_few_networks_says_how_many_it_has(
    tiny_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "FRUITLESS_DRAWS", 10_000)
    everything = [a.id for a in unseen_networks(tiny_space, 400, seed=0, seen=())]
    hint = (
        r"mbconv-8px-\w+ has only 3 networks that its table was not calibrated on; give --networks 3 or fewer"
    )
    with pytest.raises(InputError, match=hint):
        unseen_networks(tiny_space, 4, seed=0, seen=everything[3:])
    with pytest.raises(InputError, match=r"has only 0 .*; profile it again on fewer networks"):
        unseen_networks(tiny_space, 2, seed=0, seen=everything)


def test_networks_of_the_calibration_are_not_validated_on(
    space: SearchSpace, device: Device, table: LatencyTable, fake: Fake, found: Validation
) -> None:
    drawn = [pair.architecture for pair in found.pairs]
    calibration = table.calibrations[space.signature]
    changed = calibration.model_copy(update={"networks": (*calibration.networks, *drawn[:4])})
    other = table.model_copy(update={"calibrations": {space.signature: changed}})
    again = validate(space, device, other, 8, timed_by(fake()))
    assert [pair.architecture for pair in again.pairs][:4] == drawn[4:]
    assert not set(changed.networks) & {pair.architecture for pair in again.pairs}


def test_a_runtime_that_adds_up_is_predicted_well(
    space: SearchSpace, device: Device, table: LatencyTable, found: Validation
) -> None:
    predictor = predictor_from_table(space, device, table)
    assert found.networks == len(found.pairs) == 8
    assert found.mape_percent < 1 and found.within_5_percent == 1
    assert found.spearman is not None and found.spearman > 0.95
    assert (found.provenance, found.table_checksum) == ("measured", predictor.table_checksum)
    for pair in found.pairs:
        predicted = predictor.predict(space.architecture(pair.choices))
        assert replace(pair.latency, measured=None) == predicted


def test_what_is_compared_is_the_time_of_that_very_network(
    space: SearchSpace, device: Device, table: LatencyTable, fake: Fake, found: Validation
) -> None:
    slow = validate(
        space, device, table, 8, timed_by(fake(disturbance=lambda number: 1.5 if number == 3 else 1.0))
    )
    assert slow.worst[0].architecture == found.pairs[2].architecture
    assert slow.worst[0].error < -0.2
    assert slow.within_10_percent == 7 / 8
    assert slow.interval_coverage == found.interval_coverage - 1 / 8
    quiet = [i for i in range(8) if i != 2]
    assert [slow.pairs[i] for i in quiet] == [found.pairs[i] for i in quiet]


@pytest.mark.parametrize(
    ("slowdown", "warning"),
    [
        (1.3, "cpu now runs 30% slower than when it was profiled"),
        (0.8, "cpu now runs 25% faster"),
        (1.1, ""),
        (0.9, ""),
    ],
)
def test_a_machine_at_another_speed_is_warned_of(
    space: SearchSpace,
    device: Device,
    table: LatencyTable,
    fake: Fake,
    caplog: pytest.LogCaptureFixture,
    slowdown: float,
    warning: str,
) -> None:
    with caplog.at_level(logging.WARNING):
        found = validate(space, device, table, 2, timed_by(fake(slowdown=lambda number: slowdown)))
    assert found.sentinel_ratio == pytest.approx(slowdown)
    assert len(caplog.messages) == bool(warning)
    assert not warning or warning in caplog.text


def test_without_a_table_the_datasheet_is_validated(space: SearchSpace, device: Device, fake: Fake) -> None:
    found = validate(space, device, None, 3, timed_by(fake()))
    assert (found.provenance, found.table_checksum, found.sentinel_ratio) == ("estimated", None, None)
    assert all(pair.latency.high == pytest.approx(2 * pair.latency.predicted) for pair in found.pairs)


def test_a_table_that_lacks_blocks_is_refused_or_interpolated(
    space: SearchSpace, device: Device, table: LatencyTable, fake: Fake
) -> None:
    key = space.candidates[0][0].key  # type: ignore[union-attr]
    entries = {other: entry for other, entry in table.entries.items() if other != key}
    less = table.model_copy(update={"entries": entries})
    runtime = fake()
    with pytest.raises(IncompleteTableError, match=f"lacks 1 block, such as {key}"):
        validate(space, device, less, 2, timed_by(runtime))
    assert runtime.networks == 0
    assert (
        validate(space, device, less, 2, timed_by(runtime), missing="interpolate").provenance == "calibrated"
    )


def test_the_document_comes_back_as_it_was_written(device: Device, folders: Path, found: Validation) -> None:
    path = save_validation(device, found)
    assert path == table_path(device).parent / "validation" / f"{device.table_name}-{found.space}.json"
    assert '"schema": "edgenas.validation/1"' in path.read_text()
    assert read_json(path, Validation) == found
    assert find_validation(device, found.space, found.table_checksum) == found


def test_figures_without_a_rank_correlation_can_be_kept(device: Device, found: Validation) -> None:
    flat = found.model_copy(update={"spearman": None, "kendall": None})
    assert read_json(save_validation(device, flat), Validation) == flat


def test_a_validation_of_other_predictions_or_another_machine_is_not_found(
    device: Device, found: Validation
) -> None:
    save_validation(device, found)
    assert find_validation(device, found.space, "0" * 64) is None
    assert find_validation(device, found.space, None) is None
    assert find_validation(device, "mbconv-8px-00000000", found.table_checksum) is None
    save_validation(device, found.model_copy(update={"host": "another"}))
    assert find_validation(device, found.space, found.table_checksum) is None


def test_a_damaged_validation_is_passed_over_with_a_warning(
    device: Device, found: Validation, caplog: pytest.LogCaptureFixture
) -> None:
    path = validation_path(device, found.space)
    path.parent.mkdir(parents=True)
    path.write_text(found.model_dump_json().replace('"kendall":', '"kendal":'))
    assert find_validation(device, found.space, found.table_checksum) is None
    assert "kendal" in caplog.text and "ignored" in caplog.text


@pytest.mark.parametrize("slowdown", [1.04, 0.95])
def test_a_drift_of_the_whole_machine_is_told_from_errors_of_the_table(
    space: SearchSpace, device: Device, table: LatencyTable, fake: Fake, slowdown: float
) -> None:
    steady = validate(space, device, table, 8, timed_by(fake()))
    drifted = validate(space, device, table, 8, timed_by(fake(slowdown=lambda number: slowdown)))
    assert steady.pace == pytest.approx(1.0)
    assert drifted.pace == pytest.approx(slowdown)
    assert drifted.mape_percent == pytest.approx(100 * abs(1 / slowdown - 1), abs=0.5)
    assert drifted.at_table_pace and steady.at_table_pace
    assert drifted.at_table_pace.mape_percent == pytest.approx(steady.at_table_pace.mape_percent, abs=0.01)
    for pair, calm in zip(drifted.pairs, steady.pairs, strict=True):
        assert pair.measured_ms == pytest.approx(slowdown * calm.measured_ms)


def test_another_machine_is_no_drift(
    space: SearchSpace, device: Device, table: LatencyTable, fake: Fake
) -> None:
    found = validate(space, device, table, 3, timed_by(fake(slowdown=lambda number: 1.3)))
    assert found.pace == pytest.approx(1.3)
    assert found.at_table_pace is None
    assert found.mape_percent > 20


def test_without_references_there_is_no_pace(
    space: SearchSpace, device: Device, table: LatencyTable, fake: Fake
) -> None:
    calibration = table.calibrations[space.signature].model_copy(update={"references": ()})
    bare = table.model_copy(update={"calibrations": {space.signature: calibration}})
    found = validate(space, device, bare, 3, timed_by(fake(slowdown=lambda number: 1.04)))
    assert (found.pace, found.at_table_pace) == (None, None)


def test_references_span_the_networks_of_the_calibration(space: SearchSpace, table: LatencyTable) -> None:
    calibration = table.calibrations[space.signature]
    times = [reference.measured_ms for reference in calibration.references]
    assert times == sorted(times)
    assert 3 <= len(times) <= 10
    assert {space.architecture(each.choices).id for each in calibration.references} <= set(
        calibration.networks
    )
