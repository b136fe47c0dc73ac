"""`edgenas run`: classifying pictures with an exported file."""

from typing import Any

from edgenas.board.problem import one_line
from edgenas.cli.console import print_json, print_lines, print_table
from edgenas.cli.options import command_of
from edgenas.cli.progress_display import reporting
from edgenas.settings.run_model import RunModelSettings

EXAMPLE = "Example: edgenas run exports/my-run/MODEL.onnx photo.jpg --check photos"


@command_of(RunModelSettings)
def run(keywords: dict[str, Any], json: bool) -> None:
    """Classify pictures with an exported file; how many are right, if their folders are their classes."""
    from edgenas.api.run import run

    with reporting() as progress:
        result = run(**keywords, progress=progress)
    if json:
        print_json(result)
        return
    rows = [
        (one_line(each.file), one_line(each.class_), f"{each.probability:.1%}")
        for each in result.predictions
        if each.expected is None
    ]
    if rows:
        print_table("predictions", ("file", "class", "probability"), rows, left=("class",))
    if result.classes is not None:
        images, right = (sum(getattr(each, name) for each in result.classes) for name in ("images", "right"))
        counts = [
            (one_line(each.class_), str(each.images), str(each.right), f"{each.right / each.images:.1%}")
            for each in result.classes
        ]
        print_table("pictures of each class", ("class", "images", "right", "share"), counts)
        print_lines(f"accuracy {result.accuracy:.2%}: {right} of {images} are right")
