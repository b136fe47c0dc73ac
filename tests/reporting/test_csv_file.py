import csv
import io
from collections.abc import Callable
from typing import Any

from edgenas.reporting.csv_file import csv_text

Make = Callable[..., Any]


def test_models_come_first_then_every_evaluation(make_view: Make) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(make_view()))))
    assert [row["role"] for row in rows[:5]] == ["front"] * 3 + ["dropped", "evaluated"]
    assert len(rows) == 4 + 37
    assert (rows[0]["validation"], rows[0]["predicted_ms"], rows[0]["provenance"]) == (
        "0.91",
        "0.5",
        "estimated",
    )
    assert rows[-1]["supernet"] == "" and rows[-1]["note"] == "the loss is nan in epoch 1"


def test_no_cell_is_a_formula(make_view: Make, model: Make) -> None:
    text = csv_text(make_view(front=[model(1, 0.9, 0.5, note="=HYPERLINK(1)")]))
    assert "'=HYPERLINK(1)" in text and ",=HYPERLINK" not in text
