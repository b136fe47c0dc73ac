"""Networks of timm and torchvision: found by name, built for other classes, with the published body."""

import builtins
import errno
import logging
import socket
from typing import Any

import pytest
import torch
from fixtures.weights import cut_off, library_network, offer_weights

from edgenas.errors import InputError, UnknownNameError, UnwritableError
from edgenas.pretrained import foreign_networks as module
from edgenas.pretrained.foreign_networks import downloaded_tensors, foreign_network

NAMES = ("timm:mobilenetv3_small_050", "torchvision:mobilenet_v3_small", "torchvision:squeezenet1_1")


@pytest.mark.parametrize("name", NAMES)
def test_all_but_the_classifier_is_the_published_network(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer_weights(monkeypatch)
    network, published = foreign_network(name), library_network(name).eval()
    tensors = downloaded_tensors(network)
    published.load_state_dict(tensors)
    made = network.build(5).eval()
    network.load(made, 5, tensors)
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert made(images).shape == (2, 5)
    differing = {key for key, tensor in made.state_dict().items() if tensor.shape != tensors[key].shape}
    assert differing == {key for key in tensors if not torch.equal(made.state_dict()[key], tensors[key])}
    assert len(differing) == 2


@pytest.mark.parametrize(("name", "width"), list(zip(NAMES, (1024, 1024, None), strict=True)))
def test_the_classifier_is_found_where_it_is_one_linear_layer(name: str, width: int | None) -> None:
    network = foreign_network(name)
    found = network.classifier(network.build(7), 7)
    assert (found and (found.in_features, found.out_features)) == (width and (width, 7))


def test_a_data_set_of_as_many_classes_as_imagenet_has_its_own_classifier(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer_weights(monkeypatch)
    network = foreign_network("torchvision:mobilenet_v3_small")
    made = network.build(1000)
    tensors = downloaded_tensors(network)
    network.load(made, 1000, tensors)
    assert torch.equal(made.state_dict()["features.0.0.weight"], tensors["features.0.0.weight"])
    assert not torch.equal(made.state_dict()["classifier.3.weight"], tensors["classifier.3.weight"])


def test_normalisation_licence_and_origin_are_what_the_library_states() -> None:
    timm = foreign_network("timm:mobilenetv3_small_100.lamb_in1k")
    assert timm.mean == (0.485, 0.456, 0.406) and timm.std == (0.229, 0.224, 0.225)
    assert timm.origin.licence == "apache-2.0"
    assert timm.origin.origin == "https://huggingface.co/timm/mobilenetv3_small_100.lamb_in1k"
    assert foreign_network("timm:mobilenetv3_small_075").origin.name == "timm:mobilenetv3_small_075"
    vision = foreign_network("torchvision:mobilenet_v3_small")
    assert (vision.mean, vision.std) == (timm.mean, timm.std)
    assert vision.origin.licence == "BSD-3-Clause" and "states none for the weights" in vision.origin.note
    assert vision.origin.origin.startswith("https://download.pytorch.org/models/mobilenet_v3_small-")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "timm:mobilenetv3_smal_100",
            r"^unknown network 'timm:mobilenetv3_smal_100'; did you mean 'timm:mobilenetv3_small_100'\? known: see "
            r"timm.list_models\(\)$",
        ),
        (
            "torchvision:mobilenet_v3_smal",
            r"^unknown network .*; did you mean 'torchvision:mobilenet_v3_small'\? known: see torchvision.models",
        ),
        ("keras:x", r"^unknown library 'keras'; known: timm, torchvision$"),
    ],
)
def test_an_unknown_name_has_its_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        foreign_network(name)


def test_a_network_without_weights_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("timm.models.is_model_pretrained", lambda _: False)
    with pytest.raises(
        InputError, match=r"^timm has no weights of mobilenetv3_small_075; choose one of timm"
    ):
        foreign_network("timm:mobilenetv3_small_075")


def test_without_timm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "timm":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    message = r"^networks of timm need timm, which is not installed; pip install 'edgenas\[pretrained\]'$"
    with pytest.raises(InputError, match=message):
        foreign_network("timm:mobilenetv3_small_100")


def test_a_full_disk_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/cache/weights")

    monkeypatch.setattr(module, "_library_tensors", fail)
    with pytest.raises(
        UnwritableError, match=r"^/cache/weights: cannot be written \(No space left on device\); free"
    ):
        downloaded_tensors(foreign_network(NAMES[0]))


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_downloaded_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(monkeypatch)
    message = rf"^the weights of {name} cannot be downloaded \(no network\); connect to the internet once$"
    with pytest.raises(InputError, match=message):
        downloaded_tensors(foreign_network(name))


def test_an_unknown_host_is_found_out_at_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(module.urllib.request, "getproxies", dict)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with caplog.at_level(logging.WARNING), pytest.raises(InputError, match="Name or service not known"):
        downloaded_tensors(foreign_network("timm:mobilenetv3_small_075"))
    assert not caplog.records and capsys.readouterr() == ("", "")


def test_weights_of_another_network_are_refused() -> None:
    network = foreign_network("torchvision:mobilenet_v3_small")
    made = network.build(3)
    before = made.state_dict()["features.0.0.weight"].clone()
    with pytest.raises(
        InputError, match=r"the weights of torchvision:mobilenet_v3_small do not fit its network"
    ):
        network.load(made, 3, library_network("torchvision:mobilenet_v3_large").state_dict())
    assert torch.equal(made.state_dict()["features.0.0.weight"], before)
