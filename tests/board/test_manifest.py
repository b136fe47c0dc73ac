"""What a manifest may say; whatever else it says is refused in one line."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fixtures.kits import UnpackedKit
from hypothesis import given
from hypothesis import strategies as st

from edgenas.board.manifest import _kit_from, read_kit
from edgenas.board.problem import BoardError

Make = Callable[[], UnpackedKit]


def test_a_kit_is_read(make_kit: Make) -> None:
    kit = read_kit(make_kit().folder)
    assert (kit.runtime, kit.threads, kit.batch, kit.plan) == ("onnxruntime", 1, 1, {"anything": 1})
    assert kit.sentinel.key == "sentinel"
    assert list(kit.models) == ["stem", "mbconv", "head"]


def _changed(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest.update({name: value})


def _model(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest["models"][1].update({name: value})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_changed("threads", "1"), "threads is missing or of a wrong type"),
        (_changed("threads", True), "threads is missing or of a wrong type"),
        (_changed("threads", 0), "threads is out of range"),
        (_changed("batch", [1]), "batch is missing or of a wrong type"),
        (_changed("budget_s", float("nan")), "NaN is no number"),
        (_changed("budget_s", float("inf")), "Infinity is no number"),
        (_changed("budget_s", -1), "budget_s is missing or out of range"),
        (_changed("weights_bytes", []), "weights_bytes is missing or of a wrong type"),
        (_changed("weights_bytes", {"float32": -1}), "float32 is out of range"),
        (_changed("weights_bytes", {"float32": 10**15}), "float32 is out of range"),
        (_changed("weights_bytes", {"float128": 1}), "weights_bytes names an unknown type"),
        (_changed("sentinel", "nothing"), "it lacks the sentinel, or has no other model"),
        (_changed("models", []), "it lacks the sentinel, or has no other model"),
        (_changed("models", [1]), "a model is not an object"),
        (_changed("runtime", "abacus"), "this runner has no abacus"),
        (_changed("provider", "a\nb\x1b[31m"), "provider is no short, printable text"),
        (_changed("provider", "\ud800"), "provider is no short, printable text"),
        (_changed("plan", None), "plan is missing or of a wrong type"),
        (_model("key", "head"), "two models have the same key"),
        (_model("key", ["stem"]), "key is missing or of a wrong type"),
        (_model("file", "../1.onnx"), "it names a file outside the kit: '../1.onnx'"),
        (_model("sha256", "0"), "sha256 is no checksum"),
        (_model("memory_bytes", -1), "memory_bytes is out of range"),
        (_model("estimated_ms", 0), "estimated_ms is missing or out of range"),
        (_model("inputs", []), "inputs is missing or of a wrong type"),
        (_model("inputs", {"x": [1, 0]}), "inputs has no valid shapes"),
        (_model("inputs", {"x": 1}), "inputs has no valid shapes"),
        (_model("inputs", {"x": [True]}), "inputs has no valid shapes"),
    ],
)
def test_what_is_wrong_is_named(
    make_kit: Make, change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    kit = make_kit()
    change(kit.manifest)
    kit.write()
    with pytest.raises(BoardError) as caught:
        read_kit(kit.folder)
    assert reason in str(caught.value).replace("\\'", "'")
    assert str(caught.value).isprintable()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_no_value_of_any_field_ends_in_another_error(data: st.DataObject) -> None:
    model = {"key": "s", "file": "1.onnx", "sha256": "0" * 64, "memory_bytes": 1, "estimated_ms": 1.0}
    manifest: dict[str, Any] = {
        "schema": "edgenas.kit/1",
        "runtime": "onnxruntime",
        "provider": "CPUExecutionProvider",
        "threads": 1,
        "batch": 1,
        "uses_gpu": False,
        "budget_s": 1.0,
        "weights_bytes": {},
        "plan": {},
        "sentinel": "s",
        "models": [model, {**model, "key": "m"}],
    }
    where = data.draw(st.sampled_from([manifest, model, manifest["models"][1]]))
    where[data.draw(st.sampled_from(sorted(where)))] = data.draw(anything)
    try:
        _kit_from(manifest, "")
    except ValueError:
        return
    json.dumps(manifest)
