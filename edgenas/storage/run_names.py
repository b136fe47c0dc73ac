"""Which runs are there? Light enough for the shell to ask at every key."""

import re
from pathlib import Path

from edgenas.vocabulary import RUN_NAME

RUNS = Path("runs")
NO_RUNS = "there are no runs under ./runs"


_FILES = ("run.json", "run.sqlite", "front.json")
"""A folder without any of them is none that edgenas made."""


def run_names() -> list[str]:
    """Names of the runs under `runs/`, sorted; also of those that lost some of their files."""
    found = {path.parent.name for file in _FILES for path in RUNS.glob(f"*/{file}")}
    return sorted(filter(is_run_name, found))


def is_run_name(name: str) -> bool:
    """Whether a run can have that name."""
    return re.fullmatch(RUN_NAME, name) is not None
