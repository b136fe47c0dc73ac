"""Whether the default searcher meets its targets on published accuracies; exit code 1 when one is missed.

    python benchmarks/search_targets.py ../shared/data [--table TABLE.json] [--folder FOLDER] [--seeds 10]
        [--parts thirds limits bars]

Needs `nasbench201_pi5_onnxruntime_cifar100.csv.gz` and `nasbench_macro_cifar10.csv.gz` in the first folder. Latencies
of NAS-Bench-Macro are those of this host's processor, 1 thread, 32 px: predicted from `--table`, or from one that is
profiled into `--folder` where that has none yet (about a minute). With the same table all figures repeat.

`thirds`: on NAS-Bench-Macro, 0.99 of the true front's hypervolume in a third of the evaluations that plain NSGA-II
needs, medians over seeds. `limits`: on both, with --max-latency at the 25th, 50th and 75th percentile of latencies, of
distinct networks and of all encodings (published rows), the best accuracy of 100 evaluations within 0.3 points of the
best there is, in every seed. `bars`: on NAS-Bench-201, median hypervolume ratio at least 0.985 at 50 evaluations,
0.995 at 100 and 0.999 at 200, worst at least 0.99 at 100.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgenas.accuracy.tabular_evaluator import ACCURACY
from edgenas.api.benchmark_search import SearchBenchmark, benchmark_search
from edgenas.device import find_device
from edgenas.latency.predictor import predictor_from_table
from edgenas.latency.table import table_from_json
from edgenas.latency.tabular_predictor import predictor_from_csv
from edgenas.searchers.registry import DEFAULT_SEARCHER
from edgenas.space import architecture_space_from_config, nasbench_macro
from edgenas.space.benchmark_table import figures_from_csv

CELLS, MACRO = "nasbench201_pi5_onnxruntime_cifar100.csv.gz", "nasbench_macro_cifar10.csv.gz"
PROFILED = Path("latency_models/cpu/onnxruntime-cpu-fp32-t1-b1.json")
RIVAL = "nsga2"
ENOUGH, SHARE = 0.99, 1 / 3
LONGEST = {DEFAULT_SEARCHER: 500, RIVAL: 1500}
"""Evaluations after which a search that has not reached `ENOUGH` counts as one that never does."""

PERCENTILES, LIMITED_EVALUATIONS = (25, 50, 75), 100
SLACK = 0.003 + 1e-9
"""Accuracies are published to a few digits: 0.3 points to the digit are within 0.3 points."""
MEDIANS, WORST = {50: 0.985, 100: 0.995, 200: 0.999}, {100: 0.99}


@dataclass(frozen=True)
class Published:
    """A table of accuracies and latencies, and the space it is of."""

    path: Path
    space: str

    def search(
        self, searcher: str, evaluations: int, seed: int, limit_ms: float | None = None
    ) -> SearchBenchmark:
        """One search on it."""
        limit = None if limit_ms is None else f"{limit_ms!r}ms"
        return benchmark_search(
            self.path, self.space, searcher, evaluations=evaluations, seed=seed, max_latency=limit
        )

    def limits_ms(self) -> Iterator[tuple[str, float]]:
        """Percentiles of latencies: in words, and milliseconds."""
        space = architecture_space_from_config({"name": self.space})
        sizes = [len(choices) for choices in space.variables]
        encodings = space.canonical_vectors(np.indices(sizes).reshape(len(sizes), -1).T)
        predictor = predictor_from_csv(self.path, space)
        for of, vectors in (("networks", np.unique(encodings, axis=0)), ("rows", encodings)):
            latencies_ms = predictor.predict_encoded(vectors)
            for percentile in PERCENTILES:
                yield f"percentile {percentile} of {of}", float(np.percentile(latencies_ms, percentile))


def main() -> None:
    """Check the chosen parts, print what was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the published tables")
    parser.add_argument("--table", type=Path, help="latency table of nasbench-macro at 32 px")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "edgenas-search-targets")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    options = parser.parse_args()
    cells = Published(options.data / CELLS, "nasbench201")
    macro = Published(joined(options.data / MACRO, options.table, options.folder), "nasbench-macro")
    missed = [miss for part in options.parts for miss in PARTS[part](cells, macro, range(options.seeds))]
    print("\nmissed: " + "; ".join(missed) if missed else "\nevery target is met")
    sys.exit(bool(missed))


def joined(accuracies: Path, table: Path | None, folder: Path) -> Path:
    """CSV of the published accuracies and the latencies that a table predicts, profiled where there is none."""
    table = table or profiled(folder)
    space = nasbench_macro()
    predictor = predictor_from_table(space, find_device("cpu", threads=1), table_from_json(table))
    percents = figures_from_csv(accuracies, space, ACCURACY)
    latencies_ms = predictor.predict_encoded(np.array([space.encode(a) for a in percents]))
    lines = ["arch,accuracy_percent,latency_ms"]
    for (architecture, percent), ms in zip(percents.items(), latencies_ms.tolist(), strict=True):
        lines.append(f"{space.text(architecture)},{percent!r},{ms!r}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nasbench-macro-cpu.csv"
    path.write_text("\n".join([*lines, ""]))
    print(
        f"nasbench-macro: {len(percents)} networks, {latencies_ms.min():.3f} to {latencies_ms.max():.3f} ms"
    )
    return path


def profiled(folder: Path) -> Path:
    """The folder's table of the space on this host's processor, measured where it is missing."""
    path = folder / PROFILED
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        options = ("--device", "cpu", "--space", "nasbench-macro", "--resolution", "32", "--threads", "1")
        subprocess.run([sys.executable, "-m", "edgenas", "profile", *options], cwd=folder, check=True)
    return path


# --- the targets: each prints what it finds, a line a seed where one may fail, and yields what is missed


def thirds(cells: Published, macro: Published, seeds: Sequence[int]) -> Iterator[str]:
    """The share of plain NSGA-II's evaluations that is needed for nearly the whole hypervolume."""
    print(f"\nnasbench-macro: evaluations to {ENOUGH} of the hypervolume")
    medians = {}
    for searcher, longest in LONGEST.items():
        counts = [needed(macro.search(searcher, longest, seed)) for seed in seeds]
        medians[searcher] = float(np.median(counts))
        each = " ".join(f"{count:g}" for count in counts)
        print(f"{searcher:16} median {medians[searcher]:g}; seeds {each}", flush=True)
    share = medians[DEFAULT_SEARCHER] / medians[RIVAL]
    print(f"share: {share:.3f}, at most {SHARE:.3f}")
    if not share <= SHARE:
        yield f"nasbench-macro: {share:.3f} of the evaluations of {RIVAL}"


def needed(found: SearchBenchmark) -> float:
    """Evaluations until the hypervolume was nearly whole; infinite where it never was."""
    return next((point.evaluations for point in found.curve if point.hypervolume_ratio >= ENOUGH), np.inf)


def limits(cells: Published, macro: Published, seeds: Sequence[int]) -> Iterator[str]:
    """How far the best accuracy under a hard limit stays behind the best there is."""
    for table in (cells, macro):
        for words, limit_ms in table.limits_ms():
            found = [table.search(DEFAULT_SEARCHER, LIMITED_EVALUATIONS, seed, limit_ms) for seed in seeds]
            best = found[0].oracle_best_accuracy
            each = " ".join(f"{each.best_accuracy:.3%}" for each in found)
            print(f"\n{table.space}, --max-latency {limit_ms:.4g}ms, {words}: best {best:.3%}")
            print(f"seeds {each}", flush=True)
            for seed, gap in enumerate(best - each.best_accuracy for each in found):
                if gap > SLACK:
                    yield f"{table.space}, {words}, seed {seed}: {100 * gap:.3f} points behind"


def bars(cells: Published, macro: Published, seeds: Sequence[int]) -> Iterator[str]:
    """Hypervolume ratio after so many evaluations."""
    print("\nnasbench201: hypervolume ratio, median and worst, then each seed")
    curves = [cells.search(DEFAULT_SEARCHER, max(MEDIANS), seed).curve for seed in seeds]
    for count, least in MEDIANS.items():
        ratios = [curve[count - 1].hypervolume_ratio for curve in curves]
        median, worst = float(np.median(ratios)), min(ratios)
        each = " ".join(f"{ratio:.4f}" for ratio in ratios)
        print(f"at {count:3}: {median:.4f} (at least {least}) {worst:.4f}; seeds {each}", flush=True)
        if median < least:
            yield f"nasbench201: median {median:.4f} at {count}"
        if worst < WORST.get(count, 0):
            yield f"nasbench201: worst {worst:.4f} at {count}"


Target = Callable[[Published, Published, Sequence[int]], Iterator[str]]
PARTS: dict[str, Target] = {"thirds": thirds, "limits": limits, "bars": bars}


if __name__ == "__main__":
    main()
