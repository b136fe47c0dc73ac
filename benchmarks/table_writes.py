"""Sixteen processes write one latency table a thousand times each, while another reads it all the time.

Each process owns some blocks and writes them over and over with a rising count. At the end every block must carry
its owner's last count, appear once, and no reader may ever have met a torn or damaged file.

    python benchmarks/table_writes.py [--processes 16] [--writes 1000]
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from edgenas.board import host
from edgenas.device import find_device
from edgenas.latency.table import Entry, LatencyTable, save_table, table_from_json, table_path

BLOCKS = 20
"""Blocks a process owns."""


def main() -> None:
    """Print what was lost, doubled and torn; exit code 1 when anything was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--writes", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("latency_models").mkdir()
        context = multiprocessing.get_context("spawn")
        start = time.perf_counter()
        writers = [
            context.Process(target=write, args=(owner, arguments.writes))
            for owner in range(arguments.processes)
        ]
        for writer in writers:
            writer.start()
        reads = 0
        while any(writer.is_alive() for writer in writers):
            if table_path(find_device("cpu")).is_file():
                table_from_json(table_path(find_device("cpu")))  # raises when torn or damaged
                reads += 1
            time.sleep(0.01)
        crashed = sum(writer.exitcode != 0 for writer in writers)
        lost, twice = check(arguments.processes, arguments.writes)
        seconds = time.perf_counter() - start
        total = arguments.processes * arguments.writes
        print(
            f"{total} writes by {arguments.processes} processes in {seconds:.0f} s, {reads} whole reads meanwhile"
        )
        print(f"{crashed} writers crashed, {lost} entries lost or stale, {twice} keys twice")
        raise SystemExit(bool(crashed or lost or twice))


def key(owner: int, number: int) -> str:
    """A block of a process's own."""
    return f"mbconv/k3/e{owner + 2}/s1/se0/relu6/{number + 1}-8/14x14"


def write(owner: int, writes: int) -> None:
    """Write one block after the other; `n` counts the writes."""
    device = find_device("cpu")
    for count in range(1, writes + 1):
        entry = Entry(typical_ms=1, min_ms=1, p50_ms=1, p90_ms=1, n=count, spread=0)
        save_table(device, table({key(owner, count % BLOCKS): entry}))


def table(entries: dict[str, Entry]) -> LatencyTable:
    """A table of this host with these entries."""
    return LatencyTable(
        device="cpu",
        runtime="onnxruntime",
        runtime_version="1",
        provider="CPUExecutionProvider",
        precision="fp32",
        threads=1,
        batch=1,
        power_mode="as it is",
        measured_at="2026-01-01T00:00:00+00:00",
        host=host.fingerprint(),
        host_description="here",
        overhead_ms=0.01,
        sentinel_ms=0.1,
        disturbed=0,
        entries=entries,
    )


def check(processes: int, writes: int) -> tuple[int, int]:
    """Entries that are missing or not their owner's last, and keys that the file holds more than once."""
    path = table_path(find_device("cpu"))
    twice = 0

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        twice += len(pairs) - len(dict(pairs))
        return dict(pairs)

    json.loads(path.read_text(), object_pairs_hook=unique)
    entries = table_from_json(path).entries
    last = {count % BLOCKS: count for count in range(1, writes + 1)}
    expected = {key(owner, number): count for owner in range(processes) for number, count in last.items()}
    found = {name: entry.n for name, entry in entries.items()}
    return sum(found.get(name) != count for name, count in expected.items()), twice


if __name__ == "__main__":
    main()
