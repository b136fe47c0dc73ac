"""Published networks as layouts: their sizes as published, in one architecture of full depth."""

import pytest

from edgenas.pretrained.sources import SOURCES


@pytest.mark.parametrize(
    ("name", "parameters", "mmacs"),
    [
        # torchvision: as it publishes them (`num_params`, `_ops`). Others: as fvcore counts them in timm's modules.
        ("torchvision:mobilenet_v2", 3_504_872, 301),
        ("torchvision:mnasnet1_0", 4_383_312, 314),
        ("efficientnet-lite0", 4_652_008, 385.2),
        ("efficientnet-lite1", 5_416_680, 600.2),
        ("efficientnet-lite2", 6_092_072, 859.7),
        ("timm:mobilenetv2_050", 1_968_680, 97.1),
        ("timm:spnasnet_100", 4_421_616, 333.5),
        ("timm:fbnetc_100", 5_572_200, 385.0),
    ],
)
def test_sizes_are_the_published_ones(name: str, parameters: int, mmacs: int) -> None:
    source = SOURCES[name]
    assert source.space.parameters(source.architecture) == parameters
    assert source.space.macs(source.architecture) / 1e6 == pytest.approx(mmacs, rel=0.003)


@pytest.mark.parametrize("name", SOURCES)
def test_every_stage_has_one_kernel_and_one_expansion(name: str) -> None:
    assert all(len(stage.kernels) == len(stage.expansions) == 1 for stage in SOURCES[name].layout.stages)
