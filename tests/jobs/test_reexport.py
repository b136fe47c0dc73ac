"""Exporting the models of a finished run again."""

import shutil
from pathlib import Path

import pytest

from edgenas import export
from edgenas.errors import InputError, RunConflictError, UnknownNameError


def test_a_run_is_found_by_its_folder_too(in_finished_run: Path) -> None:
    by_name, by_path = export("done"), export("runs/done")
    assert [m.id for m in by_name] == [m.id for m in by_path]
    assert all(m.max_abs_error <= 1e-4 and m.accuracy_before == m.accuracy_after for m in by_name)


def test_unknown_models_and_precisions_are_refused(in_finished_run: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown model 'ffffffffff'"):
        export("done", "ffffffffff")
    with pytest.raises(UnknownNameError, match=r"unknown precision 'fp8'; did you mean 'fp16'|known: fp16"):
        export("done", precision="fp8")  # type: ignore[arg-type]


def test_an_unknown_run_lists_those_there_are(in_finished_run: Path) -> None:
    with pytest.raises(InputError, match="no run 'dnoe'; runs here: done"):
        export("dnoe")


def test_data_that_changed_under_a_run_is_refused(
    finished_run: Path, image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished_run / "runs", tmp_path / "runs")
    shutil.copytree(image_folder, tmp_path / "images")
    next((tmp_path / "images/train/red").iterdir()).unlink()
    document = tmp_path / "runs/done/run.json"
    document.write_text(document.read_text().replace(str(image_folder), str(tmp_path / "images")))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunConflictError, match="has changed since run done; restore the images"):
        export("done")
