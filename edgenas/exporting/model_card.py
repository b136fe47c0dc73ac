"""Model cards: what a model is and how it performs, for machines (JSON) and people (Markdown)."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from edgenas.accuracy.metrics import METRIC_NAMES
from edgenas.formats import Document, write_bytes, write_json
from edgenas.pretrained.source import PretrainedRecord
from edgenas.space.onnx_graph import INPUT, OPSET, OUTPUT
from edgenas.storage.search_result import Model
from edgenas.units import format_count, format_milliseconds
from edgenas.vocabulary import Metric, Precision


class Preprocessing(Document):
    """From an RGB or grey image to the model's input: scale to 0..1, subtract mean, divide by std."""

    resolution: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: Literal["NCHW, RGB, float32", "NCHW, grey, float32"] = "NCHW, RGB, float32"


class Card(Document):
    """The machine-readable card: `<id>.json` next to `<id>.onnx`."""

    schema_: Literal["edgenas.card/1"] = Field(default="edgenas.card/1", alias="schema")
    run: str
    device: str
    target: str = Field(description="runtime, precision, threads and power mode the latency is predicted for")
    data: str
    metric: Metric = "top-1"
    model: Model
    precision: Precision
    sha256: str
    size_bytes: int
    opset: int = OPSET
    input_name: str = INPUT
    output_name: str = OUTPUT
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    pretrained: PretrainedRecord | None = Field(default=None, description="weights that training began from")
    versions: dict[str, str]


def write_card(onnx_path: Path, **fields: Any) -> Card:
    """Write `<name>.json` and `<name>.md` next to an ONNX file.

    Args:
        onnx_path: the exported file; its hash and size are added to the card.
        fields: the fields of `Card` other than `sha256` and `size_bytes`.
    """
    content = onnx_path.read_bytes()
    card = Card(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), **fields)
    write_json(onnx_path.with_suffix(".json"), card)
    write_bytes(onnx_path.with_suffix(".md"), _markdown(onnx_path.name, card).encode())
    return card


def _markdown(name: str, card: Card) -> str:
    model, latency = card.model, card.model.latency_ms
    interval = f"{format_milliseconds(latency.low)} to {format_milliseconds(latency.high)}"
    measured = (
        f"{format_milliseconds(latency.measured)}, typical of many runs on the device"
        if latency.measured
        else "not measured"
    )
    rows = "\n".join([*_accuracy_rows(card), *_score_rows(card)])
    what = f"{model.name}, hand-designed and trained" if model.name else "Found"
    note = f"\n**Note:** {model.note}.\n" if model.note else ""
    energy = (
        f"\n| predicted energy of a run | {model.energy_mj.text}, idle power not counted |"
        if model.energy_mj
        else ""
    )
    size = card.preprocessing.resolution
    shape = f"(batch, {len(card.preprocessing.mean)}, {size}, {size})"
    return f"""# {name}

{what} by edgenas run `{card.run}` for device `{card.device}` on data `{card.data}`.
{note}
| | |
| --- | --- |
{rows}
| predicted latency | {format_milliseconds(latency.predicted)} ({interval}; {model.provenance.basis}) |
| predicted for | {card.target} |
| measured latency | {measured} |{energy}
| parameters | {format_count(model.params)} |
| MACs | {format_count(model.macs)} |
| precision | {card.precision} |
| size | {card.size_bytes / 1e6:.2f} MB |
| largest difference from PyTorch | {model.max_abs_error or 0:.1g} |

`supernet` {METRIC_NAMES[card.metric]} is with shared weights, before the model was trained on its own;
`validation` guided the search; `test` was computed once, at the end.

## Use

Input `{card.input_name}`: {shape}, {card.preprocessing.layout}. Turn a photograph as its EXIF orientation says,
scale it to cover the square (bilinear, with antialiasing) and crop its centre: with Pillow,
`ImageOps.fit(ImageOps.exif_transpose(image), ({size}, {size}), Image.Resampling.BILINEAR)`.
Scale pixels to 0..1, subtract the mean `{_short(card.preprocessing.mean)}`, divide by
`{_short(card.preprocessing.std)}`.

Output `{card.output_name}`: (batch, {len(card.classes)}) logits; class names are in `{Path(name).stem}.json`.

{_network(card)}

SHA-256 of the ONNX file: `{card.sha256}`
"""


def _network(card: Card) -> str:
    """Its choices, or its name in another library; and the weights that its training began with."""
    model = card.model
    choices = model.architecture.get("choices")
    text = (
        f"Network: {model.architecture['name']}"
        if choices is None
        else f"Architecture: `{' '.join(choices)}`"
    )
    if (weights := card.pretrained) is None:
        return text
    note = f"; {weights.note}" if weights.note else ""
    described = f"{weights.name} ({weights.licence}, {weights.origin}{note}; SHA-256 `{weights.sha256}`)"
    return f"{text}\n\nTraining began with the weights {described}."


def _accuracy_rows(card: Card) -> list[str]:
    """Table rows of the run's metric, one per kind of accuracy."""
    return [
        f"| {kind} {METRIC_NAMES[card.metric]} | {value:.2%} |"
        for kind, value in card.model.accuracies.model_dump().items()
        if value is not None
    ]


def _score_rows(card: Card) -> list[str]:
    """Table rows of the other metrics: `| macro F1 | 90.12% validation, 89.00% test |`."""
    found = {"validation": card.model.scores.validation, "test": card.model.scores.test}
    rows = []
    for metric, name in METRIC_NAMES.items():
        figures = [f"{scores[metric]:.2%} {kind}" for kind, scores in found.items() if metric in scores]
        if figures and metric != card.metric:
            rows.append(f"| {name} | {', '.join(figures)} |")
    return rows


def _short(values: tuple[float, ...]) -> list[float]:
    return [round(value, 4) for value in values]
