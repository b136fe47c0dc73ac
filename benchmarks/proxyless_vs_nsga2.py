"""The gradient searcher against the default one and random search at equal time: hypervolume of trained finalists.

    edgenas profile --device cpu --resolution 16; edgenas profile --device cpu --resolution 32
    python benchmarks/proxyless_vs_nsga2.py --results found.jsonl [--archive ../shared/data/cifar10_jpeg.tar.xz]
        [--searchers proxyless nsga2-surrogate random] [--seeds 3] [--digits-budget 60s] [--cifar-budget 5min]
        [--digits-max-latency 0.1ms] [--cifar-max-latency 0.4ms] [--cifar-resolution 16]
        [--finalists 8] [--jobs 1] [--keep FOLDER]

On digits and, with the archive, on a subset of CIFAR-10 (the first 500 training and 200 test images of each class):
`edgenas.search` with the same time budget for each searcher and seed, each in a process of its own with all threads
of the machine (shared, where several jobs run at once), in a folder with the caller's `latency_models/`. Without
`--max-latency` the limit lies 60 % of the way from the fastest to the slowest network. What has ended is kept in
`--results`, and not run again.

Compared are all trained finalists, those that were dropped too, by validation error and predicted latency. "Of the box"
is the share that they dominate of the box up to error 1 and the limit; "of the front" their hypervolume against that of
the union of all runs on the data, both axes normalised by its ideal and nadir, reference 1.1 in each. A run is
dominated by another one where each of its points is as slow and as wrong as some point of the other, or more.

The bars: no run of a searcher is dominated by the random one of the same seed; mean hypervolumes above random's.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import chdir
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from against_hand_made import TEST_PER_CLASS, unpack
from proxyless_limits import limit_at, verdict

import edgenas
from edgenas.device import find_device
from edgenas.errors import EdgenasError
from edgenas.latency.predictor import predictor_for
from edgenas.searchers.front import hypervolume, non_dominated
from edgenas.searchers.registry import ALL_SEARCHERS
from edgenas.space import mbconv
from edgenas.units import parse_milliseconds

TRAINING_PER_CLASS = 500
LIMIT_SHARE = 0.6
RANDOM = "random"


@dataclass(frozen=True)
class Job:
    """One search; equal ones are not run twice."""

    data: str
    searcher: str
    seed: int
    time_budget: str
    max_latency: str
    device: str
    finalists: int
    threads: int
    resolution: int = 16


@dataclass(frozen=True)
class Found:
    """What a search found; points are (validation error, predicted milliseconds), shape (finalists, 2)."""

    points: np.ndarray
    seconds: float
    evaluations: int


def main() -> None:
    """Run what is not known yet, then print a table for each data set."""
    options = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if Path("latency_models").is_dir():
            shutil.copytree("latency_models", folder / "latency_models", dirs_exist_ok=True)
        if options.archive:
            unpack(options.archive, folder / "cifar", {"train": TRAINING_PER_CLASS, "test": TEST_PER_CLASS})
        with chdir(folder):
            jobs = list(all_jobs(options))
        found = known(options.results)
        run_all([job for job in jobs if job not in found], folder, options.jobs, options.results)
    found = known(options.results)
    for data in dict.fromkeys(job.data for job in jobs):
        if ended := {job: found[job] for job in jobs if job.data == data and job in found}:
            report(ended)
    if missing := [job for job in jobs if job not in found]:
        raise SystemExit(f"{len(missing)} runs failed, such as {missing[0]}")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--results", type=Path, required=True, help="JSON lines; what is there is not run again"
    )
    parser.add_argument("--archive", type=Path, help="cifar10_jpeg.tar.xz; without it, digits alone")
    parser.add_argument("--data", nargs="+", choices=("digits", "cifar"), help="default: what there is")
    names = ("proxyless", "nsga2-surrogate", RANDOM)
    parser.add_argument("--searchers", nargs="+", default=names, choices=ALL_SEARCHERS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--digits-budget", default="60s")
    parser.add_argument("--cifar-budget", default="5min")
    parser.add_argument("--cifar-resolution", type=int, default=32, help="16 where 32 px take too long")
    parser.add_argument("--digits-max-latency")
    parser.add_argument("--cifar-max-latency")
    parser.add_argument("--finalists", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1, help="searches at once; more share the machine")
    parser.add_argument("--keep", type=Path, help="folder to work in and leave")
    return parser.parse_args()


def all_jobs(options: argparse.Namespace) -> Iterator[Job]:
    """Every search, the seeds of all searchers in turn; to be called where the tables are."""
    threads = max(1, (os.cpu_count() or 1) // options.jobs)
    for data in options.data or ("digits", "cifar")[: 1 + bool(options.archive)]:
        budget, limit, resolution = {
            "digits": (options.digits_budget, options.digits_max_latency, 16),
            "cifar": (options.cifar_budget, options.cifar_max_latency, options.cifar_resolution),
        }[data]
        if limit is None:
            predictor = predictor_for(mbconv(resolution, 10), find_device(options.device))
            limit = f"{limit_at(predictor, LIMIT_SHARE):.4g}ms"
        for seed in range(options.seeds):
            for searcher in options.searchers:
                shared = (budget, limit, options.device, options.finalists, threads, resolution)
                yield Job(data, searcher, seed, *shared)


def run_all(jobs: list[Job], folder: Path, at_once: int, results: Path) -> None:
    """Run searches, each in a fresh process, and keep what each found; one that fails is said and left out."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(at_once, mp_context=spawn, max_tasks_per_child=1) as pool:
        futures = {pool.submit(run, job, folder): job for job in jobs}
        for future in as_completed(futures):
            job = futures[future]
            if error := future.exception():
                print(f"{job} failed: {error}", flush=True)
                continue
            found = future.result()
            with results.open("a") as file:
                row = asdict(job) | asdict(replace(found, points=found.points.tolist()))
                file.write(json.dumps(row) + "\n")
            print(f"{job.data} {job.searcher} seed {job.seed}: {found.seconds:.0f} s, {found.evaluations} evaluations,"
                  f" best of {len(found.points)} {1 - found.points[:, 0].min():.2%}", flush=True)  # fmt: skip


def run(job: Job, folder: Path) -> Found:
    """One search, as a user's program would have it."""
    torch.set_num_threads(job.threads)
    start = time.monotonic()
    try:
        with chdir(folder):
            result = edgenas.search(
                job.device,
                job.max_latency,
                job.data,
                searcher=job.searcher,
                seed=job.seed,
                time_budget=job.time_budget,
                resolution=None if job.data == "digits" else job.resolution,
                finalists=job.finalists,
            )
    except EdgenasError as error:  # not all of them can be handed to another process
        raise RuntimeError(str(error)) from None
    trained = [
        (1 - model.accuracies.validation, model.latency_ms.predicted)
        for model in (*result.front, *result.dropped)
        if model.accuracies.validation is not None
    ]
    return Found(np.array(trained).reshape(-1, 2), time.monotonic() - start, result.evaluations)


def known(results: Path) -> dict[Job, Found]:
    """What has ended."""
    found = {}
    for line in results.read_text().splitlines() if results.is_file() else ():
        row = json.loads(line)
        figures = Found(
            np.array(row.pop("points")).reshape(-1, 2), row.pop("seconds"), row.pop("evaluations")
        )
        found[Job(**row)] = figures
    return found


def report(found: dict[Job, Found]) -> None:
    """Print the runs on one data set, means, who dominates whom, and what became of the bars."""
    first = next(iter(found))
    print(f"\n{first.data}, {first.device}, at most {first.max_latency}, {first.time_budget} each,"
          f" {first.finalists} finalists, {first.threads} threads")  # fmt: skip
    shares = {job: share_of_box(job, run.points) for job, run in found.items()}
    ratios = dict(zip(found, ratios_of([run.points for run in found.values()]), strict=True))
    print(
        f"{'':18}{'seed':>5}{'of the box':>12}{'of the front':>14}{'best':>8}{'evaluations':>13}{'seconds':>9}"
    )
    for job, run in found.items():
        print(f"{job.searcher:18}{job.seed:>5}{shares[job]:>12.4f}{ratios[job]:>14.4f}{accuracy(run):>8.2%}"
              f"{run.evaluations:>13}{run.seconds:>9.0f}")  # fmt: skip
    searchers = list(dict.fromkeys(job.searcher for job in found))
    means = {name: (mean_of(shares, name), mean_of(ratios, name)) for name in searchers}
    for name, (share, ratio) in means.items():
        best = mean_of({job: accuracy(run) for job, run in found.items()}, name)
        print(f"{name:18}{'mean':>5}{share:>12.4f}{ratio:>14.4f}{best:>8.2%}")
    for one in searchers:
        for other in searchers:
            if one != other:
                seeds = dominated_seeds(found, one, other)
                print(f"{one} is dominated by {other}: {f'seeds {seeds}' if seeds else 'never'}"
                      f"{'  ' + verdict(not seeds) if other == RANDOM else ''}")  # fmt: skip
    for name in searchers:
        if name != RANDOM and RANDOM in means:
            ahead = [mine > random for mine, random in zip(means[name], means[RANDOM], strict=True)]
            print(
                f"mean of {name} above random's: of the box {verdict(ahead[0])}, of the front {verdict(ahead[1])}"
            )


def share_of_box(job: Job, points: np.ndarray) -> float:
    """Hypervolume up to error 1 and the limit, as a share."""
    return hypervolume(points, np.array([1.0, parse_milliseconds(job.max_latency, "--max-latency")]))


def ratios_of(runs: list[np.ndarray]) -> list[float]:
    """Hypervolume of each run against that of all together, normalised by the ideal and nadir of their front."""
    union = np.concatenate(runs)
    front = union[non_dominated(union)]
    ideal, span = front.min(0), np.ptp(front, axis=0)
    span = np.where(span > 0, span, 1.0)
    reference = np.array([1.1, 1.1])
    whole = hypervolume((front - ideal) / span, reference)
    return [hypervolume((points - ideal) / span, reference) / whole for points in runs]


def dominated_seeds(found: dict[Job, Found], one: str, other: str) -> list[int]:
    """Seeds at which each point of one searcher is no better in anything than some point of the other."""
    seeds = []
    for job, run in found.items():
        to_beat = found.get(replace(job, searcher=other))
        if job.searcher == one and to_beat is not None:
            covered = (to_beat.points[None] <= run.points[:, None]).all(2).any(1)
            seeds += [job.seed] * bool(covered.all())
    return seeds


def mean_of(values: dict[Job, float], searcher: str) -> float:
    """Mean over seeds."""
    return float(np.mean([value for job, value in values.items() if job.searcher == searcher]))


def accuracy(run: Found) -> float:
    """The best of a run on the validation images."""
    return 1 - float(run.points[:, 0].min())


if __name__ == "__main__":
    main()
