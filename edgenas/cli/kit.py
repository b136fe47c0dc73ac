"""`edgenas kit`: profile a board that has neither edgenas nor torch."""

from typing import Any

from edgenas.cli.console import print_json, print_lines
from edgenas.cli.options import command_of
from edgenas.cli.progress_display import reporting
from edgenas.settings.latency_commands import KitSettings
from edgenas.units import counted, format_seconds

EXAMPLE = "Example: edgenas kit --device raspberry-pi-5 --resolution 224 --out kit.zip"


@command_of(KitSettings)
def run(keywords: dict[str, Any], json: bool) -> None:
    """Make an archive that profiles a board without edgenas: Python 3.8, numpy and ONNX Runtime suffice there."""
    from edgenas.api.kit import kit

    with reporting() as progress:
        result = kit(**keywords, progress=progress)
    if json:
        print_json(result)
        return
    print_lines(
        f"kit: {result.kit}, {result.size_bytes / 2**20:.1f} MiB, {counted(result.models, 'models')}",
        f"estimated time on {result.device}: {format_seconds(result.estimated_s)}",
        f"on the board: unzip {result.kit.name}; cd {result.folder}; python3 run.py",
        "then here, with the results.json that it writes: edgenas kit-import results.json",
    )
