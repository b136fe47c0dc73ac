"""How a search trains, from its settings and what it begins from."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edgenas.accuracy.dataset import Dataset
from edgenas.device import Device
from edgenas.images.preparation import Preparation
from edgenas.latency.precision_predictor import by_precision
from edgenas.latency.predictor import predictor_from_device
from edgenas.pipeline.configuration import configuration_of, default_name, recipes_for, settled
from edgenas.settings.search import SearchSettings
from edgenas.space import MBConvSpace
from edgenas.storage.run_config import RunConfig
from edgenas.vocabulary import Precision


@pytest.mark.parametrize(
    ("given", "elastic", "first"),
    [({}, False, True), ({}, True, False), ({"searcher": "proxyless"}, False, False)],
)
def test_the_largest_network_is_trained_first_unless_it_is_as_good_as_its_parts_or_warmed_up(
    given: dict[str, Any], elastic: bool, first: bool
) -> None:
    supernet, finalist = recipes_for(SearchSettings("pi5", "20ms", **given), 1200, True, elastic)
    assert (supernet.largest_first is not None) == first
    assert supernet.sampling == "sandwich" and supernet.augmentation.resized_crop
    assert finalist.refits_classifier and not finalist.distillation


def test_from_random_weights_there_is_no_largest_network_first() -> None:
    supernet, finalist = recipes_for(SearchSettings("pi5", "20ms"), 1200, False, False)
    assert supernet.largest_first is None and not finalist.refits_classifier
    assert supernet.augmentation.text == finalist.augmentation.text == "crop"


def test_the_fit_that_is_recorded_is_the_one_that_was_used(tiny_dataset: Dataset, board: Device) -> None:
    padded = replace(tiny_dataset, preparation=Preparation(fit="pad"))
    for data, asked, used in (
        (padded, None, "pad"),
        ("digits", None, "crop"),
        ("digits", "stretch", "stretch"),
    ):
        settings = SearchSettings("pi5", "20ms", data=data, fit=asked)  # type: ignore[arg-type]
        assert settled(settings, board, ("fp32",)).fit == used


def test_settings_come_before_what_is_usual() -> None:
    settings = SearchSettings("pi5", "20ms", augment="mixup", sampling="fair", distillation=0.25)
    supernet, finalist = recipes_for(settings, 1200, True, False)
    assert (supernet.sampling, finalist.distillation) == ("fair", 0.25)
    assert supernet.augmentation.text == finalist.augmentation.text == "mixup"


def test_a_linear_probe_fits_classifiers_once() -> None:
    _, finalist = recipes_for(SearchSettings("pi5", "20ms", tune="classifier"), 1200, True, False)
    assert finalist.classifier_only and not finalist.refits_classifier


@pytest.fixture
def name_on(tiny_dataset: Dataset, tiny_space: MBConvSpace) -> Callable[[Device], str]:
    """The default name of a search for a device."""

    def name(device: Device) -> str:
        predictor = predictor_from_device(tiny_space, device)
        settings = SearchSettings("board", "20ms")
        return default_name(configuration_of(settings, device, tiny_dataset, predictor, None, None))

    return name


@pytest.mark.parametrize(
    "device",
    [{}, {"target": "tensorrt-8.6", "sources": ("made up", "target: its maker")}],
    ids=["plain", "with a target"],
)
def test_a_default_name_is_that_of_earlier_versions(
    name_on: Callable[[Device], str], board: Device, device: dict[str, Any]
) -> None:
    """A repeated command continues its run after an update too."""
    assert name_on(board.model_copy(update=device)) == "board-colours-20ms-e4a800"


def test_a_processor_named_by_a_device_s_file_is_part_of_the_name(
    name_on: Callable[[Device], str], board: Device
) -> None:
    assert name_on(board) != name_on(board.model_copy(update={"processor": "x86-64"}))


@pytest.fixture
def configured(tiny_dataset: Dataset, tiny_space: MBConvSpace, board: Device) -> Callable[..., RunConfig]:
    """`configured(precisions, **settings)`: the configuration of a search."""

    def configure(precisions: tuple[Precision, ...], **given: Any) -> RunConfig:
        predictor = by_precision(
            tiny_space, precisions, lambda each: predictor_from_device(tiny_space, board.at(each))
        )
        settings = SearchSettings(board, "20ms", tiny_dataset, precision=",".join(precisions), **given)
        device = board.at(precisions[0])
        return configuration_of(settings, device, tiny_dataset, predictor, None, None)

    return configure


@pytest.mark.parametrize(
    ("precisions", "given", "rounding"),
    [
        (("fp32",), {}, None),
        (("int8",), {}, "arm64"),
        (("fp32", "int8"), {}, "arm64"),
        (("fp32", "fp16"), {}, None),
        (("int8",), {"evaluator": "trained"}, None),
    ],
)
def test_the_rounding_of_accuracies_is_recorded_where_there_is_one(
    precisions: tuple[Precision, ...],
    given: dict[str, Any],
    rounding: str | None,
    configured: Callable[..., RunConfig],
) -> None:
    found = configured(precisions, **given)
    assert found.rounding == rounding
    exact = found.model_copy(update={"rounding": None})
    assert (default_name(found) == default_name(exact)) == (rounding is None)
