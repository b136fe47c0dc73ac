"""Latency on a device from ten measurements: each of a published table in turn; exit code 1 when a bar is missed.

    python benchmarks/few_samples.py ../shared/data [--seeds 20] [--first-seed 0] [--samples 10]
        [--protocol all|help] [--alone]

Needs `nasbench201_latency_13_devices.csv.gz` and `nasbench201_pi5_onnxruntime_cifar100.csv.gz` in the folder. Each
device of the first is the target once, with all others as reference (`--alone`: with none); that of the second has
none. Bars, for ten samples: mean Spearman at least 0.96 over the devices that are not phones, at least 0.93 in every
seed of each; on the second table at least 0.985 and a median error of at most 2 %, means over seeds.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgenas.api.benchmark_latency import PROTOCOLS, LatencyBenchmark, benchmark_on_table
from edgenas.latency.multi_device_table import latencies_from_csv
from edgenas.transfer.cell_features import WrittenCells

MANY, ONE = "nasbench201_latency_13_devices.csv.gz", "nasbench201_pi5_onnxruntime_cifar100.csv.gz"
PHONES = ("samsung_a50", "pixel3", "essential_ph_1", "samsung_s7")
"""Their times are whole milliseconds, or jump between two paces."""

MEAN, WORST, ALONE, ALONE_PERCENT = 0.96, 0.93, 0.985, 2.0


def main() -> None:
    """Judge all, print each device and the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the published tables")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0, help="100: seeds that no setting was chosen on")
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--protocol", choices=PROTOCOLS, default="all")
    parser.add_argument("--alone", action="store_true", help="without reference devices")
    options = parser.parse_args()
    print(f"{'':16}Spearman (worst seed)  median error  within 10 %  in interval  interval  noise  view")
    first = latencies_from_csv(options.data / MANY, WrittenCells(), PHONES[0], ["all"])
    spearman = {}
    for device in sorted((first.target, *first.references)):
        found = results(options.data / MANY, device, () if options.alone else ("all",), options)
        if device not in PHONES:
            spearman[device] = [each.spearman or 0.0 for each in found]
    alone = results(options.data / ONE, None, (), options)
    means = float(np.mean([np.mean(each) for each in spearman.values()]))
    worst = {device: min(each) for device, each in spearman.items()}
    low = min(worst, key=worst.__getitem__)
    percent = float(np.mean([each.median_error_percent for each in alone]))
    one = float(np.mean([each.spearman or 0.0 for each in alone]))
    passed = [
        bar(f"mean Spearman without phones {means:.4f}, at least {MEAN}", means >= MEAN),
        bar(f"worst seed {worst[low]:.4f} ({low}), at least {WORST}", worst[low] >= WORST),
        bar(f"second table: Spearman {one:.4f}, at least {ALONE}", one >= ALONE),
        bar(
            f"second table: median error {percent:.2f} %, at most {ALONE_PERCENT:g}", percent <= ALONE_PERCENT
        ),
    ]
    sys.exit(not all(passed))


def results(
    path: Path, device: str | None, references: Sequence[str], options: argparse.Namespace
) -> list[LatencyBenchmark]:
    """One for each seed; prints their means."""
    table = latencies_from_csv(path, WrittenCells(), device, references)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    found = [benchmark_on_table(table, path, options.samples, seed, options.protocol) for seed in seeds]
    spearman = [each.spearman or 0.0 for each in found]
    views = [max(each.features, key=each.features.__getitem__) for each in found]
    figures = np.mean(
        [
            (
                r.median_error_percent,
                r.within_10_percent,
                r.interval_coverage,
                r.interval_percent,
                r.noise_percent,
            )
            for r in found
        ],
        axis=0,
    )
    print(
        f"{table.target:16}{np.mean(spearman):.4f} ({min(spearman):.4f})      {figures[0]:8.2f} %     {figures[1]:8.1%}"
        f"     {figures[2]:8.1%}  {figures[3]:6.1f} % {figures[4]:4.1f} %  {max(set(views), key=views.count)}",
        flush=True,
    )
    return found


def bar(text: str, passed: bool) -> bool:
    """Print whether a bar is met."""
    print(f"{'PASS' if passed else 'MISS'}  {text}")
    return passed


if __name__ == "__main__":
    main()
