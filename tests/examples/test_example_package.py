"""The package of `examples/`, installed as a user would: its own tests pass, and a search uses all it brings."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from fixtures.plugins import AddPackage

import edgenas
from edgenas.cli.main import run as run_command
from edgenas.device import find_device, runtime_for
from edgenas.errors import DeviceError, InputError, UnknownNameError
from edgenas.plugins import GROUPS

if TYPE_CHECKING:
    from edgenas.accuracy.dataset import Dataset

pytest.importorskip("hatchling", reason="the example's build backend is not installed")

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"space": "chain", "evaluator": "random-features", "searcher": "annealing", "device": "reference-cpu"}
SMALL: dict[str, Any] = {"max_latency": "10s", "evaluations": 5, "finalists": 2}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package's source, as an author has it."""
    return Path(shutil.copytree(ROOT / "examples", tmp_path_factory.mktemp("example") / "source"))


@pytest.fixture(scope="module")
def site(source: Path) -> Path:
    """The folder it is installed into."""
    folder = source.parent / "site-packages"
    flags = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    _python(["-m", "pip", "install", "--quiet", *flags, "--target", str(folder), str(source)], source.parent)
    return folder


@pytest.fixture
def installed(
    site: Path, see_packages: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The package can be imported, in an empty working folder."""
    see_packages(site)
    monkeypatch.chdir(tmp_path)
    return site


@pytest.fixture(scope="module")
def done(site: Path, image_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with the run `done` of a search with all its parts, from the command line."""
    folder = tmp_path_factory.mktemp("done")
    options = {"max-latency": "10s", "data": str(image_folder), "evaluations": "5", "finalists": "1"}
    options |= {**NAMES, "time-budget": "5s", "run": "done"}
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    answer = _python(["-m", "edgenas", "search", *arguments, "--json"], folder, site)
    (folder / "answer.json").write_text(answer)
    return folder


def _python(arguments: list[str], folder: Path, *paths: Path) -> str:
    path = os.pathsep.join(map(str, (*paths, ROOT)))
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "HOME": str(folder)},  # pip asks rustc, which writes there
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def _kinds(run: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(run / "run.sqlite") as connection:
        rows = connection.execute("SELECT kind, count(*) FROM evaluations GROUP BY kind").fetchall()
    return [(str(kind), int(count)) for kind, count in rows]


def test_it_brings_a_part_of_every_kind() -> None:
    project = tomllib.loads((ROOT / "examples/pyproject.toml").read_text())["project"]
    assert {*project["entry-points"]} == {*GROUPS}
    named = {name for points in project["entry-points"].values() for name in points}
    assert named == {*NAMES.values(), "onnx-reference"}


def test_its_own_tests_pass(source: Path, site: Path) -> None:
    shown = _python(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], source, site)
    assert " passed" in shown and "failed" not in shown and "skipped" not in shown


def test_a_search_from_the_command_line_uses_all_parts(done: Path) -> None:
    answer = json.loads((done / "answer.json").read_text())
    assert (answer["status"], answer["device"], answer["searcher"]) == (
        "complete",
        "reference-cpu",
        "annealing",
    )
    assert _kinds(done / "runs/done") == [("validation", answer["evaluations"])]
    settings = json.loads((done / "runs/done/run.json").read_text())["config"]["settings"]
    assert {name: settings[name] for name in NAMES} == NAMES
    for model in answer["front"]:
        assert model["architecture"]["space"]["name"] == "chain"
        assert model["latency_ms"]["measured"] > 0
        onnx.checker.check_model(onnx.load(done / model["onnx"]), full_check=True)


def test_what_was_found_is_used_as_any_run(
    installed: Path, done: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(done)
    (model, *_) = edgenas.load_run("done").front
    picture = next((image_folder / "test/red").iterdir())
    (said,) = model.predict(picture)
    assert set(said.probabilities) == {"red", "green", "blue"}
    exported = edgenas.export("done", model=model.id, precision="int8")
    assert exported.models[0].onnx.is_file()
    card = Path(str(model.onnx)).with_suffix(".json")
    latency = edgenas.predict(str(card), device="reference-cpu").latency_ms
    assert latency.predicted == pytest.approx(model.latency_ms.predicted)


def test_a_search_from_python_uses_all_parts(
    installed: Path, image_folder: Path, hurried: None, quick_timing: None
) -> None:
    run = edgenas.search(data=str(image_folder), run="named", **NAMES, **SMALL)
    assert (run.status, run.device, run.searcher) == ("complete", "reference-cpu", "annealing")
    assert run.evaluations == 5 and run.front
    assert _kinds(run.folder) == [("validation", 5)]
    assert all(model.latency_ms.measured and Path(str(model.onnx)).is_file() for model in run.front)
    # The command that would measure the latencies is one that can be typed.
    (note,) = (note for note in run.notes if note.startswith("latencies are estimated"))
    assert note.endswith("--space chain --resolution 16 --classes 3 --threads 1 --precision fp32 --batch 1")


def test_objects_are_as_good_as_names(
    installed: Path, tiny_dataset: "Dataset", hurried: None, quick_timing: None
) -> None:
    from edgenas_example.evaluator import RandomFeaturesEvaluator
    from edgenas_example.searcher import AnnealingSearcher
    from edgenas_example.space import ChainSpace

    space = ChainSpace(tiny_dataset.resolution, len(tiny_dataset.classes))
    run = edgenas.search(
        device=find_device("reference-cpu"),
        data=tiny_dataset,
        space=space,
        evaluator=RandomFeaturesEvaluator(space, tiny_dataset, seed=0),
        searcher=AnnealingSearcher,
        run="objects",
        **SMALL,
    )
    assert (run.status, run.device, run.searcher, run.data) == (
        "complete",
        "reference-cpu",
        "annealing",
        "colours",
    )
    assert run.settings.evaluator == "RandomFeaturesEvaluator"
    pictures = np.full((2, 8, 8, 3), (200, 40, 40), np.uint8)
    assert len(edgenas.load_run("objects").front[0].predict(pictures)) == 2


def test_a_space_that_no_package_provides_is_handed_in_again_later(
    installed: Path, tiny_dataset: "Dataset", hurried: None, quick_timing: None
) -> None:
    from edgenas_example.space import ChainSpace

    class MySpace(ChainSpace):
        name = "mine"

    space = MySpace(8, 3)
    run = edgenas.search(data=tiny_dataset, run="unnamed", **{**NAMES, **SMALL, "space": space})
    assert run.status == "complete" and not run.front[0].load().training
    with pytest.raises(UnknownNameError, match=r"^unknown search space 'mine'; .*chain"):
        edgenas.load_run("unnamed").front[0].load()
    later = edgenas.load_run("unnamed", space=space)
    assert not later.front[0].load().training and later.plot().axes


def test_what_its_space_refuses_is_said(installed: Path) -> None:
    with pytest.raises(InputError, match=r"^no chain space tells 2 classes of images of 4 px apart; give at"):
        edgenas.search(data="digits", resolution=4, **NAMES, **SMALL)


def test_its_runtime_refuses_another_precision(installed: Path) -> None:
    message = "^onnx-reference cannot run on CPUExecutionProvider in int8; use CPUExecutionProvider in fp32$"
    with pytest.raises(DeviceError, match=message):
        runtime_for(find_device("reference-cpu", precision="int8"))


def test_doctor_and_devices_show_what_it_brings(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(["doctor", "--device", "reference-cpu", "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    for kind, name in {**NAMES, "runtime": "onnx-reference"}.items():
        assert checks[f"{kind} {name}"]["ok"]
        assert checks[f"{kind} {name}"]["detail"] == "from edgenas-example 1.0.0"
    assert checks["runtime"]["detail"].startswith("onnx-reference ")
    assert "reference-cpu" in {info.name for info in edgenas.devices().devices}


def test_doctor_reports_a_broken_part_and_goes_on(
    installed: Path, add_package: AddPackage, capsys: pytest.CaptureFixture[str]
) -> None:
    points = "[edgenas.searchers]\nbroken = broken_parts:Searcher\n[edgenas.devices]\nboards = broken_parts\n"
    add_package("broken_parts", points, "import no_such_library\n")
    assert run_command(["doctor", "--device", "cpu", "--json"]) == 1
    shown = capsys.readouterr()
    checks = {check["name"]: check for check in json.loads(shown.out)["checks"]}
    for name in ("searcher broken", "device boards"):
        assert not checks[name]["ok"]
        assert (
            "cannot be loaded: ModuleNotFoundError: No module named 'no_such_library'"
            in checks[name]["detail"]
        )
        assert checks[name]["mend"] == "fix or uninstall the package that provides it"
    assert checks["space chain"]["ok"]
    assert "Traceback" not in shown.err


def test_its_runtime_is_profiled_as_any(
    installed: Path, quick_timing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgenas_example import runtime

    # By the clock on the wall, three short rounds beside other programs say little.
    monkeypatch.setattr(runtime, "time", SimpleNamespace(perf_counter=time.thread_time))
    profiled = edgenas.profile("reference-cpu", space="chain", resolution=8, classes=2, networks=12)
    assert profiled.entries == 2 + 5 * 4
    assert Path(profiled.table).name == "onnx-reference-cpu-fp32-t1-b1.json"
    latencies = edgenas.validate("reference-cpu", networks=2, space="chain", resolution=8, classes=2)
    assert latencies.networks == 2
