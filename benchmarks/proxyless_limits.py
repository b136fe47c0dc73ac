"""Whether the gradient searcher meets its latency: what it chooses against the limit, without touching a setting.

    edgenas profile --device cpu --resolution 16
    python benchmarks/proxyless_limits.py [--device cpu] [--seeds 3] [--shares 0.1 0.3 0.5 0.7 0.9]
    python benchmarks/proxyless_limits.py --front [--seeds 3]

On digits, limits at shares of the way from the fastest to the slowest network; for each limit and seed a training
of its own with the default recipes. Printed is what is chosen (`best`), its predicted latency against the limit.
`best` looks only among what takes 92 % of the limit and more, so beside it stand what it would choose of all that
keeps the limit, and what was learnt before the choice: latency of the most likely choices, and the expected one.
With `--front` instead: seconds of a training for all targets against one for a single target, in turn, the limit
halfway.

The bars: what is chosen takes 92 to 100 % of the limit, each limit and seed; a front takes <= 1.5 times as long as a
single target.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import train, training_device
from edgenas.accuracy.training_recipe import SupernetRecipe, default_recipes
from edgenas.device import find_device
from edgenas.latency.predictor import LatencyPredictor, predictor_from_table
from edgenas.latency.profile_command import profile_command
from edgenas.latency.table import find_table
from edgenas.searchers.problem import Problem
from edgenas.searchers.proxyless.architecture_learning import Learner
from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.searchers.proxyless.proxyless_searcher import ProxylessSearcher
from edgenas.space import SearchSpace, mbconv

LEAST, FRONT_BAR = 0.92, 1.5


def main() -> None:
    """Train for each limit and print what is chosen, or time a front."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.3, 0.5, 0.7, 0.9])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of the supernet, to try something out")
    parser.add_argument("--front", action="store_true", help="time all targets against a single one")
    options = parser.parse_args()
    dataset = load_dataset("digits")
    predictor = measured(mbconv(dataset.resolution, len(dataset.classes)), options.device)
    recipe, _ = default_recipes(len(dataset.train))
    if options.epochs:
        recipe = recipe.model_copy(update={"epochs": options.epochs})
    print(f"digits, {options.device} table, {recipe.epochs} epochs, {GradientRecipe()}")
    if options.front:
        time_front(dataset, predictor, recipe, options.seeds)
    else:
        meet_limits(dataset, predictor, recipe, options.shares, options.seeds)


def measured(space: SearchSpace, device: str) -> LatencyPredictor:
    """Latencies from a device's table."""
    found = find_device(device)
    table = find_table(found)
    if table is None:
        raise SystemExit(
            f"{device} has no table {found.table_name}: run `{profile_command(space, found)}` first"
        )
    return predictor_from_table(space, found, table[1])


def meet_limits(
    dataset: Dataset, predictor: LatencyPredictor, recipe: SupernetRecipe, shares: list[float], seeds: int
) -> None:
    """Print, for each limit and seed, what is chosen, what was most likely, and what was expected."""
    met = []
    for share in shares:
        limit_ms = limit_at(predictor, share)
        problem = Problem(predictor.space, predictor, limit_ms)
        for seed in range(seeds):
            start = time.monotonic()
            distribution = learnt(dataset, predictor, limit_ms, recipe, GradientRecipe(), seed).distribution
            seconds = time.monotonic() - start
            searcher = ProxylessSearcher(problem, seed, distribution)
            ratio = problem.latency_ms(searcher.best(limit_ms)) / limit_ms
            free = problem.latency_ms(searcher.best(limit_ms, close=0.0)) / limit_ms
            likeliest = float(distribution.likeliest_ms(distribution.logits())[-1]) / limit_ms
            expected = float(distribution.expected_ms(distribution.logits())[-1]) / limit_ms
            met.append(LEAST <= ratio <= 1)
            print(f"{share:4.0%} of the range, {limit_ms:.4f} ms, seed {seed}: chosen {ratio:7.2%} of the limit"
                  f" (of all that keep it {free:7.2%}), most likely {likeliest:7.2%}, expected {expected:7.2%},"
                  f" {seconds:.0f} s  {verdict(met[-1])}", flush=True)  # fmt: skip
    print(f"{sum(met)} of {len(met)} within {LEAST:.0%} to 100 %  {verdict(all(met))}")


def limit_at(predictor: LatencyPredictor, share: float) -> float:
    """Milliseconds at a share of the way from the fastest to the slowest network."""
    ends = [predictor.space.encode(end) for end in (predictor.fastest(), predictor.slowest())]
    fastest_ms, slowest_ms = predictor.predict_encoded(np.array(ends)).tolist()
    return fastest_ms + share * (slowest_ms - fastest_ms)


def learnt(
    dataset: Dataset, predictor: LatencyPredictor, limit_ms: float, recipe: SupernetRecipe,
    gradient: GradientRecipe, seed: int, space: SearchSpace | None = None,
) -> Learner:  # fmt: skip
    """Train a supernet and the distribution over its architectures.

    Args:
        dataset: what is learnt from.
        predictor: what choices cost.
        limit_ms: the largest target.
        recipe: how weights are trained.
        gradient: how the architecture is learnt.
        seed: of everything random.
        space: of the supernet, where it is not the predictor's: with the same choices.
    """
    device = training_device()
    placed = dataset.on(device)
    supernet = Supernet(space or predictor.space, seed).to(device)
    distribution = Distribution(predictor, limit_ms, gradient.targets)
    learner = Learner(supernet, distribution, placed, recipe, gradient)
    with tempfile.TemporaryDirectory() as folder:
        train(learner, learner, placed, recipe, seed, Checkpoint(Path(folder) / "c"))
    return learner


def time_front(dataset: Dataset, predictor: LatencyPredictor, recipe: SupernetRecipe, seeds: int) -> None:
    """Print seconds of trainings for all targets and for one."""
    limit_ms, many = limit_at(predictor, 0.5), GradientRecipe().targets
    taken: dict[int, list[float]] = {many: [], 1: []}
    once = recipe.model_copy(update={"epochs": 1})
    learnt(dataset, predictor, limit_ms, once, GradientRecipe(), 0)  # what only the first training takes
    for seed in range(seeds):
        for targets in sorted(taken, reverse=bool(seed % 2)):
            start = time.monotonic()
            learnt(dataset, predictor, limit_ms, recipe, GradientRecipe(targets=targets), seed)
            taken[targets].append(time.monotonic() - start)
        print(f"seed {seed}: {many} targets {taken[many][-1]:.1f} s, one {taken[1][-1]:.1f} s", flush=True)
    ratio = sum(taken[many]) / sum(taken[1])
    print(f"a front takes {ratio:.3f} of a single target  {verdict(ratio <= FRONT_BAR)} (<= {FRONT_BAR})")


def verdict(met: bool) -> str:
    """What stands behind a figure with a bar."""
    return "PASS" if met else "MISS"


if __name__ == "__main__":
    main()
