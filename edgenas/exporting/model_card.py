"""Model cards: what a model is and how it performs, for machines (JSON) and people (Markdown)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from edgenas.accuracy.metrics import METRIC_NAMES
from edgenas.board.problem import one_line
from edgenas.device.target import TARGETS
from edgenas.exporting.camera import Camera
from edgenas.exporting.markdown import code, plain
from edgenas.exporting.preprocessing import GEOMETRY, Preprocessing
from edgenas.exporting.run_line import RunLine
from edgenas.exporting.usage_program import usage_program
from edgenas.formats import Document, write_bytes, write_json
from edgenas.pretrained.source import PretrainedRecord
from edgenas.space.onnx_graph import INPUT, OPSET, OUTPUT
from edgenas.storage.search_result import Model
from edgenas.units import format_count, format_milliseconds
from edgenas.vocabulary import Metric, Precision, TargetName

MAX_CLASSES, FIRST_CLASSES = 20, 5
"""A card for people names all classes up to so many, and of more the first few."""


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
    exported_for: TargetName | None = Field(default=None, description="what reads the file")
    batch: int | None = Field(default=None, description="fixed size of the batch; None for any")
    names_classes: bool = Field(default=True, description="whether the file's metadata have the class names")
    files: tuple[str, ...] = Field(default=(), description="in the target's own format, beside the ONNX file")
    run_line: RunLine | None = Field(default=None, description="how to run it on its target")
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    camera: Camera | None = Field(default=None, description="what it takes, if it prepares pictures itself")
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
    what = f"{plain(model.name)}, hand-designed and trained" if model.name else "Found"
    note = f"\n**Note:** {plain(model.note)}.\n" if model.note else ""
    energy = (
        f"\n| predicted energy of a run | {model.energy_mj.text}, idle power not counted |"
        if model.energy_mj
        else ""
    )
    prepared, camera = card.preprocessing, card.camera
    batch, inside = card.batch or "batch", "both" if card.names_classes else "the preprocessing"
    alone = ", without the preprocessing that is inside" if camera else ""
    return f"""# {plain(name)}

{what} by edgenas run {code(card.run)} for device {code(card.device)} on data {code(card.data)}.
{note}
| | |
| --- | --- |
{rows}
| predicted latency | {format_milliseconds(latency.predicted)} ({interval}; {model.provenance.basis}) |
| predicted for | {plain(card.target)}{alone} |
| measured latency | {measured} |{energy}
| parameters | {format_count(model.params)} |
| MACs | {format_count(model.macs)} |
| precision | {card.precision} |{_target_row(card)}
| size | {card.size_bytes / 1e6:.2f} MB |
| largest difference from PyTorch | {model.max_abs_error or 0:.1g} |

`supernet` {METRIC_NAMES[card.metric]} is with shared weights, before the model was trained on its own;
`validation` guided the search; `test` was computed once, at the end.

## Use

Input `{card.input_name}`: {_input(prepared, camera, batch)}. From a photograph to it:

{_steps(prepared, camera)}

Output `{card.output_name}`: ({batch}, {len(card.classes)}) logits, in the order of the classes: {_classes(card, name)}.
Classes and preprocessing are also in `{Path(name).stem}.json`, and {inside} in the metadata of the ONNX file.
{_run_section(card)}
`edgenas run {name} photo.jpg` does it all. Without edgenas, so does this program, saved as `use.py` beside `{name}`:
`python use.py photo.jpg`. It needs Pillow (10.3 or later), NumPy and ONNX Runtime.

```python
{usage_program(name, card.input_name, prepared, card.batch, card.names_classes, camera).strip()}
```

{_network(card)}

SHA-256 of the ONNX file: `{card.sha256}`
"""


def _target_row(card: Card) -> str:
    if card.exported_for is None:
        return ""
    batch = "of any size" if card.batch is None else f"of {card.batch}"
    return f"\n| made for | {TARGETS[card.exported_for].title}; opset {card.opset}, a batch {batch} |"


def _run_section(card: Card) -> str:
    """How to run it on its target, and which files are for that."""
    if card.run_line is None:
        return ""
    beside = f", by {', '.join(map(code, card.files))} beside it" if card.files else ""
    return f"\nOn its target{beside}: {code(card.run_line.text)}\n"


def _input(prepared: Preprocessing, camera: Camera | None, batch: int | str) -> str:
    """Its shape, layout and type."""
    if camera is None:
        return (
            f"({batch}, {prepared.channels}, {prepared.resolution}, {prepared.resolution}), {prepared.layout}"
        )
    axes = ", ".join(map(str, camera.shape(prepared.channels)))
    return f"({batch}, {axes}), {camera.text}, {'RGB' if prepared.channels == 3 else 'grey'}"


def _steps(prepared: Preprocessing, camera: Camera | None) -> str:
    """What is done to a photograph, as a numbered list; what the file does itself, in a paragraph below."""
    size = prepared.resolution
    ranges = ", ".join(f"`{mode}` {low:g} to {high:g}" for mode, (low, high) in prepared.ranges.items())
    geometry = GEOMETRY[prepared.fit].replace("the padding's colour", prepared.padding)
    box = " (Pillow's `resize` with a fractional `box`)" if prepared.fit == "crop" else ""
    outside = (
        "Of an animation or a file of several pages, take the first frame.",
        _decoding(0 if camera else prepared.jpeg_draft, size),
        "Turn it upright as its EXIF orientation says; leave it as it is stored where that cannot be read.",
        f"Scale values of more than 8 bits to 0..255, by Pillow's mode: {ranges}; what is outside is clipped.",
        f"Lay what is transparent on {prepared.alpha_on}.",
        f"Convert it to {'RGB' if prepared.channels == 3 else 'grey'} {prepared.colour}.",
    )
    network = (
        f"Make it {size} x {size}: {geometry}{box}; bilinear, with antialiasing, as Pillow's `BILINEAR`.",
        f"Scale values to 0..1 (times 1/255), subtract the mean `{_short(prepared.mean)}`, divide by "
        f"`{_short(prepared.std)}` (all digits are in the JSON card).",
    )
    if camera is None:
        return _numbered((*outside, *network))
    return f"{_numbered(outside)}\n\nThe rest is inside the file:\n\n{_numbered(network)}"


def _numbered(steps: Sequence[str]) -> str:
    return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))


def _decoding(draft: float, size: int) -> str:
    if not draft:
        return "A JPEG is decoded at its full size (without Pillow's `draft`)."
    return (
        f"A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where both sides stay at least {draft:g} times the input's, "
        f"the smallest such (Pillow's `draft(None, ({round(draft * size)}, {round(draft * size)}))`)."
    )


def _classes(card: Card, name: str) -> str:
    shown = card.classes if len(card.classes) <= MAX_CLASSES else card.classes[:FIRST_CLASSES]
    text = ", ".join(code(one_line(each)) for each in shown)
    return text if shown == card.classes else f"{text}, ... (all are in `{Path(name).stem}.json`)"


def _network(card: Card) -> str:
    """Its choices, or its name in another library; and the weights that its training began with."""
    model = card.model
    choices = model.architecture.get("choices")
    text = (
        f"Network: {plain(model.architecture['name'])}"
        if choices is None
        else f"Architecture: {code(' '.join(choices))}"
    )
    if (weights := card.pretrained) is None:
        return text
    told = "; ".join(filter(None, (f"{weights.licence}, {weights.origin}", weights.note)))
    described = f"{plain(weights.name)} ({plain(told)}; SHA-256 `{weights.sha256}`)"
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
