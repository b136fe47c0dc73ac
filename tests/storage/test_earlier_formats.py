"""Runs of earlier versions are read; what is damaged is refused in one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgenas.errors import FileFormatError
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import RunFolder

SETTINGS = (
    "data",
    "flip",
    "searcher",
    "evaluator",
    "metric",
    "evaluations",
    "finalists",
    "baselines",
    "seed",
)


@pytest.fixture
def run_1(run_config: RunConfig) -> dict[str, Any]:
    """`run.json` as edgenas 0.1.0 wrote it before settings had one declaration."""
    now = run_config.model_dump(mode="json")
    asked = now["settings"]
    return {
        "schema": "edgenas.run/1",
        "name": "old",
        "created_at": "2026-11-20T10:00:00+00:00",
        "config": {
            **{name: asked[name] for name in SETTINGS},
            **{name: now[name] for name in ("device", "table_checksum", "space", "warm_start")},
            "data_fingerprint": "ab12",
            "max_latency_ms": 20.0,
            "objectives": ["accuracy", "latency"],
            "gradient": None,
            "supernet_recipe": now["supernet_recipe"],
            "finalist_recipe": now["finalist_recipe"],
            "time_budget_s": 600.0,
        },
        "versions": {"python": "3.11.7"},
    }


def read(folder: Path, content: dict[str, Any]) -> RunConfig:
    (folder / "run.json").write_text(json.dumps(content))
    return RunFolder(folder).read_document().config


def test_a_run_of_schema_1_is_read(run_1: dict[str, Any], run_config: RunConfig, tmp_path: Path) -> None:
    config = read(tmp_path, run_1)
    assert (config.device, config.space) == (run_config.device, run_config.space)
    assert config.supernet_recipe == run_config.supernet_recipe
    assert config.data.fingerprint == "ab12" and config.data.classes == ()
    settings = config.settings
    assert (settings.max_latency_ms, settings.time_budget_s, settings.searcher) == (20.0, 600.0, "nsga2")
    assert (settings.evaluations, settings.finalists, settings.seed) == (40, 3, 0)


def test_before_there_were_grey_images_all_were_rgb(
    run_1: dict[str, Any], run_config: RunConfig, tmp_path: Path
) -> None:
    assert read(tmp_path, run_1).settings.channels == 3
    run_2 = {**run_1, "schema": "edgenas.run/2", "config": run_config.model_dump(mode="json")}
    del run_2["config"]["settings"]["channels"]
    assert read(tmp_path, run_2).settings.channels == 3
    run_2["config"]["settings"]["channels"] = 1
    assert read(tmp_path, run_2).settings.channels == 1


def test_the_gradient_searchers_settings_are_read(run_1: dict[str, Any], tmp_path: Path) -> None:
    run_1["config"] |= {
        "searcher": "proxyless",
        "gradient": {"gates": "two-path", "latency_loss": "constraint"},
    }
    config = read(tmp_path, run_1)
    assert config.gradient_recipe is not None and config.gradient_recipe.gates == "two-path"
    assert (config.settings.gates, config.settings.latency_loss) == ("two-path", "constraint")


@pytest.mark.parametrize(
    "field", ["device", "max_latency_ms", "supernet_recipe", "data_fingerprint", "space"]
)
def test_a_damaged_one_is_refused_in_one_line(run_1: dict[str, Any], field: str, tmp_path: Path) -> None:
    del run_1["config"][field]
    with pytest.raises(FileFormatError) as caught:
        read(tmp_path, run_1)
    assert "run.json" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("evaluator", ["supernet", "trained"])
@pytest.mark.parametrize("schema", [1, 2])
def test_runs_from_before_pretrained_weights_began_from_random_ones(
    schema: int, evaluator: str, run_1: dict[str, Any], run_config: RunConfig, tmp_path: Path
) -> None:
    """They recorded how a supernet is trained also where there was none."""
    if schema == 1:
        run_1["config"]["evaluator"] = evaluator
        content = run_1
    else:
        config = run_config.model_dump(mode="json")
        config["settings"] |= {"evaluator": evaluator, "sampling": "anchored", "distillation": 0.0}
        del config["settings"]["pretrained"]
        content = {**run_1, "schema": "edgenas.run/2", "config": config}
    settings = read(tmp_path, content).settings
    assert (settings.pretrained, settings.evaluator) == ("none", evaluator)
    assert settings.sampling == ("anchored" if evaluator == "supernet" else None)
