from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgenas.accuracy.dataset import Dataset
from edgenas.errors import DeviceError, DivergenceError, InputError
from edgenas.exporting.classifying import AT_ONCE, Classifier, classifier_from_file
from edgenas.exporting.onnx_metadata import FileMetadata, Origin, with_metadata
from edgenas.exporting.preprocessing import Preprocessing, preprocessing_for
from edgenas.space import MBConvSpace
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights


@pytest.fixture
def preprocessing(tiny_dataset: Dataset) -> Preprocessing:
    return preprocessing_for(tiny_dataset)


def test_pictures_are_classified_in_parts_and_probabilities_add_up(
    preprocessing: Preprocessing, tiny_dataset: Dataset
) -> None:
    sizes = []

    def logits(images: NDArray[np.float32]) -> NDArray[np.float32]:
        sizes.append(len(images))
        found: NDArray[np.float32] = np.float32(1000) + images.mean((2, 3))
        return found

    pixels = tiny_dataset.train.images.permute(0, 2, 3, 1).numpy()
    many = np.concatenate([pixels] * 3)
    found = np.stack(list(Classifier(("a", "b", "c"), preprocessing, logits).probabilities(many)))
    assert sizes == [AT_ONCE, AT_ONCE, len(many) - 2 * AT_ONCE]
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    scores = preprocessing.normalised(many).mean((2, 3))
    assert (found.argmax(1) == scores.argmax(1)).all()
    np.testing.assert_allclose(np.log(found[:, 0] / found[:, 1]), scores[:, 0] - scores[:, 1], atol=1e-3)


def test_no_pictures_have_no_probabilities(preprocessing: Preprocessing) -> None:
    assert (
        list(Classifier(("a",), preprocessing, lambda _: np.zeros((0, 1), np.float32)).probabilities([]))
        == []
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_refused(preprocessing: Preprocessing, value: float) -> None:
    broken = Classifier(
        ("a", "b"), preprocessing, lambda images: np.full((len(images), 2), value, np.float32)
    )
    with pytest.raises(DivergenceError, match=r"^the network's outputs are not finite; export it in fp32"):
        list(broken.probabilities([np.zeros((8, 8, 3), np.uint8)]))


Changed = Callable[[Callable[[onnx.ModelProto], None]], Path]


@pytest.fixture
def changed(preprocessing: Preprocessing, tiny_space: MBConvSpace, tmp_path: Path) -> Changed:
    """`changed(change)`: an exported file of three classes, changed before it gets its metadata."""

    def make(change: Callable[[onnx.ModelProto], None]) -> Path:
        proto = onnx_from_blocks(tiny_space.blocks(tiny_space.smallest), random_weights(0))
        change(proto)
        origin = Origin(version="0.1.0", run="demo", model="ab")
        described = FileMetadata(classes=("a", "b", "c"), preprocessing=preprocessing, edgenas=origin)
        (tmp_path / "a.onnx").write_bytes(with_metadata(proto.SerializeToString(), described))
        return tmp_path / "a.onnx"

    return make


def unchanged(_: onnx.ModelProto) -> None:
    """As edgenas exports it."""


def test_a_file_says_all_that_is_needed(preprocessing: Preprocessing, changed: Changed) -> None:
    found = classifier_from_file(changed(unchanged))
    assert (found.classes, found.preprocessing) == (("a", "b", "c"), preprocessing)
    assert len(list(found.probabilities(np.zeros((5, 8, 8, 3), np.uint8)))) == 5


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_a_file_of_a_fixed_batch_is_fed_as_many_at_a_time(changed: Changed, batch: int) -> None:
    def fix(proto: onnx.ModelProto) -> None:
        for value in (*proto.graph.input, *proto.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = batch

    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)
    expected = np.stack(list(classifier_from_file(changed(unchanged)).probabilities(pixels)))
    found = np.stack(list(classifier_from_file(changed(fix)).probabilities(pixels)))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_file_that_fails_as_it_runs_is_trouble_of_the_device(
    changed: Changed, capfd: pytest.CaptureFixture[str]
) -> None:
    def reshape(proto: onnx.ModelProto) -> None:
        """The output's shape is one that only a batch of 1 has."""
        (output,) = proto.graph.output
        (node,) = (node for node in proto.graph.node if output.name in node.output)
        node.output[list(node.output).index(output.name)] = "inner"
        proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 3]), "shape"))
        proto.graph.node.append(onnx.helper.make_node("Reshape", ["inner", "shape"], [output.name]))

    found = classifier_from_file(changed(reshape))
    assert len(list(found.probabilities(np.zeros((1, 8, 8, 3), np.uint8)))) == 1
    with pytest.raises(DeviceError, match=r"^ONNX Runtime cannot run .*a\.onnx \(.*\); export it again$"):
        list(found.probabilities(np.zeros((2, 8, 8, 3), np.uint8)))
    assert capfd.readouterr().err == ""  # ONNX Runtime's own lines would be beside ours


def test_classes_that_the_file_does_not_name_are_in_the_card_beside_it(changed: Changed) -> None:
    path = changed(unchanged)
    model = onnx.load(path)
    named = [each for each in model.metadata_props if each.key != "classes"]
    del model.metadata_props[:]
    model.metadata_props.extend(named)
    path.write_bytes(model.SerializeToString())
    message = r"a\.onnx does not name its classes, and has no card beside it that does; put a\.json beside it, or exp"
    with pytest.raises(InputError, match=message):
        classifier_from_file(path)
