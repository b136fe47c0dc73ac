"""`edgenas benchmark`: edgenas on published tables, where the truth is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgenas.cli.console import print_json, print_lines, print_table, reporting
from edgenas.cli.options import JsonOption, SeedOption
from edgenas.search.registry import DEFAULT_SEARCHER, SEARCHERS
from edgenas.units import format_seconds

if TYPE_CHECKING:
    from edgenas.jobs.benchmark import CurvePoint, SearchBenchmark

EXAMPLE = "Example: edgenas benchmark search --table T.csv.gz --space nasbench201 --evaluations 200"

app = typer.Typer(
    name="benchmark", help="Judge searchers on published tables.", no_args_is_help=True, epilog=EXAMPLE
)


@app.command("search", epilog=EXAMPLE)
def search(
    table: Annotated[Path, typer.Option(help="CSV (or .csv.gz) with arch, accuracy_percent, latency_ms.")],
    space: Annotated[
        str, typer.Option(help="What its rows name: nasbench201 or nasbench-macro.")
    ] = "nasbench201",
    searcher: Annotated[str, typer.Option(help=f"{', '.join(SEARCHERS)}.")] = DEFAULT_SEARCHER,
    evaluations: Annotated[int, typer.Option(min=1, help="Distinct networks to look up.")] = 200,
    seed: SeedOption = 0,
    max_latency: Annotated[
        str | None, typer.Option(help="Latency limit with its unit, such as 5ms; default none.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run a searcher on a table of known accuracies and latencies; its curve against the true front."""
    from edgenas.jobs.benchmark import benchmark_search

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
        print_json(result.model_dump(mode="json"))
    else:
        _print_result(result)


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
