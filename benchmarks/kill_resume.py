"""A small search killed with SIGKILL at random moments, against the same search left alone.

    python benchmarks/kill_resume.py [--kills 20] [--seed 0] [--span 4] [--searcher proxyless]

A search that ends before its kill comes is compared, and another begins: every kill counted hit a search at work.

The bar: no committed evaluation lost or repeated, and the same front in the end (of the gradient searcher the same
curves too).
"""

import argparse
import contextlib
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

SEARCH = ["search", "--device", "pi5", "--max-latency", "20ms", "--evaluations", "60", "--finalists", "3"]
COMMAND = [sys.executable, "-m", "edgenas", *SEARCH, "--run", "r"]
PHASES = ("supernet", "search", "finalist", "export")
"""What a line of progress begins with once imports and data are done; a kill waits for one, or a later one."""


def evaluations(folder: Path) -> list[tuple[object, ...]]:
    """Rows the store holds, oldest first."""
    path = folder / "runs/r/run.sqlite"
    if not path.exists():
        return []
    with sqlite3.connect(path) as connection:
        return list(connection.execute("SELECT sequence, id, accuracy, seconds FROM evaluations ORDER BY 1"))


def front(folder: Path) -> dict[str, object]:
    """The result but for how long it took, and what was learnt by gradient."""
    result = json.loads((folder / "runs/r/front.json").read_text())
    with sqlite3.connect(folder / "runs/r/run.sqlite") as connection:
        learnt = connection.execute(
            "SELECT payload FROM events WHERE name = 'architecture learnt'"
        ).fetchall()
    return {**{key: value for key, value in result.items() if key != "seconds"}, "learnt": learnt}


def run_and_kill(command: list[str], folder: Path, phases: tuple[str, ...], after_s: float) -> str | None:
    """Start the search, kill it some time after one of the phases has begun; return what it was doing.

    None if it had ended by itself.
    """
    process = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    begun = next((line for line in process.stderr if line.startswith(phases)), "")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after_s)
    process.send_signal(signal.SIGKILL)
    _, progress = process.communicate()
    if process.returncode == 0:
        return None
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the search failed ({process.returncode}): {begun + progress}")
    return (begun + progress).strip().rpartition("\n")[2]


def main() -> None:
    """Run both searches, compare, print; exit 1 where they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--span", type=float, default=4, help="kill within so many seconds of work")
    parser.add_argument("--searcher", default="nsga2-surrogate")
    options = parser.parse_args()
    command = [*COMMAND, "--searcher", options.searcher]
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        alone, killed = Path(name, "alone"), Path(name, "killed")
        alone.mkdir()
        killed.mkdir()
        subprocess.run(command, cwd=alone, check=True, capture_output=True)
        before: list[tuple[object, ...]] = []
        kills = lost = repeated = 0
        same, ended = True, False
        while kills < options.kills or not ended:
            if ended:  # before its kill came
                shutil.rmtree(killed / "runs")
                before = []
            if kills < options.kills:
                phases, after_s = PHASES[moments.randrange(3) :], moments.uniform(0, options.span)
                doing = run_and_kill(command, killed, phases, after_s)
            else:
                subprocess.run(command, cwd=killed, check=True, capture_output=True)
                doing = None
            rows = evaluations(killed)
            lost += rows[: len(before)] != before
            before = rows
            ended = doing is None
            if ended:
                repeated += len(rows) - len({row[1] for row in rows})
                same &= front(alone) == front(killed)
            else:
                kills += 1
                print(f"kill {kills:2}: {len(rows):3} evaluations in the store, was at: {doing}", flush=True)
    print(f"kills {kills}, evaluations lost {lost}, repeated {repeated}, same front: {same}")
    sys.exit(not same or lost > 0 or repeated > 0)


if __name__ == "__main__":
    main()
