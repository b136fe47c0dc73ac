"""What a supernet knows before it is trained: accuracy of its paths right after the start from pretrained weights.

    python benchmarks/pretrained_start.py --data FOLDER [--resolution 128] [--pretrained efficientnet-lite0]

Accuracy on validation and test images together, of the network itself, of networks with the first layers of each stage
alone, and with two thirds and half of all hidden channels: with the statistics of the images adopted, and without.
Without, the classifier is fitted to features by running statistics, and evaluated by batch statistics, as every path of
a supernet is.
"""

import argparse
from dataclasses import replace

import torch

from edgenas.accuracy.channel_order import order_channels
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.accuracy.evaluator import SupernetEvaluator
from edgenas.accuracy.linear_probe import fit_classifier
from edgenas.accuracy.pretrained_start import start_from
from edgenas.accuracy.supernet import Supernet
from edgenas.inputs.pretrained import pretrained_for
from edgenas.settings.search import SearchSettings
from edgenas.space import Architecture, MBConvSpace


def main() -> None:
    """Start with and without the statistics of the images, and print the accuracy of some paths."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--pretrained", default="efficientnet-lite0")
    options = parser.parse_args()
    settings = SearchSettings("cpu", "1s", pretrained=options.pretrained)
    pretrained = pretrained_for(settings, options.resolution)
    assert pretrained is not None
    dataset = _normalised(load_dataset(options.data, options.resolution), pretrained.mean, pretrained.std)
    space = pretrained.space(options.resolution, len(dataset.classes))
    tensors = pretrained.read().tensors
    for adopted in (True, False):
        supernet = Supernet(space, seed=0)
        network = supernet.extract(space.largest)
        if adopted:
            start_from(network, tensors, dataset)
        else:
            own = network.state_dict()
            network.load_state_dict(
                {name: t if t.shape == own[name].shape else own[name] for name, t in tensors.items()}
            )
            order_channels(network)
            fit_classifier(network, dataset)
        supernet.places.load_state_dict(network.state_dict())
        evaluator = SupernetEvaluator(supernet, dataset, shifted=False)
        found = {name: evaluator.evaluate(path) for name, path in _paths(space).items()}
        print("adopted statistics" if adopted else "as they were", {k: round(v, 3) for k, v in found.items()})


def _normalised(dataset: Dataset, mean: tuple[float, ...], std: tuple[float, ...]) -> Dataset:
    """Validation and test images together as validation."""
    parts = (dataset.validation, dataset.test)
    both = Split(torch.cat([p.images for p in parts]), torch.cat([p.labels for p in parts]))
    order = torch.randperm(len(both), generator=torch.Generator().manual_seed(0))
    shuffled = Split(both.images[order], both.labels[order])
    return replace(dataset, mean=mean, std=std, validation=shuffled)


def _paths(space: MBConvSpace) -> dict[str, Architecture]:
    """Networks from the largest to the smallest."""
    whole = space.largest.choices
    spans = [stage.depth for stage in space.layout.stages]
    places = [place for depth in spans for place in range(depth)]

    def of_expansion(rank: int) -> Architecture:
        return space.architecture(
            [_expansion(c, names, rank) for c, names in zip(whole, space.variables, strict=True)]
        )

    shallow = [c if place < 2 or "skip" not in names else "skip"
               for c, place, names in zip(whole, places, space.variables, strict=True)]  # fmt: skip
    return {
        "whole": space.largest,
        "at most two layers a stage": space.architecture(shallow),
        "two thirds of the channels": of_expansion(-2),
        "half of the channels": of_expansion(-3),
        "smallest": space.smallest,
    }


def _expansion(choice: str, names: tuple[str, ...], rank: int) -> str:
    """The same kernel with the expansion of that rank among the choices."""
    kernel = choice.partition("e")[0]
    return [name for name in names if name.startswith(f"{kernel}e")][rank]


if __name__ == "__main__":
    main()
