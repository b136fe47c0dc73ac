"""Training a network to be quantised: the rounding of its int8 file is in every step."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn
from torch.func import functional_call

from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.precision.arithmetic import Arithmetic
from edgenas.space.layers import Conv, Layer, SqueezeExcite
from edgenas.space.modules import BlockModule, Network

RATE_SHARE, EPOCHS_SHARE = 0.1, 0.25
"""Of a finalist's learning rate and epochs: the network is trained already."""


def recipe_of_rounding(recipe: FinalistRecipe) -> FinalistRecipe:
    """How a finalist that is trained already is trained with the rounding."""
    return recipe.model_copy(
        update={
            "epochs": max(1, round(EPOCHS_SHARE * recipe.epochs)),
            "learning_rate": RATE_SHARE * recipe.learning_rate,
            "distillation": 0.0,
        }
    )


class ComputingAs(nn.Module):
    """A network that computes in another arithmetic, with its own weights: what trains one trains the other.

    Args:
        network: its batch norms are those of the mode it is in.
        arithmetic: how it computes.
    """

    def __init__(self, network: Network, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.network = network
        self._arithmetic = arithmetic

    def forward(self, images: Tensor) -> Tensor:
        """Normalised (N, C, H, W) to (N, classes) logits."""
        weights: Mapping[str, Tensor] = {
            name: self._arithmetic.weights(tensor)
            for name, tensor in self.named_parameters()
            if tensor.ndim > 1
        }
        blocks = _BlockByBlock(self.network, self._arithmetic)
        return cast(Tensor, functional_call(blocks, dict(weights), (images,)))


class _BlockByBlock(nn.Module):
    """Rounds what operators hand on; a module, so that `functional_call` can substitute weights."""

    def __init__(self, network: Network, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.network = network
        self._rounded = arithmetic.activations

    def forward(self, x: Tensor) -> Tensor:
        x = self._rounded(x)
        for block in cast(list[BlockModule], self.network):
            y = x
            for module, layer in zip(block.layers, block.block.layers, strict=False):  # Add has no module
                y = self._rounded(self._output(module, layer, y))
            x = self._rounded(x + y) if block.residual else y
        return x

    def _output(self, module: nn.Module, layer: Layer, x: Tensor) -> Tensor:
        if isinstance(layer, SqueezeExcite):
            return cast(Tensor, module(x, self._rounded))
        if not isinstance(layer, Conv):
            return cast(Tensor, module(x))
        *linear, activation = cast(nn.Sequential, module)
        for each in linear:
            x = each(x)
        return cast(Tensor, activation(self._rounded(x, layer.activation)))
