"""`edgenas export`: exporting the models of a run again."""

from typing import Any

from edgenas.api.export import export
from edgenas.cli.console import print_json, print_table
from edgenas.cli.options import command_of
from edgenas.cli.progress_display import reporting
from edgenas.settings.export import ExportSettings

EXAMPLE = "Example: edgenas export my-run --precision int8"


@command_of(ExportSettings)
def run(keywords: dict[str, Any], json: bool) -> None:
    """Export the trained models of a run again, verified, in any precision."""
    with reporting() as progress:
        result = export(**keywords, progress=progress)
    if json:
        print_json(result)
        return
    rows = [
        (
            "\n".join(map(str, (model.onnx, *model.files))),
            model.precision,
            f"{model.size_bytes / 1e6:.2f} MB",
            f"{model.max_abs_error:.1g}",
            f"{model.accuracy_before:.2%}",
            f"{model.accuracy_after:.2%}",
        )
        for model in result.models
    ]
    columns = ("file", "precision", "size", "max error", "before", "after")
    batch = "" if result.batch is None else f", a batch of {result.batch}"
    print_table(f"exported models for {result.target}{batch}", columns, rows)
