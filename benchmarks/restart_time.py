"""From a killed search's command to its next evaluation, against what its imports take, in turns.

    python benchmarks/restart_time.py [--restarts 15]

The bar: the medians differ by at most two seconds. The evaluation is part of it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from kill_resume import SEARCH, Search, start

IMPORTS = "import edgenas.pipeline.phases"
"""All that a search needs before it can evaluate."""

EVALUATIONS = ["--evaluations", "1000"]
"""Enough that no search ends."""

POLL_S = 0.02
MOST_S = 2.0


def imports_s() -> float:
    """Seconds of a process that only imports."""
    begun_s = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.monotonic() - begun_s


def restart_s(search: Search) -> float:
    """Seconds of a search to its next evaluation, after which it is killed."""
    before = evaluations(search)
    begun_s = time.monotonic()
    process = start(search)
    while evaluations(search) <= before:
        if process.poll() is not None:
            raise RuntimeError(process.communicate()[1])
        time.sleep(POLL_S)
    took_s = time.monotonic() - begun_s
    process.kill()
    process.communicate()
    return took_s


def evaluations(search: Search) -> int:
    """How many are stored."""
    return sum(row[0] == "evaluated" for row in search.kept())  # type: ignore[index]


def main() -> None:
    """Print both; exit 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--restarts", type=int, default=15)
    options = parser.parse_args()
    Search.arguments = [*SEARCH, *EVALUATIONS]
    with tempfile.TemporaryDirectory() as name:
        search = Search(Path(name))
        restart_s(search)  # its supernet is trained then
        pairs = [(restart_s(search), imports_s()) for _ in range(options.restarts)]
    restarts, imports = map(median, zip(*pairs, strict=True))
    print(f"{options.restarts} restarts, medians: {restarts:.1f} s, imports {imports:.1f} s")
    print(f"beyond the imports: {restarts - imports:.1f} s (bar {MOST_S:g})")
    sys.exit(restarts - imports > MOST_S)


if __name__ == "__main__":
    main()
