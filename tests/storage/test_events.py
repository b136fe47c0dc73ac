"""What events hold is checked by their names."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from edgenas.storage import events
from edgenas.storage.events import payload_of

FIGURES = {"validation": {"top-1": 0.5}, "test": {"top-1": 0.4}, "predicted": [0, 2, 1]}
PUBLISHED = {"name": "x", "licence": "MIT", "origin": "somewhere", "note": "", "sha256": "ab" * 32}


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("phase", {"phase": "search", "seconds": 1.5}),
        ("note", {"text": "hello"}),
        ("trained", {"id": "ab", "note": "", **FIGURES, "sha256": "ab" * 32}),
        ("trained", {"id": "ab", "note": "", **FIGURES}),
        ("trained", {"id": "ab", "note": "the loss is nan"}),
        ("converted", {"id": "ab", "ranges": "min-max", "fine_tuned": True, "sha256": "ab" * 32}),
        ("converted", {"id": "ab", "ranges": None, "fine_tuned": False, "sha256": None}),
        ("finalist plan", {"seconds": {"ab": 3.0}, "beside_s": {"ab": 1}}),
        ("finalists chosen", {"ids": ["ab"], "measured_ms": {"ab": 1.5}}),
        ("measured", {"ab": 1.5}),
        ("plan", {"search": 1.0, "supernet": 2.0, "largest network": 3.0}),
        ("supernet trained", {"epochs": 12.5}),
        ("architecture chosen", {"id": "ab"}),
        ("search ended", {"evaluations": 40}),
        ("baselines", {"chosen": [["x", 96]], "records": {"x": PUBLISHED}}),
        ("interrupted", {}),
        ("of another version", {"any": ["thing"]}),
    ],
)
def test_what_is_recorded_comes_back(name: str, payload: dict[str, Any]) -> None:
    assert payload_of(name, json.dumps(payload)) == payload


@pytest.mark.parametrize(
    ("name", "payload", "told"),
    [
        ("phase", {"phase": "search", "seconds": -1}, "seconds"),
        ("phase", {"phase": "search", "seconds": float("nan")}, "seconds"),
        ("phase", {"phase": "search", "seconds": 1e300}, "seconds"),
        ("phase", {"phase": "search"}, "seconds"),
        ("note", {"text": 3}, "text"),
        ("trained", {"id": "../x", "note": "bad"}, "id"),
        ("trained", {"id": "ab", "note": ""}, "neither figures nor a note"),
        ("trained", {"id": "ab", "note": "", **FIGURES, "predicted": [-1]}, "predicted"),
        ("trained", {"id": "ab", "note": "", **FIGURES, "predicted": [1.5]}, "predicted"),
        ("trained", {"id": "ab", "note": "", **FIGURES, "test": {"top-1": 1.1}}, "test"),
        ("converted", {"id": "ab", "ranges": "wide", "fine_tuned": True}, "ranges"),
        ("finalist plan", {"seconds": {"ab": 3.0}, "beside_s": {"cd": 1.0}}, "of different models"),
        ("finalists chosen", {"ids": "ab", "measured_ms": {}}, "ids"),
        ("measured", {"ab": 0}, "ab"),
        ("plan", {"supernet": 2.0}, "search"),
        ("search ended", {"evaluations": True}, "evaluations"),
        ("baselines", {"chosen": [["x", 96]], "records": {}}, "no record of x"),
        ("baselines", {"chosen": [["x", 10**9]], "records": {"x": PUBLISHED}}, "chosen"),
        ("architecture learnt", {"schema": "edgenas.curves/1"}, "gates"),
        ("of another version", [], "dict"),
    ],
)
def test_what_such_an_event_cannot_hold_is_refused(name: str, payload: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        payload_of(name, json.dumps(payload))


def test_every_event_that_the_pipeline_records_has_a_schema() -> None:
    """Or what is read of it would not be checked; names that are constants are those of the other two."""
    package = Path(events.__file__).parents[1]
    sources = [
        path.read_text() for path in package.rglob("*.py") if path.parent.name in ("pipeline", "storage")
    ]
    recorded = {name for text in sources for name in re.findall(r'\.record\(\s*"([^"]+)"', text)}
    assert recorded >= {"phase", "trained", "measured"}
    assert recorded | {"finalists chosen", "architecture learnt", "architecture learnt so far"} == set(
        events._SCHEMAS
    )
