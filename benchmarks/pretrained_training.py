"""What each part of the training from pretrained weights is worth.

    python benchmarks/pretrained_training.py --data FOLDER [--resolution 96..160] [--supernet-seconds 300]
        [--finalist-seconds 110] [--seed 0]

A supernet is trained twice for the same time: its largest network first, then the sandwich of paths, as in a search;
and the sandwich alone. From each, three networks are trained for the same time each: the whole at the smallest size,
two thirds of the channels at the middle one, half of them at the smallest. Printed are accuracies on validation and
test images together, before and after the classifier is fitted again. The first supernet's networks are also trained
with its largest network as a teacher, and the whole network at the smallest size without a supernet, for the time of a
finalist and for that of a finalist and the supernet.
"""

import argparse

from pretrained_parts import accuracy, fine_tune, recipes, refit, started, trained_supernet, untrained_part
from torch import nn

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.standalone import Teacher
from edgenas.accuracy.supernet import Supernet
from edgenas.space import Architecture, NetworkSpace


def main() -> None:
    """Train with and without each part, and print the accuracies."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--resolution", default="96..160")
    parser.add_argument("--supernet-seconds", type=float, default=300)
    parser.add_argument("--finalist-seconds", type=float, default=110)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seed, finalist_s, supernet_s = options.seed, options.finalist_seconds, options.supernet_seconds
    dataset, start = started(options.data, options.resolution)
    networks = _networks(start.space)
    supernet_recipe, recipe = recipes(dataset)
    taught = recipe.model_copy(update={"distillation": 0.5})
    alone = supernet_recipe.model_copy(update={"largest_first": None, "learning_rate": recipe.learning_rate})

    smallest_size = networks["whole"]
    for seconds in (finalist_s, finalist_s + supernet_s):
        network = untrained_part(start, dataset, smallest_size, fits=True)
        fine_tune(network, dataset, recipe, seed, seconds)
        _show(f"whole, without a supernet, {seconds:.0f} s", network, dataset)
    for title, chosen in {"largest first": supernet_recipe, "sandwich alone": alone}.items():
        supernet = trained_supernet(start, dataset, chosen, seed, supernet_s)
        for name, architecture in networks.items():
            network = untrained_part(supernet, dataset, architecture, fits=False)
            fine_tune(network, dataset, recipe, seed, finalist_s)
            _show(f"{name}, {title}", network, dataset)
            if chosen is supernet_recipe:
                network = untrained_part(supernet, dataset, architecture, fits=False)
                fine_tune(network, dataset, taught, seed, finalist_s, _teacher(supernet, architecture))
                _show(f"{name}, {title}, with a teacher", network, dataset)


def _networks(space: NetworkSpace) -> dict[str, Architecture]:
    sizes = space.resolutions
    middle = sizes[len(sizes) // 2]
    return {
        "whole": space.joined(sizes[0], space.at(sizes[0]).largest),
        "two thirds": _of_expansion(space, middle, -2),
        "half": _of_expansion(space, sizes[0], -3),
    }


def _of_expansion(space: NetworkSpace, size: int, rank: int) -> Architecture:
    """The largest network with the expansion of that rank in each layer."""
    at_size = space.at(size)
    choices = []
    for choice, names in zip(at_size.largest.choices, at_size.variables, strict=True):
        kernel = choice.partition("e")[0]
        choices.append([name for name in names if name.startswith(f"{kernel}e")][rank])
    return space.joined(size, at_size.architecture(choices))


def _teacher(supernet: Supernet, architecture: Architecture) -> Teacher:
    space = supernet.space
    size = space.resolution_of(architecture)
    largest = space.joined(size, space.at(size).largest)
    return lambda images: supernet(images, largest)


def _show(title: str, network: nn.Sequential, dataset: Dataset) -> None:
    splits = [dataset.validation, dataset.test]
    before = accuracy(network, dataset, splits)
    refit(network, dataset)
    print(
        f"{title}: {before:.4f}, classifier fitted again {accuracy(network, dataset, splits):.4f}", flush=True
    )


if __name__ == "__main__":
    main()
