"""Whether a kit measures what a profile measures: both on this machine, one after the other.

    python benchmarks/kit_against_profile.py [--resolution 96] [--networks 20] [--python PYTHON]

The kit runs in a process of an interpreter that needs numpy and ONNX Runtime only, isolated from edgenas; its results
are imported as the table of this machine. The bar: the median ratio of the entries is within 3 % of 1.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from edgenas import kit, kit_import, profile, validate
from edgenas.device import find_device
from edgenas.latency.table import table_from_json

MAX_OFF = 0.03


def main() -> None:
    """Profile, run the kit, compare, validate; exits with 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", default="96")
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    asked = {"resolution": options.resolution, "classes": 5}
    board = find_device("cpu").model_copy(update={"name": "board", "aliases": (), "reach": "none"})
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "local", "latency_models").mkdir(parents=True)
        Path(folder, "carried", "latency_models").mkdir(parents=True)
        os.chdir(Path(folder, "local"))
        began = time.monotonic()
        local = table_from_json(profile("cpu", **asked).table)
        print(f"profile: {time.monotonic() - began:.0f} s, {len(local.entries)} blocks", flush=True)
        os.chdir(Path(folder, "carried"))
        made = kit(board, **asked)
        with zipfile.ZipFile(made.kit) as archive:
            archive.extractall()
        began = time.monotonic()
        runner = str(Path(made.folder, "run.py"))
        subprocess.run([options.python, "-I", runner, "--lines"], check=True, stdout=subprocess.DEVNULL)
        imported = kit_import(Path(made.folder, "results.json"), device="cpu")
        carried = table_from_json(imported.table)
        print(
            f"kit: {time.monotonic() - began:.0f} s (estimated {made.estimated_s:.0f} s), {imported.measured} models",
            flush=True,
        )
        ratios = [carried.entries[key].typical_ms / entry.typical_ms for key, entry in local.entries.items()]
        median = statistics.median(ratios)
        tenths = statistics.quantiles(ratios, n=10)
        pace = carried.sentinel_ms / local.sentinel_ms
        print(f"the machine's own pace, kit / profile: {pace:.4f} (time of the sentinel)")
        print(f"kit / profile: median {median:.4f}, 80 % between {tenths[0]:.3f} and {tenths[-1]:.3f}")
        found = validate("cpu", options.networks, **asked)
        print(
            f"{found.networks} unseen networks by the kit's table: off by {found.mape_percent:.2f} % on average, "
            f"Spearman {found.spearman:.3f}, {found.interval_coverage:.0%} inside their interval"
        )
        if (now := found.at_table_pace) is not None and found.pace is not None:
            print(f"at the pace of the table ({found.pace:.3f} now): off by {now.mape_percent:.2f} %")
    raise SystemExit(int(abs(median - 1) > MAX_OFF))


if __name__ == "__main__":
    main()
