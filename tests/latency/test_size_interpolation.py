"""Latency at image sizes between timed ones."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgenas.device import Provenance, find_device
from edgenas.device_models.roofline import estimate_block_ms
from edgenas.errors import IncompleteTableError
from edgenas.latency.calibration import interval_factors
from edgenas.latency.predictor import predictor_from_table
from edgenas.latency.size_interpolation import LEAST_SD, between_sizes
from edgenas.latency.table import Calibration, Entry, LatencyTable
from edgenas.space import Architecture, SearchSpace, mbconv

TIMED = (96, 128, 160)
OVERHEAD_MS = 0.02
SPACE = mbconv(160, 10, width=0.25)
DEVICE = find_device("cpu")

MakeTable = Callable[..., LatencyTable]


def filled(table: LatencyTable, space: SearchSpace, wobble: float = 0.0) -> LatencyTable:
    """The table, with the space timed: as the datasheet estimates, but at 128 px more by a share `wobble`."""
    off = 1 + wobble * (space.input_shape[1] == 128)
    entries = dict(table.entries)
    for block in space.distinct_blocks:
        ms = OVERHEAD_MS + off * estimate_block_ms(block, DEVICE)
        entries.setdefault(block.key, Entry(typical_ms=ms, min_ms=ms, p50_ms=ms, p90_ms=ms, n=3, spread=0.0))
    calibration = Calibration(
        slope=0.9, intercept_ms=0.1, overhead_ms=OVERHEAD_MS, residuals=(0.01, -0.02, 0.01) * 4
    )
    calibrations = {**table.calibrations, space.signature: calibration}
    return table.model_copy(update={"entries": entries, "calibrations": calibrations})


def table_of(make_table: MakeTable, sizes: tuple[int, ...], wobble: float = 0.0) -> LatencyTable:
    found = make_table(overhead_ms=OVERHEAD_MS)
    for size in sizes:
        found = filled(found, SPACE.resized(size), wobble)
    return found


def true_ms(space: SearchSpace, architecture: Architecture) -> float:
    return 0.1 + 0.9 * sum(estimate_block_ms(block, DEVICE) for block in space.blocks(architecture))


@pytest.fixture
def full(make_table: MakeTable) -> LatencyTable:
    """The space at 96, 128 and 160 px."""
    return table_of(make_table, TIMED)


@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([100, 112, 120, 144, 152]))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_near_the_truth_and_within_its_interval(full: LatencyTable, seed: int, size: int) -> None:
    predictor = predictor_from_table(SPACE.resized(size), DEVICE, full)
    space = predictor.space
    architecture = space.sample(np.random.default_rng(seed))
    latency, expected = predictor.predict(architecture), true_ms(space, architecture)
    assert latency.predicted == pytest.approx(expected, rel=0.05)
    assert latency.low <= expected <= latency.high
    assert latency.provenance is Provenance.CALIBRATED


def test_sizes_of_the_table_itself_stay_measured(full: LatencyTable) -> None:
    predictor = predictor_from_table(SPACE.resized(128), DEVICE, full)
    assert predictor.provenance is Provenance.MEASURED and not predictor.interpolated


def test_the_interval_follows_the_error_of_sizes_left_out(make_table: MakeTable) -> None:
    space = SPACE.resized(144)
    smooth, rough = (between_sizes(space, table_of(make_table, TIMED, wobble)) for wobble in (0.0, 0.3))
    assert smooth is not None and rough is not None
    assert LEAST_SD <= smooth.relative_sd < 0.05 < rough.relative_sd
    assert (smooth.low_factor, smooth.high_factor) == interval_factors((0.01, -0.02, 0.01) * 4)


@pytest.mark.parametrize(("timed", "size"), [((96, 160), 128), (TIMED, 80), (TIMED, 176), ((), 128)], ids=str)
def test_it_needs_three_sizes_and_one_on_either_side(
    timed: tuple[int, ...], size: int, make_table: MakeTable
) -> None:
    table, space = table_of(make_table, timed), SPACE.resized(size)
    assert between_sizes(space, table) is None
    with pytest.raises(IncompleteTableError, match="lacks"):
        predictor_from_table(space, DEVICE, table)


def test_a_size_with_a_block_missing_or_uncalibrated_does_not_count(make_table: MakeTable) -> None:
    table, space = table_of(make_table, TIMED), SPACE.resized(112)
    stem = SPACE.resized(128).distinct_blocks[1].key
    without = {key: entry for key, entry in table.entries.items() if key != stem}
    assert between_sizes(space, table.model_copy(update={"entries": without})) is None
    kept = {key: each for key, each in table.calibrations.items() if "128px" not in key}
    assert between_sizes(space, table.model_copy(update={"calibrations": kept})) is None


def test_another_space_s_sizes_do_not_count(make_table: MakeTable) -> None:
    other = mbconv(112, 10, width=0.35)
    assert between_sizes(other, table_of(make_table, TIMED)) is None
