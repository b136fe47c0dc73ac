"""`edgenas export`: models of a run again."""

from typing import Annotated

import typer

from edgenas.api.export import export
from edgenas.cli.console import print_json, print_table, reporting
from edgenas.cli.options import JsonOption, PrecisionName

EXAMPLE = "Example: edgenas export my-run --precision int8"


def run(
    run: Annotated[str, typer.Argument(help="Name of a run, or its folder.")],
    model: Annotated[str | None, typer.Option(help="One model's id; the whole front without.")] = None,
    precision: Annotated[PrecisionName, typer.Option(help="Precision to export.")] = PrecisionName.fp32,
    json: JsonOption = False,
) -> None:
    """Export the trained models of a run again, verified, in any precision."""
    with reporting() as progress:
        models = export(run, model, precision.value, progress)
    if json:
        print_json(
            {
                "models": [
                    {
                        "id": item.id,
                        "onnx": str(item.onnx),
                        "size_bytes": item.size_bytes,
                        "max_abs_error": item.max_abs_error,
                        "accuracy_before": item.accuracy_before,
                        "accuracy_after": item.accuracy_after,
                    }
                    for item in models
                ]
            }
        )
        return
    rows = [
        (
            str(item.onnx),
            f"{item.size_bytes / 1e6:.2f} MB",
            f"{item.max_abs_error:.1g}",
            f"{item.accuracy_before:.2%}",
            f"{item.accuracy_after:.2%}",
        )
        for item in models
    ]
    columns = ("file", "size", "max error", "validation before", "after")
    print_table(f"{len(models)} models, {precision.value}", columns, rows)
