"""Further fragments: each is valid, runs, and together they run whatever kernels other people's files have."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgenas.board.execution import OPTIMISED, executed
from edgenas.device.onnx_execution import graphs_of
from edgenas.fragments import drawing as module
from edgenas.fragments.drawing import Fragment, further
from edgenas.fragments.kinds import APPENDED, FREQUENT, KINDS
from edgenas.space.onnx_graph import INPUT

EXPECTED = """
    Abs Add And ArgMax ArgMin Attention BatchNormalization Cast Clip Compress Concat ConstantOfShape Conv ConvInteger
    ConvTranspose CumSum DepthToSpace DequantizeLinear Div DynamicQuantizeLSTM DynamicQuantizeLinear
    DynamicQuantizeMatMul Einsum Equal Erf Exp Expand Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm
    GlobalAveragePool GlobalMaxPool HardSigmoid If InstanceNormalization LRN LSTM LayerNormalization LeakyRelu
    LinearClassifier Log Loop MatMul MatMulIntegerToFloat Max MaxPool Min Mod Mul Neg NonMaxSuppression NonZero
    Normalizer OneHot Pad Pow QGemm QLinearAdd QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu
    QLinearMatMul QLinearMul QLinearSigmoid QuantizeLinear QuickGelu RNN Range Reciprocal ReduceMax ReduceMean ReduceMin
    ReduceSum Relu Reshape Resize Scaler ScatterElements ScatterND Shape Sigmoid SkipLayerNormalization Slice Softmax
    SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh Tile TopK Transpose TreeEnsembleClassifier TreeEnsembleRegressor Trilu
    Unsqueeze Where ZipMap
"""
"""Operators that ONNX Runtime runs of all fragments, without the layouts that only some processors have."""


@pytest.fixture(scope="module", autouse=True)
def all_kinds() -> Iterator[None]:
    """Other tests draw none of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FURTHER", 3)
        patch.setattr(module, "COUNT", 400)
        yield


@pytest.fixture(scope="module")
def drawn(all_kinds: None) -> list[Fragment]:
    """All of them, for one image."""
    return list(further(1))


def test_there_are_some_of_every_kind(drawn: list[Fragment]) -> None:
    names = [fragment.name.split("/")[1] for fragment in drawn]
    assert {*FREQUENT, *APPENDED} <= set(KINDS)
    assert {name: names.count(name) for name in names} == {
        name: module.FURTHER * (2 if name in (*FREQUENT, *APPENDED) else 1) for name in KINDS
    }
    assert len({fragment.name for fragment in drawn}) == len(drawn)


def test_no_name_is_one_of_the_other_fragments(drawn: list[Fragment]) -> None:
    assert min(int(fragment.name.split("/")[0].split(".")[1]) for fragment in drawn) == module.COUNT


def test_every_fragment_is_valid_and_runs(drawn: list[Fragment], tmp_path: Path) -> None:
    found = set[str]()
    for fragment in drawn:
        onnx.checker.check_model(fragment.model, full_check=True)
        path = tmp_path / "fragment.onnx"
        path.write_bytes(fragment.model.SerializeToString())
        runs = executed(str(path), fragment.feeds(), str(tmp_path))
        optimised = onnx.load(tmp_path / OPTIMISED, load_external_data=False)
        operators = {node.name: node.op_type for graph in graphs_of(optimised.graph) for node in graph.node}
        found.update(operators[run.node] for run in runs if run.node in operators)
    assert sorted(set(EXPECTED.split()) - found) == []


def test_sizes_are_moderate(drawn: list[Fragment]) -> None:
    for fragment in drawn:
        assert (
            sum(np.prod(tensor.dims) for tensor in fragment.model.graph.initializer)
            < 1.01 * module.FURTHER_WEIGHTS
        )
        assert len(fragment.model.graph.node) < 200


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_have_the_batch_and_a_seed_gives_the_same_fragment_again(kind: str) -> None:
    number = list(KINDS).index(kind)

    def draw(seed: int) -> Fragment:
        return module.further_fragment(kind, 3, [seed, number])

    first, again = draw(0), draw(0)
    assert first.model.SerializeToString() == again.model.SerializeToString()
    assert any(first.model != draw(seed).model for seed in range(1, 6))
    assert first.shape[0] == 3
    feeds = first.feeds()
    for given in first.model.graph.input:
        shape, dtype = first.inputs[given.name]
        assert (
            tuple(dim.dim_value for dim in given.type.tensor_type.shape.dim)
            == shape
            == feeds[given.name].shape
        )
        assert (
            onnx.helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
            == dtype
            == feeds[given.name].dtype
        )
    assert next(iter(feeds)) == INPUT
    onnx.checker.check_model(first.model, full_check=True)
