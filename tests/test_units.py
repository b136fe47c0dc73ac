"""Quantities as people write them."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.errors import InputError, UnitError
from edgenas.units import (
    MAX_RESOLUTION,
    MAX_RESOLUTIONS,
    format_count,
    format_milliseconds,
    format_seconds,
    parse_milliseconds,
    parse_resolutions,
    parse_seconds,
    resolution_setting,
)

MILLISECONDS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "min": 60e3, "h": 3600e3}
positive = st.floats(min_value=1e-9, max_value=1e12)
spaces = st.sampled_from(["", " ", "\t", "  "])


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("20ms", 20), ("0.02s", 20), ("10min", 600_000), ("1h", 3_600_000), ("5us", 0.005), ("5µs", 0.005),
     (" 20 ms ", 20), ("+20ms", 20), (".5s", 500), ("5.ms", 5), ("1e3us", 1), ("2E-1s", 200)],
)  # fmt: skip
def test_durations(text: str, milliseconds: float) -> None:
    assert parse_milliseconds(text, "--max-latency") == pytest.approx(milliseconds, rel=1e-12)
    assert parse_seconds(text, "--time-budget") == pytest.approx(milliseconds / 1e3, rel=1e-12)


@given(positive, spaces, st.sampled_from(sorted(MILLISECONDS)), spaces)
def test_every_duration_reads_back(number: float, before: str, unit: str, after: str) -> None:
    text = f"{after}{number!r}{before}{unit}{after}"
    assert parse_milliseconds(text, "--x") == pytest.approx(number * MILLISECONDS[unit], rel=1e-12)
    assert parse_seconds(text, "--x") == pytest.approx(number * MILLISECONDS[unit] / 1e3, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("20", "--max-latency: '20' has no unit; write for example 20ms or 0.02s"),
        ("-5", "--max-latency: '-5' has no unit; write for example 20ms or 0.02s"),
        ("-5ms", "--max-latency: '-5ms' is not positive and finite; write for example 20ms or 0.02s"),
        ("0ms", "--max-latency: '0ms' is not positive and finite; write for example 20ms or 0.02s"),
        ("1e999ms", "--max-latency: '1e999ms' is not positive and finite; write for example 20ms or 0.02s"),
        ("nan", "--max-latency: 'nan' is not a quantity; write for example 20ms or 0.02s"),
        ("nanms", "--max-latency: 'nanms' is not a quantity; write for example 20ms or 0.02s"),
        ("inf", "--max-latency: 'inf' is not a quantity; write for example 20ms or 0.02s"),
        ("", "--max-latency: '' is not a quantity; write for example 20ms or 0.02s"),
        ("ms", "--max-latency: 'ms' is not a quantity; write for example 20ms or 0.02s"),
        ("1,5ms", "--max-latency: '1,5ms' is not a quantity; write for example 20ms or 0.02s"),
        ("20 ms 5", "--max-latency: '20 ms 5' is not a quantity; write for example 20ms or 0.02s"),
        ("20Ms", "--max-latency: unknown unit 'Ms' in '20Ms'; use one of us, µs, ms, s, min, h"),
        ("4MiB", "--max-latency: unknown unit 'MiB' in '4MiB'; use one of us, µs, ms, s, min, h"),
    ],
)
def test_refused_durations(text: str, message: str) -> None:
    with pytest.raises(UnitError, match=f"^{re.escape(message)}$"):
        parse_milliseconds(text, "--max-latency")


def test_the_example_in_a_refusal_fits_a_longer_duration() -> None:
    message = "--time-budget: '600' has no unit; write for example 10min or 600s"
    with pytest.raises(UnitError, match=f"^{re.escape(message)}$"):
        parse_seconds("600", "--time-budget")


@given(st.text(max_size=12))
def test_any_text_is_a_positive_quantity_or_a_unit_error(text: str) -> None:
    try:
        value = parse_milliseconds(text, "--x")
    except UnitError as error:
        assert str(error).startswith("--x: ") and error.hint
    else:
        assert 0 < value < float("inf")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0.1234, "0.1234 ms"), (20, "20 ms"), (999.96, "1000 ms"), (12345.6, "12346 ms"), (1.23456, "1.235 ms")],
)
def test_format_milliseconds(milliseconds: float, text: str) -> None:
    assert format_milliseconds(milliseconds) == text


@given(st.floats(min_value=1e-4, max_value=1e6))
def test_formatted_milliseconds_read_back(milliseconds: float) -> None:
    again = parse_milliseconds(format_milliseconds(milliseconds), "--x")
    assert again == pytest.approx(milliseconds, rel=6e-4)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (8.4, "8 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (245, "4 min 05 s")],
)
def test_format_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1000, "1 k"), (340_000, "340 k"), (999_499, "999 k"), (999_600, "1 M"),
     (16_210_000, "16.2 M"), (2.5e9, "2.5 G")],
)  # fmt: skip
def test_format_count(count: float, text: str) -> None:
    assert format_count(count) == text


@given(
    st.lists(st.integers(1, MAX_RESOLUTION), min_size=1, max_size=MAX_RESOLUTIONS, unique=True).map(sorted)
)
def test_image_sizes_have_one_normal_form(sizes: list[int]) -> None:
    spellings = [sizes, tuple(sizes), np.array(sizes), ",".join(map(str, sizes)), " , ".join(map(str, sizes))]
    forms = {resolution_setting(each, "--resolution") for each in spellings}
    assert len(forms) == 1
    (form,) = forms
    assert parse_resolutions(form, "--resolution") == tuple(sizes)
    assert isinstance(form, int) == (len(sizes) == 1)
    assert resolution_setting(form, "--resolution") == form


@given(st.integers(1, 20), st.integers(1, 15))
def test_a_range_of_image_sizes_holds_the_multiples_of_16(first: int, more: int) -> None:
    low, high = 16 * first, 16 * (first + more)
    text = f"{low}..{high}"
    assert parse_resolutions(text, "--resolution") == tuple(range(low, high + 1, 16))
    assert resolution_setting(list(range(low, high + 1, 16)), "--resolution") == text


def test_a_range_of_one_size_is_that_size() -> None:
    assert resolution_setting("96..96", "--resolution") == 96
    assert resolution_setting("96", "--resolution") == resolution_setting(np.int64(96), "--resolution") == 96


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "--resolution: '' is not an image size; write for example 160, 96..224 or 96,128,160"),
        ("big", "--resolution: 'big' is not an image size; write for example 160, 96..224 or 96,128,160"),
        ("96..", "--resolution: '96..' is not an image size; write for example 160, 96..224 or 96,128,160"),
        ("96...224", "--resolution: '96...224' is not an image size; write for example 160, 96..224 or 96,128,160"),
        (160.5, "--resolution: 160.5 is not an image size; write for example 160, 96..224 or 96,128,160"),
        (True, "--resolution: 'True' is not an image size; write for example 160, 96..224 or 96,128,160"),
        ([], "--resolution: [] is not an image size; write for example 160, 96..224 or 96,128,160"),
        ([96, "x"], "--resolution: [96, 'x'] is not an image size; write for example 160, 96..224 or 96,128,160"),
        (0, "--resolution 0 is too small; give at least 1"),
        ("-5", "--resolution -5 is too small; give at least 1"),
        ("96,5000", "--resolution 5000 is too large; give at most 4096"),
        ("224..96", "--resolution 224..96: sizes must ascend; write 96..224"),
        ("160,96,160", "--resolution 160,96,160: sizes must ascend; write 96,160"),
        ((96, 96), "--resolution 96,96: 96 is repeated; list each size once"),
        ("100..224", "--resolution 100..224: 100 is not a multiple of 16; "
         "write 96..224, or list the sizes: 100,224"),
        ("16..1024", "--resolution 16..1024: 64 sizes are too many; give at most 16"),
    ],
)  # fmt: skip
def test_what_is_no_image_size_is_refused(value: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_resolutions(value, "--resolution")
    assert str(caught.value) == message
