from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgenas.reporting.run_comparison import RunComparison, comparison_chart, write_comparison

Make = Callable[..., Any]


def test_the_best_of_each_run_is_set_beside_the_other_at_equal_latency(make_view: Make, model: Make) -> None:
    one = make_view(front=[model(1, 0.90, 0.5), model(2, 0.95, 1.5)])
    other = make_view(run="other", front=[model(3, 0.93, 1.0)])
    found = [
        (latency, [None if each is None else each.accuracy.value for each in models])
        for latency, models in RunComparison((one, other)).levels
    ]
    assert found == [(0.5, [0.90, None]), (1.0, [0.90, 0.93]), (1.5, [0.95, 0.93])]


def test_only_what_differs_is_listed(make_view: Make) -> None:
    one, other = make_view(), make_view()
    assert list(RunComparison((one, other)).settings) == []
    changed = type(other)(
        other.result, other.config.with_settings(seed=3), other.versions | {"torch": "9"}, other.points
    )
    assert list(RunComparison((one, changed)).settings) == [
        ("--seed", ("0", "3")),
        ("version of torch", ("", "9")),
    ]


def test_runs_on_other_devices_are_said_to_be_unlike(make_view: Make, tmp_path: Path) -> None:
    comparison = RunComparison((make_view(), make_view(run="other", device="elsewhere")))
    write_comparison(comparison, tmp_path / "comparison.html")
    text = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "Not alike." in text and "differ in device" in text


def test_fronts_have_names_and_colours_of_their_own(make_view: Make) -> None:
    chart = comparison_chart(RunComparison((make_view(), make_view(run="other"))))
    named = [(trace.name, trace.style) for trace in chart.traces if trace.name]
    assert named == [("demo", "run0"), ("other", "run1")]
