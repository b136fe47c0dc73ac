"""Prints the class of photographs: python classify.py MODEL.camera.onnx PHOTOGRAPH..."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
entries = session.get_modelmeta().custom_metadata_map
classes, channels = json.loads(entries["classes"]), json.loads(entries["preprocessing"])["channels"]
for path in sys.argv[2:]:
    with Image.open(path) as file:
        image = np.asarray(ImageOps.exif_transpose(file).convert("RGB" if channels == 3 else "L"))
    (logits,) = session.run(None, {"image": image.reshape(1, *image.shape[:2], channels)})
    weights = np.exp(logits[0] - logits[0].max())
    print(f"{path}: {classes[weights.argmax()]} {weights.max() / weights.sum():.1%}")
