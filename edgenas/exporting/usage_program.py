"""The program in a model's card: from a photograph to a class, with Pillow, NumPy and ONNX Runtime alone."""

import ast
from importlib.resources import files

from edgenas.exporting.preprocessing import Preprocessing

_HEAD = """import json
import sys
from pathlib import Path

import onnxruntime
"""

_TAIL = """
# What is particular to this model.
FILE, INPUT = Path(__file__).with_name({name!r}), {input_name!r}
SIZE, FIT, CHANNELS = {size}, {fit!r}, {channels}
RANGES = {ranges}
MEAN, STD = np.float32({mean}), np.float32({std})


def main() -> None:
    \"\"\"Print the class of each photograph named on the command line, and its probability.\"\"\"
    session = onnxruntime.InferenceSession(str(FILE), providers=["CPUExecutionProvider"])
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    for path in sys.argv[1:]:
        # Pillow, given a path, mixes up uncompressed TIFFs that lie on their side: open the file first.
        with open(path, "rb") as file, Image.open(file) as image:
            found = pixels(image, SIZE, FIT, CHANNELS, RANGES)
        scaled = (found / np.float32(255) - MEAN) / STD
        (logits,) = session.run(None, {{INPUT: scaled.transpose(2, 0, 1)[None]}})
        weights = np.exp(logits[0] - logits[0].max())
        best = int(weights.argmax())
        print(f"{{path}}: {{classes[best]}} {{weights[best] / weights.sum():.1%}}")


if __name__ == "__main__":
    main()
"""


def usage_program(onnx_name: str, input_name: str, preprocessing: Preprocessing) -> str:
    """The text of the program, which lies beside the file.

    Args:
        onnx_name: name of the file.
        input_name: of its input.
        preprocessing: of its pictures.
    """
    tail = _TAIL.format(
        name=onnx_name,
        input_name=input_name,
        size=preprocessing.resolution,
        fit=preprocessing.fit,
        channels=preprocessing.channels,
        ranges=preprocessing.ranges,
        mean=list(preprocessing.mean),
        std=list(preprocessing.std),
    )
    return f"{_HEAD}{_preparing_source()}\n{tail}"


def _preparing_source() -> str:
    """`images/preparing.py`, by which edgenas itself prepares pictures, without the docstring of the module."""
    text = files("edgenas.images").joinpath("preparing.py").read_text("utf-8")
    docstring = ast.parse(text).body[0]
    return "\n".join(text.splitlines()[docstring.end_lineno :])
