"""The runner of a kit, as one file in a process that does not see edgenas."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures.boards import quick_runner
from fixtures.kits import UnpackedKit
from fixtures.power import hwmon_chip, write_files

from edgenas.board import host
from edgenas.board.bursts import MAX_ROUNDS, MIN_ROUNDS, Burst, level
from edgenas.board.session_lock import only_session

Make = Callable[[], UnpackedKit]


def test_it_times_every_model_and_says_where(make_kit: Make) -> None:
    kit = make_kit()
    done = kit.run()
    assert done.returncode == 0, done.stdout + done.stderr
    results = kit.results
    assert results["schema"] == "edgenas.results/1"
    assert (results["plan"], results["failed"]) == ({"anything": 1}, {})
    assert results["host"] == host.fingerprint()
    bursts = {key: [Burst(*each) for each in rounds] for key, rounds in results["bursts"].items()}
    assert set(bursts) == {"stem", "mbconv", "head"}
    assert all(MIN_ROUNDS <= len(rounds) <= MAX_ROUNDS for rounds in bursts.values())
    assert level(bursts) > 0
    assert "3 models timed" in done.stdout
    assert not (kit.folder / "unfinished.json").exists()


def test_a_check_measures_nothing(make_kit: Make) -> None:
    kit = make_kit()
    done = kit.run("--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "processor: " in done.stdout and "onnxruntime" in done.stdout
    assert not (kit.folder / "results.json").exists()


def test_for_programs_every_line_is_json(make_kit: Make) -> None:
    done = make_kit().run("--lines")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines and all(set(line) in ({"line"}, {"warning"}, {"phase", "share"}) for line in lines)


def test_an_unknown_argument_shows_the_usage(make_kit: Make) -> None:
    done = make_kit().run("--help")
    assert done.returncode == 2
    assert "python3 run.py --check" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_goes_on(make_kit: Make, number: int) -> None:
    kit = make_kit()
    kit.manifest["budget_s"] = 600.0  # as many rounds as possible
    kit.write()
    with subprocess.Popen(kit.command("--lines"), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if '"timing"' in line)
        unfinished = kit.folder / "unfinished.json"
        while not unfinished.exists() and process.poll() is None:
            pass
        process.send_signal(number)
        rest = process.stdout.read()
    if process.returncode != 0:  # it had not finished just before
        assert process.returncode == 128 + number
        assert "stopped; what was measured is kept" in rest
        assert kit.run().returncode == 0
    assert all(len(rounds) == MAX_ROUNDS for rounds in kit.results["bursts"].values())


def test_a_model_that_the_runtime_refuses_is_left_out(make_kit: Make) -> None:
    kit = make_kit()
    kit.manifest["models"].append(kit.add("77.onnx", "strange", b"not a model"))
    kit.write()
    done = kit.run()
    assert done.returncode == 1
    assert "not timed: strange (ONNX Runtime cannot load the model" in done.stdout
    assert set(kit.results["bursts"]) == {"stem", "mbconv", "head"}


def test_with_little_memory_it_loads_fewer_models_at_once(make_kit: Make) -> None:
    kit = make_kit()
    for model in kit.manifest["models"]:
        model["memory_bytes"] = 2**50
    kit.write()
    done = kit.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(kit.results["bursts"]) == {"stem", "mbconv", "head"}


@pytest.mark.parametrize("name", ["../run.py", "/etc/passwd", "1.onnx/../../run.py", "weights.float32", ""])
def test_a_file_outside_the_kit_is_refused(make_kit: Make, name: str) -> None:
    kit = make_kit()
    kit.manifest["models"][1]["file"] = name
    kit.write()
    done = kit.run()
    assert done.returncode == 3
    assert done.stdout.startswith(f"error: {kit.folder / 'manifest.json'} is not the manifest of a kit (")
    assert done.stdout.endswith("); unpack the kit again\n") and done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_a_link_is_refused(make_kit: Make) -> None:
    kit = make_kit()
    path = kit.folder / "models" / "1.onnx"
    path.rename(kit.folder / "elsewhere.onnx")
    path.symlink_to(kit.folder / "elsewhere.onnx")
    done = kit.run()
    assert done.returncode == 3
    assert "1.onnx is a link; unpack the kit again" in done.stdout


def test_a_damaged_model_is_refused(make_kit: Make) -> None:
    kit = make_kit()
    (kit.folder / "models" / "1.onnx").write_bytes(b"damaged")
    done = kit.run()
    assert done.returncode == 3
    assert "1.onnx is damaged; unpack the kit again" in done.stdout


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "edgenas.kit/9"}', "[" * 100_000])
def test_what_is_no_manifest_is_refused(make_kit: Make, content: str) -> None:
    kit = make_kit()
    (kit.folder / "manifest.json").write_text(content)
    done = kit.run()
    assert done.returncode == 3
    assert "manifest.json is not the manifest of a kit (" in done.stdout
    assert "unpack the kit again" in done.stdout and done.stderr == ""


def test_more_threads_than_cores_are_refused(make_kit: Make) -> None:
    kit = make_kit()
    kit.manifest["threads"] = 1024
    kit.write()
    done = kit.run()
    assert done.returncode == 3
    assert "the kit is for 1024 threads, this board has" in done.stdout


@pytest.mark.parametrize("target", [".lock", "models/weights.float32", "unfinished.json", "results.json"])
def test_nothing_is_written_through_a_link(make_kit: Make, tmp_path: Path, target: str) -> None:
    kit = make_kit()
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (kit.folder / target).symlink_to(victim)
    done = kit.run()
    assert victim.read_text() == "untouched"
    assert done.stderr == ""
    assert done.returncode == (3 if target == ".lock" else 0)


def test_a_folder_of_models_that_is_a_link_is_refused(make_kit: Make, tmp_path: Path) -> None:
    kit = make_kit()
    (kit.folder / "models").rename(tmp_path / "elsewhere")
    (kit.folder / "models").symlink_to(tmp_path / "elsewhere")
    done = kit.run()
    assert done.returncode == 3
    assert "models is a link; unpack the kit again" in done.stdout
    assert not (tmp_path / "elsewhere" / "weights.float32").exists()


def test_a_check_does_not_disturb_a_measurement(make_kit: Make) -> None:
    kit = make_kit()
    with only_session(kit.folder, takes_over=False):
        assert kit.run("--check", "--lines").returncode == 0
        done = kit.run()
    assert done.returncode == 3
    assert "another run.py is measuring here" in done.stdout


def _check_for_energies(kit: UnpackedKit, system: Path) -> str:
    """What a check shows where a power meter is looked for in a folder."""
    for model in kit.manifest["models"]:
        model["is_block"] = model["key"] != "sentinel"
    kit.write()
    (kit.folder / "run.py").write_text(quick_runner(system), encoding="utf-8")
    done = kit.run("--check")
    assert done.returncode == 0
    return done.stdout


def test_a_power_meter_is_named_with_the_time_it_takes(make_kit: Make, tmp_path: Path) -> None:
    write_files(tmp_path, hwmon_chip(0, ("VDD_IN", 5000, 100)))
    shown = _check_for_energies(make_kit(), tmp_path)
    assert "power meter: INA3221 (VDD_IN); the energy of 3 blocks takes about 1 min more" in shown


def test_counters_for_root_only_are_told_with_the_remedy(make_kit: Make, tmp_path: Path) -> None:
    write_files(tmp_path, {"powercap/intel-rapl:0/name": "package-0"})  # whose counter cannot be read
    shown = _check_for_energies(make_kit(), tmp_path)
    assert "power meter: the processor's energy counters (RAPL) can be read by root only" in shown
