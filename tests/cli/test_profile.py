"""`edgenas profile`, and what a table does to the commands after it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.api.profile import ProfileResult
from edgenas.cli.main import run
from edgenas.latency.table import Calibration
from edgenas.space import mbconv, nasbench_macro

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]
PROFILE = ["profile", "--device", "cpu", "--resolution", "16", "--networks", "4"]


@pytest.fixture(autouse=True)
def in_an_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_timing: None) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()


def test_profile_writes_a_table_that_predict_and_search_use(
    answer: Answer, text: Text, image_folder: Path, hurried: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = [*PROFILE, "--classes", "3"]
    found = answer(profile)
    assert set(found) == {
        "table",
        "entries",
        "measured",
        "seconds",
        "unstable_entries",
        "unstable",
        "retaken",
        "disturbed",
        "calibration",
        "calibrations",
        "changed",
        "boards",
    }
    assert Path(found["table"]).is_file()
    assert found["measured"] == found["entries"] > 0
    assert found["unstable_entries"] == len(found["unstable"])
    assert found["seconds"] > 0 and found["retaken"] >= 0 and 0 <= found["disturbed"] <= 1
    calibration = found["calibration"]
    assert set(calibration) == {
        "slope",
        "intercept_ms",
        "overhead_ms",
        "corrections_ms",
        "residuals",
        "references",
        "networks",
    }
    assert len(calibration["residuals"]) == len(calibration["networks"]) == 4
    assert answer(profile)["measured"] == found["unstable_entries"]
    assert answer(["devices", "cpu"])["devices"][0]["provenance"] == "measured"
    command = ["search", "--device", "cpu", "--max-latency", "50ms", "--data", str(image_folder)]
    result = answer([*command, "--evaluations", "4", "--finalists", "1", "--run", "m"])
    model = result["front"][0]
    assert model["provenance"] == "measured"
    assert model["latency_ms"]["measured"] > 0
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "slope" in text(profile)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--precision", "int8"], "onnxruntime-cpu-int8-t1-b1.json"),
        (["--batch", "2"], "onnxruntime-cpu-fp32-t1-b2.json"),
    ],
    ids=["int8", "batch 2"],
)
def test_an_operating_point_has_a_table_of_its_own(answer: Answer, options: list[str], name: str) -> None:
    table = Path(answer([*PROFILE, *options])["table"])
    assert table.name == name
    document = json.loads(table.read_text())
    assert str(document[options[0].removeprefix("--")]) == options[1]


def test_nasbench_macro_is_profiled_as_published(answer: Answer) -> None:
    found = answer(["profile", "--device", "cpu", "--space", "nasbench-macro", "--networks", "3"])
    table = json.loads(Path(found["table"]).read_text())
    assert list(table["calibrations"]) == [each.signature for each in nasbench_macro(32, 10).of_any_channels]


def _pretend(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """A profile that came out so, without one."""
    calibration = Calibration(
        slope=0.9,
        intercept_ms=0.125,
        overhead_ms=0.01,
        residuals=(0.01, -0.03, 0.02),
        networks=("a", "b", "c"),
    )
    fields: dict[str, Any] = {
        "table": Path("t.json"),
        "entries": 40,
        "measured": 38,
        "seconds": 75.0,
        "unstable": [],
        "retaken": 0,
        "disturbed": 0.0,
        "calibration": calibration,
        "calibrations": {16: calibration},
    }
    result = ProfileResult(**{**fields, **changes})
    monkeypatch.setattr("edgenas.api.profile.profile", lambda *_, **__: result)


def test_a_quiet_profile_is_three_lines(text: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch)
    first, second, third = text(PROFILE).splitlines()
    assert first.startswith("38 blocks measured in ") and first.endswith(", 40 in the table")
    assert "slope 0.900, intercept 0.125 ms" in second
    assert "3 of them, each predicted from all others, have errors of 2.0% on average, 3.0% at most" in second
    assert third == "table: t.json"


def test_several_sizes_have_a_line_each(text: Text, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = (
        Calibration(slope=slope, intercept_ms=0.1, overhead_ms=0.01, residuals=(0.01, -0.03))
        for slope in (0.8, 0.9)
    )
    _pretend(monkeypatch, calibration=two, calibrations={16: one, 32: two})
    _, first, second, _ = text(PROFILE).splitlines()
    assert first.startswith("whole networks of 16 px: slope 0.800")
    assert second.startswith("whole networks of 32 px: slope 0.900")


def test_a_loud_machine_is_told(text: Text, answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, retaken=7)
    assert "7 timings were repeated" in text(PROFILE) and "it still was" not in text(PROFILE)
    _pretend(monkeypatch, retaken=7, disturbed=0.025, unstable=["x", "y"])
    shown = text(PROFILE)
    assert (
        "7 timings were repeated" in shown
        and "for 2.5% of all timings it still was (edgenas doctor says why; of a board," in shown
    )
    assert "unstable: 2 blocks" in shown and "repeat the command" in shown
    found = answer(PROFILE)
    assert (found["retaken"], found["disturbed"]) == (7, 0.025)
    assert (found["unstable_entries"], found["unstable"]) == (2, ["x", "y"])


FEW = [*PROFILE[:-2], "--samples", "4"]


def test_a_few_networks_make_a_table_that_validate_predict_and_search_use(
    answer: Answer, text: Text, tmp_path: Path
) -> None:
    found = answer(FEW)
    assert found["provenance"] == "calibrated"
    assert found["samples"] == {"measured": 4, "kept": 0}
    assert (found["measured"], found["entries"]) == (4, len(mbconv(16, 10).blocks_of_any_channels))
    assert found["interval"]["low"] < 1 < found["interval"]["high"]
    assert found["interval"]["half_width_percent"] > 0
    assert (found["halving_samples"] is None) == bool(found["halving_reason"])
    assert sum(found["views"].values()) == pytest.approx(1)
    assert "raspberry-pi-4" in found["known_devices"] and "cpu" not in found["known_devices"]
    assert found["calibration"]["slope"] == 1
    assert len(found["calibration"]["references"]) == len(found["calibration"]["residuals"]) == 4
    validated = answer(["validate", "--device", "cpu", "--resolution", "16", "--networks", "3"])
    assert (validated["provenance"], validated["networks"]) == ("calibrated", 3)
    device = answer(["devices", "cpu"])["devices"][0]
    assert device["provenance"] == "calibrated"
    assert "(inferred from a few networks, 20" in text(["devices", "cpu"])
    more = answer([*FEW[:-1], "6"])
    assert more["samples"]["measured"] + more["samples"]["kept"] == 6
    shown = text([*FEW[:-1], "6"])
    assert re.search(r"\d networks? measured in", shown) and "other devices" in shown
    assert "accurate to ±" in shown and "(90 % interval)" in shown
    assert "halve the interval" in shown and "probability of each feature set: " in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "fp8"], "--precision"),
        (["--precision", "FP32"], "--precision"),
        (["--batch", "0"], "--batch"),
        (["--batch", "-1"], "--batch"),
        (["--batch", "two"], "--batch"),
        (["--batch", "1025"], "--batch 1025 is too large; give at most 1024"),
        (["--threads", "0"], "--threads"),
        (["--networks", "2"], "--networks 2 is too small; give at least 3"),
        (
            ["--samples", "10"],
            "--networks is for a full profile, --samples for one from a few networks; give only one of them",
        ),
        (["--classes", "1"], "--classes"),
        (["--space", "nasbench-macro", "--squeeze-excite"], "space nasbench-macro has no --squeeze-excite"),
        (["--space", "nasbench-macro", "--activation", "relu6"], "space nasbench-macro has no --activation"),
    ],
    ids=str,
)
def test_bad_values_are_one_line(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*PROFILE, *options]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ") and output.err.count("\n") == 1
    assert message in output.err
    assert not list(Path("latency_models").rglob("*"))


def test_too_few_samples_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*PROFILE[:-2], "--samples", "2"]) == 2
    expected = "error: --samples 2 is too small; give at least 3\n"
    assert capsys.readouterr().err == expected


def test_interrupted_it_exits_130_and_goes_on(
    answer: Answer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgenas.device.onnx_process import _ProcessSession

    time_ms = _ProcessSession.time_ms

    def until_a_round_is_kept(self: Any, calls: int) -> Any:
        if any(path.stat().st_size for path in Path("latency_models").rglob("*.unfinished")):
            raise KeyboardInterrupt
        return time_ms(self, calls)

    with monkeypatch.context() as patch:
        patch.setattr(_ProcessSession, "time_ms", until_a_round_is_kept)
        assert run(PROFILE) == 130
    output = capsys.readouterr()
    assert output.out == "" and "Traceback" not in output.err
    left_behind = [path.suffix for path in Path("latency_models/cpu").iterdir()]
    assert left_behind == [".unfinished"]
    found = answer(PROFILE)
    assert found["measured"] == found["entries"] == len(mbconv(16, 10).blocks_of_any_channels)
    assert [path.suffix for path in Path("latency_models/cpu").glob("[!.]*")] == [".json"]


def test_a_table_that_lacks_the_space_names_the_command_that_adds_it(
    image_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run([*PROFILE, "--classes", "10"])
    capsys.readouterr()
    assert run(["search", "--device", "cpu", "--max-latency", "5ms", "--data", str(image_folder)]) == 2
    assert "edgenas profile --device cpu --resolution 16 --classes 3" in capsys.readouterr().err


@pytest.mark.parametrize("field", ["typical_ms", "min_ms"])
def test_a_table_with_nan_is_refused_by_field(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(PROFILE)
    path = next(Path("latency_models").rglob("*.json"))
    table = json.loads(path.read_text())
    key = next(iter(table["entries"]))
    table["entries"][key][field] = float("nan")
    path.write_text(json.dumps(table))
    capsys.readouterr()
    assert run(["search", "--device", "cpu", "--max-latency", "5ms"]) == 2
    error = capsys.readouterr().err
    assert f"entries.{key}.{field}" in error and "nan" in error and error.count("\n") == 1


def test_a_power_mode_the_device_lacks_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*PROFILE, "--power-mode", "5W"]) == 2
    assert "unknown power mode '5W'; cpu has: 'as the operating system runs it'" in capsys.readouterr().err
