"""Which runs are there? Light enough for the shell to ask at every key."""

import re
from pathlib import Path

from edgenas.vocabulary import RUN_NAME

RUNS = Path("runs")
NO_RUNS = "there are no runs under ./runs"


def run_names() -> list[str]:
    """Names of the runs under `runs/`, sorted; other folders there are none that edgenas made."""
    return sorted(path.parent.name for path in RUNS.glob("*/run.json") if is_run_name(path.parent.name))


def is_run_name(name: str) -> bool:
    """Whether a run can have that name."""
    return re.fullmatch(RUN_NAME, name) is not None
