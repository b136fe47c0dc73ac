"""Predicted latency: additive, with an interval, and honest about where it comes from."""

import itertools
import logging
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgenas.device import Device, Provenance, find_device
from edgenas.device_models.fitted import model_of
from edgenas.device_models.roofline import estimate_block_ms
from edgenas.device_models.work import block_work
from edgenas.errors import FileFormatError, IncompleteTableError
from edgenas.latency import calibration
from edgenas.latency.latency import Latency
from edgenas.latency.predictor import (
    LatencyPredictor,
    predictor_for,
    predictor_from_device,
    predictor_from_table,
)
from edgenas.latency.profile_command import profile_command
from edgenas.latency.table import Calibration, Inference, LatencyTable, save_table
from edgenas.profiling.block_profiling import profile
from edgenas.space import SearchSpace, mbconv, nasbench_macro
from edgenas.timing.loaded_models import load_blocks
from edgenas.vocabulary import Missing, Precision

seeds = st.integers(0, 2**32 - 1)
properties = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=["estimated", "measured", "interpolated"])
def predictor(request: pytest.FixtureRequest, space: SearchSpace, device: Device) -> LatencyPredictor:
    if request.param == "estimated":
        return predictor_from_device(space, device)
    table = request.getfixturevalue("table")
    if request.param == "measured":
        return predictor_from_table(space, device, table)
    gone = [block.key for block in space.distinct_blocks[3::8]]
    return predictor_from_table(space, device, _without(table, gone), "interpolate")


def _without(table: LatencyTable, keys: Iterable[str]) -> LatencyTable:
    """The table as if some blocks had not been timed."""
    gone = set(keys)
    entries = {key: entry for key, entry in table.entries.items() if key not in gone}
    assert len(entries) == len(table.entries) - len(gone)
    return table.model_copy(update={"entries": entries})


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
    assert together.tolist() == [predictor.predict(each).predicted for each in architectures]


def test_a_hundred_thousand_at_once_are_as_one_by_one(predictor: LatencyPredictor) -> None:
    space, rng = predictor.space, np.random.default_rng(0)
    sizes = [len(names) for names in space.variables]
    vectors = rng.integers(0, sizes, (100_000, len(sizes)))
    together = predictor.predict_encoded(vectors)
    assert together.shape == (100_000,)
    assert together.dtype == np.float64
    for row in rng.choice(len(vectors), 200, replace=False):
        architecture = space.decode(vectors[row])  # made canonical: the sum's order may differ
        assert together[row] == pytest.approx(predictor.predict(architecture).predicted, rel=1e-12)
        layers = sum(layer.latency_ms for layer in predictor.layers(architecture))
        assert together[row] == pytest.approx(layers + predictor.constant_ms, rel=1e-12)
    assert predictor.predict_encoded(vectors[:0]).shape == (0,)


@given(seed=seeds)
@properties
def test_layers_and_constant_sum_to_the_prediction(predictor: LatencyPredictor, seed: int) -> None:
    (architecture,) = _many(predictor.space, seed, 1)
    layers = predictor.layers(architecture)
    assert [layer.block for layer in layers] == [b.key for b in predictor.space.blocks(architecture)]
    assert all(layer.latency_ms > 0 for layer in layers)
    total = predictor.constant_ms + sum(layer.latency_ms for layer in layers)
    assert total == pytest.approx(predictor.predict(architecture).predicted)


@given(seed=seeds)
@properties
def test_fastest_and_slowest_are_extremes(predictor: LatencyPredictor, seed: int) -> None:
    fastest = predictor.predict(predictor.fastest()).predicted
    slowest = predictor.predict(predictor.slowest()).predicted
    for architecture in _many(predictor.space, seed):
        assert fastest * (1 - 1e-12) <= predictor.predict(architecture).predicted <= slowest * (1 + 1e-12)


@pytest.mark.parametrize("kind", ["estimated", "measured"])
def test_fastest_and_slowest_of_all_networks(
    small_space: SearchSpace, device: Device, fake: type, kind: str
) -> None:
    predictor = predictor_from_device(small_space, device)
    if kind == "measured":
        table = profile(small_space, device, fake(), networks=20).table
        predictor = predictor_from_table(small_space, device, table)
    choices = itertools.product(*(range(len(names)) for names in small_space.variables))
    all_networks = {a.id: a for a in map(small_space.decode, choices)}
    assert len(all_networks) == 336
    times = {id_: predictor.predict(a).predicted for id_, a in all_networks.items()}
    assert times[predictor.fastest().id] == pytest.approx(min(times.values()), rel=1e-12)
    assert times[predictor.slowest().id] == pytest.approx(max(times.values()), rel=1e-12)
    assert min(times.values()) < max(times.values())


def test_extremes_are_canonical_points_of_the_space(predictor: LatencyPredictor) -> None:
    for end in (predictor.fastest(), predictor.slowest()):
        assert predictor.space.architecture(end.choices) == end


@given(seed=seeds)
@properties
def test_interval_holds_the_prediction(predictor: LatencyPredictor, seed: int) -> None:
    (architecture,) = _many(predictor.space, seed, 1)
    latency = predictor.predict(architecture)
    assert 0 <= latency.low <= latency.predicted <= latency.high < float("inf")


def test_provenance_and_width_of_an_estimate(space: SearchSpace, device: Device) -> None:
    predictor = predictor_from_device(space, device)
    latency = predictor.predict(predictor.fastest())
    assert latency.provenance is predictor.provenance is Provenance.ESTIMATED
    assert latency.low == pytest.approx(latency.predicted / 2)
    assert latency.high == pytest.approx(latency.predicted * 2)
    blocks = space.blocks(predictor.fastest())
    assert latency.predicted == pytest.approx(sum(estimate_block_ms(block, device) for block in blocks))
    assert latency.text.endswith("ms, datasheet estimate)")


def test_a_measured_prediction_is_the_calibrated_sum(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    corrections = {block.key: 0.01 * i for i, block in enumerate(space.distinct_blocks) if i % 3}
    fitted = Calibration(
        slope=2.0,
        intercept_ms=0.75,
        overhead_ms=0.001,
        corrections_ms=corrections,
        residuals=(0.01, -0.03),
    )
    changed = table.model_copy(update={"calibrations": {space.signature: fitted}})
    predictor = predictor_from_table(space, device, changed)
    (architecture,) = _many(space, 0, 1)
    keys = [block.key for block in space.blocks(architecture)]
    sums = sum(table.entries[key].typical_ms - fitted.overhead_ms for key in keys)
    expected = 2.0 * sums + sum(corrections.get(key, 0.0) for key in keys) + 0.75
    assert any(key in corrections for key in keys) and not all(key in corrections for key in keys)
    latency = predictor.predict(architecture)
    assert latency.predicted == pytest.approx(expected)
    assert latency.provenance is Provenance.MEASURED
    # Two residuals: the larger, widened by 3/2.
    assert latency.low / latency.predicted == pytest.approx(1 / 1.045)
    assert latency.high / latency.predicted == pytest.approx(1 / 0.955)
    assert predictor.constant_ms == 0.75


def test_the_typical_time_counts_not_the_least(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    entries = {key: e.model_copy(update={"min_ms": e.min_ms / 2}) for key, e in table.entries.items()}
    changed = table.model_copy(update={"entries": entries})
    one, other = (predictor_from_table(space, device, each) for each in (table, changed))
    for architecture in _many(space, 0):
        assert one.predict(architecture) == other.predict(architecture)


def test_wide_residuals_do_not_give_negative_times(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    fitted = Calibration(slope=1.0, intercept_ms=0.0, overhead_ms=0.001, residuals=(3.0, -0.9))
    changed = table.model_copy(update={"calibrations": {space.signature: fitted}})
    latency = predictor_from_table(space, device, changed).predict(_many(space, 0, 1)[0])
    assert 0 < latency.low < latency.predicted
    assert latency.high == pytest.approx(10 * latency.predicted)


ADD = r"add them: edgenas profile --device cpu --resolution 32 --classes 10 --threads 1 --precision fp32 --batch 1"
MEND = rf"{ADD}; or use --missing interpolate$"


def test_missing_blocks_name_the_fix(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    few = _without(table, [block.key for block in space.distinct_blocks[1:4]])
    with pytest.raises(
        IncompleteTableError,
        match=rf"table of cpu \(onnxruntime-cpu-fp32-t1-b1\) lacks 3 blocks, such as mbconv/.*; {MEND}",
    ):
        predictor_from_table(space, device, few)


def test_missing_calibration_names_the_fix(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    elsewhere = table.model_copy(update={"calibrations": {"other": table.calibrations[space.signature]}})
    with pytest.raises(IncompleteTableError, match=rf"lacks a calibration for this space; {MEND}"):
        predictor_from_table(space, device, elsewhere)


def test_the_hint_follows_device_and_space(table: LatencyTable) -> None:
    device = find_device("cpu", threads=2, precision="int8")
    with pytest.raises(
        IncompleteTableError, match=r"--resolution 32 --classes 7 --threads 2 --precision int8 --batch 1; or"
    ):
        predictor_from_table(mbconv(32, 7), device, table)


@pytest.mark.parametrize(
    ("device", "options"),
    [
        ("cpu", {}),
        ("cpu", {"threads": 2, "precision": "int8"}),
        pytest.param("cpu", {"batch": 2}),
        pytest.param("cuda", {}),
        pytest.param("jetson-nano", {}),
        pytest.param("jetson-nano", {"power_mode": "5W"}),
    ],
)
def test_the_hint_can_be_followed_and_fills_the_very_table(device: str, options: dict[str, Any]) -> None:
    lacking = find_device(device, **options)
    words = shlex.split(profile_command(mbconv(32, 7), lacking))
    assert words[:2] == ["edgenas", "profile" if lacking.is_host else "kit"]
    given = dict(zip(words[2::2], words[3::2], strict=True))
    assert (given["--resolution"], given["--classes"]) == ("32", "7")
    numbers = {name: int(given[f"--{name}"]) for name in ("threads", "batch") if f"--{name}" in given}
    mode = given.get("--power-mode")
    profiled = find_device(given["--device"], precision=given["--precision"], power_mode=mode, **numbers)
    assert (profiled.name, profiled.table_name) == (lacking.name, lacking.table_name)


def test_the_hint_of_another_layout_says_what_to_add(device: Device) -> None:
    for space in (mbconv(32, 7, squeeze_excite=True), mbconv(32, 7, width=0.5)):
        command = profile_command(space, device)
        assert command.endswith(
            "with the search's own --pretrained, --width, --squeeze-excite and --activation"
        )


def test_a_layout_without_a_preset_is_refused_as_lacking(
    small_space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    with pytest.raises(IncompleteTableError, match="lacks 10 blocks"):
        predictor_from_table(small_space, device, table)


# Blocks nobody timed.


def test_interpolated_networks_say_so(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    gone = {space.distinct_blocks[2].key, space.distinct_blocks[20].key}
    whole = predictor_from_table(space, device, table, "interpolate")
    predictor = predictor_from_table(space, device, _without(table, gone), "interpolate")
    assert (whole.interpolated, whole.provenance) == ((), Provenance.MEASURED)
    assert set(predictor.interpolated) == gone
    assert predictor.provenance is Provenance.CALIBRATED
    seen = set()
    for architecture in _many(space, 0, 60):
        exact, latency = whole.predict(architecture), predictor.predict(architecture)
        layers = predictor.layers(architecture)
        assert [layer.interpolated for layer in layers] == [layer.block in gone for layer in layers]
        touched = any(layer.interpolated for layer in layers)
        seen.add(touched)
        if touched:
            assert latency.provenance is Provenance.CALIBRATED
            assert latency.text.endswith(" ms, calibrated device model)")
            assert latency.predicted == pytest.approx(exact.predicted, rel=0.1)
            assert _width(latency) > 2 * _width(exact)
        else:
            assert latency == exact
    assert seen == {True, False}


def test_intervals_hold_most_interpolated_networks(device: Device, fake: type) -> None:
    space, held = mbconv(32, 10), []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        noise = np.exp(rng.normal(0, 0.01, 1000))
        runtime = fake(disturbance=lambda number, noise=noise: float(noise[number]))
        table = profile(space, device, runtime, networks=20).table
        for block in space.distinct_blocks:
            ms = table.entries[block.key].typical_ms
            table = _with_entry(table, block.key, typical_ms=ms * float(np.exp(rng.normal(0, 0.01))))
        gone = rng.choice([block.key for block in space.distinct_blocks[1:-1]], 7, replace=False)
        predictor = predictor_from_table(space, device, _without(table, gone), "interpolate")
        for architecture in _many(space, seed, 20):
            latency = predictor.predict(architecture)
            if latency.provenance is Provenance.CALIBRATED:
                measured_ms = float(load_blocks(space.blocks(architecture), 1, fake()).time_ms(1)[0])
                held.append(latency.low <= measured_ms <= latency.high)
    assert len(held) > 40
    assert np.mean(held) > 0.85


def _width(latency: Latency) -> float:
    return (latency.high - latency.low) / latency.predicted


def test_more_interpolated_blocks_widen_the_interval(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    gone = {block.key for block in space.distinct_blocks[1:31:6]}
    predictor = predictor_from_table(space, device, _without(table, gone), "interpolate")
    widths: dict[int, list[float]] = {}
    for architecture in _many(space, 1, 200):
        latency = predictor.predict(architecture)
        count = sum(layer.interpolated for layer in predictor.layers(architecture))
        widths.setdefault(count, []).append(latency.high - latency.low)
    assert len(widths) >= 3
    means = [np.mean(widths[count]) for count in sorted(widths) if len(widths[count]) >= 10]
    assert means == sorted(means)


def test_interpolated_intervals_stay_above_zero(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    few = _without(table, [block.key for block in space.distinct_blocks[6:]])
    predictor = predictor_from_table(space, device, few, "interpolate")
    for architecture in _many(space, 0):
        latency = predictor.predict(architecture)
        assert 0 <= latency.low < latency.predicted < latency.high < float("inf")


def test_a_space_that_differs_in_the_number_of_classes_alone(
    space: SearchSpace, device: Device, table: LatencyTable, fake: type
) -> None:
    other = mbconv(32, 13)
    with pytest.raises(IncompleteTableError, match=r"lacks 1 block, such as head/.*-13/.*--classes 13"):
        predictor_from_table(other, device, table)
    predictor = predictor_from_table(other, device, table, "interpolate")
    assert predictor.interpolated == (other.distinct_blocks[-1].key,)
    runtime = fake()
    for architecture in _many(other, 0, 10):
        latency = predictor.predict(architecture)
        assert latency.provenance is Provenance.CALIBRATED
        measured_ms = float(load_blocks(other.blocks(architecture), 1, runtime).time_ms(1)[0])
        assert latency.predicted == pytest.approx(measured_ms, rel=0.1)
        assert latency.low <= measured_ms <= latency.high


@pytest.mark.parametrize("missing", ["refuse", "interpolate"])
def test_a_table_without_any_calibration_is_refused_and_interpolating_does_not_help(
    space: SearchSpace, device: Device, table: LatencyTable, missing: Missing
) -> None:
    with pytest.raises(IncompleteTableError, match=rf"lacks a calibration for this space; {ADD}$"):
        predictor_from_table(space, device, table.model_copy(update={"calibrations": {}}), missing)


@pytest.mark.parametrize("missing", ["refuse", "interpolate"])
def test_what_was_inferred_for_another_space_is_refused_and_interpolating_does_not_help(
    space: SearchSpace, device: Device, table: LatencyTable, missing: Missing
) -> None:
    inferred = table.model_copy(
        update={"entries": {}, "calibrations": {}, "inferences": {space.signature: _inference(space)}}
    )
    with pytest.raises(
        IncompleteTableError, match=r"lacks \d+ blocks?, such as .*--classes 7 .* --batch 1 --samples 10$"
    ):
        predictor_from_table(mbconv(32, 7), device, inferred, missing)


def test_too_few_blocks_to_interpolate_between_are_refused(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    few = _without(table, [block.key for block in space.blocks_of_any_channels[4:]])
    with pytest.raises(
        IncompleteTableError,
        match=r"^4 timed blocks are too few to interpolate between; profile the space itself$",
    ):
        predictor_from_table(space, device, few, "interpolate")


@pytest.mark.parametrize(
    "shares",
    [
        (0.05,),
        pytest.param((0.0,)),
    ],
    ids=["with corrections", "a line"],
)
def test_the_calibration_of_the_space_most_like_it_is_taken(
    device: Device, fake: type, shares: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "CORRECTION_SHARES", shares)
    table = None
    for near, constant_ms in ((mbconv(32, 10), 50.0), (mbconv(16, 4), 0.2), (mbconv(24, 10, 2.0), 90.0)):
        runtime = fake(constant_ms=constant_ms)
        table = profile(near, device, runtime, table, networks=20).table
    assert table is not None
    predictor = predictor_from_table(mbconv(16, 10), device, table, "interpolate")
    assert predictor.constant_ms == pytest.approx(0.7, abs=0.1)


# Which figures a prediction rests on.


def test_an_estimate_rests_on_no_table(space: SearchSpace, device: Device) -> None:
    assert predictor_from_device(space, device).table_checksum is None


def _checksum(
    space: SearchSpace, device: Device, table: LatencyTable, missing: Missing = "refuse"
) -> str | None:
    return predictor_from_table(space, device, table, missing).table_checksum


def _with_entry(table: LatencyTable, key: str, **changes: float) -> LatencyTable:
    entry = table.entries[key].model_copy(update=changes)
    return table.model_copy(update={"entries": {**table.entries, key: entry}})


def test_the_checksum_follows_every_figure_that_is_used(
    space: SearchSpace, device: Device, table: LatencyTable
) -> None:
    seen = {_checksum(space, device, table)}
    for block in space.distinct_blocks:
        slower = table.entries[block.key].typical_ms * 1.001
        seen.add(_checksum(space, device, _with_entry(table, block.key, typical_ms=slower)))
    one = table.calibrations[space.signature]
    corrections = {**one.corrections_ms, space.distinct_blocks[3].key: 0.5}
    for change in (
        {"slope": one.slope * 1.001},
        {"intercept_ms": one.intercept_ms + 0.001},
        {"overhead_ms": one.overhead_ms / 2},
        {"residuals": (0.5, *one.residuals)},
        {"corrections_ms": corrections},
    ):
        calibrations = {space.signature: one.model_copy(update=change)}
        seen.add(_checksum(space, device, table.model_copy(update={"calibrations": calibrations})))
    assert len(seen) == 1 + len(space.distinct_blocks) + 4 + (len(set(one.residuals)) > 0)


def test_the_checksum_ignores_what_is_not_used(
    space: SearchSpace, device: Device, table: LatencyTable, fake: type
) -> None:
    before = _checksum(space, device, table)
    grown = profile(mbconv(32, 4), device, fake(overhead_ms=0.3), table, networks=5).table
    assert len(grown.entries) > len(table.entries) and len(grown.calibrations) == 4
    key = space.distinct_blocks[5].key
    for other in (
        grown,
        _with_entry(table, key, p90_ms=99.0, n=1, spread=9.0),
        table.model_copy(update={"measured_at": "2020-01-01T00:00:00+00:00", "disturbed": 0.5}),
        table.model_copy(update={"entries": dict(reversed(table.entries.items()))}),
    ):
        assert _checksum(space, device, other) == before
        assert _checksum(space, device, other, "interpolate") == before


def test_interpolating_changes_the_checksum(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    gone = [block.key for block in space.distinct_blocks[1:7]]
    found = [_checksum(space, device, _without(table, gone[:n]), "interpolate") for n in range(len(gone))]
    assert len(set(found)) == len(gone)
    assert found[0] == _checksum(space, device, table)


def test_predictor_for_interpolates_where_asked(device: Device, table: LatencyTable) -> None:
    save_table(device, table)
    assert predictor_for(mbconv(32, 13), device, "interpolate").provenance is Provenance.CALIBRATED
    with pytest.raises(IncompleteTableError, match="lacks 1 block"):
        predictor_for(mbconv(32, 13), device)


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
        predictor_for(mbconv(24, 10), device)
    path.write_text(path.read_text().replace('"n": ', '"n": 1'))
    with pytest.raises(FileFormatError, match="checksum: does not match the content"):
        predictor_for(space, device)


@pytest.mark.parametrize(
    ("name", "precision", "provenance"),
    [("jetson", None, "calibrated"), ("pi4", None, "calibrated"), ("pi4", "int8", "estimated")],
)
def test_boards_without_a_table_are_predicted_by_their_model(
    space: SearchSpace, name: str, precision: Precision | None, provenance: str
) -> None:
    device = find_device(name, precision=precision)
    predictor = predictor_for(space, device)
    latency = predictor.predict(predictor.slowest())
    model = model_of(device)
    assert latency.provenance == model.provenance == provenance
    assert latency.low / latency.predicted == pytest.approx(model.interval.low)
    assert latency.high / latency.predicted == pytest.approx(model.interval.high)
    blocks = space.blocks(predictor.slowest())
    expected = sum(model.work_ms(work) for block in blocks for work in block_work(block, 1))
    assert latency.predicted == pytest.approx(expected)


def test_a_host_without_a_table_is_told_how_to_make_one(
    space: SearchSpace, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert predictor_for(space, find_device("jetson")).provenance == "calibrated"
        assert caplog.messages == []
        assert predictor_for(space, find_device("cpu", threads=3)).provenance == "estimated"
    (message,) = caplog.messages
    assert message.startswith(
        "no latency table onnxruntime-cpu-fp32-t3-b1: estimated; edgenas profile --device cpu"
    )
    caplog.clear()
    predictor_for(space, find_device("pi4").model_copy(update={"reach": "local"}))
    assert caplog.messages[0].startswith(
        "no latency table onnxruntime-cpu-fp32-t4-b1-stock-clocks-1-5-ghz-cooled: calibrated; "
    )


def test_the_command_that_profiles_another_space_names_it(board: Device) -> None:
    assert "--space nasbench-macro --resolution 32 --classes 10" in profile_command(nasbench_macro(), board)
    assert "--space" not in profile_command(mbconv(32, 7), board)


def _inference(space: SearchSpace) -> Inference:
    """The n-th block costs n / 8 ms, the first nothing."""
    return Inference(
        block_ms={block.key: i / 8 for i, block in enumerate(space.distinct_blocks)},
        calibration=Calibration(slope=1, intercept_ms=0.5, overhead_ms=0, residuals=(0.1, -0.1)),
        uncertainties=(),
        sentinel_ms=0.1,
        low_factor=0.75,
        high_factor=1.5,
        noise=0.02,
        views={"a": 1.0},
        known_devices=(),
    )


def test_what_was_inferred_is_calibrated(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    inferred = table.model_copy(
        update={"entries": {}, "calibrations": {}, "inferences": {space.signature: _inference(space)}}
    )
    predictor = predictor_from_table(space, device, inferred)
    costs = _inference(space).block_ms
    for architecture in _many(space, 3):
        latency = predictor.predict(architecture)
        value = 0.5 + sum(costs[block.key] for block in space.blocks(architecture))
        assert (latency.predicted, latency.low, latency.high) == pytest.approx(
            (value, 0.75 * value, 1.5 * value)
        )
        assert latency.provenance == "calibrated"
    assert predictor.table_checksum is not None
    with pytest.raises(IncompleteTableError, match="edgenas profile --device cpu"):
        predictor_from_table(mbconv(32, 4), device, inferred)


def test_what_was_measured_goes_first(space: SearchSpace, device: Device, table: LatencyTable) -> None:
    both = table.model_copy(update={"inferences": {space.signature: _inference(space)}})
    assert predictor_from_table(space, device, both).provenance == "measured"
    lacking = _without(both, [space.distinct_blocks[0].key])
    assert predictor_from_table(space, device, lacking).provenance == "calibrated"
