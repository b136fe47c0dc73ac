"""`edgenas doctor`: what this machine can do, and what would spoil a measurement."""

from dataclasses import asdict
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

    checks = doctor(device)
    if json:
        print_json({"checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            mend = f"; {check.mend}" if check.mend else ""
            print_lines(f"{'ok  ' if check.ok else 'look'} {check.name}: {check.detail}{mend}")
    return 0 if all(check.ok for check in checks) else 1
