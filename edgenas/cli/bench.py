"""`edgenas bench`: the latency of an ONNX file over many runs."""

from typing import TYPE_CHECKING, Any

from edgenas.cli.console import print_json, print_lines, print_table, reporting
from edgenas.cli.options import command_of
from edgenas.settings.latency_commands import BenchSettings
from edgenas.units import change_of_speed, format_milliseconds

if TYPE_CHECKING:
    from edgenas.api.bench import BenchResult, FileTimes

EXAMPLE = "Example: edgenas bench model.onnx --device cpu --against model.int8.onnx"

COLUMNS = (
    "file",
    "least",
    "median",
    "90 %",
    "95 %",
    "99 %",
    "after idling",
    "images/s",
    "loading",
    "first run",
)


@command_of(BenchSettings)
def run(keywords: dict[str, Any], json: bool) -> None:
    """Time an ONNX file over many runs, here or on a board, and compare it with another."""
    from edgenas.api.bench import bench

    with reporting() as progress:
        result = bench(**keywords, progress=progress)
    if json:
        print_json(result)
        return
    files = [result, *([result.against] if result.against else [])]
    print_table(f"{result.runs} runs on {result.device}", COLUMNS, [_row(each) for each in files])
    print_lines(f"on {result.conditions} ({result.host}, version {result.runtime_version})")
    for each in files:
        print_lines(*_prediction_lines(each))
    print_lines(*_comparison_lines(result))
    for each in files:
        if not each.stable:
            print_lines(
                f"{each.file.name}: the machine was busy, or its clock changed: do not rely on these figures "
                "(see edgenas doctor)"
            )


def _row(each: "FileTimes") -> tuple[str, ...]:
    found = each.latency_ms
    times = (found.min, found.p50, found.p90, found.p95, found.p99, each.paced_ms)
    loading = (each.load_ms, each.first_ms)
    shown, last = (
        ["-" if ms is None else format_milliseconds(ms) for ms in part] for part in (times, loading)
    )
    return (each.file.name, *shown, f"{each.images_per_s:.4g}", *last)


def _prediction_lines(each: "FileTimes") -> list[str]:
    if (predicted := each.predicted_ms) is None:
        return []
    inside = predicted["low"] <= each.typical_ms <= predicted["high"]
    return [
        f"{each.file.name}: predicted {format_milliseconds(predicted['predicted'])} ({predicted['low']:.4g} to "
        f"{predicted['high']:.4g} ms), typically {format_milliseconds(each.typical_ms)}: "
        f"{'inside' if inside else 'outside'} the interval"
    ]


def _comparison_lines(result: "BenchResult") -> list[str]:
    if (found := result.comparison) is None or result.against is None:
        return []
    this, other = result.file.name, result.against.file.name
    span = f"95 %: {found.low:.3f} to {found.high:.3f} times as long"
    if not found.differ:
        return [f"{this} and {other}: no difference is shown ({span})"]
    return [f"{this} is {change_of_speed(found.ratio)} than {other} ({span})"]
