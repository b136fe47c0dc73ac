"""What a search is worth: its finalists against MobileNetV2 and MobileNetV3-small at equal predicted latency.

    python benchmarks/against_hand_made.py --archive ../shared/data/cifar10_jpeg.tar.xz \
        [--per-class 500] [--max-latency 0.4ms] [--time-budget 12min] [--finalists 5] [--seeds 3]

A subset of CIFAR-10 (the first images of each class; 200 of each for the test), `cpu` profiled first, then for each
seed the command a user would give, `edgenas search --baselines`. The baselines are as wide as the limit allows; each is
trained for as many steps as a finalist and, as it inherits no weights, for a finalist's share of the supernet's
training on top. Beside each baseline stands the model of the front that is best on the validation images among those
that are no slower, neither predicted nor measured; compared are test accuracies, looked at once.

The bar: >= 1 point ahead of both, three seeds, at most 30 minutes a seed on 2 cores.
"""

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

TEST_PER_CLASS = 200


def main() -> None:
    """Profile, search with each seed, and print what each was worth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--per-class", type=int, default=500)
    parser.add_argument("--max-latency", default="0.4ms")
    parser.add_argument("--time-budget", default="12min")
    parser.add_argument("--finalists", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder to work in and leave")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        (folder / "latency_models").mkdir(parents=True, exist_ok=True)
        unpack(options.archive, folder / "cifar", {"train": options.per_class, "test": TEST_PER_CLASS})
        edgenas(folder, "profile", "--device", "cpu", "--resolution", "32", "--classes", "10")
        gains: dict[str, list[float]] = {}
        for seed in range(options.seeds):
            start = time.monotonic()
            result = edgenas(
                folder,
                *("search", "--device", "cpu", "--max-latency", options.max_latency, "--data", "cifar"),
                *("--time-budget", options.time_budget, "--finalists", str(options.finalists)),
                *("--seed", str(seed), "--baselines", "--run", f"seed{seed}"),
            )
            print(f"seed {seed}: {time.monotonic() - start:.0f} s; " + "; ".join(result["notes"]))
            for id_ in ("mobilenet-v2", "mobilenet-v3-small"):
                found = [baseline for baseline in result["baselines"] if baseline["id"] == id_]
                gains.setdefault(id_, []).append(
                    compare(found[0], result["front"]) if found else float("nan")
                )
    for name, values in gains.items():
        points = ", ".join(f"{value:+.1f}" for value in values)
        print(f"{name}: {points} points of test accuracy, mean {np.mean(values):+.1f}")


def unpack(archive: Path, folder: Path, counts: dict[str, int]) -> None:
    """The first images of each class, `part/class/name.jpg`, in the order of their names."""
    if folder.exists():
        return
    with tarfile.open(archive) as packed:
        taken: Counter[tuple[str, ...]] = Counter()
        for member in sorted(packed.getmembers(), key=lambda one: one.name):
            parts = Path(member.name).parts
            if member.isfile() and taken[parts[-3:-1]] < counts[parts[-3]]:
                taken[parts[-3:-1]] += 1
                packed.extract(member, folder, filter="data")


def edgenas(folder: Path, *arguments: str) -> dict:
    """Run a command in a folder; its JSON object."""
    command = [sys.executable, "-m", "edgenas", *arguments, "--json"]
    return json.loads(subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True).stdout)


def compare(baseline: dict, front: list[dict]) -> float:
    """Print a baseline beside the best model as fast; points of test accuracy that is ahead, NaN for none."""
    latency_ms = baseline["latency_ms"]
    as_fast = [
        model
        for model in front
        if all(model["latency_ms"][kind] <= latency_ms[kind] for kind in ("predicted", "measured"))
    ]
    if not as_fast or baseline["accuracies"]["test"] is None:
        print(
            f"  {baseline['name']}: nothing to compare, {baseline['note'] or 'no model of the front is as fast'}"
        )
        return float("nan")
    best = max(as_fast, key=lambda model: model["accuracies"]["validation"])
    gain = 100 * (best["accuracies"]["test"] - baseline["accuracies"]["test"])
    for model in (baseline, best):
        latency, accuracies = model["latency_ms"], model["accuracies"]
        print(
            f"  {model['name'] or model['id']:>24}: predicted {latency['predicted']:.3f} ms,",
            f"measured {latency['measured']:.3f} ms, validation {accuracies['validation']:.2%},",
            f"test {accuracies['test']:.2%}, {model['macs'] / 1e6:.1f} MMACs, {model['params'] / 1e3:.0f} k parameters",
        )
    print(f"  {'':>24}  {gain:+.1f} points", flush=True)
    return gain


if __name__ == "__main__":
    main()
