"""Contenders: trained once, exported, verified, measured once; what fails is noted."""

import hashlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.pipeline import train_final_model
from safetensors.torch import load_file
from torch import Tensor

from edgenas.accuracy.augmentation import augmentation_from_text
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.dataset_sources import resized_dataset
from edgenas.accuracy.linear_probe import classifier_of, fit_classifier
from edgenas.accuracy.network_predictions import predictions
from edgenas.accuracy.standalone import fresh_network
from edgenas.accuracy.training import Losses
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.errors import DeviceError, FileFormatError, OutOfMemoryError, VerificationError
from edgenas.exporting.final_network import OfSpace
from edgenas.pipeline import final_measuring as measuring
from edgenas.pipeline import final_model as module
from edgenas.pipeline.deploying import deployed
from edgenas.pipeline.final_measuring import measure_final_models
from edgenas.pipeline.final_model import (
    FinalModel,
    load_network,
    onnx_path,
    weights_of,
    write_weights,
)
from edgenas.pipeline.session import Session
from edgenas.space.modules import Network
from edgenas.storage.run_store import RunStore

RECIPE = FinalistRecipe(epochs=1, batch_size=8)


def network_of(final_model: FinalModel) -> Network:
    return fresh_network(final_model.space, final_model.architecture, 0, torch.device("cpu"))


@pytest.fixture
def trained(session: Session, final_models: list[FinalModel]) -> FinalModel:
    return train_final_model(
        session, final_models[0], lambda: network_of(final_models[0]), RECIPE, "finalist 1/1"
    )


def test_a_trained_contender_keeps_weights_and_is_not_trained_again(
    session: Session, final_models: list[FinalModel], trained: FinalModel
) -> None:
    assert trained.trained is not None
    assert session.folder.weights(trained.id).is_file()
    assert not session.folder.training(trained.id).exists()
    other = network_of(trained)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert train_final_model(session, final_models[0], lambda: other, RECIPE, "again") == trained
    assert all((parameter == 0).all() for parameter in other.parameters())


def test_every_metric_is_known_of_both_splits(session: Session, trained: FinalModel) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    assert trained.trained is not None
    labels = session.dataset.validation.labels.numpy()
    predicted = np.array(trained.trained.predicted)
    found = trained.trained.validation
    assert found.keys() == trained.trained.test.keys() == {
        "top-1", "macro-f1", "macro-precision", "macro-recall"
    }  # fmt: skip
    assert found["top-1"] == pytest.approx(accuracy_score(labels, predicted))
    expected = f1_score(labels, predicted, labels=np.unique(labels), average="macro", zero_division=0)
    assert found["macro-f1"] == pytest.approx(expected)


def test_trainings_of_different_final_models_draw_differently(
    session: Session, final_models: list[FinalModel], trained: FinalModel
) -> None:
    namesake = replace(final_models[0], id="mobilenet-v2", name="MobileNetV2 x1")
    train_final_model(session, namesake, lambda: network_of(namesake), RECIPE, "baseline")
    one, other = (load_file(session.folder.weights(each.id)) for each in (trained, namesake))
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("augmentation", "size"), [("resized-crop", 16), ("crop", 8)])
def test_a_smaller_network_is_trained_on_parts_of_the_largest_images(
    augmentation: str,
    size: int,
    session: Session,
    final_models: list[FinalModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = session.space.at(session.dataset.resolution).resized(8)
    small = replace(final_models[0], network=OfSpace(space, space.smallest))
    smaller = resized_dataset(session.dataset, 8)
    recipe = RECIPE.model_copy(update={"augmentation": augmentation_from_text(augmentation)})
    config = session.config.model_copy(update={"finalist_recipe": recipe})
    session = replace(session, config=config, load_dataset_at=lambda _: smaller)
    seen = set()

    def spy(network: Network, losses: Losses, dataset: Dataset, *_: Any) -> None:
        seen.add(dataset.resolution)
        images = dataset.normalise(dataset.train.images[:4])
        (loss,) = losses(images, dataset.train.labels[:4], np.random.default_rng(0), 0.0)
        assert loss.isfinite()

    monkeypatch.setattr(module, "train", spy)
    network = network_of(small)
    network.register_forward_pre_hook(lambda _, inputs: seen.add(("network", inputs[0].shape[-1])))
    train_final_model(session, small, lambda: network, recipe, "finalist 1/1")
    assert seen == {size, ("network", 8)}


@pytest.fixture
def fitted(session: Session, final_models: list[FinalModel], trained: FinalModel) -> dict[str, Tensor]:
    """Weights of the classifier after training, and of one fitted to the features that training left."""
    network = load_network(session.folder, trained.network.build(), trained.id, trained.weights_sha256)
    before = classifier_of(network).weight.detach().clone()
    fit_classifier(network, session.dataset)
    return {"trained": before, "fitted": classifier_of(network).weight.detach()}


def test_a_classifier_is_fitted_again_after_training(
    session: Session, trained: FinalModel, fitted: dict[str, Tensor], tmp_path: Path
) -> None:
    recipe, network = RECIPE.model_copy(update={"refits_classifier": True}), network_of(trained)
    with closing(RunStore(tmp_path / "other.sqlite")) as store:
        train_final_model(replace(session, store=store), trained, lambda: network, recipe, "finalist 1/1")
    expected = fitted["trained"].lerp(fitted["fitted"], 0.5)
    torch.testing.assert_close(classifier_of(network).weight.detach(), expected, atol=1e-5, rtol=1e-4)


def test_nothing_but_a_classifier_is_trained(session: Session, final_models: list[FinalModel]) -> None:
    recipe, network = RECIPE.model_copy(update={"classifier_only": True}), network_of(final_models[0])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    train_final_model(session, final_models[0], lambda: network, recipe, "finalist 1/1")
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert len(changed) == 2 and all(len(before[name]) == 3 for name in changed)


def test_a_diverging_contender_is_noted_and_not_exported(
    session: Session, final_models: list[FinalModel]
) -> None:
    network = network_of(final_models[0])
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    failed = train_final_model(session, final_models[0], lambda: network, RECIPE, "finalist 1/2")
    assert failed.note == "training failed: finalist 1/2: the loss is nan in epoch 1"
    assert failed.trained is None
    assert not session.folder.weights(failed.id).exists()
    assert deployed(session, failed) is failed
    assert (
        train_final_model(session, final_models[0], lambda: network_of(final_models[0]), RECIPE, "again")
        == failed
    )


def test_a_contender_too_large_for_memory_is_noted(
    session: Session, final_models: list[FinalModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutOfMemoryError("finalist 1/2: ran out of memory", "free memory")

    with monkeypatch.context() as patch:
        patch.setattr(module, "train", full)
        failed = train_final_model(
            session, final_models[0], lambda: network_of(final_models[0]), RECIPE, "finalist 1/2"
        )
    assert failed.note == "training failed: finalist 1/2: ran out of memory"
    other = train_final_model(
        session, final_models[1], lambda: network_of(final_models[1]), RECIPE, "finalist 2/2"
    )
    assert other.trained is not None and not other.note


def test_an_exported_contender_is_verified_and_measured_once(
    session: Session, trained: FinalModel, quick_timing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "HERE_S", 0.2)
    exported = deployed(session, trained)
    assert exported.exported is not None
    assert exported.exported.path == onnx_path(session.folder, trained.id)
    assert exported.exported.max_abs_error <= 1e-4
    first = measure_final_models(session, [exported])
    assert first[0].measured_ms is not None and first[0].measured_ms > 0
    monkeypatch.setattr(measuring, "_measured", lambda *_: pytest.fail("measured again"))
    assert measure_final_models(session, [exported]) == first


def test_a_model_that_fails_verification_is_noted(
    session: Session, trained: FinalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise VerificationError("x.onnx differs")

    monkeypatch.setattr("edgenas.exporting.final_network.verified_onnx", refuse)
    refused = deployed(session, trained)
    assert refused.exported is None
    assert refused.note == "x.onnx differs"
    assert measure_final_models(session, [refused]) == [refused]


def test_devices_out_of_reach_are_not_measured(session: Session, trained: FinalModel) -> None:
    exported = deployed(session, trained)
    device = session.config.device.model_copy(update={"reach": "none"})
    elsewhere = replace(session, config=session.config.model_copy(update={"device": device}))
    assert measure_final_models(elsewhere, [exported]) == [exported]
    assert session.store.last_event("measured") is None


def test_a_missing_runtime_is_noted_beside_other_notes_and_the_models_stay(
    session: Session, trained: FinalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise DeviceError("no provider")

    monkeypatch.setattr(measuring, "runtime_for", refuse)
    session.note("MobileNetV2 is left out")
    exported = deployed(session, trained)
    for _ in range(2):
        assert measure_final_models(session, [exported]) == [exported]
    assert [event["text"] for event in session.store.events("note")] == [
        "MobileNetV2 is left out",
        "latency was not measured: no provider",
    ]


def test_loaded_weights_are_the_trained_ones(session: Session, trained: FinalModel) -> None:
    build = trained.space.build(trained.architecture)
    network = load_network(session.folder, build, trained.id, trained.weights_sha256)
    assert not network.training
    assert trained.trained is not None
    found = predictions(network, session.dataset, session.dataset.validation)
    assert tuple(found.tolist()) == trained.trained.predicted


def test_weights_of_another_network_are_refused(
    session: Session, final_models: list[FinalModel], trained: FinalModel
) -> None:
    other = final_models[1].network.build()
    told = rf"holds no weights of {trained.id} .*restore the file, or search"
    with pytest.raises(FileFormatError, match=told):
        load_network(session.folder, other, trained.id, trained.weights_sha256)


def test_other_weights_of_the_same_network_are_refused(session: Session, trained: FinalModel) -> None:
    """As a file of them has the same names and shapes, only its SHA-256 tells."""
    path, build = session.folder.weights(trained.id), trained.space.build(trained.architecture)
    write_weights(path, weights_of(trained.space.build(trained.architecture)))
    told = rf"{trained.id}\.safetensors: does not hold the weights that {trained.id} was trained to \(its SHA-256"
    with pytest.raises(FileFormatError, match=told):
        load_network(session.folder, build, trained.id, trained.weights_sha256)
    assert load_network(session.folder, build, trained.id, None) is build


def test_what_cannot_be_weights_is_not_read(session: Session, trained: FinalModel) -> None:
    path = session.folder.weights(trained.id)
    with path.open("r+b") as file:
        file.truncate(2**40)
    with pytest.raises(FileFormatError, match=r"is larger than .*; restore the file, or search again$"):
        load_network(session.folder, trained.network.build(), trained.id, None)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(FileFormatError, match=r"\(it is no file\); restore the file, or search again$"):
        load_network(session.folder, trained.network.build(), trained.id, None)


def test_the_sha_256_of_weights_is_that_of_their_file_and_kept(
    session: Session, trained: FinalModel, final_models: list[FinalModel]
) -> None:
    content = session.folder.weights(trained.id).read_bytes()
    assert trained.weights_sha256 == hashlib.sha256(content).hexdigest()
    again = train_final_model(session, final_models[0], lambda: pytest.fail("trained twice"), RECIPE, "x")
    assert again.weights_sha256 == trained.weights_sha256


def test_stored_predictions_of_other_images_are_told(
    session: Session, final_models: list[FinalModel]
) -> None:
    known = {"validation": {"top-1": 1.0}, "test": {"top-1": 1.0}, "predicted": [0, 1]}
    session.store.record("trained", id=final_models[0].id, note="", **known)
    with pytest.raises(
        FileFormatError, match=r"run\.sqlite: is damaged \(2 predictions of \d+ validation images\)"
    ):
        train_final_model(session, final_models[0], lambda: network_of(final_models[0]), RECIPE, "x")
