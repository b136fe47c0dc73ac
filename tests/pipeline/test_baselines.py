"""Published networks beside a search: which ones, at which sizes, and with what they begin."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fixtures.configurations import changed_config
from fixtures.pipeline import train_final_model
from fixtures.weights import cut_off, offer_weights
from torch import nn

import edgenas
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.dataset_sources import resized_dataset
from edgenas.accuracy.metrics import confusion, score
from edgenas.accuracy.network_predictions import predictions
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.device import Provenance, find_device
from edgenas.errors import InputError, UnknownNameError
from edgenas.exporting.final_network import OfLibrary
from edgenas.latency.latency import Latency
from edgenas.latency.predictor import predictor_from_device
from edgenas.pipeline import baselines as module
from edgenas.pipeline.baselines import baselines_of, check_baselines, is_pretrained, pretrained_network
from edgenas.pipeline.deploying import deployed
from edgenas.pipeline.final_model import FinalModel, finalist
from edgenas.pipeline.final_training import teacher_of
from edgenas.pipeline.finalist_training import _Trainings
from edgenas.pipeline.session import Session
from edgenas.pretrained.foreign_networks import downloaded_tensors, foreign_network
from edgenas.pretrained.sources import SOURCES
from edgenas.pretrained.weights import load_weights
from edgenas.searchers.problem import Problem
from edgenas.settings.search import SearchSettings
from edgenas.space import MBConvSpace, mbconv

SMALL = "torchvision:mobilenet_v3_small"
LITE = "efficientnet-lite0"


def searching(session: Session, resolution: int = 16, limit_ms: float = 50.0, **changes: Any) -> Session:
    """The session for a Raspberry Pi, at another size and limit."""
    device = find_device("raspberry-pi-5")
    predictor = predictor_from_device(mbconv(resolution, 3), device)
    config = changed_config(session.config, **changes).model_copy(update={"device": device})
    dataset = resized_dataset(session.dataset, resolution)
    return replace(
        session,
        config=config,
        dataset=dataset,
        dataset_on_device=dataset,
        load_dataset_at=lambda size: resized_dataset(session.dataset, size),
        predictor=predictor,
        problem=Problem(predictor.space, predictor, limit_ms),
    )


def pretrained(session: Session, name: str = LITE) -> Session:
    """The session, begun from a source's weights."""
    record = SOURCES[LITE].record("0" * 64).model_copy(update={"name": name})
    return replace(session, config=session.config.model_copy(update={"pretrained": record}))


def lite_ms(size: int) -> float:
    """The predicted latency of EfficientNet-Lite0 on a Raspberry Pi."""
    layout = SOURCES[LITE].layout.model_copy(update={"resolution": size, "classes": 3})
    space = MBConvSpace(layout)
    return predictor_from_device(space, find_device("raspberry-pi-5")).predict(space.largest).predicted


def notes(session: Session) -> list[str]:
    return [event["text"] for event in session.store.events("note")]


@pytest.fixture
def quick_latency(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of another library takes a millisecond for each 16 px; it is not exported to know this."""

    def latency(images: torch.Tensor, _: object) -> Latency:
        return Latency(size := images.shape[-1] / 16, size, size, Provenance.ESTIMATED)

    monkeypatch.setattr(module, "traced_onnx", lambda _, name, images: images)
    monkeypatch.setattr(module, "latency_of_onnx", latency)


def test_from_noise_the_usual_ones_are_scaled_to_the_limit(session: Session) -> None:
    found = baselines_of(searching(session, 32, baselines=True))
    assert [each.id for each in found] == ["mobilenet-v2", "mobilenet-v3-small"]
    assert not any(map(is_pretrained, found))


def test_from_weights_the_usual_ones_are_their_network_at_each_size_and_the_mobilenets(
    session: Session, monkeypatch: pytest.MonkeyPatch, quick_latency: None
) -> None:
    offer_weights(monkeypatch)
    weights = load_weights(SOURCES[LITE])
    monkeypatch.setattr(module, "load_weights", lambda source: weights)
    limit_ms = (lite_ms(128) + lite_ms(144)) / 2
    asked = pretrained(searching(session, 144, limit_ms, baselines=True))
    found = baselines_of(asked)
    within = [each for each in found if each.id.startswith(LITE)]
    assert [each.id for each in within] == [f"{LITE}-{size}px" for size in (96, 112, 128)]
    assert [each.name for each in within] == [f"EfficientNet-Lite0 at {size} px" for size in (96, 112, 128)]
    space, architecture = within[0].space, within[0].architecture
    predicted = predictor_from_device(space, asked.config.device).predict(architecture)
    assert within[0].latency == predicted and len(space.blocks(architecture)) == len(SOURCES[LITE].blocks)
    assert [each.id for each in found[3:]] == [
        "torchvision-mobilenet_v2-144px",
        "torchvision-mobilenet_v3_small-144px",
        "torchvision-mobilenet_v3_large-144px",
    ]
    assert all(isinstance(each.network, OfLibrary) for each in found[4:])
    assert all(each.latency.predicted <= limit_ms for each in found)


def test_what_cannot_be_had_is_noted_and_the_rest_is_kept_when_resumed(
    session: Session, monkeypatch: pytest.MonkeyPatch, quick_latency: None
) -> None:
    cut_off(monkeypatch)
    asked = pretrained(searching(session, 96, baselines=True))
    found = baselines_of(asked)
    assert [each.id for each in found] == [f"{LITE}-96px"]
    left_out = notes(asked)
    assert len(left_out) == 3
    assert left_out[1] == (
        "torchvision:mobilenet_v3_small is left out of the baselines: the weights of torchvision:mobilenet_v3_small "
        "cannot be downloaded (no network)"
    )
    expected = r"^torchvision:mobilenet_v2 is left out of the baselines: the weights of .* \(no network\)$"
    assert re.match(expected, left_out[0])
    offer_weights(monkeypatch)  # with a network again
    assert [each.id for each in baselines_of(asked)] == [f"{LITE}-96px"] and notes(asked) == left_out


def test_a_network_of_ones_own_is_left_out_with_a_note(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(monkeypatch)
    asked = pretrained(searching(session, 96, baselines=True), "run earlier")
    assert baselines_of(asked) == []
    assert notes(asked)[0] == (
        "run earlier is left out of the baselines: only published networks are fine-tuned beside a search"
    )


@pytest.mark.parametrize(("limit_ms", "size"), [(9.5, 144), (8.5, 128), (6.0, 96), (5.0, None)])
def test_one_asked_for_by_name_has_the_largest_size_within_the_limit(
    limit_ms: float, size: int | None, session: Session, monkeypatch: pytest.MonkeyPatch, quick_latency: None
) -> None:
    offer_weights(monkeypatch)
    asked = searching(session, 144, limit_ms, baselines=SMALL)
    assert [each.resolution for each in baselines_of(asked)] == ([size] if size else [])
    expected = rf"^{SMALL} is left out of the baselines: at 96 px it takes 6 ms .*, above the limit of 5 ms$"
    assert bool(size) or re.match(expected, notes(asked)[0])


def test_sizes_that_a_network_does_not_take_are_passed_over(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_weights(monkeypatch)
    asked = searching(session, 16, baselines="torchvision:alexnet")
    assert baselines_of(asked) == []
    (note,) = notes(asked)
    assert note.startswith(
        "torchvision:alexnet is left out of the baselines: torchvision:alexnet at 16 px cannot be exported as ONNX ("
    )


def test_its_latency_is_that_of_its_file(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_weights(monkeypatch)
    asked = searching(session, 32, baselines=SMALL)
    (found,) = baselines_of(asked)
    network = trained(asked, found)
    exported = deployed(asked, network)
    assert exported.exported is not None
    assert edgenas.predict(str(exported.exported.path), "raspberry-pi-5").latency_ms == found.latency


def trained(session: Session, final_model: FinalModel) -> FinalModel:
    recipe = FinalistRecipe(epochs=1, batch_size=8).fine_tuning
    dataset, device = final_model.dataset_on_device(session), torch.device("cpu")
    return train_final_model(
        session,
        final_model,
        lambda: pretrained_network(final_model.network, dataset, device),
        recipe,
        "baseline",
    )


def accuracy(network: nn.Module, dataset: Dataset) -> float:
    split = dataset.train
    return score(confusion(predictions(network, dataset, split), split.labels.numpy(), 3), "top-1")


@pytest.mark.parametrize("name", [SMALL, LITE])
def test_it_begins_with_its_weights_its_normalisation_and_a_fitted_classifier(
    name: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_weights(monkeypatch)
    asked = searching(session, 64, baselines=name)
    (found,) = baselines_of(asked)
    dataset = found.dataset_on_device(asked)
    normalisation = found.network.normalisation
    assert normalisation is not None and (dataset.mean, dataset.std) == (
        normalisation.mean,
        normalisation.std,
    )
    before = torch.random.get_rng_state()
    plain, fitted = (
        pretrained_network(found.network, dataset, torch.device("cpu"), fitted) for fitted in (False, True)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    library = name == SMALL
    published = downloaded_tensors(foreign_network(name)) if library else load_weights(SOURCES[name]).tensors
    other = [key for key, tensor in plain.state_dict().items() if not torch.equal(published[key], tensor)]
    assert len(other) == 2 and all(len(published[key]) == 1000 for key in other)  # the classifier alone
    assert accuracy(fitted, dataset) > max(0.6, accuracy(plain, dataset))


def test_it_is_fine_tuned_for_longer_and_without_a_teacher(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_weights(monkeypatch)
    recipe = FinalistRecipe(epochs=7, batch_size=8, distillation=0.5)
    asked = searching(session, 32, baselines=SMALL, finalist_recipe=recipe)
    asked.store.record("supernet trained", epochs=9.5)
    (found,) = baselines_of(asked)
    smallest = finalist(asked, asked.space.smallest, None)
    trainings = _Trainings(asked, None, [smallest, smallest, found])
    expected = recipe.model_copy(update={"epochs": 12, "distillation": 0.0, "learning_rate": 1e-3})
    assert trainings.recipe(found) == expected
    assert teacher_of(Supernet(asked.space, 0), found) is None
    assert teacher_of(Supernet(asked.space, 0), smallest) is not None


def test_names_are_checked_before_the_data_is_read() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown network 'timm:nosuchnet_100'"):
        edgenas.search("cpu", "50ms", "no-such-folder", baselines="timm:nosuchnet_100")


@pytest.mark.parametrize(
    ("baselines", "error", "message"),
    [
        (
            SMALL,
            InputError,
            rf"^the weights of {SMALL} cannot .* connect to the internet once, or leave {SMALL} out",
        ),
        ("timm:mobilenetv2_050", InputError, "^the weights of timm:mobilenetv2_050 cannot be downloaded"),
    ],
)
def test_weights_are_checked_before_there_is_a_run(
    baselines: str,
    error: type[Exception],
    message: str,
    image_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cut_off(monkeypatch)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        edgenas.search("cpu", "50ms", str(image_folder), baselines=baselines, run="photos")
    assert not Path("runs").exists()


def test_where_a_table_was_inferred_those_of_blocks_are_refused_before_the_data_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer_weights(monkeypatch)
    monkeypatch.setattr(module, "find_table", lambda _: ("table.json", SimpleNamespace(calibrations={})))
    message = (
        r"^--baselines needs measured blocks, but those in cpu's table were inferred from a few networks; "
        r"leave out --baselines, or profile without --samples$"
    )
    for baselines in (True, LITE):
        with pytest.raises(InputError, match=message):
            edgenas.search("cpu", "50ms", "no-such-folder", baselines=baselines)
    check_baselines(SearchSettings("cpu", "50ms", baselines=SMALL), find_device("cpu"))


@pytest.mark.parametrize("found", [None, ("table.json", SimpleNamespace(calibrations={"space": 1}))])
def test_a_device_model_or_a_measured_table_will_do(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    monkeypatch.setattr(module, "find_table", lambda _: found)
    check_baselines(SearchSettings("cpu", "50ms", baselines=True), find_device("cpu"))
