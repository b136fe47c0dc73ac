"""The program in a model's card: from a photograph to a class, with Pillow, NumPy and ONNX Runtime alone."""

import ast
import json
import sys
from collections.abc import Sequence
from importlib.resources import files

from edgenas.exporting.preprocessing import Preprocessing

_IMPORTS = ("import json", "import sys", "from pathlib import Path", "import onnxruntime")

_TAIL = """# What is particular to this model.
FILE, INPUT = Path(__file__).with_name({name}), {input_name}
SIZE, FIT, CHANNELS, DRAFT = {size}, "{fit}", {channels}, {draft:g}
RANGES = {ranges}
MEAN, STD = np.float32({mean}), np.float32({std})


def main() -> None:
    \"\"\"Print the class of each photograph named on the command line, and its probability.\"\"\"
    session = onnxruntime.InferenceSession(str(FILE), providers=["CPUExecutionProvider"])
    classes = {classes}
    if not sys.argv[1:]:
        sys.exit(f"usage: python {{sys.argv[0]}} PHOTOGRAPH...")
    for path in sys.argv[1:]:
        try:
            # Pillow, given a path, mixes up uncompressed TIFFs that lie on their side: open the file first.
            with open(path, "rb") as file, Image.open(file) as image:
                found = pixels(image, SIZE, FIT, CHANNELS, RANGES, DRAFT)
        except Exception as error:
            print(f"{{path}}: cannot be read ({{error}})", file=sys.stderr)
            continue
        scaled = (found / np.float32(255) - MEAN) / STD
        (logits,) = session.run(None, {{INPUT: scaled.transpose(2, 0, 1)[None]{repeated}}})
        weights = np.exp(logits[0] - logits[0].max())
        best = int(weights.argmax())
        print(f"{{path}}: {{classes[best]}} {{weights[best] / weights.sum():.1%}}")


if __name__ == "__main__":
    main()
"""


_CLASSES = {
    True: 'json.loads(session.get_modelmeta().custom_metadata_map["classes"])',
    False: 'json.loads(FILE.with_suffix(".json").read_text("utf-8"))["classes"]',
}
"""Where the names are, by whether the file itself has them; if not, the card beside it has."""


def usage_program(
    onnx_name: str,
    input_name: str,
    preprocessing: Preprocessing,
    batch: int | None = None,
    names_classes: bool = True,
) -> str:
    """The text of the program, which lies beside the file.

    Args:
        onnx_name: name of the file.
        input_name: of its input.
        preprocessing: of its pictures.
        batch: its fixed size; None for any.
        names_classes: whether the file has the names of its classes.
    """
    tail = _TAIL.format(
        name=json.dumps(onnx_name),
        input_name=json.dumps(input_name),
        size=preprocessing.resolution,
        fit=preprocessing.fit,
        channels=preprocessing.channels,
        draft=preprocessing.jpeg_draft,
        ranges=repr(preprocessing.ranges).replace("'", '"'),
        mean=list(preprocessing.mean),
        std=list(preprocessing.std),
        classes=_CLASSES[names_classes],
        repeated="" if batch in (None, 1) else f".repeat({batch}, 0)",
    )
    imports, body = _preparing()
    return "\n\n".join([_in_order([*_IMPORTS, *imports]), f"{body}\n", tail])


def _preparing() -> tuple[list[str], str]:
    """Imports and all else of `images/preparing.py`, by which edgenas itself prepares pictures."""
    text = files("edgenas.images").joinpath("preparing.py").read_text("utf-8")
    nodes = ast.parse(text).body[1:]  # without the docstring
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return list(map(ast.unparse, imports)), "\n".join(text.splitlines()[imports[-1].end_lineno :]).strip()


def _in_order(imports: Sequence[str]) -> str:
    """Lines of imports, those of Python's library first."""
    lines = sorted(imports, key=lambda line: (line.startswith("from"), line))
    standard = [line for line in lines if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    return "\n".join([*standard, "", *(line for line in lines if line not in standard)])
