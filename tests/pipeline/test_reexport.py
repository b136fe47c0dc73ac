"""Exporting the models of a finished run again."""

import json
import shutil
from pathlib import Path

import onnx
import pytest
from safetensors.torch import load_file, save_file

from edgenas import export, load_run, run, search
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.errors import FileFormatError, InputError, RunConflictError, UnknownNameError
from edgenas.exporting.onnx_export import run_onnx
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.search_result import SearchResult
from edgenas.vocabulary import Precision


def test_a_run_is_found_by_its_folder_too(in_finished_run: Path) -> None:
    by_name, by_path = export("done").models, export("runs/done").models
    assert [m.id for m in by_name] == [m.id for m in by_path]
    assert all(m.max_abs_error <= 1e-4 and m.accuracy_before == m.accuracy_after for m in by_name)


def test_a_converted_models_card_claims_only_what_was_seen_of_it(
    in_finished_run: Path, image_folder: Path
) -> None:
    (model, *_) = export("done", precision="int8").models
    card = json.loads(model.onnx.with_suffix(".json").read_text())["model"]
    seen = run(model.onnx, check=image_folder / "test").accuracy
    assert card["accuracies"] == {"supernet": None, "validation": model.accuracy_after, "test": seen}
    assert card["latency_ms"]["measured"] is None
    assert card["note"] == "converted to int8; latency is predicted for fp32"
    assert card["note"] in model.onnx.with_suffix(".md").read_text()


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_baseline_is_exported_again_by_its_name(precision: Precision, in_compared_run: Path) -> None:
    result = SearchResult.model_validate_json(Path("runs/compared/front.json").read_text())
    (baseline,) = (model for model in result.baselines if model.id == "mobilenet-v2")
    (exported,) = export("compared", "mobilenet-v2", precision).models
    suffix = "" if precision == "fp32" else f".{precision}"
    assert exported.onnx == Path(f"exports/compared/mobilenet-v2{suffix}.onnx")
    assert exported.accuracy_before == baseline.accuracies.validation
    card = json.loads(exported.onnx.with_suffix(".json").read_text())["model"]
    assert card["name"] == baseline.name
    if precision == "fp32":
        assert exported.max_abs_error <= 1e-4 and exported.accuracy_after == exported.accuracy_before


def test_accuracies_before_and_after_follow_the_runs_metric(
    in_compared_run: Path, imbalanced_folder: Path
) -> None:
    from sklearn.metrics import f1_score

    result = SearchResult.model_validate_json(Path("runs/compared/front.json").read_text())
    split = (dataset := load_dataset(str(imbalanced_folder), 32)).validation
    for model, exported in zip(result.front, export("compared", precision="fp16").models, strict=True):
        assert exported.accuracy_before == model.accuracies.validation == model.scores.validation["macro-f1"]
        card = json.loads(exported.onnx.with_suffix(".json").read_text())["model"]
        assert card["scores"]["validation"]["macro-f1"] == exported.accuracy_after
        assert card["accuracy"] == {"value": exported.accuracy_after, "kind": "validation"}
        logits = run_onnx(exported.onnx.read_bytes(), dataset.normalise(split.images))
        labels = split.labels.numpy()
        assert exported.accuracy_after == pytest.approx(f1_score(labels, logits.argmax(1), average="macro"))


def test_without_a_name_baselines_are_not_exported(in_compared_run: Path) -> None:
    assert all(not model.id.startswith("mobilenet") for model in export("compared").models)


def test_damaged_weights_are_named(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished_run / "runs", tmp_path / "runs")
    weights = next((tmp_path / "runs/done/models").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileFormatError, match=r"does not hold the weights .*; restore the file, or search"):
        export("done", weights.stem)


def permuted(path: Path) -> None:
    """Permute the rows of the last layer: other weights of the same names and shapes."""
    tensors = load_file(path)
    name = max(name for name, tensor in tensors.items() if tensor.ndim == 2)
    save_file({**tensors, name: tensors[name].flip(0).contiguous()}, path)


def test_a_card_never_states_figures_of_other_weights(in_finished_run: Path) -> None:
    folder = RunFolder(Path("runs/done"))
    (first, *_) = folder.read_result().front
    permuted(folder.weights(first.id))
    card = Path(f"exports/done/{first.id}.json")
    card.unlink()
    with pytest.raises(FileFormatError, match=rf"does not hold the weights that {first.id} was trained to"):
        export("done")
    with pytest.raises(FileFormatError, match="its SHA-256 differs"):
        load_run("done").front[0].load()
    assert not card.exists()


def test_other_weights_of_an_earlier_versions_run_are_told_by_their_accuracy(in_finished_run: Path) -> None:
    folder = RunFolder(Path("runs/done"))
    content = json.loads(folder.front.read_text())
    for model in (*content["front"], *content["dropped"]):
        del model["weights_sha256"]
    folder.front.write_text(json.dumps(content))
    (first, *_) = export("done").models
    permuted(folder.weights(first.id))
    told = r"\.safetensors: is right about \d+\.\d% of the validation images, not about \d+\.\d% as the run recorded"
    with pytest.raises(FileFormatError, match=told):
        export("done")


def test_an_id_that_leaves_the_folder_writes_nowhere(in_finished_run: Path) -> None:
    front = Path("runs/done/front.json")
    content = json.loads(front.read_text())
    id_ = content["front"][0]["id"]
    content["front"][0]["id"] = "a/../../../../w"
    front.write_text(json.dumps(content))
    Path("runs/done/models/a").mkdir()
    shutil.copy(f"runs/done/models/{id_}.safetensors", "w.safetensors")
    before = sorted(in_finished_run.parent.rglob("*"))
    with pytest.raises(FileFormatError, match=r"front\.json: front\.0\.id: string should match pattern"):
        export("done")
    assert sorted(in_finished_run.parent.rglob("*")) == before


def test_unknown_models_and_precisions_are_refused(in_finished_run: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown model 'ffffffffff'"):
        export("done", "ffffffffff")
    with pytest.raises(
        UnknownNameError, match=r"^unknown --precision 'fp8'; did you mean 'fp32'\? known: fp16"
    ):
        export("done", precision="fp8")  # type: ignore[arg-type]


def test_an_unknown_run_lists_those_there_are(in_finished_run: Path) -> None:
    with pytest.raises(InputError, match=r"unknown run 'dnoe'; did you mean 'done'\? known: done"):
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
    with pytest.raises(
        RunConflictError,
        match=r"does not hold the images of run done, or they have changed \(1 removed\); give",
    ):
        export("done")


def test_images_that_have_moved_are_found_by_name_or_handed_in(
    in_finished_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    before = export("done").models
    moved = tmp_path / "elsewhere"
    shutil.copytree(image_folder, moved)
    by_name = export("done", data=moved).models
    by_object = export("done", data=load_dataset(str(moved), 16)).models
    figures = [(model.id, model.accuracy_after, model.max_abs_error) for model in before]
    for found in (by_name, by_object):
        assert [(model.id, model.accuracy_after, model.max_abs_error) for model in found] == figures


def test_a_run_remembers_where_its_images_are_now(
    in_finished_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(image_folder, tmp_path / "images")
    export("done", data=tmp_path / "images")
    document = RunFolder(in_finished_run / "runs/done").read_document()
    assert document.config.settings.data == str(tmp_path / "images")


def test_images_of_a_run_of_an_earlier_version_cannot_be_compared_and_that_is_said(
    in_finished_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (in_finished_run / "runs/done/images.json").unlink()
    assert export("done").models
    assert (
        "run done was made by an earlier version: whether its images are the same cannot be checked"
        in caplog.text
    )


def test_a_run_on_named_data_takes_no_folder(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    search("pi5", "20ms", "digits", evaluations=1, finalists=1, run="digits")
    before = Path("runs/digits/run.json").read_text()
    with pytest.raises(
        RunConflictError, match=r"does not hold the images of run digits, or they have changed; give"
    ):
        export("digits", data=image_folder)
    assert Path("runs/digits/run.json").read_text() == before


def test_other_images_are_refused(in_finished_run: Path, imbalanced_folder: Path) -> None:
    with pytest.raises(RunConflictError, match=r"imbalanced.* does not hold the images of run done"):
        export("done", data=imbalanced_folder)


def test_a_file_for_an_older_runtime_lies_beside_the_search_s(
    in_finished_run: Path, image_folder: Path
) -> None:
    usual = {path: path.read_bytes() for path in Path("exports/done").iterdir()}
    result = export("done", target="tensorrt-8.2", precision="int8")
    assert (result.target, result.batch) == ("tensorrt-8.2", None)
    for model in result.models:
        assert model.onnx.name == f"{model.id}.tensorrt-8.2.int8.onnx"
        proto = onnx.load(model.onnx)
        onnx.checker.check_model(proto, full_check=True)
        assert [(each.domain, each.version) for each in proto.opset_import if not each.domain] == [("", 13)]
        assert proto.ir_version == 7
        constants = {each.name: onnx.numpy_helper.to_array(each) for each in proto.graph.initializer}
        quantised = [node for node in proto.graph.node if node.op_type == "QuantizeLinear"]
        assert quantised and all(
            not constants[node.input[2]].any() for node in quantised
        )  # as TensorRT wants it
        card = json.loads(model.onnx.with_suffix(".json").read_text())
        assert (card["exported_for"], card["opset"]) == ("tensorrt-8.2", 13)
    assert all(path.read_bytes() == content for path, content in usual.items())


def test_a_fixed_batch_and_names_left_out(in_finished_run: Path, image_folder: Path) -> None:
    (model, *_) = export("done", batch=3, embed_labels=False).models
    assert model.onnx.name == f"{model.id}.b3.onnx"
    card = json.loads(model.onnx.with_suffix(".json").read_text())
    assert card["batch"] == 3 and not card["names_classes"]
    assert run(model.onnx, check=image_folder / "test").accuracy == card["model"]["accuracies"]["test"]


def test_files_of_a_target_with_a_format_of_its_own(in_finished_run: Path) -> None:
    (model, *_) = export("done", target="ort-mobile").models
    assert [path.suffix for path in model.files] == [".ort", ".config"]
    assert all(path.is_file() for path in model.files)


def test_fp16_for_a_processor_is_exported_with_a_warning(
    in_finished_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = export("done", precision="fp16")
    (text,) = result.notes
    assert text in caplog.text and text.startswith("fp16 is usually slower than fp32 on processors")
    card = json.loads(result.models[0].onnx.with_suffix(".json").read_text())
    assert card["model"]["note"] == f"converted to fp16; latency is predicted for fp32; {text}"
    caplog.clear()
    assert export("done", precision="int8").notes == () and not caplog.text


def test_a_model_that_guesses_is_said_to_in_every_form(
    in_finished_run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edgenas.pipeline.reexport.guessing_text", lambda *_: "no better than guessing")
    for precision in ("fp32", "int8"):
        caplog.clear()
        result = export("done", precision=precision)
        assert result.notes == tuple(f"{each.id} is no better than guessing" for each in result.models)
        assert result.notes[0] in caplog.text
    card = json.loads(result.models[0].onnx.with_suffix(".json").read_text())
    assert card["model"]["note"].endswith("; no better than guessing")


def test_a_search_for_an_old_board_writes_files_that_it_reads(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    (model, *_) = search(
        "jetson-nano", "20ms", str(image_folder), evaluations=1, finalists=1, run="old", activation="hswish"
    ).front
    content = Path(str(model.onnx)).read_bytes()
    assert onnx.load_from_string(content).opset_import[0].version == 13
    export("old")
    assert Path(str(model.onnx)).read_bytes() == content


def test_a_model_searched_in_int8_keeps_its_file_and_gets_others_beside_it(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    found = search(
        "pi5", "20ms", str(image_folder), evaluations=1, finalists=1, run="small", precision="int8"
    )
    (searched, *_) = found.front
    content = Path(str(searched.onnx)).read_bytes()
    (exact,) = export("small", precision="fp32").models
    assert exact.onnx.name == f"{searched.id}.fp32.onnx"
    card = json.loads(exact.onnx.with_suffix(".json").read_text())
    assert card["model"]["precision"] == card["precision"] == "fp32"
    assert card["model"]["note"].startswith("converted to fp32; latency is predicted for int8")
    for (again,) in (export("small").models, export("small", precision="int8").models):
        assert again.precision == "int8"
        assert again.onnx == Path(str(searched.onnx)) and again.onnx.read_bytes() == content
    (other,) = export("small", target="tensorrt").models
    assert other.onnx.name == f"{searched.id}.tensorrt.onnx"
    card = json.loads(other.onnx.with_suffix(".json").read_text())["model"]
    assert card["quantised"] is None and card["latency_ms"]["measured"] is None
    assert card["note"] == "converted to int8 in the form tensorrt; latency is predicted for the form arm64"
    tested = run(other.onnx, check=image_folder / "test").accuracy
    assert card["accuracies"] == {"supernet": None, "validation": other.accuracy_after, "test": tested}
    assert card["scores"]["test"]["top-1"] == tested
