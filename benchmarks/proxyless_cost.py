"""What learning an architecture by gradient costs: time and memory of its steps against plain training of one path.

    python benchmarks/proxyless_cost.py [--resolution 16] [--gates two-path full darts gumbel single-path]
        [--paths 8] [--rounds 5] [--batch-size 64]

For each gates, on the `mbconv` space: a plain step (`uniform` training of a supernet), a weight step and an
architecture step (with its multipliers and records, as the training loop has it). All three are of the same paths:
they are drawn once, from the distribution before anything is learnt, where a skip is as probable as any other choice
(`space.sample` draws depths), and then handed to whatever draws a path; that a quarter of the weight steps takes the
largest path is left out. Before each architecture step the distribution is set back to its beginning. Path by path
the three steps run in turn, in one process; a figure is the mean over paths of the minimum, or median, over rounds.

Memory is what is alive at the peak of a step above what was alive before it (weights and the optimiser's state;
gradients are dropped first), of the largest path: that of a plain step, of each of the others, and of a whole step of
the searcher (weights, then architecture, with gradients and a batch still alive), the largest over several draws of
what is compared. A GPU counts it itself; on a CPU the allocations that the profiler sees are summed, which is checked
against a known case first.

The bars, which are meant for the default, `full`: architecture step <= 2.2 and weight step <= 1.1 plain steps, by
the minima; memory of a whole step <= 2.2 times that of a plain one.
"""

import argparse
import os
import time
from collections.abc import Callable
from typing import get_args

import numpy as np
import torch

from edgenas.accuracy.dataset import Dataset, dataset_from_arrays
from edgenas.accuracy.path_sampling import path_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import autocast, training_device, training_step
from edgenas.accuracy.training_recipe import SupernetRecipe
from edgenas.device import find_device
from edgenas.latency.predictor import predictor_from_device
from edgenas.searchers.proxyless import architecture_learning
from edgenas.searchers.proxyless.architecture_learning import Learner
from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.space import mbconv
from edgenas.vocabulary import Gates

ARCHITECTURE_BAR, WEIGHT_BAR, MEMORY_BAR = 2.2, 1.1, 2.2
MIDDLE = 0.7
"""Share of the training at which steps are timed: the architecture is being learnt."""

DRAWS = 3
"""Of the choices compared; the largest peak counts."""


class Steps:
    """A supernet with its distribution, and the steps that can be taken; each takes a seed."""

    def __init__(self, gates: Gates, dataset: Dataset, batch_size: int, device: torch.device) -> None:
        space = mbconv(dataset.resolution, len(dataset.classes))
        self.space, self.dataset, self.device = space, dataset, device
        self.recipe = SupernetRecipe(epochs=1, batch_size=batch_size, sampling="uniform")
        self.supernet = Supernet(space, 0).to(device)
        predictor = predictor_from_device(space, find_device("raspberry-pi-5"))
        distribution = Distribution(predictor, np.inf, GradientRecipe().targets)
        self.learner = Learner(self.supernet, distribution, dataset, self.recipe, GradientRecipe(gates=gates))
        self.plain_losses = path_losses(self.supernet, self.recipe)
        self.optimizer = torch.optim.AdamW(
            self.supernet.parameters(), self.recipe.learning_rate, fused=device.type == "cuda"
        )
        self.beginning = {name: tensor.clone() for name, tensor in distribution.state_dict().items()}
        self.chosen = torch.arange(batch_size)
        self.supernet.train()

    def draw_always(self, vector: np.ndarray) -> None:
        """Whatever draws a path gets this one."""
        architecture = self.space.decode(vector)
        self.space.sample = lambda rng: architecture
        self.learner.distribution.drawn = lambda target, rng: vector

    def set_back(self) -> None:
        """Forget what was learnt of the architecture, and the gradients of weights."""
        self.learner.distribution.load_state_dict(self.beginning)
        self.optimizer.zero_grad(set_to_none=True)

    def plain(self, seed: int) -> None:
        """One path, as any supernet is trained."""
        self._train(self.plain_losses, seed)

    def weights(self, seed: int) -> None:
        """The searcher's step of weights."""

        def losses(images: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator, _: float) -> list:
            return [self.learner._weight_loss(0, images, labels, MIDDLE, rng)]

        self._train(losses, seed)

    def architecture(self, seed: int) -> None:
        """The searcher's step of the architecture."""
        with autocast(self.device):
            loss = self.learner._learn(0, MIDDLE, np.random.default_rng(seed))
        self.learner.distribution.learn_multipliers()
        self.learner.recorder.record(MIDDLE, 0, loss, self.learner.distribution)

    def whole(self, seed: int) -> None:
        """Both, as the training loop has them."""
        self._train(self.learner, seed)

    def _train(self, losses: Callable, seed: int) -> None:
        rng = np.random.default_rng(seed)
        training_step(
            self.optimizer, losses, self.dataset, self.chosen, self.recipe, rng, self.device, done=MIDDLE
        )


def main() -> None:
    """Time and weigh each gates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gates", nargs="+", default=get_args(Gates), choices=get_args(Gates))
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--paths", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()
    architecture_learning.ANCHORED_SHARE = 0.0
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # the profiler tells of each start and stop
    device = training_device()
    print(f"mbconv at {options.resolution} px, batches of {options.batch_size}, {device},"
          f" {torch.get_num_threads()} threads; {options.paths} paths, {options.rounds} rounds")  # fmt: skip
    check_counting(device)
    dataset = noise(options.resolution, options.batch_size).on(device)
    for gates in options.gates:
        steps = Steps(gates, dataset, options.batch_size, device)
        print(f"\n{gates}", flush=True)
        report_times(steps, options.paths, options.rounds)
        report_memory(steps)


def noise(resolution: int, batch_size: int) -> Dataset:
    """Random images in ten classes, a batch at least in each split: cost does not depend on what is in them."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10 * batch_size, resolution, resolution, 3), dtype=np.uint8)
    labels = np.arange(len(images)) % 10
    return dataset_from_arrays(
        "noise", [str(i) for i in range(10)], (images, labels), (images[:100], labels[:100]), flip=True
    )


def report_times(steps: Steps, paths: int, rounds: int) -> None:
    """Print milliseconds of each step and its ratio to the plain one."""
    taken = {step: np.zeros((rounds, paths)) for step in (steps.plain, steps.weights, steps.architecture)}
    rng = np.random.default_rng(0)
    drawn = [Distribution.drawn(steps.learner.distribution, 0, rng) for _ in range(paths)]
    for number in range(rounds + 1):
        for i, vector in enumerate(drawn):
            steps.draw_always(vector)
            for step, times_s in taken.items():
                steps.set_back()
                seconds = timed(step, i, steps.device)
                if number:  # the first round warms up
                    times_s[number - 1, i] = seconds
    means_ms = {
        step.__name__: 1e3 * np.array([times_s.min(0).mean(), np.median(times_s, 0).mean()])
        for step, times_s in taken.items()
    }
    for name, values in means_ms.items():
        ratios = values / means_ms["plain"]
        bar = {"weights": WEIGHT_BAR, "architecture": ARCHITECTURE_BAR}.get(name)
        print(f"{name:>14}: minimum {values[0]:8.1f} ms, {ratios[0]:5.2f} of plain; median {values[1]:8.1f} ms,"
              f" {ratios[1]:5.2f} of plain{against(ratios[0], bar)}", flush=True)  # fmt: skip


def timed(step: Callable[[int], None], seed: int, device: torch.device) -> float:
    """Seconds of a step."""
    wait(device)
    start = time.perf_counter()
    step(seed)
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device) -> None:
    """Until a GPU has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def report_memory(steps: Steps) -> None:
    """Print the peak of each step on the largest path, and its ratio to the plain one."""
    steps.draw_always(steps.space.encode(steps.space.largest))
    plain = 0
    for step in (steps.plain, steps.weights, steps.architecture, steps.whole):
        step(0)  # the optimiser has its state, libraries theirs
        peaks = []
        for seed in range(DRAWS):
            steps.set_back()
            peaks.append(peak_bytes(lambda step=step, seed=seed: step(seed), steps.device))
        plain = plain or max(peaks)
        bar = MEMORY_BAR if step == steps.whole else None
        print(f"{step.__name__:>14}: peak {max(peaks) / 2**20:8.1f} MiB, {max(peaks) / plain:5.2f} of plain"
              f"{against(max(peaks) / plain, bar)}", flush=True)  # fmt: skip


def peak_bytes(run: Callable[[], object], device: torch.device) -> int:
    """Bytes alive at the peak of something above those before it, as far as PyTorch allocates them."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with torch.autograd.profiler.profile(profile_memory=True) as profiler:
        run()
    events = [event for event in profiler.kineto_results.events() if event.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return int(np.cumsum([0, *changes]).max())


def check_counting(device: torch.device) -> None:
    """Make sure that a peak is what it must be, where that is known: 3 and 4 units together, not 2 and 3."""
    unit = 2**21

    def known() -> None:
        first = torch.zeros(2 * unit, dtype=torch.uint8, device=device)
        second = torch.zeros(3 * unit, dtype=torch.uint8, device=device)
        del first
        third = torch.zeros(4 * unit, dtype=torch.uint8, device=device)
        del second, third

    found = peak_bytes(known, device) / unit
    print(f"memory counted where 7 are known: {found:.3f}")
    if abs(found - 7) > 0.07:
        raise SystemExit("memory cannot be counted here")


def against(value: float, bar: float | None) -> str:
    """What a figure is to its bar."""
    return "" if bar is None else f"  {'PASS' if value <= bar else 'MISS'} (<= {bar})"


if __name__ == "__main__":
    main()
