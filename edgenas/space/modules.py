"""Blocks as PyTorch modules: one table from layer to module builder."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from edgenas.space.block import Block
from edgenas.space.layers import Activation, Add, Conv, GlobalPool, Layer, Linear, SqueezeExcite

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hswish": nn.Hardswish,
}


HandOn = Callable[[Tensor, str | None], Tensor]
"""What becomes of an operator's output before the activation of that name, or before any other operator (None)."""


def as_it_is(tensor: Tensor, _: str | None) -> Tensor:
    """Hand it on unchanged."""
    return tensor


class SqueezeExciteModule(nn.Module):
    """Channel attention of MobileNetV3: (N, C, H, W) scaled by gates in 0..1 of shape (N, C, 1, 1)."""

    def __init__(self, layer: SqueezeExcite) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(layer.channels, layer.squeezed, 1)
        self.expand = nn.Conv2d(layer.squeezed, layer.channels, 1)

    def forward(self, x: Tensor, hand_on: HandOn = as_it_is) -> Tensor:
        """Scale each channel by a gate computed from the means of all channels."""
        pooled = hand_on(nn.functional.adaptive_avg_pool2d(x, 1), None)
        squeezed = hand_on(nn.functional.relu(hand_on(self.reduce(pooled), "relu")), None)
        gate = nn.functional.hardsigmoid(hand_on(self.expand(squeezed), "hard-sigmoid"))
        return x * hand_on(gate, None)


class BlockModule(nn.Module):
    """One block: its layers in order, and the skip add where the block has one."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.block = block
        self.residual = isinstance(block.layers[-1], Add)
        self.layers = nn.Sequential(*(_module(layer) for layer in block.layers if not isinstance(layer, Add)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W'), or (N, classes) for a head."""
        y = cast(Tensor, self.layers(x))
        return x + y if self.residual else y


class Network(nn.Sequential):
    """A whole network: the modules of its blocks, (N, C, H, W) normalised floats to (N, classes) logits."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        super().__init__(*(BlockModule(block) for block in blocks))
        self.apply(_initialise)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks the network is made of."""
        return tuple(cast(BlockModule, module).block for module in self)


def _conv(layer: Conv) -> nn.Module:
    top, left, bottom, right = layer.pads
    symmetric = (top, left) == (bottom, right)
    conv = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel,
        layer.stride,
        (top, left) if symmetric else 0,
        groups=layer.groups,
        bias=False,
    )
    norm = nn.BatchNorm2d(layer.out_channels, layer.conventions.norm_epsilon)
    parts = OrderedDict[str, nn.Module](conv=conv, norm=norm, act=ACTIVATIONS[layer.activation]())
    if not symmetric:
        parts = OrderedDict(pad=nn.ZeroPad2d((left, right, top, bottom)), **parts)
    return nn.Sequential(parts)


def _pool(_: GlobalPool) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _linear(layer: Linear) -> nn.Module:
    return nn.Linear(layer.in_features, layer.out_features)


_BUILDERS: dict[type, Callable[[Any], nn.Module]] = {
    Conv: _conv,
    SqueezeExcite: SqueezeExciteModule,
    GlobalPool: _pool,
    Linear: _linear,
}


def _module(layer: Layer) -> nn.Module:
    return _BUILDERS[type(layer)](layer)


def _initialise(module: nn.Module) -> None:
    """As MobileNetV2: He initialisation (fan out) for convolutions, small normal weights for the classifier."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
        nn.init.zeros_(module.bias)


def folded_weights(network: Network) -> dict[str, Tensor]:
    """Weights of the network with batch norm folded into the convolutions, named as in `onnx_graph`.

    The network must be in evaluation mode. Names are `<block>.<layer>.<weight|bias>`; squeeze-excite has
    `<block>.<layer>.reduce.weight` and so on. Folding is done in double precision.
    """
    weights: dict[str, Tensor] = {}
    for i, block in enumerate(network):
        for j, layer in enumerate(cast(BlockModule, block).layers):
            for name, tensor in _folded_layer(layer):
                weights[f"{i}.{j}.{name}"] = tensor
    return weights


def _folded_layer(layer: nn.Module) -> list[tuple[str, Tensor]]:
    norm = getattr(layer, "norm", None)
    if norm is None:
        return [(name, tensor.detach()) for name, tensor in layer.named_parameters()]
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    conv = cast(nn.Conv2d, cast(Any, layer).conv)
    weight = conv.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * scale
    return [("weight", weight.float().detach()), ("bias", bias.float().detach())]
