from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.quantised_training import ComputingAs, recipe_of_rounding
from edgenas.accuracy.standalone import network_losses
from edgenas.accuracy.training import train
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.board import host
from edgenas.exporting.onnx_export import run_onnx
from edgenas.precision.arithmetic import EXACT, Arithmetic, Int8Arithmetic
from edgenas.precision.conversion import convert
from edgenas.precision.scheme import SCHEMES
from edgenas.space.block import MBConv
from edgenas.space.modules import Network, folded_weights
from edgenas.space.onnx_graph import INPUT, given_weights, onnx_from_blocks
from edgenas.vocabulary import Activation

MakeNetwork = Callable[[int], Network]


def folded(network: Network) -> dict[str, NDArray[np.float32]]:
    return {name: tensor.numpy() for name, tensor in folded_weights(network).items()}


def as_if_trained(network: Network) -> Network:
    """The network in evaluation mode, its batch norms as they might be after a training."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_var, module.weight.data):
                nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (module.running_mean, module.bias.data):
                nn.init.normal_(tensor, std=0.3)
    return network.eval()


class Coarse(Arithmetic):
    """Rounds weights so coarsely that a network notices."""

    def weights(self, tensor: Tensor) -> Tensor:
        scale = tensor.detach().abs().max() / 2
        return tensor + ((tensor / scale).round() * scale - tensor).detach()


@pytest.fixture
def images(tiny_dataset: Dataset) -> Tensor:
    return tiny_dataset.normalise(tiny_dataset.validation.images[:16])


@pytest.mark.parametrize("seed", range(3))
def test_exact_arithmetic_is_the_network_itself(trained_like: MakeNetwork, images: Tensor, seed: int) -> None:
    network = trained_like(seed)
    with torch.inference_mode():
        assert torch.allclose(ComputingAs(network, EXACT)(images), network(images), atol=1e-6)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_int8_arithmetic_is_near_the_network(trained_like: MakeNetwork, images: Tensor, scheme: str) -> None:
    network = trained_like(0)
    with torch.inference_mode():
        exact = network(images)
        off = (ComputingAs(network, Int8Arithmetic(SCHEMES[scheme]))(images) - exact).abs().max()
    assert 0 < off < 0.2 * (exact.max() - exact.min())


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("activation", "squeezed"), [("relu6", 0), ("hswish", 0), ("relu6", 4), ("hswish", 4)]
)
def test_it_is_as_far_off_as_the_file(scheme: str, activation: Activation, squeezed: int) -> None:
    """Rounding wherever the file does; without that of what HardSwish reads it would be a tenth less."""
    if scheme in ("x86-64-vnni", "tensorrt") and host.instructions() == "x86-64":
        pytest.skip("without VNNI, sums of 8-bit weights overflow here")
    block = MBConv(3, 2, 1, squeezed, activation, 3, 3, 16, 16)
    ratios = []
    for seed in range(4):
        torch.manual_seed(seed)
        network = as_if_trained(Network([block]))
        images = torch.randn(32, 3, 16, 16)
        model = onnx_from_blocks([block], given_weights(folded(network))).SerializeToString()
        file = convert(model, "int8", {INPUT: images.numpy()}, SCHEMES[scheme])
        with torch.inference_mode():
            exact = network(images)
            found = ComputingAs(network, Int8Arithmetic(SCHEMES[scheme]))(images)
        off = torch.from_numpy(run_onnx(file, images)) - exact
        ratios.append(((found - exact).square().mean() / off.square().mean()).sqrt().item())
    assert sum(ratios) / len(ratios) == pytest.approx(1, abs=0.03)


def test_training_with_the_rounding_makes_up_for_it(
    trained_like: MakeNetwork, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    network = trained_like(0)
    recipe = FinalistRecipe(epochs=8, batch_size=16, learning_rate=0.01)
    train(network, network_losses(network, recipe), tiny_dataset, recipe, 0, Checkpoint(tmp_path / "first"))
    rounded = ComputingAs(network, Coarse())

    def loss() -> float:
        network.eval()
        split = tiny_dataset.train
        with torch.inference_mode():
            logits = rounded(tiny_dataset.normalise(split.images))
        return float(torch.nn.functional.cross_entropy(logits, split.labels))

    before = loss()
    train(network, network_losses(rounded, recipe), tiny_dataset, recipe, 1, Checkpoint(tmp_path / "second"))
    assert loss() < 0.8 * before


def test_it_is_shorter_and_gentler_than_the_training_before() -> None:
    recipe = FinalistRecipe(epochs=8, learning_rate=0.001, distillation=0.5)
    found = recipe_of_rounding(recipe)
    assert (found.epochs, found.distillation) == (2, 0.0)
    assert found.learning_rate == pytest.approx(1e-4)
    assert recipe_of_rounding(FinalistRecipe(epochs=1)).epochs == 1
