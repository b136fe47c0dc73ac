from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.network_predictions import predictions
from edgenas.exporting import converting
from edgenas.exporting.converting import converted_file, onnx_predictions
from edgenas.exporting.onnx_export import verified_onnx
from edgenas.precision.int8 import Ranges
from edgenas.precision.scheme import SCHEMES
from edgenas.space.modules import Network

MakeNetwork = Callable[[int], Network]
HERE = SCHEMES["x86-64"]


@pytest.fixture
def network(trained_like: MakeNetwork) -> Network:
    return trained_like(0)


@pytest.fixture
def fp32(network: Network, tiny_dataset: Dataset) -> bytes:
    images = tiny_dataset.normalise(tiny_dataset.validation.images[:4])
    return verified_onnx(network, "fp32", images)[0]


def test_predictions_of_a_file_are_those_of_its_network(
    network: Network, fp32: bytes, tiny_dataset: Dataset
) -> None:
    for split in (tiny_dataset.validation, tiny_dataset.test):
        assert (
            onnx_predictions(fp32, tiny_dataset, split) == predictions(network, tiny_dataset, split)
        ).all()


def test_what_is_not_finite_is_no_class(fp32: bytes, tiny_dataset: Dataset) -> None:
    endless = replace(tiny_dataset, mean=(float("inf"),) * 3)
    assert (onnx_predictions(fp32, endless, tiny_dataset.test) == -1).all()


def tried(monkeypatch: pytest.MonkeyPatch, right: dict[Ranges, int]) -> list[Ranges]:
    """The ranges that are tried, where each gets so many of ten images right."""
    found: list[Ranges] = []

    def convert(model: bytes, precision: str, images: object, scheme: object, ranges: Ranges) -> bytes:
        found.append(ranges)
        return ranges.encode()

    def answers(content: bytes, dataset: Dataset, split: object) -> np.ndarray:
        labels = dataset.validation.labels.numpy()
        wrong = np.arange(len(labels)) >= right[content.decode()]  # type: ignore[index]
        return np.where(wrong, (labels + 1) % len(dataset.classes), labels)

    monkeypatch.setattr(converting, "convert", convert)
    monkeypatch.setattr(converting, "onnx_predictions", answers)
    return found


@pytest.mark.parametrize(
    ("right", "looked_at", "chosen"),
    [
        ({"min-max": 9, "percentile": 9, "entropy": 9}, ["min-max"], "min-max"),
        ({"min-max": 6, "percentile": 9, "entropy": 9}, ["min-max", "percentile"], "percentile"),
        ({"min-max": 6, "percentile": 5, "entropy": 7}, ["min-max", "percentile", "entropy"], "entropy"),
        ({"min-max": 6, "percentile": 6, "entropy": 6}, ["min-max", "percentile", "entropy"], "min-max"),
    ],
)
def test_the_first_ranges_that_lose_nothing_or_those_that_lose_least(
    tiny_dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    right: dict[Ranges, int],
    looked_at: list[Ranges],
    chosen: Ranges,
) -> None:
    seen = tried(monkeypatch, right)
    before = 9 / len(tiny_dataset.validation)
    found = converted_file(b"", "int8", HERE, tiny_dataset, "top-1", before)
    assert (seen, found.ranges, found.content.decode()) == (looked_at, chosen, chosen)


@pytest.mark.parametrize("ranges", ["min-max", "percentile", "entropy"])
def test_int8_with_any_ranges_answers_mostly_as_before(
    fp32: bytes, network: Network, tiny_dataset: Dataset, ranges: Ranges, capsys: pytest.CaptureFixture[str]
) -> None:
    found = converted_file(fp32, "int8", HERE, tiny_dataset, "top-1", 1.0, [ranges])
    expected = predictions(network, tiny_dataset, tiny_dataset.validation)
    assert found.ranges == ranges and (found.predicted == expected).mean() > 0.7
    assert capsys.readouterr().out == ""


def test_fp16_has_no_ranges(fp32: bytes, network: Network, tiny_dataset: Dataset) -> None:
    found = converted_file(fp32, "fp16", HERE, tiny_dataset, "top-1", 1.0)
    assert found.ranges is None
    with torch.inference_mode():
        expected = predictions(network, tiny_dataset, tiny_dataset.validation)
    assert (found.predicted == expected).mean() > 0.95
