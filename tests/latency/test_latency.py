"""One record of a latency: its text, its two forms in JSON and tables."""

import pytest

from edgenas.device import Provenance
from edgenas.latency.latency import Latency


@pytest.mark.parametrize(
    ("latency", "text"),
    [
        (Latency(0.27, 0.135, 0.54, Provenance.ESTIMATED), "0.27 ms (0.135 to 0.54 ms, datasheet estimate)"),
        (Latency(20, 19, 21, Provenance.MEASURED), "20 ms (19 to 21 ms, from measured blocks)"),
    ],
)
def test_text_shows_interval_and_provenance(latency: Latency, text: str) -> None:
    assert latency.text == text


def test_figures_are_the_milliseconds_alone() -> None:
    latency = Latency(2.0, 1.0, 4.0, Provenance.ESTIMATED)
    assert latency.figures == {"predicted": 2.0, "low": 1.0, "high": 4.0, "measured": None}


@pytest.mark.parametrize("measured", [None, 2.5])
def test_columns_have_the_unit_and_a_measurement_where_there_is_one(measured: float | None) -> None:
    columns = Latency(2.0, 1.0, 4.0, Provenance.CALIBRATED, measured).columns
    expected = {"predicted_ms": 2.0, "low_ms": 1.0, "high_ms": 4.0, "provenance": "calibrated"}
    assert columns == expected | ({} if measured is None else {"measured_ms": measured})
