"""What is recorded of the learning passes the door of formats whole."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.errors import FileFormatError
from edgenas.formats import validate
from edgenas.searchers.proxyless.curves import Curve, Curves

PATH = Path("run.sqlite")


@st.composite
def all_curves(draw: st.DrawFn) -> Curves:
    moments = draw(st.integers(0, 4))

    def values(each: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
        return st.lists(each, min_size=moments, max_size=moments).map(tuple)

    finite, shares = st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1)
    curves = st.builds(
        Curve,
        target_ms=st.floats(1e-3, 1e3),
        expected_ms=values(finite),
        likeliest_ms=values(finite),
        loss=values(st.none() | finite),
        entropy=values(shares),
        multiplier=values(finite),
        skips=values(shares),
    )
    targets = draw(st.lists(curves, min_size=1, max_size=3))
    return Curves(
        gates=draw(st.text(st.characters(exclude_categories=["Cs"]))),
        latency_loss="constraint",
        warm_up=draw(shares),
        done=tuple(sorted(draw(values(shares)))),
        targets=tuple(sorted(targets, key=lambda curve: curve.target_ms)),
    )


@pytest.fixture
def document() -> dict[str, Any]:
    figures: dict[str, Any] = {
        name: [1.0, 0.5] for name in ("expected_ms", "likeliest_ms", "entropy", "multiplier", "skips")
    }
    return {
        "schema": "edgenas.curves/1",
        "gates": "two-path",
        "latency_loss": "constraint",
        "warm_up": 0.25,
        "done": [0.5, 1.0],
        "targets": [
            {"target_ms": 1.0, "loss": [None, 0.5], **figures},
            {"target_ms": 2.0, "loss": [0.7, 0.6], **figures},
        ],
    }


@given(all_curves())
def test_curves_come_back_as_they_were(curves: Curves) -> None:
    payload = json.loads(json.dumps(curves.model_dump(mode="json")))
    assert payload["schema"] == "edgenas.curves/1"
    assert validate(payload, Curves, PATH) == curves


@pytest.mark.parametrize(
    "name", ["expected_ms", "likeliest_ms", "loss", "entropy", "multiplier", "skips"]
)  # fmt: skip
def test_a_value_for_each_moment_is_needed(document: dict[str, Any], name: str) -> None:
    document["targets"][1][name] = [1.0]
    with pytest.raises(FileFormatError, match=rf"targets\.1\.{name} has 1 values, but there are 2 moments"):
        validate(document, Curves, PATH)


def test_moments_and_targets_ascend(document: dict[str, Any]) -> None:
    with pytest.raises(FileFormatError, match="done must be ascending"):
        validate({**document, "done": [1.0, 0.5]}, Curves, PATH)
    with pytest.raises(FileFormatError, match="targets must be ascending"):
        validate({**document, "targets": document["targets"][::-1]}, Curves, PATH)


@pytest.mark.parametrize("name", ["entropy", "skips"])
def test_shares_may_be_off_by_rounding_alone(document: dict[str, Any], name: str) -> None:
    document["targets"][0][name] = [1 + 1e-10, -1e-10]
    validate(document, Curves, PATH)
    document["targets"][0][name] = [1.01, 0.0]
    with pytest.raises(FileFormatError, match=rf"targets\.0\.{name}\.0: input should be less than"):
        validate(document, Curves, PATH)


def test_there_is_a_target(document: dict[str, Any]) -> None:
    with pytest.raises(FileFormatError, match="targets: tuple should have at least 1 item"):
        validate({**document, "targets": []}, Curves, PATH)


def test_torch_is_not_needed() -> None:
    code = "import sys, edgenas.searchers.proxyless.curves; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
