"""`edgenas benchmark`: edgenas on published tables, where the truth is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgenas.cli.console import print_json, print_lines, print_table, reporting
from edgenas.cli.options import JsonOption
from edgenas.searchers.registry import DEFAULT_SEARCHER, SEARCHERS
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
    help="Judge searchers and latency prediction on published tables.",
    no_args_is_help=True,
    epilog=EXAMPLE,
)


@app.command("search", epilog=EXAMPLE)
def search(
    table: Annotated[Path, typer.Option(help="CSV (or .csv.gz) with arch, accuracy_percent, latency_ms.")],
    space: Annotated[
        str, typer.Option(help="What its rows name: nasbench201 or nasbench-macro.")
    ] = "nasbench201",
    searcher: Annotated[str, typer.Option(help=f"{', '.join(SEARCHERS)}.")] = DEFAULT_SEARCHER,
    evaluations: Annotated[int, typer.Option(min=1, help="Distinct networks to look up.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    max_latency: Annotated[
        str | None, typer.Option(help="Latency limit with its unit, such as 5ms; default none.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run a searcher on a table of known accuracies and latencies; its curve against the true front."""
    from edgenas.api.benchmark_search import benchmark_search

    with reporting() as progress:
        result = benchmark_search(
            table,
            space,
            searcher,
            evaluations=evaluations,
            seed=seed,
            max_latency=max_latency,
            progress=progress,
        )
    if json:
        print_json(result)
    else:
        _print_result(result)


@app.command("latency", epilog=LATENCY_EXAMPLE)
def latency(
    table: Annotated[
        Path, typer.Option(help="CSV (or .csv.gz) with arch and a column of milliseconds a device.")
    ],
    reference_devices: Annotated[
        str, typer.Option(help="Known devices: A,B,... or all others of the table; default none.")
    ] = "",
    target: Annotated[
        str | None, typer.Option(help="Device to predict; not needed where the table has one.")
    ] = None,
    samples: Annotated[int, typer.Option(help="Networks timed on the target.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    protocol: Annotated[
        str,
        typer.Option(
            help="all: sampled from 900 random networks, asked about all others. help: as the paper of HELP."
        ),
    ] = "all",
    json: JsonOption = False,
) -> None:
    """Predict a device's latencies from a few of them; compare with the rest of a published table."""
    from edgenas.api.benchmark_latency import benchmark_latency

    references = [name.strip() for name in reference_devices.split(",") if name.strip()]
    with reporting():
        result = benchmark_latency(table, target, references, samples=samples, seed=seed, protocol=protocol)
    if json:
        print_json(result)
    else:
        _print_latency(result)


def _print_latency(result: "LatencyBenchmark") -> None:
    from edgenas.reporting.report_content import rank_text

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
        ("inside their 90% interval", f"{result.interval_coverage:.1%}"),
        ("the interval, typically", f"±{result.interval_percent:.3g}%"),
    ]
    title = f"{result.target}: {result.queries} networks from {result.samples} samples and {known}"
    print_table(title, ("predicted and published", "value"), rows)
    view, weight = max(result.features.items(), key=lambda pair: pair[1])
    print_lines(
        f"what takes time: {view} ({weight:.0%} probable); noise of a timing: {result.noise_percent:.2g}%",
        f"time: {format_seconds(result.seconds)}",
    )


def _print_result(result: "SearchBenchmark") -> None:
    title = f"{result.searcher} on {result.table}, seed {result.seed}"
    columns = ("evaluations", "hypervolume", "front found", "best accuracy")
    shown = [point for point in result.curve[:-1] if _is_round(point.evaluations)]
    print_table(title, columns, [_row(point) for point in (*shown, result.curve[-1])])
    limit = "" if result.max_latency_ms is None else f" within {result.max_latency_ms:g} ms"
    if result.evaluations < result.asked_for:
        print_lines(f"ended at {result.evaluations} of {result.asked_for}: the searcher found no new network")
    print_lines(
        f"true front: {result.front} of {result.feasible} networks{limit}, hypervolume "
        f"{result.oracle_hypervolume:.4f}, best accuracy {result.oracle_best_accuracy:.2%}",
        f"time: {format_seconds(result.seconds)}, {1e3 * result.seconds / result.evaluations:.3g} ms an evaluation",
    )


def _is_round(count: int) -> bool:
    """Whether it is 10, 20, 50, 100, 200, 500, ..."""
    digits = str(count)
    return len(digits) > 1 and digits[0] in "125" and not digits[1:].strip("0")


def _row(point: "CurvePoint") -> tuple[str, ...]:
    return (
        str(point.evaluations),
        f"{point.hypervolume_ratio:.2%}",
        f"{point.pareto_recall:.0%}",
        f"{point.best_accuracy:.2%}",
    )
