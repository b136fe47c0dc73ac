"""The table of sources against the libraries that publish them, and descriptions of files of one's own."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
from fixtures.documents import ROOT, code_blocks
from fixtures.weights import DESCRIPTION, STAGE
from torchvision.models import get_weight

from edgenas.errors import FileFormatError, UnknownNameError
from edgenas.pretrained import SOURCES, source_from_file, source_from_name
from edgenas.pretrained.source import DownloadedFile, LocalFile, PackageFile


def _described(folder: Path, **changes: Any) -> Path:
    """A file of weights with a description; the weights themselves are not read here."""
    weights = folder / "weights.safetensors"
    weights.touch()
    weights.with_suffix(".json").write_text(json.dumps({**DESCRIPTION, **changes}))
    return weights


def test_names() -> None:
    assert list(SOURCES) == [
        "efficientnet-lite0",
        "efficientnet-lite1",
        "efficientnet-lite2",
        "timm:tf_efficientnet_lite0",
        "timm:tf_efficientnet_lite1",
        "timm:tf_efficientnet_lite2",
        "timm:mobilenetv2_100",
        "timm:mobilenetv2_050",
        "timm:mnasnet_100",
        "timm:spnasnet_100",
        "timm:fbnetc_100",
        "torchvision:mobilenet_v2",
        "torchvision:mnasnet1_0",
    ]
    assert all(source_from_name(name).name == name for name in SOURCES)


def test_unknown_name() -> None:
    message = r"unknown pretrained weights 'efficientnet-lite9'; did you mean 'efficientnet-lite\d'\? known: .*timm:mn"
    with pytest.raises(UnknownNameError, match=message):
        source_from_name("efficientnet-lite9")


def test_lite_files_are_pinned_and_normalised_as_in_tensorflow() -> None:
    for number in range(3):
        source = SOURCES[f"efficientnet-lite{number}"]
        assert isinstance(source.location, PackageFile)
        assert source.location.path.endswith(f"-{source.location.sha256[:8]}.pth")
        pixels = [(value / 255 - source.mean[0]) / source.std[0] for value in (0, 127, 255)]
        assert pixels == pytest.approx([-127 / 128, 0, 1])


@pytest.mark.parametrize("name", [name for name in SOURCES if name.startswith("timm:")])
def test_agrees_with_timm(name: str) -> None:
    source = SOURCES[name]
    published = timm.get_pretrained_cfg(name.removeprefix("timm:"))
    assert published is not None
    assert isinstance(source.location, DownloadedFile)
    assert source.location.url == published.url
    assert source.origin == f"https://huggingface.co/{published.hf_hub_id}"
    assert (source.mean, source.std) == (published.mean, published.std)
    assert source.licence.lower() == published.license
    assert (3, source.layout.resolution, source.layout.resolution) == published.input_size
    assert source.layout.classes == published.num_classes


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("mobilenet_v2", "MobileNet_V2_Weights.IMAGENET1K_V2"),
        ("mnasnet1_0", "MNASNet1_0_Weights.IMAGENET1K_V1"),
    ],
)
def test_agrees_with_torchvision(name: str, weights: str) -> None:
    source, published = SOURCES[f"torchvision:{name}"], get_weight(weights)
    assert published == get_weight(f"{weights.partition('.')[0]}.DEFAULT")
    assert isinstance(source.location, DownloadedFile)
    assert source.location.url == published.url
    transform = published.transforms()
    assert (list(source.mean), list(source.std)) == (transform.mean, transform.std)
    assert [source.layout.resolution] == transform.crop_size
    assert source.layout.classes == len(published.meta["categories"])


def test_every_source_says_what_the_publisher_leaves_open() -> None:
    for source in SOURCES.values():
        assert "ImageNet-1k" in source.note
        assert source.origin.startswith("https://")
        assert source.licence in {"Apache-2.0", "BSD-3-Clause"}


def test_own_file(tmp_path: Path) -> None:
    path = _described(tmp_path)
    source = source_from_file(path)
    assert (source.name, source.licence, source.origin) == ("my-network", "MIT", "https://example.org")
    assert source.location == LocalFile(path)
    assert source.architecture.choices == ("k3e3", "k3e3")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "edgenas.weights/2"}, "schema: input should be 'edgenas.weights/1'"),
        ({"mean": [0.5]}, "mean must have one value for each of 3 channels"),
        ({"std": [0.5, 0.5, 0.0]}, "std must be positive"),
        ({"licence": ""}, "licence: string should match pattern"),
        ({"name": "two\nlines"}, "name: string should match pattern"),
        ({"pickle": "yes"}, "pickle: extra inputs are not permitted"),
        ({"layout": {**DESCRIPTION["layout"], "head_channels": 0}}, r"layout\.head_channels"),
        (
            {"layout": {**DESCRIPTION["layout"], "stages": [{**STAGE, "kernels": [3, 5]}]}},
            r"layout\.stages\.0\.kernels must be one value: the network's own",
        ),
        (
            {"layout": {**DESCRIPTION["layout"], "stages": [{**STAGE, "expansions": []}]}},
            r"layout\.stages\.0\.expansions must be one value",
        ),
    ],
)
def test_bad_description(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=rf"weights\.json: .*{message}"):
        source_from_file(_described(tmp_path, **changes))


def test_the_description_shown_in_the_documents_is_valid(tmp_path: Path) -> None:
    (shown,) = code_blocks("docs/pretrained.md", "json")
    assert source_from_file(_described(tmp_path, **json.loads(shown))).layout.resolution == 128


def test_every_source_is_in_the_documents() -> None:
    page = (ROOT / "docs/pretrained.md").read_text()
    for name in SOURCES:
        assert name in page or name[:-1] + "0" in page


def test_no_description(tmp_path: Path) -> None:
    path = _described(tmp_path)
    path.with_suffix(".json").unlink()
    with pytest.raises(
        FileFormatError, match=r"weights\.json: is missing: .* weights\.safetensors belongs to; write"
    ):
        source_from_file(path)


def test_damaged_description(tmp_path: Path) -> None:
    path = _described(tmp_path)
    path.with_suffix(".json").write_text('{"schema": ')
    with pytest.raises(FileFormatError, match=r"weights\.json: is not JSON"):
        source_from_file(path)


def test_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"weights\.safetensors: is not a file; check the path"):
        source_from_file(tmp_path / "weights.safetensors")


def test_only_safetensors_can_be_ones_own(tmp_path: Path) -> None:
    with pytest.raises(
        FileFormatError, match=r"weights\.pth: is not a \.safetensors file; save the weights with"
    ):
        source_from_file(tmp_path / "weights.pth")
