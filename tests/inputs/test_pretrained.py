"""Which weights a search begins from, and that it does."""

import json
import re
import socket
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from safetensors.torch import load_file, save_file

import edgenas
from edgenas.api.search import search
from edgenas.errors import FileFormatError, InputError, UnknownNameError
from edgenas.inputs.pretrained import pretrained_for
from edgenas.inputs.spaces import space_for_images
from edgenas.pretrained.sources import source_from_name
from edgenas.settings.search import SearchSettings
from edgenas.space import MBConvSpace, mbconv

LITE0 = "efficientnet-lite0"


def settings(**changes: Any) -> SearchSettings:
    return SearchSettings("pi5", "20ms", **changes)


@pytest.mark.parametrize(("size", "name"), [(32, None), (95, None), (96, LITE0), (224, LITE0)])
def test_auto_takes_efficientnet_for_images_that_are_large_enough(size: int, name: str | None) -> None:
    found = pretrained_for(settings(), size)
    assert (found and found.name) == name
    assert pretrained_for(settings(pretrained="none"), size) is None


@pytest.mark.parametrize(
    "described",
    [
        {"width": 0.5},
        {"squeeze_excite": True},
        {"activation": "relu"},
        {"space": "nasbench-macro"},
        {"space": mbconv(96, 3)},
    ],
)
def test_a_network_of_ones_own_begins_from_noise_or_is_refused(described: dict[str, Any]) -> None:
    assert pretrained_for(settings(**described), 96) is None
    option = re.escape(f"--{next(iter(described)).replace('_', '-')}")
    with pytest.raises(
        InputError,
        match=rf"^--pretrained {LITE0}: a pretrained network comes without {option}.*; leave {option}",
    ):
        pretrained_for(settings(pretrained=LITE0, **described), 96)


@pytest.mark.parametrize(("name", "other"), [(LITE0, "none"), ("efficientnet-lite1", LITE0)])
def test_weights_that_cannot_be_had_name_what_else_to_give(
    name: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(package: str) -> None:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("edgenas.pretrained.files.distribution", missing)
    found = pretrained_for(settings(pretrained=name), 96)
    assert found is not None
    with pytest.raises(InputError, match=rf"; pip install .*, or use --pretrained {other}$"):
        found.read()


def test_the_space_is_that_around_the_network() -> None:
    space = space_for_images(settings(), (96, 128), 5)
    assert (space.resolutions, space.classes) == ((96, 128), 5)
    inner = space.at(128)
    assert isinstance(inner, MBConvSpace)
    blocks = source_from_name(LITE0).blocks
    assert [block.key.rpartition("/")[0] for block in inner.blocks(inner.largest)[:-1]] == [
        block.key.rpartition("/")[0] for block in blocks[:-1]
    ]


def test_images_too_small_are_refused() -> None:
    with pytest.raises(
        InputError,
        match=rf"^--pretrained {LITE0}: images of 16 px are too small for its network; give --resol",
    ):
        pretrained_for(settings(pretrained=LITE0), 16)


def test_an_unknown_name_lists_sources_and_runs(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished_run)
    message = "unknown pretrained weights 'dome'; did you mean 'done'. known: auto, none, .*; runs: .*done"
    with pytest.raises(UnknownNameError, match=message):
        pretrained_for(settings(pretrained="dome"), 96)


@pytest.mark.parametrize("name", ["own.pth", "sub/own.pt", "weights"])
def test_a_file_of_another_kind_is_told_how_to_save_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("weights").touch()
    message = f"^{name}: is not a .safetensors file; save the weights with safetensors.torch.save_file"
    with pytest.raises(FileFormatError, match=message):
        pretrained_for(settings(pretrained=name), 96)


def test_a_file_without_its_description_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "own.safetensors")
    with pytest.raises(FileFormatError, match=r"own.json: is missing: it says which network own.safetensors"):
        pretrained_for(settings(pretrained=str(tmp_path / "own.safetensors")), 96)


def test_an_earlier_run_gives_the_weights_of_its_supernet(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished_run)
    found = pretrained_for(settings(pretrained="done"), 32)
    assert found is not None
    space = found.space(48, 7)
    assert (space.input_shape, space.classes) == ((3, 48, 48), 7)
    weights = found.read()
    assert weights.elastic
    checkpoint = load_file("runs/done/supernet.safetensors")
    for name, tensor in weights.tensors.items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, checkpoint[f"model.places.{name}"])
    assert weights.record.name == "done"


@pytest.mark.parametrize("damage", ["missing", "cut", "foreign"])
def test_an_unusable_supernet_is_refused(
    damage: str, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "runs" / "done"
    run.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    (run / "run.json").write_bytes((finished_run / "runs/done/run.json").read_bytes())
    content = (finished_run / "runs/done/supernet.safetensors").read_bytes()
    if damage == "missing":
        with pytest.raises(
            InputError, match=r"^--pretrained done: that run has no supernet; name another run"
        ):
            pretrained_for(settings(pretrained="done"), 32)
        return
    if damage == "cut":
        (run / "supernet.safetensors").write_bytes(content[: len(content) // 2])
    if damage == "foreign":
        save_file({"model.places.0.weight": torch.zeros(3)}, run / "supernet.safetensors")
    found = pretrained_for(settings(pretrained="done"), 32)
    assert found is not None
    with pytest.raises(FileFormatError, match=r"^runs/done/supernet.safetensors: "):
        found.read()


def test_a_search_begins_from_pretrained_weights(
    image_folder: Path, tmp_path: Path, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a network. Its images are normalised as in the pretraining; results and cards say what it began from."""

    def refuse(*arguments: object) -> NoReturn:
        raise AssertionError(f"asks for the network: {arguments}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    run = search(
        "pi5", "20ms", image_folder, resolution=32, pretrained=LITE0, evaluations=4, finalists=1, run="fine"
    )
    assert run.pretrained is not None
    assert (run.pretrained.name, run.pretrained.licence) == (LITE0, "Apache-2.0")
    assert any(f"--pretrained {LITE0}" in note for note in run.notes)
    stored = json.loads((tmp_path / "runs/fine/run.json").read_text())["config"]
    assert stored["pretrained"]["sha256"] == run.pretrained.sha256
    assert stored["settings"]["pretrained"] == LITE0
    assert stored["settings"]["activation"] is None
    card = json.loads(next((tmp_path / "exports/fine").glob("*.json")).read_text())
    assert card["preprocessing"]["mean"] == [127 / 255] * 3
    assert card["pretrained"]["sha256"] == run.pretrained.sha256
    text = next((tmp_path / "exports/fine").glob("*.md")).read_text()
    assert "efficientnet-lite0" in text and "Apache-2.0" in text
    assert run.front[0].accuracy.value > 0.6
    other = search(
        "pi5", "20ms", image_folder, resolution=32, pretrained="fine", evaluations=3, finalists=1, run="twice"
    )
    assert other.pretrained is not None and other.pretrained.name == "fine"
    assert other.pretrained.licence == "Apache-2.0"


def test_an_interrupted_start_goes_on_and_ends_the_same(
    image_folder: Path, tmp_path: Path, interrupt: Any, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: dict[str, Any] = {
        "resolution": 32, "pretrained": LITE0, "evaluations": 3, "finalists": 1, "run": "fine",
    }  # fmt: skip
    found = []
    for folder, phases in {
        "whole": (),
        "cut": ("fitting pretrained weights", "largest network", "supernet"),
    }.items():
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        for phase in phases:
            cut = search("pi5", "20ms", image_folder, progress=interrupt(phase, 1), **arguments)
            assert cut.status == "interrupted"
        whole = search("pi5", "20ms", image_folder, **arguments)
        found.append([(model.id, model.accuracies) for model in whole.front])
    assert found[0] == found[1]


@pytest.mark.parametrize("evaluator", ["trained"])
def test_candidates_trained_on_their_own_begin_from_parts_of_the_network(
    evaluator: str, image_folder: Path, tmp_path: Path, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = search(
        "pi5", "20ms", image_folder, resolution=32, pretrained=LITE0, evaluator=evaluator, evaluations=2,
        finalists=1, run="alone",
    )  # fmt: skip
    assert run.pretrained is not None
    assert not (tmp_path / "runs/alone/supernet.safetensors").exists()
    assert run.front[0].accuracy.value > 0.6


def test_a_linear_probe_trains_classifiers_alone(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the search saw of a candidate is what the deployed file has."""
    monkeypatch.chdir(tmp_path)
    run = search(
        "pi5", "20ms", image_folder, resolution="32,48", pretrained=LITE0, tune="classifier", evaluations=4,
        finalists=2, run="probe",
    )  # fmt: skip
    assert not (tmp_path / "runs/probe/supernet.safetensors").exists()
    assert all(model.accuracy.value > 0.6 for model in run.front)
    source = run.front[0].load()
    assert len(run.front[0].predict([next((image_folder / "test").rglob("*.png"))])) == 1
    assert not source.training


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"resolution": 16},
            r"^--tune classifier needs pretrained weights, but images of 16 px begin from random",
        ),
        ({"pretrained": "none"}, r"^--tune classifier leaves nothing for --pretrained none to train"),
        ({"searcher": "proxyless"}, r"^--tune classifier leaves nothing for --searcher proxyless to train"),
    ],
)
def test_a_linear_probe_needs_pretrained_weights(
    given: dict[str, Any], message: str, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        search("pi5", "20ms", image_folder, tune="classifier", run="probe", **given)


def test_a_run_of_several_sizes_gives_its_weights_and_its_files_export_as_they_were(
    image_folder: Path, tmp_path: Path, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exporting again normalises images as the pretraining did."""
    monkeypatch.chdir(tmp_path)
    search(
        "pi5", "20ms", image_folder, resolution="32,48", pretrained=LITE0, evaluations=3, finalists=1, run="sizes"
    )  # fmt: skip
    found = pretrained_for(settings(pretrained="sizes"), 32)
    assert found is not None and found.read().elastic
    card = next((tmp_path / "exports/sizes").glob("*.json"))
    before = json.loads(card.read_text())
    (exported,) = edgenas.export("sizes").models
    assert json.loads(card.read_text())["preprocessing"] == before["preprocessing"]
    assert exported.accuracy_before == before["model"]["accuracies"]["validation"]


@pytest.mark.parametrize("name", ["augment", "sampling"])
def test_a_linear_probe_takes_no_settings_of_training(name: str) -> None:
    value = {"augment": "crop", "sampling": "fair"}[name]
    with pytest.raises(
        InputError, match=f"^--{name} has no effect with --tune classifier; leave out one of them"
    ):
        settings(tune="classifier", **{name: value})


def test_small_images_of_a_small_network_are_not_too_small(
    finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's network halves its images fewer times than those of ImageNet do."""
    monkeypatch.chdir(finished_run)
    found = pretrained_for(settings(pretrained="done"), 16)
    assert found is not None and found.least == 8
