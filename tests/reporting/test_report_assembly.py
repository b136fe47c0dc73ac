"""The report gathers what the run's files say."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgenas import report
from edgenas.device import Device, Provenance
from edgenas.errors import FileFormatError, InputError
from edgenas.latency.latency import Latency
from edgenas.latency.precision_predictor import by_precision
from edgenas.latency.predictor import LatencyPredictor, predictor_from_device
from edgenas.reporting import report_assembly
from edgenas.searchers.proxyless.curves import Curve, Curves
from edgenas.space import space_from_config
from edgenas.storage.learning_record import record_curves
from edgenas.storage.run_folder import find_run
from edgenas.storage.run_store import Evaluation, RunStore

EXPLAINED = "points its choice gains"
LEARNT = "How the architecture was learnt"


def copied_run(finished: Path, to: Path, evaluations: int) -> str:
    """A copy of the finished run with up to so many evaluations, all unlike in accuracy; its path."""
    shutil.copytree(finished / "runs/done", to)
    folder = find_run(str(to))
    space = space_from_config(folder.read_document().config.space)
    store = RunStore(folder.store)
    known = {row.id for row in store.evaluations()}
    vectors = (space.decode([i % len(names) for names in space.variables]) for i in range(1000))
    for i, each in enumerate({a.id: a for a in vectors if a.id not in known}.values()):
        if len(known) + i >= evaluations:
            break
        store.add(
            Evaluation(
                each.id,
                each.choices,
                0.5 + 0.01 * i,
                "supernet",
                Latency(1.0, 0.5, 2.0, Provenance.ESTIMATED),
            )
        )
    store.close()
    return str(to)


def record(run: str, **payload: Any) -> None:
    """What the gradient searcher leaves in a run's store."""
    store = RunStore(find_run(run).store)
    store.record("architecture learnt", **payload)
    store.close()


def test_the_report_shows_every_evaluation_and_model(in_finished_run: Path) -> None:
    path = report("done").report
    assert path == Path("runs/done/report.html")
    text = path.read_text(encoding="utf-8")
    front = json.loads(Path("runs/done/front.json").read_text())["front"]
    assert front and all(model["id"] in text for model in front)


def test_a_run_without_result_is_refused(in_finished_run: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text((in_finished_run / "runs/done/run.json").read_text())
    with pytest.raises(InputError, match="has no result yet; let `edgenas search` finish it first"):
        report(str(tmp_path))


def test_the_report_explains_each_model_by_its_layers(in_finished_run: Path, tmp_path: Path) -> None:
    run = copied_run(in_finished_run, tmp_path / "long", 12)
    text = report(run).report.read_text(encoding="utf-8")
    result = find_run(run).read_result()
    assert EXPLAINED in text
    assert text.count('<table class="gains"') == len(result.front) + len(result.dropped) > 0


def test_a_short_run_has_too_little_to_tell(in_finished_run: Path) -> None:
    text = report("done").report.read_text(encoding="utf-8")
    assert "Too few data: at least 10 evaluated networks are needed" in text
    assert EXPLAINED not in text


def test_another_table_than_the_run_went_by_explains_nothing(in_finished_run: Path, tmp_path: Path) -> None:
    run = copied_run(in_finished_run, tmp_path / "old", 12)
    path = tmp_path / "old/run.json"
    path.write_text(
        re.sub(r'"table_checksum": *(null|"[^"]*")', '"table_checksum": "0123"', path.read_text())
    )
    text = report(run).report.read_text(encoding="utf-8")
    assert "The latency table that this run used is no longer available" in text.replace("&#39;", "'")
    assert EXPLAINED not in text


def test_a_table_that_is_gone_is_not_replaced_by_a_model_of_the_device(
    in_finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        report_assembly, "predictor_from_device", lambda space, device: asked.append(device.name)
    )
    run = copied_run(in_finished_run, tmp_path / "gone", 0)
    path = tmp_path / "gone/run.json"
    path.write_text(path.read_text().replace('"table_checksum": null', '"table_checksum": "0123"'))
    report(run)
    assert not asked


def test_each_precision_of_a_search_has_the_validation_of_its_own_table(
    in_finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of a checksum which is of one precision's predictions."""
    run = find_run(copied_run(in_finished_run, tmp_path / "mixed", 0))
    config = run.read_document().config.with_settings(precision="fp32,int8")
    networks = space_from_config(config.space)
    predictor = by_precision(
        networks, ("fp32", "int8"), lambda each: predictor_from_device(networks, config.device.at(each))
    )
    checksum = property(lambda part: part.device.precision)
    monkeypatch.setattr(LatencyPredictor, "table_checksum", checksum)
    looked_up: list[tuple[str, str, str | None]] = []

    def find(device: Device, space: str, checksum: str | None) -> None:
        looked_up.append((device.precision, space, checksum))

    monkeypatch.setattr(report_assembly, "find_validation", find)
    assert report_assembly._validations(networks, ("fp32", "int8"), config, predictor) == ()
    assert looked_up == [(each, networks.signature, each) for each in ("fp32", "int8")]


def test_the_report_shows_how_the_architecture_was_learnt(in_finished_run: Path, tmp_path: Path) -> None:
    figures = dict.fromkeys(("loss", "entropy", "multiplier", "skips"), (0.5,))
    curve = Curve(target_ms=4.0, expected_ms=(4.1,), likeliest_ms=(3.9,), **figures)
    curves = Curves(gates="two-path", latency_loss="constraint", warm_up=0.2, done=(1.0,), targets=(curve,))
    run = copied_run(in_finished_run, tmp_path / "learnt", 0)
    record(run, **curves.model_dump(mode="json"))
    text = report(run).report.read_text(encoding="utf-8")
    assert LEARNT in text
    assert "4.10 ms, +2.5 %" in text
    assert LEARNT not in report("done").report.read_text(encoding="utf-8")


def test_the_report_of_an_interrupted_learning_shows_how_far_it_was(
    in_finished_run: Path, tmp_path: Path
) -> None:
    figures = dict.fromkeys(("loss", "entropy", "multiplier", "skips"), (0.5,))
    curve = Curve(target_ms=4.0, expected_ms=(4.1,), likeliest_ms=(3.9,), **figures)
    curves = Curves(
        gates="full", latency_loss="constraint", warm_up=0.2, done=(0.43,), finished=False, targets=(curve,)
    )
    run = copied_run(in_finished_run, tmp_path / "interrupted", 0)
    store = RunStore(find_run(run).store)
    record_curves(store, curves)
    store.close()
    text = report(run).report.read_text(encoding="utf-8")
    assert LEARNT in text and "Final state" not in text
    assert "The training is not finished: it was interrupted at 43 %." in text


def test_a_damaged_record_of_the_learning_names_its_field(in_finished_run: Path, tmp_path: Path) -> None:
    run = copied_run(in_finished_run, tmp_path / "damaged", 0)
    record(run, gates="two-path")
    with pytest.raises(FileFormatError, match=r"run\.sqlite: is damaged \(latency_loss: Field required\)"):
        report(run)
