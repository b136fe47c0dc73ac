"""The digits search by one process, by two workers, and by two workers that are killed again and again.

    OMP_NUM_THREADS=1 python benchmarks/workers.py [--rounds 3] [--kills 30] [--seed 0]

All go on with copies of one run, which was begun for two workers and interrupted as the search began: all have two
evaluations under way, and must end with the same front. The bars: that, every evaluation once, and finalists trained at
least 1.6 times as fast by two workers as by one process, all with one thread, comparing the fastest round of each.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

LEAST_SPEED_UP = 1.6
SEARCH = ["search", "--device", "jetson", "--max-latency", "20ms", "--run", "r", "--evaluations", "60"]
SEARCH += ["--searcher", "regularized-evolution"]  # told one outcome after the other
PHASE = "finalists"

Found = tuple[list[object], dict[str, float]]
"""What a search found, and the seconds of its phases."""


def begun(folder: Path, seed: int) -> None:
    """Begin the search by two workers, and end it as it begins to evaluate."""
    process = start(folder, 2, seed)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("search"):
            process.send_signal(signal.SIGTERM)
            break
    process.communicate()


def start(folder: Path, workers: int, seed: int) -> "subprocess.Popen[str]":
    """Start or go on with the search."""
    command = [sys.executable, "-m", "edgenas", *SEARCH, "--seed", str(seed), "--workers", str(workers)]
    return subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(folder: Path, workers: int, seed: int) -> Found:
    """Let the search come to its end."""
    process = start(folder, workers, seed)
    said = process.communicate()[1]
    if process.returncode:
        raise RuntimeError(said)
    return found(folder)


def killed(folder: Path, seed: int, kills: int) -> tuple[Found, int]:
    """Go on by two workers, of which a random one is killed every few seconds, until the search ends."""
    process = start(folder, 2, seed)
    said: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(
        target=said.extend, args=(process.stderr,)
    )  # or the pipe would be full at some time
    reader.start()
    moments, done = random.Random(seed), 0
    while process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(moments.uniform(1, 20))
        if done < kills and (workers := workers_of(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(moments.choice(workers), signal.SIGKILL)
                done += 1
    reader.join()
    if process.returncode:
        raise RuntimeError("".join(said))
    return found(folder), done


def workers_of(owner: int) -> list[int]:
    """The processes that were begun as workers."""
    listed = subprocess.run(
        ["ps", "--ppid", str(owner), "-o", "pid=,args="], capture_output=True, text=True, check=False
    ).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "spawn_main" in line]


def found(folder: Path) -> Found:
    """Of a search that is complete."""
    front = json.loads((folder / "runs/r/front.json").read_text())
    models = [[model["id"], model["accuracies"], model["architecture"]] for model in front["front"]]
    with closing(sqlite3.connect(folder / "runs/r/run.sqlite")) as store:
        rows = store.execute("SELECT id, accuracy FROM evaluations ORDER BY id").fetchall()
    return [models, rows], front["seconds"]


def main() -> None:
    """Print seconds and what differs; exit 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ends: list[list[object]] = []
    seconds: dict[int, list[float]] = {1: [], 2: []}
    begin_s = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        first = Path(name, "begun")
        first.mkdir()
        begun(first, options.seed)
        for number in range(options.rounds):
            for workers in seconds:
                folder = shutil.copytree(first, Path(name, f"{number}-{workers}"))
                end, phases = finished(folder, workers, options.seed)
                ends.append(end)
                seconds[workers].append(phases[PHASE])
                listed = ", ".join(f"{phase} {s:.1f} s" for phase, s in phases.items())
                print(f"{workers} at work: {listed}", flush=True)
        done = 0
        while done < options.kills:
            folder = shutil.copytree(first, Path(name, f"killed-{done}"))
            (end, _), kills = killed(folder, options.seed, options.kills - done)
            done += kills
            ends.append(end)
            print(f"{done} workers killed", flush=True)
    one, two = min(seconds[1]), min(seconds[2])
    different = sum(end != ends[0] for end in ends)
    print(f"{PHASE}: {one:.1f} s by one process, {two:.1f} s by two workers: {one / two:.2f} times as fast")
    print(f"{len(ends)} searches in {time.monotonic() - begin_s:.0f} s, {different} ended otherwise")
    sys.exit(one / two < LEAST_SPEED_UP or different > 0)


if __name__ == "__main__":
    main()
