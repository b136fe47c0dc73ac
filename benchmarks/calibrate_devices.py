"""Fit the device models that ship with a `[calibrated]` section, and say how far off they are on unseen networks.

    python benchmarks/calibrate_devices.py [--published CSV] [--cache FOLDER] [--write]

Every figure of the table goes to the fit of its kind of runtime: TensorRT, or a processor. Each network is left out of
all devices and sources at once and then predicted. `--write` puts costs and errors into `devices/*.toml`. Exits 1 where
a device misses a bar: its median error and rank correlation, and that the costs it ships with are those fitted now.
Needs timm (`pip install -e '.[dev]'`), which builds the networks without weights.
"""

import argparse
import csv
import math
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import device_fitting
from device_fitting import Figure, LeftOut, Setting
from published_networks import network_name, works_of
from scipy.stats import spearmanr

from edgenas.device.catalogue import find_device
from edgenas.device.device import Costs, Datasheet
from edgenas.device_models.fitted import amounts
from edgenas.vocabulary import Precision

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "../shared/data/published_whole_network_latency.csv"
CACHE = Path(tempfile.gettempdir()) / "edgenas-published-works"
SECTION = "[calibrated]"

MOST_MEDIAN_PERCENT, LEAST_SPEARMAN, MOST_CHANGE = 12.0, 0.9, 0.01
"""Bars: error of networks left out, their rank correlation, and how far a shipped cost is from the fitted one."""


class Source(NamedTuple):
    """What a published device, runtime and precision stand for here."""

    board: str
    runtime: str
    precision: Precision


TENSORRT, ORT, TFLITE = "tensorrt", "onnxruntime", "tflite"
SOURCES = {
    ("Jetson Orin Nano", "TensorRT JetPack 6.0", "FP16"): Source("jetson-orin-nano", TENSORRT, "fp16"),
    ("Jetson AGX Orin", "TensorRT JetPack 5.0.1", "FP16"): Source("jetson-agx-orin", TENSORRT, "fp16"),
    ("Jetson Nano", "TensorRT JetPack 4.6", "FP16"): Source("jetson-nano", TENSORRT, "fp16"),
    ("Jetson NX", "TensorRT JetPack 4.6", "FP16"): Source("jetson-xavier-nx", TENSORRT, "fp16"),
    ("Jetson TX2", "TensorRT JetPack 4.6", "FP16"): Source("jetson-tx2", TENSORRT, "fp16"),
    ("Jetson Xavier", "TensorRT JetPack 4.6", "FP16"): Source("jetson-agx-xavier", TENSORRT, "fp16"),
    ("jetson_agx_xavier", "torch2trt TensorRT", "fp16"): Source("jetson-agx-xavier", TENSORRT, "fp16"),
    ("jetson_nano", "torch2trt TensorRT", "fp16"): Source("jetson-nano", TENSORRT, "fp16"),
    ("jetson_orin_nano_8gb", "ORT TensorRT", "fp32?"): Source("orin-nano-tf32", TENSORRT, "fp32"),
    ("raspberry_pi_5", "ORT CPU", "fp32?"): Source("raspberry-pi-5", ORT, "fp32"),
    ("raspberry_pi_4", "ORT CPU", "fp32?"): Source("raspberry-pi-4", ORT, "fp32"),
    ("jetson_orin_nano_8gb", "ORT CPU", "fp32?"): Source("orin-nano-cpu", ORT, "fp32"),
    # XNNPACK computes these in fp32 on the cores below; only the weights are stored as fp16.
    ("Raspberry Pi 5", "TFLite", "FP16"): Source("raspberry-pi-5", TFLITE, "fp32"),
    ("Raspberry Pi 4B", "TFLite", "FP16"): Source("raspberry-pi-4", TFLITE, "fp32"),
    ("Raspberry Pi 3B PLUS", "TFLite", "FP16"): Source("pi-3", TFLITE, "fp32"),
    ("Raspberry Pi Zero 2 W", "TFLite", "FP16"): Source("pi-zero-2", TFLITE, "fp32"),
}
"""Rows of the table that are used; their device files' own figures are the same in precision and threads."""

OTHERS = {
    "orin-nano-tf32": (5120.0, 68.0, 8.0),
    "orin-nano-cpu": (144.0, 68.0, 10.0),
    "pi-3": (22.0, 4.0, 20.0),
    "pi-zero-2": (16.0, 4.0, 20.0),
}
"""Boards without a device file, which only help to learn what all have in common: peak GFLOP/s, GB/s, launch us."""


class Row(NamedTuple):
    """A row of the table that is used."""

    figure: Figure
    source: Source
    runtime: str
    origin: str


def published_rows(path: Path, cache: Path) -> list[Row]:
    """The rows whose device and network are known here."""
    rows, skipped = [], set()
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            source = SOURCES.get((line["device"], line["runtime"], line["precision"]))
            if source is None:
                continue
            pixels = int(line["input"].strip("()").split(",")[0])
            works = works_of(line["model"], pixels, cache)
            if works is None:
                skipped.add(line["model"])
                continue
            total = device_fitting.amounts_array([amounts(work) for work in works])
            name = network_name(line["model"])
            figure = Figure(_setting(source), name, total, float(line["latency_ms"]))
            precision = line["precision"].replace("?", " (not stated)")
            origin = f"{line['source']} ({line['licence']})"
            rows.append(Row(figure, source, f"{line['runtime']}, {precision}", origin))
    print(f"{len(rows)} figures; not built here: {', '.join(sorted(skipped)) or 'none'}", flush=True)
    return rows


def _setting(source: Source) -> Setting:
    if source.board in OTHERS:
        peak, bandwidth, launch = OTHERS[source.board]
        sheet = Datasheet(
            peak_gflops=peak, memory_bandwidth_gb_s=bandwidth, memory_bytes=1, kernel_launch_us=launch
        )
    else:
        sheet = find_device(source.board).datasheet
    on_gpu = source.runtime == TENSORRT
    return device_fitting.setting_from_datasheet(
        source.board, source.runtime, sheet, source.precision, on_gpu
    )


class Quality(NamedTuple):
    """How well networks left out were predicted on one device."""

    median_error_percent: float
    worst_error_percent: float
    spearman: float
    interval_factor: float
    coverage: float


def quality(left_out: Sequence[LeftOut], least_factor: float) -> Quality:
    """Sum up the left-out figures of one device; its interval is not narrower than the given one."""
    ratios = [each.predicted_ms / each.figure.latency_ms for each in left_out]
    factor = max(least_factor, device_fitting.interval_factor([math.log(ratio) for ratio in ratios]))
    published = [each.figure.latency_ms for each in left_out]
    errors = [100 * abs(ratio - 1) for ratio in ratios]
    return Quality(
        statistics.median(errors),
        max(errors),
        float(spearmanr(published, [each.predicted_ms for each in left_out]).statistic),
        factor,
        statistics.mean(1 / factor <= ratio <= factor for ratio in ratios),
    )


def calibrate(rows: Sequence[Row], write: bool, verbose: bool) -> bool:
    """Fit the devices of one kind of runtime, print their errors, and write their files where asked to.

    Returns whether all of them meet the bars.
    """
    by_device: dict[str, list[LeftOut]] = defaultdict(list)
    for each in device_fitting.leave_one_out([row.figure for row in rows]):
        if each.figure.setting.runtime != TFLITE and each.figure.setting.board not in OTHERS:
            by_device[each.figure.setting.board].append(each)
    pooled = [
        math.log(each.predicted_ms / each.figure.latency_ms)
        for left_out in by_device.values()
        for each in left_out
    ]
    # A dozen figures say little of how far off the worst in ten is; all devices together say more.
    least = device_fitting.interval_factor(pooled)
    costs = device_fitting.fit([row.figure for row in rows])
    passed = True
    for board, left_out in by_device.items():
        found = quality(left_out, least)
        setting = left_out[0].figure.setting
        if write:
            write_section(board, costs(setting), found, rows)
        change = most_change(board, costs(setting))
        good = (
            found.median_error_percent <= MOST_MEDIAN_PERCENT
            and found.spearman >= LEAST_SPEARMAN
            and change <= MOST_CHANGE
        )
        passed &= good
        print(
            f"{board:20}{len(left_out):4} figures  median {found.median_error_percent:5.1f} %  "
            f"worst {found.worst_error_percent:4.0f} %  Spearman {found.spearman:.3f}  "
            f"interval x/ {found.interval_factor:.2f} holds {found.coverage:.0%} of these  "
            f"shipped costs {change:.1%} off  {'PASS' if good else 'MISS'}",
            flush=True,
        )
        if verbose:
            print("    " + ", ".join(_off_by(each) for each in left_out))
    return passed


def most_change(board: str, costs: Costs) -> float:
    """By what share the costs of a device file differ at most from these; 1 where it has none."""
    shipped = find_device(board).calibrated
    if shipped is None:
        return 1.0
    now = costs.model_dump()
    return max(abs(cost / now[name] - 1) for name, cost in shipped.costs.model_dump().items())


def _off_by(each: LeftOut) -> str:
    return f"{each.figure.network} {each.predicted_ms / each.figure.latency_ms - 1:+.0%}"


def write_section(board: str, costs: Costs, found: Quality, rows: Sequence[Row]) -> None:
    """Replace the section at the end of the device's file, or add it; the rows are all of its kind of runtime."""
    path = ROOT / "devices" / f"{board}.toml"
    device = find_device(board)
    before = path.read_text(encoding="utf-8").partition(f"\n{SECTION}")[0].rstrip("\n")
    own = [row for row in rows if row.source[:2] == (board, device.runtime)]
    others = [row for row in rows if row.source[:2] != (board, device.runtime)]
    lines = [
        SECTION,
        f'precision = "{device.precision}"',
        f"threads = {device.threads}",
        f"batch = {device.batch}",
        f'power_mode = "{device.power_mode}"',
        f"networks = {len({row.figure.network for row in own})}",
        f"median_error_percent = {found.median_error_percent:.1f}",
        f"spearman = {found.spearman:.3f}",
        f"interval_factor = {found.interval_factor:.2f}",
        "figures = [",
        *(f'    "{text}",' for text in _origins(own, others)),
        "]",
        "",
        "[calibrated.costs]",
        *(f"{name} = {value:.4g}" for name, value in costs.model_dump().items()),
    ]
    path.write_text("\n".join([before, "", *lines, ""]), encoding="utf-8")


def _origins(own: Sequence[Row], others: Sequence[Row]) -> list[str]:
    """What a device's costs rest on: its own figures by source, and in the end all others of the fit."""
    assumed = (
        "its power mode is not stated, this one is assumed"
        if own[0].source.runtime == TENSORRT
        else "its power mode and threads are not stated, these are assumed"
    )
    counts = Counter(f"{row.runtime}: {row.origin}" for row in own)
    sources = "; ".join(dict.fromkeys(row.origin for row in others))
    return [
        *(f"{count} latencies, {origin}; {assumed}" for origin, count in counts.items()),
        f"fitted together with {len(others)} figures of other boards and runtimes: {sources}",
    ]


def main() -> None:
    """Calibrate the TensorRT devices, then the processors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--published", type=Path, default=PUBLISHED, help="CSV of published latencies")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for exported work")
    parser.add_argument("--verbose", action="store_true", help="also print the error of every network")
    parser.add_argument("--write", action="store_true", help="write the sections into devices/*.toml")
    options = parser.parse_args()
    if not options.published.is_file():
        sys.exit(f"{options.published}: no such file; give the table of published latencies with --published")
    rows = published_rows(options.published, options.cache)
    passed = True
    for on_gpu in (True, False):
        kind = [row for row in rows if (row.source.runtime == TENSORRT) == on_gpu]
        passed &= calibrate(kind, options.write, options.verbose)
    if not passed:
        sys.exit(1)


if __name__ == "__main__":
    main()
