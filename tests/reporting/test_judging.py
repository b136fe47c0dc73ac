import errno
from pathlib import Path

import pytest

import edgenas
from edgenas.errors import UnwritableError
from edgenas.reporting import judging as module
from edgenas.reporting.judging import JUDGING, recorded_judgements
from edgenas.storage.run_folder import RunFolder


def test_a_search_keeps_how_its_files_judge_the_test_images(finished_run: Path) -> None:
    folder = RunFolder(finished_run / "runs" / "done")
    found, result = recorded_judgements(folder), folder.read_result()
    assert found is not None and found.models.keys() == {model.id for model in result.front}
    for model in result.front:
        judged = found.models[model.id]
        assert sum(map(sum, judged.matrix)) == judged.images == found.test_images == 24
        assert judged.right / judged.images == pytest.approx(model.accuracies.test, abs=0.05)
        assert len(judged.worst) == min(8, judged.images - judged.right)


def test_a_run_of_an_earlier_version_is_judged_when_its_report_is_written(in_finished_run: Path) -> None:
    judged = RunFolder(in_finished_run / "runs" / "done").judged
    judged.unlink()
    page = edgenas.report("done").report.read_text(encoding="utf-8")
    assert judged.is_file() and "Which classes it mixes up" in page


def test_judging_again_tells_how_far_it_is(in_finished_run: Path) -> None:
    folder, told = RunFolder(in_finished_run / "runs" / "done"), []
    folder.judged.unlink()
    edgenas.report("done", progress=lambda phase, done, total, detail="": told.append((phase, done, total)))
    count = len(folder.read_result().front)
    assert [each for each in told if each[0] == JUDGING] == [(JUDGING, i, count) for i in range(count + 1)]


def test_no_images_are_loaded_without_exported_files(
    in_finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(in_finished_run / "runs" / "done")
    folder.judged.unlink()
    for path in folder.exports.glob("*.onnx"):
        path.unlink()
    monkeypatch.setattr(module, "loaded_data", None)
    edgenas.report("done")
    assert not folder.judged.exists()


def test_a_record_that_cannot_be_kept_is_left_out(
    in_finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, document: object) -> None:
        raise UnwritableError(path, OSError(errno.EROFS, "Read-only file system"))

    folder = RunFolder(in_finished_run / "runs" / "done")
    folder.judged.unlink()
    monkeypatch.setattr(module, "write_json", refuse)
    page = edgenas.report("done").report.read_text(encoding="utf-8")
    assert "Which classes it mixes up" not in page and "Latency, block by block" in page


def test_a_damaged_record_costs_the_report_nothing_else(in_finished_run: Path) -> None:
    RunFolder(in_finished_run / "runs" / "done").judged.write_text("{", encoding="utf-8")
    page = edgenas.report("done").report.read_text(encoding="utf-8")
    assert "Which classes it mixes up" not in page and "Latency, block by block" in page
