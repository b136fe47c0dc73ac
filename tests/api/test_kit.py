"""A kit from Python and the command line: made here, run as on a board, imported, and used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.boards import BOARD, add_board, measured_kit, quick_kit, quick_runner, run_kit
from fixtures.power import hwmon_chip, noise_on, write_files

from edgenas import kit, kit_import, predict
from edgenas.cli.main import run
from edgenas.device import Provenance, find_device
from edgenas.errors import InputError
from edgenas.kits import kit_archive
from edgenas.latency.table import find_table
from edgenas.space import nasbench_macro

__all__ = ["measured_kit", "quick_kit"]

SMALL: dict[str, Any] = {"space": "nasbench-macro", "resolution": 16, "classes": 2}


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, quick_kit: Callable[[Path], None]) -> None:
    quick_kit(tmp_path)
    (tmp_path / "latency_models").mkdir()


def _architecture() -> Path:
    space = nasbench_macro(16, 2)
    Path("architecture.json").write_text(json.dumps(space.document(space.decode([2] * 8))), encoding="utf-8")
    return Path("architecture.json")


def test_what_a_board_measured_predicts_networks(tmp_path: Path) -> None:
    assert predict(_architecture(), BOARD).provenance == "estimated"
    results = run_kit(kit(BOARD, **SMALL, networks=12).kit, tmp_path / "unpacked")
    imported = kit_import(results)
    assert imported.provenance == Provenance.MEASURED
    found = find_table(find_device(BOARD))
    assert found is not None and found[0] == imported.table
    assert found[1].host == json.loads(results.read_text(encoding="utf-8"))["host"]
    prediction = predict(_architecture(), BOARD)
    assert prediction.provenance == "measured"
    assert 0 < prediction.latency_ms.low < prediction.latency_ms.predicted < prediction.latency_ms.high
    assert prediction.energy_mj is None  # the board has no power meter


def test_where_a_board_has_a_power_meter_energies_are_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    system = tmp_path / "system"
    write_files(system, hwmon_chip(1, ("VDD_IN", 5000, 1000), ("VDD_SOC", 5000, 100)))
    monkeypatch.setattr(kit_archive, "runner_source", lambda: quick_runner(system))
    with noise_on(system / "hwmon" / "hwmon1" / "curr1_input", 1000):
        results = run_kit(kit(BOARD, **SMALL, networks=12).kit, tmp_path / "unpacked")
    assert (
        "minutes, and 1 more where the board has a power meter."
        in (results.parent / "README.txt").read_text()
    )
    found = json.loads(results.read_text(encoding="utf-8"))
    blocks = {block.key for block in nasbench_macro(16, 2).blocks_of_any_channels}
    # Neither of networks nor of the empty model. On a busy machine, a meter may stand still for a whole burst; it is
    # not believed then.
    assert found["energies"].keys() <= blocks and len(found["energies"]) > len(blocks) / 2
    assert all(each[2] == "INA3221 (VDD_IN)" for each in found["energies"].values())

    found["energies"] = {key: [1.0, 0.1, "INA3221 (VDD_IN)"] for key in blocks}  # as of a board that works
    results.write_text(json.dumps(found), encoding="utf-8")
    capsys.readouterr()
    assert run(["kit-import", str(results)]) == 0
    assert f"the energy of {len(blocks)} blocks was measured" in capsys.readouterr().out
    table = find_table(find_device(BOARD))
    assert table is not None
    space = nasbench_macro(16, 2)
    energies = [table[1].energies[block.key] for block in space.blocks(space.decode([2] * 8))]
    total, margin = (sum(each.mj for each in energies), 1.645 * sum(each.sd_mj for each in energies))
    prediction = predict(_architecture(), BOARD)
    assert prediction.energy_mj is not None
    assert prediction.energy_mj.predicted == pytest.approx(total)
    assert prediction.energy_mj.high - total == pytest.approx(margin) == pytest.approx(0.1645 * total)
    assert run(["predict", "architecture.json", "--device", BOARD]) == 0
    assert f"energy: {prediction.energy_mj.text}, idle power not counted" in capsys.readouterr().out
    assert run(["predict", "architecture.json", "--device", BOARD, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["energy_mj"].keys() == {"predicted", "low", "high"}


def test_a_quick_kit_infers_blocks_and_never_replaces_measured_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = run_kit(kit(BOARD, **SMALL, quick=True).kit, tmp_path / "unpacked")
    assert run(["kit-import", str(results), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["provenance"], shown["measured"]) == ("calibrated", 10)
    assert shown["entries"] == len(nasbench_macro(16, 2).blocks_of_any_channels)
    assert shown["interval"]["low"] < 1 < shown["interval"]["high"]
    assert predict(_architecture(), BOARD).provenance == "calibrated"

    full = run_kit(kit(BOARD, **SMALL, networks=12).kit, tmp_path / "full")
    kit_import(full)
    changed = json.loads(results.read_text(encoding="utf-8"))
    changed["host"] = "another-board"
    results.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(InputError, match=r"a few networks would replace it; time every block, or move"):
        kit_import(results)
    assert predict(_architecture(), BOARD).provenance == "measured"


def test_the_commands_say_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--device", BOARD, "--space", "nasbench-macro", "--resolution", "16", "--classes", "2"]
    assert run(["kit", *asked, "--networks", "12", "--out", "board.zip"]) == 0
    shown = capsys.readouterr().out
    assert "kit: board.zip" in shown and f"estimated time on {BOARD}: " in shown
    assert "unzip board.zip; cd kit-my-board; python3 run.py" in shown
    results = run_kit(Path("board.zip"), tmp_path / "unpacked")
    assert run(["kit-import", str(results)]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1].startswith("table: latency_models/my-board/")
    assert "whole networks of 16 px, each predicted from all others: errors of" in shown


def test_an_incomplete_table_is_written_and_exits_with_1(
    measured_kit: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = json.loads(measured_kit.results.read_text(encoding="utf-8"))
    key = next(
        key for key in changed["bursts"] if key.startswith("stem/") and "/3-" in key and key.endswith("32x32")
    )
    del changed["bursts"][key]
    changed["failed"] = {key: "the runtime died (SIGSEGV)"}
    Path("results.json").write_text(json.dumps(changed), encoding="utf-8")
    assert run(["kit-import", "results.json"]) == 1
    shown = capsys.readouterr().out
    assert f"not timed: {key} (the runtime died (SIGSEGV))" in shown
    assert (
        f"no predictions for 32 px: {key} could not be timed (the runtime died (SIGSEGV)); install" in shown
    )
    assert predict(_architecture(), BOARD).provenance == "measured"  # 16 px is complete


def test_results_may_be_for_another_name_of_the_board(measured_kit: Any, tmp_path: Path) -> None:
    add_board(tmp_path, "same-board")
    imported = kit_import(measured_kit.results, device="same-board")
    assert imported.device == "same-board" and imported.table.parent.name == "same-board"
    add_board(tmp_path, "other-board", runtime='"torch"')
    with pytest.raises(
        InputError, match=r"the results are for runtime 'onnxruntime', but other-board has 'torch'"
    ):
        kit_import(measured_kit.results, device="other-board")


def test_missing_results_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["kit-import", "results.json"]) == 2
    assert "results.json" in capsys.readouterr().err
