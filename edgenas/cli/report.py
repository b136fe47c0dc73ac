"""`edgenas report`: writing a run's report again."""

from typing import Annotated

import typer

from edgenas.cli.completion import run_names
from edgenas.cli.console import print_json, print_lines
from edgenas.cli.options import JsonOption

EXAMPLE = "Example: edgenas report my-run"


def run(
    run: Annotated[
        str,
        typer.Argument(
            help="Name of a run under runs/, or the path of its folder.", autocompletion=run_names
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Write the HTML report and the picture of a run's front."""
    from edgenas.api.report import report

    result = report(run)
    if json:
        print_json(result)
    else:
        print_lines(f"report: {result.report}", f"picture: {result.picture}")
