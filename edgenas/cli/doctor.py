"""`edgenas doctor`: checks of this machine and of a device."""

from typing import Annotated

import typer

from edgenas.cli.completion import device_names
from edgenas.cli.console import print_json, print_lines
from edgenas.cli.options import JsonOption

EXAMPLE = "Example: edgenas doctor --device cpu"


def run(
    device: Annotated[
        str | None, typer.Option(help="Also check this device.", autocompletion=device_names)
    ] = None,
    json: JsonOption = False,
) -> int:
    """Check this machine, and a device, for anything that would stop a search or disturb a measurement."""
    from edgenas.api.doctor import doctor

    result = doctor(device)
    if json:
        print_json(result)
    else:
        for check in result.checks:
            hint = f"; {check.mend}" if check.mend else ""
            print_lines(f"{'ok  ' if check.ok else 'look'} {check.name}: {check.detail}{hint}")
    return 0 if result.ok else 1
