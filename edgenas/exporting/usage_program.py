"""The program in a model's card: from a photograph to a class, with Pillow, NumPy and ONNX Runtime alone."""

import ast
import json
import sys
from collections.abc import Collection, Sequence
from importlib.resources import files

from edgenas.exporting.camera import Camera
from edgenas.exporting.preprocessing import Preprocessing

_IMPORTS = ("import json", "import sys", "from pathlib import Path", "import onnxruntime")

_TAIL = """# What is particular to this model.
FILE, INPUT = Path(__file__).with_name({name}), {input_name}
{figures}


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
                {reading}
        except Exception as error:
            print(f"{{path}}: cannot be read ({{error}})", file=sys.stderr)
            continue
        {feeding}
        weights = np.exp(logits[0] - logits[0].max())
        best = int(weights.argmax())
        print(f"{{path}}: {{classes[best]}} {{weights[best] / weights.sum():.1%}}")


if __name__ == "__main__":
    main()
"""

_INSIDE = ("pixels", "make_smaller", "fitted")
"""Functions of `images/preparing.py` whose work a file with the preprocessing inside does itself."""

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
    camera: Camera | None = None,
) -> str:
    """The text of the program, which lies beside the file.

    Args:
        onnx_name: name of the file.
        input_name: of its input.
        preprocessing: of its pictures.
        batch: its fixed size; None for any.
        names_classes: whether the file has the names of its classes.
        camera: what the file takes, if it prepares pictures itself.
    """
    repeated = "" if batch in (None, 1) else f".repeat({batch}, 0)"
    parts = (
        _prepared(preprocessing, repeated)
        if camera is None
        else _as_they_are(preprocessing, camera, repeated)
    )
    tail = _TAIL.format(
        name=json.dumps(onnx_name),
        input_name=json.dumps(input_name),
        classes=_CLASSES[names_classes],
        **parts,
    )
    imports, body = _preparing(() if camera is None else _INSIDE)
    return "\n\n".join([_in_order([*_IMPORTS, *imports]), f"{body}\n", tail])


def _prepared(preprocessing: Preprocessing, repeated: str) -> dict[str, str]:
    """What is particular to a file that takes prepared pictures; `repeated` fills up a fixed batch."""
    size, fit, channels = preprocessing.resolution, preprocessing.fit, preprocessing.channels
    return {
        "figures": f'SIZE, FIT, CHANNELS, DRAFT = {size}, "{fit}", {channels}, {preprocessing.jpeg_draft:g}\n'
        f"RANGES = {_ranges(preprocessing)}\n"
        f"MEAN, STD = np.float32({[*preprocessing.mean]}), np.float32({[*preprocessing.std]})",
        "reading": "found = pixels(image, SIZE, FIT, CHANNELS, RANGES, DRAFT)",
        "feeding": "scaled = (found / np.float32(255) - MEAN) / STD\n"
        "        (logits,) = session.run(None, {INPUT: scaled.transpose(2, 0, 1)[None]" + repeated + "})",
    }


def _as_they_are(preprocessing: Preprocessing, camera: Camera, repeated: str) -> dict[str, str]:
    """What is particular to a file that prepares pictures itself; `repeated` fills up a fixed batch."""
    check = f"""
                if image.size != ({camera.width}, {camera.height}):
                    raise ValueError("is not of {camera.width}x{camera.height} pixels")"""
    batch = "found.reshape(1, *found.shape[:2], CHANNELS)"
    turned = ".transpose(0, 3, 1, 2)" if camera.layout == "nchw" else ""
    return {
        "figures": f"CHANNELS = {preprocessing.channels}\nRANGES = {_ranges(preprocessing)}",
        "reading": "image = whole(image, CHANNELS, RANGES)" + (check if camera.width else ""),
        "feeding": "found = np.asarray(image)\n"
        f"        (logits,) = session.run(None, {{INPUT: {batch}{turned}{repeated}}})",
    }


def _ranges(preprocessing: Preprocessing) -> str:
    return repr(preprocessing.ranges).replace("'", '"')


def _preparing(without: Collection[str]) -> tuple[list[str], str]:
    """Imports and the rest of `images/preparing.py`, by which edgenas itself prepares them; without some functions."""
    text = files("edgenas.images").joinpath("preparing.py").read_text("utf-8")
    nodes = ast.parse(text).body[1:]  # without the docstring
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = text.splitlines()
    for node in reversed(nodes):
        if isinstance(node, ast.FunctionDef) and node.name in without:
            del lines[node.lineno - 1 : (node.end_lineno or 0) + 2]  # and the empty lines after it
    return list(map(ast.unparse, imports)), "\n".join(lines[imports[-1].end_lineno :]).strip()


def _in_order(imports: Sequence[str]) -> str:
    """Lines of imports, those of Python's library first."""
    lines = sorted(imports, key=lambda line: (line.startswith("from"), line))
    standard = [line for line in lines if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    return "\n".join([*standard, "", *(line for line in lines if line not in standard)])
