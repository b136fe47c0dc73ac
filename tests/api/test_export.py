"""Exporting again through the public API."""

from pathlib import Path

import pytest

from edgenas import export
from edgenas.errors import UnknownNameError
from edgenas.storage.search_result import SearchResult


def test_the_whole_front_is_exported_and_progress_told(in_finished_run: Path) -> None:
    told: list[tuple[str, float, float]] = []
    front = SearchResult.model_validate_json(Path("runs/done/front.json").read_text()).front
    exported = export(
        "done", progress=lambda phase, done, total, detail="": told.append((phase, done, total))
    ).models
    assert [model.id for model in exported] == [model.id for model in front]
    assert all(model.onnx == Path(f"exports/done/{model.id}.onnx") for model in exported)
    assert all(model.onnx.stat().st_size == model.size_bytes for model in exported)
    steps = [(done, total) for phase, done, total in told if phase == "export"]
    assert steps == [(done, len(front)) for done in range(len(front) + 1)]


def test_one_model_is_exported_alone(in_finished_run: Path) -> None:
    identity = SearchResult.model_validate_json(Path("runs/done/front.json").read_text()).front[-1].id
    before = {path.name: path.stat().st_mtime_ns for path in Path("exports/done").iterdir()}
    (model,) = export("done", identity, "fp16").models
    assert model.id == identity and model.onnx.name == f"{identity}.fp16.onnx"
    after = {path.name: path.stat().st_mtime_ns for path in Path("exports/done").iterdir()}
    assert {name for name in after if after[name] != before.get(name)} == {
        f"{identity}.fp16.{suffix}" for suffix in ("onnx", "json", "md")
    }


def test_an_unknown_precision_suggests_the_nearest(in_finished_run: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown --precision 'int'; did you mean 'int8'"):
        export("done", precision="int")  # type: ignore[arg-type]
