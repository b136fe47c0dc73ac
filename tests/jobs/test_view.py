"""The report gathers what the run's files say."""

from pathlib import Path

import pytest

from edgenas import report
from edgenas.errors import InputError


def test_the_report_shows_every_evaluation_and_model(in_finished_run: Path) -> None:
    path = report("done")
    assert path == Path("runs/done/report.html")
    text = path.read_text(encoding="utf-8")
    import json

    front = json.loads(Path("runs/done/front.json").read_text())["front"]
    assert front and all(model["id"] in text for model in front)


def test_a_run_without_result_is_refused(in_finished_run: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text((in_finished_run / "runs/done/run.json").read_text())
    with pytest.raises(InputError, match="has no result yet; let `edgenas search` finish it first"):
        report(str(tmp_path))
