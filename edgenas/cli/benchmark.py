"""`edgenas benchmark`: searchers and latency prediction on published tables, where the truth is known."""

from typing import TYPE_CHECKING, Any

import typer

from edgenas.cli.console import print_json, print_lines, print_table
from edgenas.cli.options import HELP_STYLE, command_of, with_quiet
from edgenas.cli.progress_display import reporting
from edgenas.settings.benchmark import BenchmarkLatencySettings, BenchmarkSearchSettings
from edgenas.units import format_seconds

if TYPE_CHECKING:
    from edgenas.api.benchmark_latency import LatencyBenchmark
    from edgenas.api.benchmark_search import CurvePoint, SearchBenchmark

EXAMPLE = "Example: edgenas benchmark search --table T.csv.gz --space nasbench201 --evaluations 200"
LATENCY_EXAMPLE = (
    "Example: edgenas benchmark latency --table T.csv.gz --reference-devices A,B --target C --samples 10"
)

app = typer.Typer(
    name="benchmark",
    help="Benchmark searchers and latency prediction on published tables.",
    no_args_is_help=True,
    epilog=EXAMPLE,
    rich_markup_mode=HELP_STYLE,
)


@app.command("search", epilog=EXAMPLE)
@with_quiet
@command_of(BenchmarkSearchSettings)
def search(keywords: dict[str, Any], json: bool) -> None:
    """Run a searcher on a table of known accuracies and latencies; compare its curve with the true front."""
    from edgenas.api.benchmark_search import benchmark_search

    with reporting() as progress:
        result = benchmark_search(**keywords, progress=progress)
    if json:
        print_json(result)
    else:
        _print_result(result)


@app.command("latency", epilog=LATENCY_EXAMPLE)
@with_quiet
@command_of(BenchmarkLatencySettings)
def latency(keywords: dict[str, Any], json: bool) -> None:
    """Predict a device's latencies from a few of them; compare with the rest of a published table."""
    from edgenas.api.benchmark_latency import benchmark_latency

    with reporting():
        result = benchmark_latency(**keywords)
    if json:
        print_json(result)
    else:
        _print_latency(result)


def _print_latency(result: "LatencyBenchmark") -> None:
    from edgenas.reporting.shown_text import rank_text

    known = (
        f"{len(result.reference_devices)} known devices" if result.reference_devices else "no known device"
    )
    rows = [
        ("Spearman", rank_text(result.spearman)),
        ("Kendall", rank_text(result.kendall)),
        ("median error", f"{result.median_error_percent:.3g}%"),
        ("mean error", f"{result.mape_percent:.3g}%"),
        ("within 5%", f"{result.within_5_percent:.1%}"),
        ("within 10%", f"{result.within_10_percent:.1%}"),
        ("inside the 90% interval", f"{result.interval_coverage:.1%}"),
        ("median interval", f"±{result.interval_percent:.3g}%"),
    ]
    title = f"{result.target}: {result.queries} networks from {result.samples} samples and {known}"
    print_table(title, ("predicted against published", "value"), rows)
    feature_set, weight = max(result.features.items(), key=lambda pair: pair[1])
    print_lines(
        f"what costs time: {feature_set} (probability {weight:.0%}); noise of a timing: {result.noise_percent:.2g}%",
        f"time: {format_seconds(result.seconds)}",
    )


def _print_result(result: "SearchBenchmark") -> None:
    title = f"{result.searcher} on {result.table}, seed {result.seed}"
    columns = ("evaluations", "hypervolume", "front found", "best accuracy")
    shown = [point for point in result.curve[:-1] if _is_round(point.evaluations)]
    print_table(title, columns, [_row(point) for point in (*shown, result.curve[-1])])
    limit = "" if result.max_latency_ms is None else f" within {result.max_latency_ms:g} ms"
    if result.evaluations < result.asked_for:
        print_lines(
            f"ended at {result.evaluations} of {result.asked_for}: the searcher found no new networks"
        )
    print_lines(
        f"true front: {result.front} of {result.feasible} networks{limit}, hypervolume "
        f"{result.oracle_hypervolume:.4f}, best accuracy {result.oracle_best_accuracy:.2%}",
        f"time: {format_seconds(result.seconds)}, {1e3 * result.seconds / result.evaluations:.3g} ms an evaluation",
    )


def _is_round(count: int) -> bool:
    """Whether a count is 10, 20, 50, 100, 200, 500, ..."""
    digits = str(count)
    return len(digits) > 1 and digits[0] in "125" and not digits[1:].strip("0")


def _row(point: "CurvePoint") -> tuple[str, ...]:
    return (
        str(point.evaluations),
        f"{point.hypervolume_ratio:.2%}",
        f"{point.pareto_recall:.0%}",
        f"{point.best_accuracy:.2%}",
    )
