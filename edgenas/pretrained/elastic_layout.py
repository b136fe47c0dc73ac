"""Between a network and the search space whose largest network it is. Without torch."""

from edgenas.space.mbconv_layout import Kernel, Layout, Stage

KERNELS: tuple[Kernel, ...] = (3, 5, 7)
EXPANSION_SHARES = (1 / 2, 2 / 3, 1)
"""Hidden channels of a layer, as shares of the network's: the last is the layer itself."""

LEAST_EXPANSION = 2


def elastic_layout(layout: Layout, resolution: int, classes: int) -> Layout:
    """Give each layer of a network smaller alternatives: kernels, expansions, and depth by skipping.

    Args:
        layout: a network; every stage has one kernel and one expansion. Any other stage is left as it is.
        resolution: rows and columns of the images.
        classes: number of classes.
    """
    stages = tuple(_elastic(stage) for stage in layout.stages)
    changes = {"resolution": resolution, "classes": classes, "stages": stages}
    return layout.model_copy(update=changes)


def whole_layout(layout: Layout) -> Layout:
    """The layout of the largest network of a space alone."""
    stages = tuple(
        stage.model_copy(
            update={
                "kernels": (max(stage.kernels or layout.kernels),),
                "expansions": (max(stage.expansions or layout.expansions),),
            }
        )
        for stage in layout.stages
    )
    return layout.model_copy(update={"stages": stages})


def _elastic(stage: Stage) -> Stage:
    if len(stage.kernels) != 1 or len(stage.expansions) != 1:
        return stage
    (kernel,), (expansion,) = stage.kernels, stage.expansions
    smaller = {max(LEAST_EXPANSION, round(share * expansion)) for share in EXPANSION_SHARES}
    return stage.model_copy(
        update={
            "kernels": tuple(each for each in KERNELS if each <= kernel),
            "expansions": tuple(sorted(smaller)) if expansion >= LEAST_EXPANSION else stage.expansions,
        }
    )
