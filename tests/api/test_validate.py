"""Validating from Python, and what a validation adds to a report; figures are tested with `latency.validation`."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from edgenas import report, validate
from edgenas.board import bursts
from edgenas.device import Provenance, find_device
from edgenas.errors import DeviceError, InputError, UnknownNameError
from edgenas.formats import read_json
from edgenas.latency.latency import Latency
from edgenas.profiling.validation import Pair, Validation, agreement_of, save_validation
from edgenas.space import space_from_config
from edgenas.storage.run_folder import RunFolder


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure just enough to have figures."""
    for name, value in {"MIN_ROUNDS": 2, "MAX_ROUNDS": 2, "BURST_MS": 0.1, "RETAKES": 0}.items():
        monkeypatch.setattr(bursts, name, value)


def test_figures_and_picture_land_beside_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_user_folders: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    result = validate("cpu", 2, resolution=16)
    assert result.file.parent == own_user_folders / "latency_models" / "cpu" / "validation"
    kept = read_json(result.file, Validation)
    assert kept.model_dump().items() <= result.model_dump().items()
    assert result.provenance == "estimated"
    assert result.picture == result.file.with_suffix(".png")
    with Image.open(result.picture) as picture:
        assert picture.format == "PNG"


def test_options_reach_the_networks_and_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = validate("cpu", 2, resolution=16, classes=3, threads=2, batch=2, activation="relu")
    assert first.table == "onnxruntime-cpu-fp32-t2-b2"
    second = validate("cpu", 2, resolution=16, classes=4, seed=1)
    assert first.space != second.space
    drawn = [[pair.choices for pair in each.pairs] for each in (first, second)]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"device": "pi4"}, DeviceError, "raspberry-pi-4 cannot be reached from here"),
        (
            {"device": "cpu", "networks": 1},
            InputError,
            "--networks 1 is too small; give at least 2",
        ),
        ({"device": "cpu", "space": "cell"}, UnknownNameError, "unknown search space 'cell'"),
        (
            {"device": "cpu", "space": "nasbench-macro", "squeeze_excite": True},
            InputError,
            "^space nasbench-macro has no --squeeze-excite",
        ),
        ({"device": "nosuch"}, UnknownNameError, "unknown device 'nosuch'"),
        ({"device": "cpu", "power_mode": "5W"}, UnknownNameError, "unknown power mode '5W'"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        validate(**arguments)  # type: ignore[arg-type]


def test_a_report_shows_the_validation_of_its_own_predictions(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished_run / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    config = RunFolder(Path("runs/done")).read_document().config
    space = space_from_config(config.space, Path("run.json")).signature
    pair = Pair(architecture="0123456789", choices=(), latency=Latency(1, 0.5, 2, Provenance.ESTIMATED, 1.25))
    found = Validation(
        **dict(agreement_of([pair])),
        networks=1,
        device="raspberry-pi-5",
        table="any",
        space=space,
        provenance="estimated",  # type: ignore[arg-type]
        table_checksum="another",
        runtime_version="1",
        measured_at="2026-01-02T03:04:05+00:00",
        host="there",
        seed=0,
        sentinel_ratio=None,
        pace=None,
        at_table_pace=None,
        retaken=0,
        disturbed=0,
        pairs=(pair,),
    )
    device = find_device("pi5")
    save_validation(device, found)
    assert 'id="measured"' not in report("done").report.read_text(encoding="utf-8")
    save_validation(device, found.model_copy(update={"table_checksum": None}))
    page = report("done").report.read_text(encoding="utf-8")
    assert 'id="measured"' in page and "0123456789" in page and "2026-01-02" in page
