"""`edgenas report`: writing a run's report again, or comparing runs."""

from typing import Annotated

import typer

from edgenas.cli.completion import run_names
from edgenas.cli.console import print_json, print_lines
from edgenas.cli.options import JsonOption
from edgenas.cli.progress_display import reporting

EXAMPLE = "Example: edgenas report my-run; edgenas report my-run my-other-run"


def run(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Name of a run under runs/, or the path of its folder; several are compared.",
            autocompletion=run_names,
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Write the HTML report and the picture of a run's front; of several runs, a page that compares them."""
    from edgenas.api.report import report

    with reporting() as progress:
        result = report(*runs, progress=progress)
    if json:
        print_json(result)
    elif result.picture is None:
        print_lines(f"report: {result.report}")
    else:
        print_lines(f"report: {result.report}", f"picture: {result.picture}")
