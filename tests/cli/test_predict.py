"""`edgenas predict`."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fixtures import needless

import edgenas
from edgenas.cli.main import run
from edgenas.cli.predict import BAR_WIDTH, _bar
from edgenas.space import SearchSpace, mbconv
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


def _write(folder: Path, space: SearchSpace) -> str:
    path = folder / "architecture.json"
    path.write_text(json.dumps(space.document(space.decode([0] * len(space.variables)))))
    return str(path)


def test_predict(answer: Answer, text: Text, in_finished_run: Path, tmp_path: Path) -> None:
    front = json.loads((in_finished_run / "runs/done/front.json").read_text())["front"]
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(front[0]["architecture"]))
    found = answer(["predict", str(path), "--device", "pi5"])
    assert found["latency_ms"]["predicted"] == pytest.approx(front[0]["latency_ms"]["predicted"])
    assert found["provenance"] == "calibrated"
    total = sum(layer["latency_ms"] for layer in found["layers"]) + found["constant_ms"]
    assert total == pytest.approx(found["latency_ms"]["predicted"])
    shown = text(["predict", str(path), "--device", "pi5"])
    assert "calibrated device model" in shown and "mbconv/" in shown


def test_a_power_mode(answer: Answer, tmp_path: Path) -> None:
    command = ["predict", _write(tmp_path, mbconv(32, 10)), "--device", "nano"]
    full, half = answer(command), answer([*command, "--power-mode", "5W"])
    assert half["provenance"] == "calibrated"
    ratio = half["latency_ms"]["predicted"] / full["latency_ms"]["predicted"]
    assert ratio == pytest.approx(921.6 / 640)


def test_the_json_object(answer: Answer, tmp_path: Path) -> None:
    found = answer(["predict", _write(tmp_path, mbconv(32, 10)), "--device", "jetson"])
    assert set(found) == {
        "conditions",
        "device",
        "architecture",
        "latency_ms",
        "energy_mj",
        "provenance",
        "layers",
        "constant_ms",
        "macs",
        "params",
        "unknown_operators",
        "scaled_from",
        "data_range",
        "advice",
        "fixed",
    }
    assert found["advice"] is found["fixed"] is found["data_range"] is None
    assert set(found["latency_ms"]) == {"predicted", "low", "high"}
    assert found["energy_mj"] is None
    assert all(set(layer) == {"block", "latency_ms", "interpolated"} for layer in found["layers"])


def _write_onnx(folder: Path, space: SearchSpace) -> Path:
    path = folder / "network.onnx"
    blocks = space.blocks(space.decode([0] * len(space.variables)))
    path.write_bytes(onnx_from_blocks(blocks, random_weights(0)).SerializeToString())
    return path


def test_an_onnx_file(answer: Answer, text: Text, tmp_path: Path) -> None:
    space = mbconv(32, 10)
    path = str(_write_onnx(tmp_path, space))
    found = answer(["predict", path, "--device", "jetson"])
    assert set(found) == set(answer(["predict", _write(tmp_path, space), "--device", "jetson"]))
    assert (found["architecture"], found["provenance"]) == ("network.onnx", "calibrated")
    assert found["unknown_operators"] == []
    total_ms = sum(layer["latency_ms"] for layer in found["layers"])
    assert total_ms == pytest.approx(found["latency_ms"]["predicted"])
    assert sum(layer["share"] for layer in found["layers"]) == pytest.approx(1)
    assert sum(layer["macs"] for layer in found["layers"]) == found["macs"]
    first = found["layers"][0]
    assert first["kind"] == "dense"
    assert [name.split(".")[2] for name in first["nodes"]] == ["Conv", "Clip"]
    assert first["input_shapes"] == [[1, 3, 32, 32]]
    assert first["bytes_read"] > 0 and first["bytes_written"] == 2 * 16 * 32 * 32
    shown = text(["predict", path, "--device", "jetson"])
    assert "network.onnx on jetson-orin-nano" in shown and "depthwise" in shown
    assert "calibrated device model" in shown and "unknown" not in shown
    bars = _bars(shown)
    assert len(bars) == len(found["layers"])
    assert bars[-1][1] - bars[0][0] == BAR_WIDTH


def test_unknown_operators_are_named(answer: Answer, text: Text, tmp_path: Path) -> None:
    import onnx

    path = _write_onnx(tmp_path, mbconv(32, 10))
    proto = onnx.load(path)
    proto.graph.node[1].op_type = "Odd"
    path.write_bytes(proto.SerializeToString())
    assert answer(["predict", str(path), "--device", "pi5"])["unknown_operators"] == ["Odd"]
    shown = text(["predict", str(path), "--device", "pi5"])
    assert (
        "unknown operators: Odd (costed as memory traffic only; the interval is wider because of them)"
        in shown
    )


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"", [], "is empty; export the model"),
        (b"\x08\x08nonsense", [], "is not ONNX, or truncated"),
        (None, ["--device", "none"], "unknown device 'none'"),
    ],
    ids=["empty", "nonsense", "device"],
)
def test_bad_onnx_files_are_one_line(
    tmp_path: Path,
    content: bytes | None,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = _write_onnx(tmp_path, mbconv(32, 10))
    if content is not None:
        path.write_bytes(content)
    assert run(["predict", str(path), "--device", "cpu", *options]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ") and output.err.count("\n") == 1
    assert message in output.err


def test_precision_threads_and_batch_are_those_of_the_prediction(answer: Answer, tmp_path: Path) -> None:
    command = ["predict", _write(tmp_path, mbconv(224, 1000)), "--device", "cpu"]
    one, int8, two, batch = (
        answer([*command, *options])["latency_ms"]["predicted"]
        for options in ([], ["--precision", "int8"], ["--threads", "2"], ["--batch", "4"])
    )
    assert int8 < one and two < one < batch


def test_blocks_the_table_lacks_are_refused_or_interpolated(
    answer: Answer,
    text: Text,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quick_timing: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()
    answer(["profile", "--device", "cpu", "--resolution", "16", "--classes", "3", "--networks", "3"])
    command = ["predict", _write(tmp_path, mbconv(16, 5)), "--device", "cpu"]
    for options in ([], ["--missing", "refuse"]):
        assert run([*command, *options]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "lacks 1 block, such as head/" in error
        assert "edgenas profile --device cpu --resolution 16 --classes 5" in error
        assert "or use --missing interpolate" in error
    interpolate = [*command, "--missing", "interpolate"]
    found = answer(interpolate)
    assert found["provenance"] == "calibrated"
    assert [layer["interpolated"] for layer in found["layers"]] == [False] * (len(found["layers"]) - 1) + [
        True
    ]
    lines = [line for line in text(interpolate).splitlines() if "interpolated" in line]
    assert len(lines) == 1 and "head/" in lines[0]
    assert "calibrated device model" in text(interpolate)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--precision", "fp8"], "--precision"),
        (["--batch", "0"], "--batch"),
        (["--batch", "1.5"], "--batch"),
        (["--batch", "1025"], "--batch 1025 is too large; give at most 1024"),
        (["--missing", "guess"], "--missing"),
    ],
    ids=str,
)
def test_bad_values_are_one_line(
    tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", _write(tmp_path, mbconv(32, 10)), "--device", "cpu", *options]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ") and output.err.count("\n") == 1
    assert message in output.err


@pytest.mark.parametrize(
    ("start", "length", "left", "right"),
    [(0, 32, 0, 32), (0, 8, 0, 8), (8, 16, 8, 24), (24, 8, 24, 32), (16, 0.01, 16, 17), (16, -8, 8, 16)],
)
def test_a_bar_goes_from_where_the_last_ended(start: float, length: float, left: int, right: int) -> None:
    assert _bar(start, length) == " " * left + "█" * (right - left)


def _bars(shown: str) -> list[tuple[int, int]]:
    """Where the bar of each row begins and ends, counted in columns of the terminal."""
    found = [re.search("█+", line) for line in shown.splitlines()]
    return [match.span() for match in found if match]


def _has_a_waterfall(shown: str, layers: int) -> None:
    bars = _bars(shown)
    assert len(bars) == layers + 1
    starts = [start for start, _ in bars]
    assert starts == sorted(starts) and starts[-1] > starts[0] + BAR_WIDTH // 2
    for (_, end), (start, _) in pairwise(bars[1:]):
        assert abs(start - end) <= 1
    assert bars[-1][1] - bars[0][0] == BAR_WIDTH


@pytest.mark.parametrize("device", ["pi5", "jetson"])
def test_the_bars_are_a_waterfall(text: Text, tmp_path: Path, device: str) -> None:
    space = mbconv(32, 10)
    shown = text(["predict", _write(tmp_path, space), "--device", device])
    architecture = space.decode([0] * len(space.variables))
    _has_a_waterfall(shown, len(space.blocks(architecture)))


# Advice.


def test_advice_is_a_line_for_each_finding(answer: Answer, text: Text, tmp_path: Path) -> None:
    path, out = tmp_path / "model.onnx", tmp_path / "fixed.onnx"
    path.write_bytes(needless.weights_as_inputs().SerializeToString())
    command = ["predict", str(path), "--device", "pi5", "--advise", "--fix", str(out)]
    found = answer(command)
    (advice,) = found["advice"]
    assert set(advice) == {
        "kind",
        "nodes",
        "problem",
        "remedy",
        "fixable",
        "predicted_gain_ms",
        "predicted_gain_share",
        "measured_gain_ms",
    }
    assert (advice["kind"], advice["nodes"], advice["fixable"]) == ("weights-as-inputs", ["norm"], True)
    assert found["fixed"]["onnx"] == str(out) and found["fixed"]["predicted_gain_ms"] > 0
    advised, wrote = text(command).splitlines()[-2:]
    assert re.fullmatch(
        r"advice: 5 weights listed as inputs too: .* \[norm\]: [0-9.e-]+ ms less \(\d+%\) predicted; "
        r"write a file without it: --fix OUT\.onnx",
        advised,
    )
    assert re.fullmatch(
        rf"wrote {re.escape(str(out))}: 5 weights no longer inputs; .*; [0-9.e-]+ ms less predicted; "
        r"outputs differ by \S+ of their largest value at most \(0\.0001 passes\)",
        wrote,
    )


@pytest.mark.parametrize("option", [["--advise"], ["--fix", "fixed.onnx"]], ids=lambda option: option[0])
def test_advice_is_for_onnx_files(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _write(tmp_path, mbconv(32, 10))
    assert run(["predict", path, "--device", "pi5", *option]) == 2
    assert capsys.readouterr().err == (
        f"error: {option[0]} is for ONNX files, and {path} is none; "
        "leave it out; edgenas writes files without what costs needlessly\n"
    )


def _calibrated(text: Text, monkeypatch: pytest.MonkeyPatch, path: Path, gain_ms: float) -> str:
    """What is shown of a file whose kernels were timed: 1 ms of which 0.25 ms are of an empty call."""
    from edgenas.advice.record import FixedFile
    from edgenas.api import predict as module
    from edgenas.device import Provenance
    from edgenas.latency.latency import DataRange, Latency

    found = edgenas.predict(str(path), "pi5")
    whole_ms = found.latency_ms.predicted
    fixed = FixedFile(
        onnx=Path("fixed.onnx"),
        changes=("one node less",),
        nodes_before=2,
        nodes_after=1,
        max_difference_share=0,
        tolerance_share=1e-4,
        predicted_gain_ms=None,
        measured_gain_ms=gain_ms,
    )
    layers = tuple(replace(each, latency_ms=each.latency_ms / whole_ms * 0.75) for each in found.layers)
    changes = {
        "layers": layers,
        "constant_ms": 0.25,
        "fixed": fixed,
        "latency_ms": Latency(1.0, 0.9, 1.1, Provenance.CALIBRATED),
        "data_range": DataRange(4, 0.5, 2.0, None),
    }
    monkeypatch.setattr(module, "predict", lambda **_: found.model_copy(update=changes))
    return text(["predict", str(path), "--device", "cpu"])


def test_an_empty_call_is_the_first_bar_of_a_file(
    text: Text, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = _calibrated(text, monkeypatch, _write_onnx(tmp_path, mbconv(32, 10)), 0.5)
    bars = _bars(shown)
    assert bars[0][1] - bars[0][0] == BAR_WIDTH // 4
    assert BAR_WIDTH <= bars[-1][1] - bars[0][0] <= BAR_WIDTH + 1  # a bar has a character at least
    assert "an empty call" in shown
    assert "of 4 different ones, 0.5 ms to 2 ms" in shown


@pytest.mark.parametrize(
    ("gain_ms", "said"),
    [(0.5, "0.5 ms less measured; "), (-0.02, "0.02 ms more measured (within the noise); ")],
)
def test_a_gain_within_the_noise_is_told(
    gain_ms: float, said: str, text: Text, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert said in _calibrated(text, monkeypatch, _write_onnx(tmp_path, mbconv(32, 10)), gain_ms)
