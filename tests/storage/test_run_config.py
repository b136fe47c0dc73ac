import platform
from importlib import metadata

import pytest
from pydantic import ValidationError

from edgenas.accuracy.training_recipe import SupernetRecipe
from edgenas.device import Device
from edgenas.space import MBConvSpace, space_from_config
from edgenas.storage.run_config import RunConfig, RunDocument, WarmStart, versions


def test_a_configuration_survives_json(run_config: RunConfig) -> None:
    assert RunConfig.model_validate_json(run_config.model_dump_json()) == run_config


def test_the_space_it_keeps_is_the_space_searched(run_config: RunConfig, tiny_space: MBConvSpace) -> None:
    read = RunConfig.model_validate_json(run_config.model_dump_json())
    assert space_from_config(read.space).signature == tiny_space.signature


def test_a_document_survives_json_with_its_schema(run_config: RunConfig) -> None:
    document = RunDocument(name="demo", created_at="2025-01-01", config=run_config, versions=versions())
    text = document.model_dump_json()
    assert '"schema":"edgenas.run/1"' in text
    assert RunDocument.model_validate_json(text) == document


def test_a_configuration_with_more_objectives_survives_json(run_config: RunConfig) -> None:
    wide = run_config.model_copy(update={"objectives": ("accuracy", "latency", "macs", "peak-memory")})
    assert RunConfig.model_validate_json(wide.model_dump_json()) == wide
    assert len(run_config.differences(wide)) == 1


def test_a_configuration_from_before_metric_evaluator_baselines_objectives_and_warm_start_is_read(
    run_config: RunConfig,
) -> None:
    old = run_config.model_dump(mode="json")
    for field in ("evaluator", "metric", "baselines", "objectives", "warm_start"):
        del old[field]
    for recipe in ("supernet_recipe", "finalist_recipe"):
        plain = ("epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing", "warm_up_share")
        old[recipe] = {name: old[recipe][name] for name in plain}
    read = RunConfig.model_validate(old)
    assert read == run_config
    assert (read.metric, read.evaluator, read.baselines) == ("top-1", "supernet", False)


def test_equal_configurations_do_not_differ(run_config: RunConfig) -> None:
    assert run_config.differences(run_config.model_copy()) == []


def test_differences_name_field_and_both_values(run_config: RunConfig) -> None:
    other = run_config.model_copy(update={"max_latency_ms": 10.0, "seed": 7})
    assert run_config.differences(other) == ["max_latency_ms: 20.0 -> 10.0", "seed: 0 -> 7"]


def test_differences_inside_a_field_are_told_by_their_own_name(run_config: RunConfig) -> None:
    other = run_config.model_copy(
        update={"supernet_recipe": SupernetRecipe(epochs=5), "space": {**run_config.space, "resolution": 16}}
    )
    assert run_config.differences(other) == ["space.resolution: 8 -> 16", "supernet_recipe.epochs: 2 -> 5"]


def test_another_metric_evaluator_or_augmentation_differs(run_config: RunConfig) -> None:
    recipe = run_config.finalist_recipe
    mixed = recipe.augmentation.model_copy(update={"mixup": True})
    changes = {
        "metric": "macro-f1",
        "evaluator": "trained",
        "baselines": True,
        "finalist_recipe": recipe.model_copy(update={"augmentation": mixed, "distillation": 0.5}),
    }
    assert run_config.differences(run_config.model_copy(update=changes)) == [
        "evaluator: supernet -> trained",
        "metric: top-1 -> macro-f1",
        "baselines: False -> True",
        "finalist_recipe.augmentation.mixup: False -> True",
        "finalist_recipe.distillation: 0.0 -> 0.5",
    ]


def test_another_device_is_told_by_its_name(run_config: RunConfig, board: Device) -> None:
    other = run_config.model_copy(update={"device": board.model_copy(update={"name": "other", "threads": 4})})
    assert run_config.differences(other) == ["device: board -> other"]


def test_the_same_device_at_other_settings_is_told_by_them(run_config: RunConfig, board: Device) -> None:
    other = run_config.model_copy(update={"device": board.model_copy(update={"threads": 4})})
    assert run_config.differences(other) == ["device.threads: 1 -> 4"]


def test_another_warm_start_is_told_by_its_run_and_else_by_what_it_gave(run_config: RunConfig) -> None:
    one = WarmStart(name="one", evaluations=3, digest="ab")

    def begun(warm_start: WarmStart) -> RunConfig:
        return run_config.model_copy(update={"warm_start": warm_start})

    assert RunConfig.model_validate_json(begun(one).model_dump_json()) == begun(one)
    assert run_config.differences(begun(one)) == ["warm_start: None -> one"]
    other = one.model_copy(update={"name": "other", "digest": "cd"})
    assert begun(one).differences(begun(other)) == ["warm_start: one -> other"]
    grown = one.model_copy(update={"evaluations": 4})
    assert begun(one).differences(begun(grown)) == ["warm_start.evaluations: 3 -> 4"]


def test_a_field_that_one_side_lacks_is_a_difference(run_config: RunConfig) -> None:
    other = run_config.model_copy(update={"space": {**run_config.space, "extra": 1}})
    assert run_config.differences(other) == ["space.extra: None -> 1"]
    assert other.differences(run_config) == ["space.extra: 1 -> None"]


def test_long_values_are_cut(run_config: RunConfig) -> None:
    (text,) = run_config.differences(run_config.model_copy(update={"data": "x" * 100}))
    assert text == "data: digits -> " + "x" * 37 + "..."


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("max_latency_ms", 0, "greater than 0"),
        ("max_latency_ms", float("inf"), "finite number"),
        ("evaluations", 0, "greater than or equal to 1"),
        ("finalists", 0, "greater than or equal to 1"),
        ("seed", -1, "greater than or equal to 0"),
        ("time_budget_s", 0, "greater than 0"),
        ("metric", "f1", "'top-1', 'macro-f1', 'macro-precision' or 'macro-recall'"),
        ("evaluator", "oracle", "'supernet' or 'trained'"),
        ("objectives", ["accuracy", "energy"], "'params', 'macs' or 'peak-memory'"),
        ("colour", "red", "not permitted"),
    ],
)
def test_values_that_cannot_be_run_are_refused(
    run_config: RunConfig, field: str, value: object, reason: str
) -> None:
    with pytest.raises(ValidationError, match=rf"(?s){field}.*{reason}"):
        RunConfig.model_validate({**run_config.model_dump(), field: value})


def test_versions_are_those_of_what_a_result_depends_on() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert {"edgenas", "torch", "numpy", "pymoo", "onnx", "onnxruntime"} < set(found)
    assert found["torch"] == metadata.version("torch")
