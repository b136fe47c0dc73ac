"""A handful of images of each class: only the classifier fitted, against training the whole network.

    python benchmarks/few_images.py --data FOLDER [--per-class 10] [--seeds 2] [--device raspberry-pi-5]
        [--max-latency 12ms] [--resolution 128] [--time-budget 3min]

For each seed, some training images of each class are drawn from a folder with `train/` and `test/`; two searches, from
the same pretrained weights and with the same time budget, see only those. Shown is, on all test images, the model of
each front with the best validation accuracy, and the front's best.
"""

import argparse
import random
import tempfile
import time
from contextlib import chdir
from pathlib import Path

import edgenas


def main() -> None:
    """Draw, search both ways, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--device", default="raspberry-pi-5")
    parser.add_argument("--max-latency", default="12ms")
    parser.add_argument("--resolution", default="128")
    parser.add_argument("--time-budget", default="3min")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for seed in range(options.seeds):
            few = Path(folder, f"few-{seed}")
            _draw(options.data.resolve(), few, options.per_class, seed)
            for tune in ("classifier", "network"):
                began = time.monotonic()
                run = edgenas.search(
                    options.device,
                    options.max_latency,
                    few,
                    resolution=options.resolution,
                    time_budget=options.time_budget,
                    tune=tune,
                    seed=seed,
                    run=f"{tune}-{seed}",
                )
                chosen = max(run.front, key=lambda model: model.accuracies.validation)
                best = max(model.accuracies.test for model in run.front)
                print(
                    f"seed {seed}, tune {tune}: chosen {chosen.accuracies.test:.3f} at "
                    f"{chosen.latency_ms.predicted:.2f} ms, best of {len(run.front)} {best:.3f}, "
                    f"{time.monotonic() - began:.0f} s",
                    flush=True,
                )


def _draw(data: Path, few: Path, per_class: int, seed: int) -> None:
    """A folder of links to some training images of each class, and to all test images."""
    few.mkdir()
    (few / "test").symlink_to(data / "test")
    rng = random.Random(seed)
    for source in sorted((data / "train").iterdir()):
        (few / "train" / source.name).mkdir(parents=True)
        for image in rng.sample(sorted(source.iterdir()), per_class):
            (few / "train" / source.name / image.name).symlink_to(image)


if __name__ == "__main__":
    main()
