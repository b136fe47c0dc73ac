import platform
from importlib import metadata

import pytest
from pydantic import ValidationError

from edgenas.accuracy.training_recipe import SupernetRecipe
from edgenas.device import Device
from edgenas.space import MBConvSpace, space_from_config
from edgenas.storage.run_config import DataRecord, ImageManifest, RunConfig, RunDocument, WarmStart, versions


def test_a_configuration_survives_json(run_config: RunConfig) -> None:
    assert RunConfig.model_validate_json(run_config.model_dump_json()) == run_config


def test_the_space_it_keeps_is_the_space_searched(run_config: RunConfig, tiny_space: MBConvSpace) -> None:
    read = RunConfig.model_validate_json(run_config.model_dump_json())
    assert space_from_config(read.space).signature == tiny_space.signature


def test_a_document_survives_json_with_its_schema(run_config: RunConfig) -> None:
    document = RunDocument(
        name="demo", created_at="2025-01-01T00:00:00+00:00", config=run_config, versions=versions()
    )
    text = document.model_dump_json()
    assert '"schema":"edgenas.run/2"' in text
    assert RunDocument.model_validate_json(text) == document


def test_a_configuration_with_more_objectives_survives_json(run_config: RunConfig) -> None:
    wide = run_config.with_settings(objective="accuracy,latency,macs,peak-memory")
    assert RunConfig.model_validate_json(wide.model_dump_json()) == wide
    assert len(run_config.differences(wide)) == 1


def test_equal_configurations_do_not_differ(run_config: RunConfig) -> None:
    assert run_config.differences(run_config.model_copy()) == []


def test_differences_name_field_and_both_values(run_config: RunConfig) -> None:
    other = run_config.with_settings(max_latency="10ms", seed=7)
    assert run_config.differences(other) == ["--max-latency: 20ms -> 10ms", "--seed: 0 -> 7"]


def test_differences_inside_a_field_are_told_by_their_own_name(run_config: RunConfig) -> None:
    other = run_config.model_copy(
        update={"supernet_recipe": SupernetRecipe(epochs=5), "space": {**run_config.space, "resolution": 16}}
    )
    assert run_config.differences(other) == ["space.resolution: 8 -> 16", "supernet_recipe.epochs: 2 -> 5"]


def test_another_metric_evaluator_or_augmentation_differs(run_config: RunConfig) -> None:
    other = run_config.with_settings(
        metric="macro-f1", evaluator="trained", baselines=True, augment="crop,mixup"
    )
    assert run_config.differences(other) == [
        "--metric: top-1 -> macro-f1",
        "--evaluator: supernet -> trained",
        "--augment: not set -> crop,mixup",
        "--baselines: False -> True",
    ]


def test_another_recipe_of_the_same_settings_differs(run_config: RunConfig) -> None:
    recipe = run_config.finalist_recipe.model_copy(update={"epochs": 9})
    other = run_config.model_copy(update={"finalist_recipe": recipe})
    assert run_config.differences(other) == ["finalist_recipe.epochs: 3 -> 9"]


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
    assert run_config.differences(begun(one)) == ["warm_start: not set -> one"]
    other = one.model_copy(update={"name": "other", "digest": "cd"})
    assert begun(one).differences(begun(other)) == ["warm_start: one -> other"]
    grown = one.model_copy(update={"evaluations": 4})
    assert begun(one).differences(begun(grown)) == ["warm_start.evaluations: 3 -> 4"]


def test_a_field_that_one_side_lacks_is_a_difference(run_config: RunConfig) -> None:
    other = run_config.model_copy(update={"space": {**run_config.space, "extra": 1}})
    assert run_config.differences(other) == ["space.extra: not set -> 1"]
    assert other.differences(run_config) == ["space.extra: 1 -> not set"]


def test_long_values_are_cut(run_config: RunConfig) -> None:
    (text,) = run_config.differences(run_config.with_settings(run="x" * 100))
    assert text.endswith(" -> " + "x" * 37 + "...")


def test_the_same_images_elsewhere_make_no_difference(run_config: RunConfig) -> None:
    moved = run_config.with_settings(data="elsewhere")
    assert run_config.differences(moved) == []
    other = moved.model_copy(update={"data": DataRecord(fingerprint="other")})
    assert run_config.differences(other) == ["--data: digits -> elsewhere"]


def test_a_run_from_before_the_decoding_of_jpegs_was_recorded_is_resumed(run_config: RunConfig) -> None:
    stored = run_config.model_dump(mode="json")
    del stored["data"]["preparation"]["jpeg_draft"]
    before = RunConfig.model_validate(stored)
    assert before.data.preparation.jpeg_draft == 1.5
    preparation = before.data.preparation.model_copy(update={"jpeg_draft": 0})
    now = before.model_copy(update={"data": before.data.model_copy(update={"preparation": preparation})})
    assert before.differences(now) == []


def test_changes_of_images_are_counted() -> None:
    manifest = ImageManifest(digests={"a": "1", "b": "2", "c": "3"})
    assert manifest.changes({"a": "1", "b": "9", "d": "4", "e": "5"}) == "2 added, 1 removed, 1 changed"
    assert manifest.changes(manifest.digests) == ""


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("max_latency", "0ms", "not positive"),
        ("max_latency", "20", "has no unit"),
        ("evaluations", 0, "too small"),
        ("finalists", 0, "too small"),
        ("seed", -1, "too small"),
        ("time_budget", "0s", "not positive"),
        ("metric", "f1", "known: macro-f1"),
        ("objective", "accuracy,energy", "known: accuracy, latency"),
        ("colour", "red", "unexpected keyword"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    run_config: RunConfig, name: str, value: object, reason: str
) -> None:
    config = run_config.model_dump(mode="json")
    with pytest.raises(ValidationError, match=rf"(?s)settings.*{reason}"):
        RunConfig.model_validate({**config, "settings": {**config["settings"], name: value}})


def test_unknown_fields_are_refused(run_config: RunConfig) -> None:
    with pytest.raises(ValidationError, match="not permitted"):
        RunConfig.model_validate({**run_config.model_dump(mode="json"), "colour": "red"})


def test_versions_are_those_of_what_a_result_depends_on() -> None:
    found = versions()
    assert found["python"] == platform.python_version()
    assert {"edgenas", "torch", "numpy", "pymoo", "onnx", "onnxruntime"} < set(found)
    assert found["torch"] == metadata.version("torch")


def test_what_files_are_for_does_not_change_what_is_found(run_config: RunConfig, board: Device) -> None:
    other = run_config.model_copy(update={"device": board.model_copy(update={"target": "openvino"})})
    assert run_config.differences(other) == []


def test_a_search_without_rounding_is_stored_as_by_earlier_versions(run_config: RunConfig) -> None:
    assert "rounding" not in run_config.model_dump_json()
    rounded = run_config.model_copy(update={"rounding": "arm64"})
    assert RunConfig.model_validate_json(rounded.model_dump_json()) == rounded
    assert rounded.differences(run_config) == ["rounding: arm64 -> not set"]


def test_only_the_same_search_lacks_the_rounding_of_another(run_config: RunConfig) -> None:
    rounded = run_config.model_copy(update={"rounding": "arm64"})
    assert run_config.lacks_rounding_of(rounded.with_settings(data="elsewhere"))
    assert not run_config.lacks_rounding_of(rounded.with_settings(seed=7))
    assert not run_config.lacks_rounding_of(run_config) and not rounded.lacks_rounding_of(run_config)
