"""`edgenas doctor`: what this machine can do, and what would spoil a measurement."""

from typing import Annotated

import typer

from edgenas.cli.console import print_json, print_lines
from edgenas.cli.options import JsonOption

EXAMPLE = "Example: edgenas doctor --device cpu"


def run(
    device: Annotated[str | None, typer.Option(help="Also look at this device.")] = None,
    json: JsonOption = False,
) -> int:
    """Check this machine, and a device, for what would stop a search or spoil a measurement."""
    from edgenas.api.doctor import doctor

    result = doctor(device)
    if json:
        print_json(result)
    else:
        for check in result.checks:
            hint = f"; {check.mend}" if check.mend else ""
            print_lines(f"{'ok  ' if check.ok else 'look'} {check.name}: {check.detail}{hint}")
    return 0 if result.ok else 1
