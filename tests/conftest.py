"""Fixtures that several rooms share: folders of the tests' own, a small image folder, a whole search made once."""

import itertools
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fixtures.plugins import add_package, see_packages
from hypothesis import settings
from PIL import Image

from edgenas.accuracy.training_recipe import FinalistRecipe, Recipe, SupernetRecipe
from edgenas.device import Datasheet, Device
from edgenas.latency.predictor import predictor_from_device
from edgenas.searchers.problem import Problem
from edgenas.settings.search import SearchSettings
from edgenas.space import Layout, MBConvSpace, Stage
from edgenas.storage.run_config import DataRecord, RunConfig
from edgenas.storage.search_result import Model

if TYPE_CHECKING:
    from edgenas.accuracy.dataset import Dataset
    from edgenas.space.modules import Network

__all__ = ["add_package", "see_packages"]

# Where cores are busy, threads that wait for each other make small trainings twenty times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("edgenas", deadline=None)
settings.load_profile("edgenas")

# What this process, fixtures of the session and child processes would keep for the user goes here, and goes with it.
# Set as this file is read: some libraries look at their variables as they are imported.
_USER = tempfile.TemporaryDirectory(prefix="edgenas-tests-", ignore_cleanup_errors=True)
HOME = Path(_USER.name, "home")
"""Nothing writes here: data and cache folders lie elsewhere, as variables say."""
HOME.mkdir()
os.environ["HOME"] = str(HOME)
for _variable, _name in {
    "XDG_DATA_HOME": "data",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_STATE_HOME": "state",
    "MPLCONFIGDIR": "matplotlib",  # made once for all child processes: a list of fonts takes seconds
    "TORCH_HOME": "torch",
    "HF_HOME": "huggingface",
    "CUDA_CACHE_PATH": "cuda",
}.items():
    os.environ[_variable] = str(Path(_USER.name, _name))
_numbers = itertools.count()

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 60), "blue": (50, 60, 210)}


def write_images(folder: Path, per_class: int, seed: int) -> None:
    """Write 16x16 PNG images of three colours under noise, `folder/<class>/<n>.png`."""
    rng = np.random.default_rng(seed)
    for name, colour in COLOURS.items():
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            pixels = rng.normal(colour, 40, (16, 16, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:02d}.png")


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three classes, 20 training and 8 test images each."""
    folder = tmp_path_factory.mktemp("images")
    write_images(folder / "train", 20, seed=0)
    write_images(folder / "test", 8, seed=1)
    return folder


@pytest.fixture(autouse=True)
def own_user_folders() -> Iterator[Path]:
    """Give each test, and processes it starts, data and cache folders of its own; its home stays empty.

    The folder of edgenas's data; nothing is there yet. It ends after `monkeypatch`, which may have changed `Path`.
    """
    folder = Path(_USER.name, "tests", str(next(_numbers)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(folder / "data"))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield folder / "data" / "edgenas"
    found = sorted(str(path) for path in HOME.rglob("*"))
    shutil.rmtree(folder, ignore_errors=True)
    for path in HOME.iterdir():  # the next test is not to blame
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert not found, "written into the user's home"


@pytest.fixture(autouse=True)
def _reseed_torch() -> None:
    """Seed torch's shared generator as pytest-randomly seeds `random` and numpy's: by its seed and the test's name."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(random.getrandbits(63))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say, though `-q` hides the header, how to get the same order again."""
    if (seed := config.getoption("randomly_seed", None)) is not None:
        terminalreporter.write_line(f"order and seeds: --randomly-seed={seed}")


def pytest_unconfigure() -> None:
    """Workers of pytest-xdist may end without cleaning up."""
    _USER.cleanup()


@pytest.fixture(scope="session", autouse=True)
def no_fragments() -> Iterator[None]:
    """Profiles leave out the timing of fragments, most of a minute each; tests of it draw a few."""
    from edgenas.fragments import drawing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "COUNT", 0)
        patch.setattr(drawing, "FURTHER", 0)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_power_meter() -> Iterator[None]:
    """Profiles of this machine measure no energies, a second for each block; tests of it bring meters of their own."""
    from edgenas.profiling import block_energies

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_energies, "find_meter", lambda gpu: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_other_programs() -> Iterator[None]:
    """Other tests run meanwhile."""
    from edgenas.timing import other_programs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(other_programs, "cores_in_use", lambda seconds: 0.0)
        yield


def quicken_timing(patch: pytest.MonkeyPatch) -> None:
    """Make three short rounds where a profile makes nine to twenty-five: enough to see how it is done."""
    from edgenas.board import bursts
    from edgenas.latency import calibration

    # Such rough times may say that more work takes less time, which calibration refuses.
    patch.setattr(calibration, "SLOPE_SD", 0.005)
    patch.setattr(bursts, "MIN_ROUNDS", 3)
    patch.setattr(bursts, "MAX_ROUNDS", 3)
    patch.setattr(bursts, "BURST_MS", 0.2)
    patch.setattr(bursts, "PAUSE_S", 0.01)


@pytest.fixture
def quick_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing takes three short rounds."""
    quicken_timing(monkeypatch)


@pytest.fixture(scope="session", name="quicken_timing")
def _quicken_timing() -> Callable[[pytest.MonkeyPatch], None]:
    """`quicken_timing(patch)`, for fixtures that are made once."""
    return quicken_timing


@pytest.fixture(scope="session")
def finished_run(image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with one complete run, `done`, for a Raspberry Pi 5; do not change it."""
    from edgenas import search

    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        search("pi5", "20ms", str(image_folder), evaluations=8, finalists=2, run="done")
    return folder


def hurry(patch: pytest.MonkeyPatch, epochs: int = 2) -> None:
    """Train supernet, finalists and baselines for a few epochs only."""
    from edgenas.accuracy.augmentation import Augmentation
    from edgenas.pipeline import configuration

    def default(images: int, augmentation: Augmentation) -> tuple[SupernetRecipe, FinalistRecipe]:
        fields = {"epochs": epochs, "batch_size": 8, "augmentation": augmentation}
        return SupernetRecipe.model_validate(fields), FinalistRecipe.model_validate(fields)

    def fine_tuning(
        images: int, augmentation: Augmentation, largest_first: bool
    ) -> tuple[SupernetRecipe, FinalistRecipe]:
        supernet, finalist = default(images, augmentation)
        largest = Recipe(epochs=epochs, batch_size=8, augmentation=augmentation) if largest_first else None
        return (
            supernet.model_copy(update={"largest_first": largest}),
            finalist.model_copy(update={"refits_classifier": True}),
        )

    patch.setattr(configuration, "default_recipes", default)
    patch.setattr(configuration, "fine_tuning_recipes", fine_tuning)


@pytest.fixture(scope="session", name="hurry")
def _hurry() -> Callable[[pytest.MonkeyPatch, int], None]:
    """`hurry(monkeypatch, epochs)`: searches in this process train for so many epochs."""
    return hurry


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search in this process trains for two epochs."""
    hurry(monkeypatch)


@pytest.fixture(scope="session")
def imbalanced_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three classes, 30, 15 and 5 training and 8 test images."""
    folder = tmp_path_factory.mktemp("imbalanced")
    write_images(folder / "train", 30, seed=0)
    write_images(folder / "test", 8, seed=1)
    for name, kept in (("green", 15), ("blue", 5)):
        for path in sorted((folder / "train" / name).iterdir())[kept:]:
            path.unlink()
    return folder


@pytest.fixture(scope="session")
def compared_arguments() -> dict[str, Any]:
    """What the run `compared` was asked, beside device, limit and data."""
    return {
        "metric": "macro-f1",
        "baselines": True,
        "evaluations": 6,
        "finalists": 2,
        "resolution": 32,
        "run": "compared",
    }


@pytest.fixture(scope="session")
def compared_run(
    imbalanced_folder: Path, compared_arguments: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A working folder with one complete run, `compared`, by macro F1 and with baselines; do not change it."""
    from edgenas import search

    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        hurry(patch)
        search("pi5", "3ms", str(imbalanced_folder), **compared_arguments)
    return folder


@pytest.fixture
def in_compared_run(
    compared_run: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Stand in a working folder with a copy of the run `compared`, to change freely."""
    folder = tmp_path_factory.mktemp("copy") / "compared"
    shutil.copytree(compared_run, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def in_finished_run(
    finished_run: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Stand in a working folder with a copy of the run `done`, to change freely."""
    folder = tmp_path_factory.mktemp("copy") / "finished"
    shutil.copytree(finished_run, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def board() -> Device:
    """A device that is nowhere, with round figures."""
    return Device(
        schema="edgenas.device/1",
        name="board",
        description="made up",
        runtime="onnxruntime",
        provider="CPUExecutionProvider",
        precision="fp32",
        threads=1,
        power_mode="default",
        reach="none",
        datasheet=Datasheet(peak_gflops=1, memory_bandwidth_gb_s=1, memory_bytes=2**30, kernel_launch_us=10),
        sources=("made up",),
    )


@pytest.fixture(scope="session")
def tiny_space() -> MBConvSpace:
    """400 networks on 8x8 images of three classes, the second stage with squeeze-excite and hswish."""
    stages = (
        Stage(channels=8, depth=2, stride=1),
        Stage(channels=16, depth=2, stride=2, squeeze_excite=4, activation="hswish"),
    )
    return MBConvSpace(
        Layout(
            resolution=8,
            classes=3,
            stem_channels=8,
            stem_stride=1,
            stages=stages,
            head_channels=16,
            kernels=(3, 5),
            expansions=(2, 3),
        )
    )


@pytest.fixture(scope="session")
def make_problem(tiny_space: MBConvSpace, board: Device) -> Callable[[float], Problem]:
    """`make_problem(share)`: the limit lies at that share of the way from the fastest to the slowest network."""

    def make(share: float) -> Problem:
        predictor = predictor_from_device(tiny_space, board)
        ends = [predictor.predict(end).predicted for end in (predictor.fastest(), predictor.slowest())]
        return Problem(tiny_space, predictor, ends[0] + share * (ends[1] - ends[0]))

    return make


@pytest.fixture(scope="session")
def tiny_dataset() -> "Dataset":
    """Three easily separable classes of 8x8 images: 58 to train on, 14 to validate, 18 to test."""
    from edgenas.accuracy.dataset import dataset_from_arrays

    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 30)
    colours = np.array(list(COLOURS.values()))[labels][:, None, None]
    images = rng.normal(colours, 30, (90, 8, 8, 3)).clip(0, 255).astype(np.uint8)
    return dataset_from_arrays("colours", list(COLOURS), (images, labels), None, flip=True)


@pytest.fixture(scope="session")
def trained_like(tiny_space: MBConvSpace) -> Callable[[int], "Network"]:
    """`trained_like(seed)`: a random network in evaluation mode, batch norms as after a training."""
    import torch

    def make(seed: int) -> "Network":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = tiny_space.build(tiny_space.sample(np.random.default_rng(seed)))
            for module in network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    for tensor in (module.running_var, module.weight.data):
                        torch.nn.init.uniform_(tensor, 0.5, 1.5)
                    for tensor in (module.running_mean, module.bias.data):
                        torch.nn.init.normal_(tensor, std=0.3)
                elif isinstance(module, torch.nn.Linear):
                    torch.nn.init.normal_(module.weight, std=0.5)
        return network.eval()

    return make


@pytest.fixture(scope="session")
def run_config(board: Device, tiny_space: MBConvSpace) -> RunConfig:
    """A configuration; variants by `model_copy(update=...)`."""
    return RunConfig(
        device=board,
        table_checksum=None,
        space=tiny_space.config(),
        settings=SearchSettings("board", "20ms", flip=False, searcher="nsga2", evaluations=40, finalists=3),
        data=DataRecord(fingerprint="ab12"),
        supernet_recipe=SupernetRecipe(epochs=2),
        finalist_recipe=FinalistRecipe(epochs=3),
    )


@pytest.fixture(scope="session")
def front_model() -> Callable[..., Model]:
    """`front_model(**changes)`: a trained and exported model of a front."""

    def make(**changes: Any) -> Model:
        fields: dict[str, Any] = {
            "id": "00000000ab",
            "architecture": {"schema": "edgenas.architecture/1", "space": {}, "choices": ["k3e3", "skip"]},
            "accuracy": {"value": 0.91, "kind": "validation"},
            "accuracies": {"supernet": 0.7, "validation": 0.91, "test": 0.9},
            "latency_ms": {"predicted": 1.25, "low": 0.625, "high": 2.5},
            "provenance": "estimated",
            "params": 12_000,
            "macs": 1_200_000,
            "max_abs_error": 2.1e-6,
        }
        return Model.model_validate({**fields, **changes})

    return make
