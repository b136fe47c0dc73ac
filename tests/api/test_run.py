"""Classifying pictures with an exported file."""

import hashlib
import json
import os
import shutil
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import edgenas
from edgenas.errors import DeviceError, InputError
from edgenas.storage.search_result import Model
from edgenas.vocabulary import CameraLayout


@pytest.fixture
def model(in_finished_run: Path) -> Model:
    """A model of the run `done`, whose files may be changed."""
    return edgenas.load_run("done").front[-1]


@pytest.fixture
def file(model: Model) -> Path:
    assert model.onnx is not None
    return Path(model.onnx)


def changed(file: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    proto = onnx.load(file)
    change(proto)
    onnx.save(proto, file)
    return file


def without_metadata(proto: onnx.ModelProto) -> None:
    del proto.metadata_props[:]


def test_it_tells_class_and_probability(file: Path, model: edgenas.TrainedModel, image_folder: Path) -> None:
    paths = sorted((image_folder / "test" / "red").iterdir())
    found = edgenas.run(file, images=paths)
    assert (found.accuracy, found.classes, found.skipped) == (None, None, ())
    assert [each.file for each in found.predictions] == list(map(str, paths))
    for mine, theirs in zip(found.predictions, model.predict(paths), strict=True):
        assert mine.class_ == theirs.label
        assert mine.probability == pytest.approx(theirs.probability, abs=1e-4)
    assert found.model_dump()["predictions"][0].keys() >= {"file", "class", "probability"}


def test_accuracy_is_the_share_that_is_right(file: Path, model: Model, image_folder: Path) -> None:
    found = edgenas.run(file, check=image_folder)
    assert found.accuracy == model.accuracies.test
    assert found.classes is not None and {each.class_: each.images for each in found.classes} == {
        "red": 8, "green": 8, "blue": 8,
    }  # fmt: skip
    assert sum(each.right for each in found.classes) == sum(e.class_ == e.expected for e in found.predictions)
    assert edgenas.run(file, check=image_folder / "test") == found


@pytest.mark.parametrize("name", ["val", "valid", "Validation-Set"])
def test_validation_folders_are_the_test_where_there_is_no_other(
    file: Path, image_folder: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(image_folder / "train", tmp_path / "train")
    shutil.copytree(image_folder / "test", tmp_path / name)
    expected = edgenas.run(file, check=image_folder).accuracy
    assert edgenas.run(file, check=tmp_path).accuracy == expected
    shutil.copytree(image_folder / "test" / "red", tmp_path / "test" / "red")
    found = edgenas.run(file, check=tmp_path)
    assert found.classes is not None and [each.class_ for each in found.classes] == ["red"]


def test_folders_that_are_not_looked_into_do_not_matter(
    file: Path, image_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(image_folder / "test", tmp_path / "test")
    for name in ("train", "training", "val", "valid"):
        (tmp_path / name / "strange").mkdir(parents=True)
    assert edgenas.run(file, check=tmp_path).accuracy == edgenas.run(file, check=image_folder).accuracy
    (tmp_path / "testing").mkdir()
    with pytest.raises(InputError, match=r"^--check .*: both test/ and testing/ are folders for test; keep"):
        edgenas.run(file, check=tmp_path)


def test_of_class_folders_alone_all_pictures_count(
    file: Path, image_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = edgenas.run(file, check=image_folder / "train")
    assert len(found.predictions) == 60 and found.classes is not None
    (record,) = caplog.records
    assert record.message.endswith("if the model was trained on this folder, it has seen most of them")


def test_of_a_training_folder_alone_what_training_keeps_aside_counts(
    file: Path, image_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(image_folder / "train", tmp_path / "train")
    found = edgenas.run(file, check=tmp_path)
    assert found.classes is not None
    assert {each.class_: each.images for each in found.classes} == {"red": 4, "green": 4, "blue": 4}
    assert "the fifth of train/ counts that a training on this folder keeps aside" in caplog.text


def test_what_a_check_passes_over_is_told(
    file: Path, image_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(image_folder / "test", tmp_path / "val")
    (tmp_path / "val" / "red" / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(16))
    for ignored in (".hidden.jpg", "Thumbs.db"):
        (tmp_path / "val" / "red" / ignored).write_text("no picture")
    shutil.copy(image_folder / "test" / "red" / "00.png", tmp_path / "val" / "beside.png")
    found = edgenas.run(file, check=tmp_path)
    assert {(each.file, each.reason) for each in found.skipped} == {
        (str(tmp_path / "val" / "red" / "phone.HEIC"), "HEIC"),
        (str(tmp_path / "val" / "beside.png"), "outside class folders"),
    }
    assert caplog.messages[0].startswith("skipped 2 of 26 files: ")
    shutil.rmtree(tmp_path / "val")
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(16))
    with pytest.raises(
        InputError, match=r"passed over: 1 HEIC \(red/phone.HEIC: convert them to JPEG\); lay"
    ):
        edgenas.run(file, check=tmp_path)


def test_pillow_s_warnings_are_not_the_user_s(
    file: Path, image_folder: Path, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    shutil.copytree(image_folder / "test", tmp_path / "test")
    header = b"IHDR" + (10_000).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])  # so large that Pillow warns
    png = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4) + header + zlib.crc32(header).to_bytes(4)
    (tmp_path / "test" / "red" / "large").write_bytes(
        png + bytes(4) + b"IDAT" + zlib.crc32(b"IDAT").to_bytes(4)
    )
    assert len(edgenas.run(file, images=tmp_path, check=tmp_path).skipped) == 2
    assert not recwarn.list


@pytest.mark.parametrize("mark", ["\u2028", "\x1c", "\x85", ", ", "\r"])
def test_names_stay_as_they_are(file: Path, image_folder: Path, tmp_path: Path, mark: str) -> None:
    path = tmp_path / f"a{mark}b.png"
    shutil.copy(image_folder / "test" / "red" / "00.png", path)
    for given in (path, str(path), [path], os.fsencode(path), [os.fsencode(path)]):
        assert [each.file for each in edgenas.run(file, images=given).predictions] == [str(path)]


def test_pictures_beside_a_check_do_not_count(file: Path, image_folder: Path) -> None:
    picture = next((image_folder / "train" / "red").iterdir())
    both = edgenas.run(file, images=picture, check=image_folder)
    assert both.predictions[0].file == str(picture) and both.predictions[0].expected is None
    assert both.accuracy == edgenas.run(file, check=image_folder).accuracy


def test_a_folder_is_searched_and_what_is_no_picture_is_skipped_in_one_line(
    file: Path, image_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(image_folder / "test", tmp_path / "mixed" / "deep")
    for name in ("a.txt", "b.jpg", "c.jpg", "d"):
        (tmp_path / "mixed" / name).write_text("no picture")
    (tmp_path / "mixed" / ".hidden.jpg").write_text("no picture")
    (tmp_path / "mixed" / "again").symlink_to(tmp_path / "mixed")
    Image.new("RGB", (9, 9)).save(tmp_path / "one, two.png")
    found = edgenas.run(file, images=[tmp_path / "mixed", str(tmp_path / "one, two.png")])
    assert len(found.predictions) == 25 and found.predictions[-1].file.endswith("one, two.png")
    assert [(Path(each.file).name, each.reason) for each in found.skipped] == [
        ("again", "link to a folder"),
        *((name, "not an image") for name in ("a.txt", "d", "b.jpg", "c.jpg")),
    ]
    (record,) = caplog.records
    assert record.message.startswith("skipped 5 of 30 files: ")
    assert record.message.endswith("d (not an image) and 2 more")


@pytest.mark.parametrize("suffix", ["gif", "tiff", "png", "webp"])
def test_of_several_frames_the_first_is_used(
    file: Path, image_folder: Path, tmp_path: Path, suffix: str
) -> None:
    red, blue = (Image.open(image_folder / "test" / name / "00.png").quantize(16) for name in ("red", "blue"))
    if suffix != "gif":
        red, blue = red.convert("RGB"), blue.convert("RGB")
    options = {"lossless": True} if suffix == "webp" else {}
    red.save(tmp_path / f"many.{suffix}", save_all=True, append_images=[blue], **options)
    red.save(tmp_path / "one.png")
    with Image.open(tmp_path / f"many.{suffix}") as image:
        assert getattr(image, "n_frames", 1) == 2
    many, one = edgenas.run(file, images=[tmp_path / f"many.{suffix}", tmp_path / "one.png"]).predictions
    assert (many.class_, many.probability) == (one.class_, pytest.approx(one.probability, abs=1e-6))


def test_a_name_that_is_not_utf8_is_escaped(file: Path, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    Image.new("RGB", (9, 9)).save(path)
    found = edgenas.run(file, images=path)
    assert found.predictions[0].file.endswith(r"caf\xe9.png")
    assert json.loads(found.model_dump_json())["predictions"]


def test_a_class_may_be_called_test(file: Path, image_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(image_folder / "test" / "red", tmp_path / "test")
    with pytest.raises(InputError, match=r"unknown class folder in .*: 'test'"):
        edgenas.run(file, check=tmp_path)


def test_more_pictures_than_are_classified_at_once(file: Path, image_folder: Path) -> None:
    paths = [path for path in sorted((image_folder / "train").glob("*/*.png")) for _ in range(3)]
    found = [each.class_ for each in edgenas.run(file, images=paths).predictions]
    assert len(paths) > 128 and found[::3] == found[1::3] == found[2::3]


def test_names_of_folders_may_be_written_otherwise(file: Path, image_folder: Path, tmp_path: Path) -> None:
    name = unicodedata.normalize("NFC", "Käse")

    def rename(proto: onnx.ModelProto) -> None:
        for entry in proto.metadata_props:
            if entry.key == "classes":
                entry.value = json.dumps(["blue", "green", name])

    changed(file, rename)
    shutil.copytree(image_folder / "test" / "red", tmp_path / unicodedata.normalize("NFD", name))
    found = edgenas.run(file, check=tmp_path)
    assert found.accuracy is not None and found.accuracy > 0.5
    assert found.classes is not None and [each.class_ for each in found.classes] == [name]


def test_a_class_that_the_model_lacks_is_named(file: Path, image_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(image_folder / "test" / "red", tmp_path / "redd")
    expected = r"class folder in .*: 'redd'; did you mean 'red'\? the model knows blue, green, red$"
    with pytest.raises(InputError, match=expected):
        edgenas.run(file, check=tmp_path)


def test_nothing_to_classify_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"^there are no pictures to classify; name some"):
        edgenas.run(file)
    with pytest.raises(InputError, match=r"^there are no pictures to classify"):
        edgenas.run(file, images=tmp_path / "empty")
    with pytest.raises(
        InputError, match=r"^--check .*empty: has no class folders with images; lay it out as test/<class>/"
    ):
        edgenas.run(file, check=tmp_path / "empty")
    with pytest.raises(InputError, match=r"gone: cannot be listed \(No such file"):
        edgenas.run(file, check=tmp_path / "gone")
    with pytest.raises(InputError, match=r"^none of 1 file can be classified: .*gone\.jpg \(not a file\)"):
        edgenas.run(file, images=tmp_path / "gone.jpg")


def test_a_check_without_a_readable_picture_has_no_accuracy(
    file: Path, image_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "a.jpg").write_text("no picture")
    with pytest.raises(
        InputError, match=r"^--check .*: none of its pictures can be read; give another folder$"
    ):
        edgenas.run(file, images=image_folder / "test", check=tmp_path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="needs a folder that cannot be listed"
)
def test_a_folder_that_cannot_be_listed_is_refused(file: Path, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(InputError, match="cannot be listed"):
        edgenas.run(file, images=tmp_path / "closed")


def test_a_file_of_an_earlier_version_is_described_by_its_card(
    file: Path, model: Model, image_folder: Path
) -> None:
    changed(file, without_metadata)
    with pytest.raises(
        InputError, match=r"\.json is the card of another file than .*\.onnx; export the model again"
    ):
        edgenas.run(file, check=image_folder)
    card = json.loads(file.with_suffix(".json").read_text())
    told = ("resolution", "mean", "std", "layout")
    card["preprocessing"] = {name: card["preprocessing"][name] for name in told}
    card["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    file.with_suffix(".json").write_text(json.dumps(card))
    assert edgenas.run(file, check=image_folder).accuracy == model.accuracies.test
    file.with_suffix(".json").unlink()
    with pytest.raises(InputError, match=r"does not say what its classes are .* and has no card beside it"):
        edgenas.run(file, check=image_folder)


def test_metadata_that_do_not_fit_are_refused(file: Path, image_folder: Path) -> None:
    def forget(proto: onnx.ModelProto) -> None:
        for entry in proto.metadata_props:
            if entry.key == "classes":
                entry.value = '["red", "green"]'

    with pytest.raises(InputError, match="metadata: do not fit its input or output; export it again"):
        edgenas.run(changed(file, forget), check=image_folder)


def test_what_is_no_model_is_refused(tmp_path: Path, image_folder: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"a\.onnx"):
        edgenas.run(tmp_path / "a.onnx", check=image_folder)
    with pytest.raises(InputError, match=r"gone\.onnx"):
        edgenas.run(tmp_path / "gone.onnx", check=image_folder)


def test_an_operator_that_the_runtime_lacks_is_trouble_of_the_device(file: Path, image_folder: Path) -> None:
    def strange(proto: onnx.ModelProto) -> None:
        proto.graph.node[0].domain = "of.nobody"
        proto.opset_import.append(onnx.helper.make_opsetid("of.nobody", 1))

    with pytest.raises(DeviceError, match="ONNX Runtime cannot load"):
        edgenas.run(changed(file, strange), check=image_folder)


def test_outputs_that_are_no_numbers_are_refused(file: Path, image_folder: Path) -> None:
    def spoil(proto: onnx.ModelProto) -> None:
        for tensor in proto.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                values = np.full_like(onnx.numpy_helper.to_array(tensor), np.nan)
                tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))

    with pytest.raises(edgenas.EdgenasError, match="outputs are not finite; export it in fp32"):
        edgenas.run(changed(file, spoil), check=image_folder)


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_a_file_that_prepares_pictures_takes_them_as_they_are(
    file: Path, image_folder: Path, tmp_path: Path, layout: CameraLayout
) -> None:
    paths = sorted((image_folder / "test").glob("*/*"))
    Image.effect_noise((90, 31), 50).save(tmp_path / "other size.png")
    Image.effect_noise((12, 70), 50).save(tmp_path / "another.png")
    pictures = [*paths, tmp_path / "other size.png", tmp_path / "another.png"]
    edgenas.export("done", embed_preprocessing=layout)
    found = edgenas.run(file.with_suffix(".camera.onnx"), images=pictures).predictions
    expected = edgenas.run(file, images=pictures).predictions
    assert [each.class_ for each in found] == [each.class_ for each in expected]
    assert [each.probability for each in found] == pytest.approx(
        [each.probability for each in expected], abs=0.01
    )


def test_a_file_of_one_camera_takes_pictures_of_its_size_alone(
    file: Path, image_folder: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "large.png")
    edgenas.export("done", embed_preprocessing="nhwc", camera="16x16")
    camera = file.with_suffix(".camera.onnx")
    found = edgenas.run(camera, images=[image_folder / "test/red", tmp_path / "large.png"])
    assert len(found.predictions) == 8
    assert [each.reason for each in found.skipped] == ["40x30; the file takes 16x16 alone"]
    assert "skipped 1 of 9 files: " in caplog.text and "large.png (40x30; the file takes" in caplog.text
    with pytest.raises(
        InputError, match=r"^none of 1 file can be classified: .*large\.png \(40x30; the file"
    ):
        edgenas.run(camera, images=[tmp_path / "large.png"])


def test_a_camera_that_does_not_fit_the_file_is_refused(file: Path, image_folder: Path) -> None:
    def claim(proto: onnx.ModelProto) -> None:
        proto.metadata_props.add(key="camera", value='{"layout": "nhwc"}')

    with pytest.raises(
        InputError, match=r"\.onnx: metadata: do not fit its input or output; export it again$"
    ):
        edgenas.run(changed(file, claim), images=[image_folder])
