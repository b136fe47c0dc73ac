"""From the names of edgenas's parameters to those of each source: one table, read by walking blocks and layers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgenas.pretrained.source import Dialect
from edgenas.space.block import Block, Head, MBConv, Stem
from edgenas.space.layers import Conv, Layer, Linear

Modules = tuple[str, ...]
"""Names of the modules of one layer: of the convolution and its batch norm, or of the classifier."""


@dataclass(frozen=True, slots=True)
class _Names:
    """How a source names the modules of each kind of block, one entry for each layer that has parameters.

    In the names, `{block}` is the number of the inverted residual (of the head: one after the last), `{stage}` that of
    its stage, `{layer}` its place in the stage.

    Attributes:
        stem: of the first convolution.
        plain: of an inverted residual without expanding convolution.
        expanded: of an inverted residual with it.
        head: of the last convolution and the classifier.
        first_block: number of the first inverted residual.
        first_stage: number of the first stage.
    """

    stem: tuple[Modules, ...]
    plain: tuple[Modules, ...]
    expanded: tuple[Modules, ...]
    head: tuple[Modules, ...]
    first_block: int = 0
    first_stage: int = 0


_NAMES: dict[Dialect, _Names] = {
    "efficientnet-pytorch": _Names(
        stem=(("_conv_stem", "_bn0"),),
        plain=(
            ("_blocks.{block}._depthwise_conv", "_blocks.{block}._bn1"),
            ("_blocks.{block}._project_conv", "_blocks.{block}._bn2"),
        ),
        expanded=(
            ("_blocks.{block}._expand_conv", "_blocks.{block}._bn0"),
            ("_blocks.{block}._depthwise_conv", "_blocks.{block}._bn1"),
            ("_blocks.{block}._project_conv", "_blocks.{block}._bn2"),
        ),
        head=(("_conv_head", "_bn1"), ("_fc",)),
    ),
    "timm": _Names(
        stem=(("conv_stem", "bn1"),),
        plain=(
            ("blocks.{stage}.{layer}.conv_dw", "blocks.{stage}.{layer}.bn1"),
            ("blocks.{stage}.{layer}.conv_pw", "blocks.{stage}.{layer}.bn2"),
        ),
        expanded=(
            ("blocks.{stage}.{layer}.conv_pw", "blocks.{stage}.{layer}.bn1"),
            ("blocks.{stage}.{layer}.conv_dw", "blocks.{stage}.{layer}.bn2"),
            ("blocks.{stage}.{layer}.conv_pwl", "blocks.{stage}.{layer}.bn3"),
        ),
        head=(("conv_head", "bn2"), ("classifier",)),
    ),
    "torchvision-mobilenetv2": _Names(
        stem=(("features.0.0", "features.0.1"),),
        plain=(
            ("features.{block}.conv.0.0", "features.{block}.conv.0.1"),
            ("features.{block}.conv.1", "features.{block}.conv.2"),
        ),
        expanded=(
            ("features.{block}.conv.0.0", "features.{block}.conv.0.1"),
            ("features.{block}.conv.1.0", "features.{block}.conv.1.1"),
            ("features.{block}.conv.2", "features.{block}.conv.3"),
        ),
        head=(("features.{block}.0", "features.{block}.1"), ("classifier.1",)),
        first_block=1,
    ),
    "torchvision-mnasnet": _Names(
        stem=(("layers.0", "layers.1"),),
        plain=(("layers.3", "layers.4"), ("layers.6", "layers.7")),
        expanded=(
            ("layers.{stage}.{layer}.layers.0", "layers.{stage}.{layer}.layers.1"),
            ("layers.{stage}.{layer}.layers.3", "layers.{stage}.{layer}.layers.4"),
            ("layers.{stage}.{layer}.layers.6", "layers.{stage}.{layer}.layers.7"),
        ),
        head=(("layers.14", "layers.15"), ("classifier.1",)),
        first_stage=7,  # its first block stands among the layers of the stem
    ),
}

# The modules of our layers (see `space.modules`) and the parameters that each module of a source has.
_OWN_MODULES: dict[type[Layer], Modules] = {Conv: (".conv", ".norm"), Linear: ("",)}
_PARAMETERS: dict[str, tuple[str, ...]] = {
    ".conv": ("weight",),
    ".norm": ("weight", "bias", "running_mean", "running_var"),
    "": ("weight", "bias"),
}


def source_names(dialect: Dialect, blocks: Sequence[Block]) -> dict[str, str]:
    """For each parameter and statistic of `Network(blocks)`, in its order, the source's name.

    Batch norm's `num_batches_tracked` is left out. `edgenas` itself is no dialect of this table: its names are equal.
    """
    names: dict[str, str] = {}
    for i, (block, modules) in enumerate(zip(blocks, _modules(_NAMES[dialect], blocks), strict=True)):
        layers = [(j, layer) for j, layer in enumerate(block.layers) if type(layer) in _OWN_MODULES]
        for (j, layer), theirs in zip(layers, modules, strict=True):
            for own, their in zip(_OWN_MODULES[type(layer)], theirs, strict=True):
                for parameter in _PARAMETERS[own]:
                    names[f"{i}.layers.{j}{own}.{parameter}"] = f"{their}.{parameter}"
    return names


def _modules(names: _Names, blocks: Sequence[Block]) -> Iterator[list[Modules]]:
    """For each block, the source's modules of each layer with parameters.

    A published stage begins where the shape changes. It may be several of a layout's stages, whose layers are alike.
    """
    number, stage, layer = names.first_block, names.first_stage, 0
    for i, block in enumerate(blocks):
        if isinstance(block, MBConv):
            begins = i == 1 or not block.residual
            stage, layer = (stage + (i > 1), 0) if begins else (stage, layer + 1)
        patterns = _patterns(names, block)
        yield [
            tuple(name.format(block=number, stage=stage, layer=layer) for name in each) for each in patterns
        ]
        number += isinstance(block, MBConv)


def _patterns(names: _Names, block: Block) -> tuple[Modules, ...]:
    if isinstance(block, Stem):
        return names.stem
    if isinstance(block, Head):
        return names.head
    return names.plain if isinstance(block, MBConv) and not block.expands else names.expanded
