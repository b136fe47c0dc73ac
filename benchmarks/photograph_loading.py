"""How soon a folder of photographs is loaded, against full decoding, and against itself the second time.

    python benchmarks/photograph_loading.py [--images 1000] [--size 4000x3000] [--resolution 224] [--folder FOLDER]

Makes JPEG photographs of quality 90 as a camera writes them, a third of them turned by EXIF; some are drawn, and the
rest are those again with another comment, so that each file is its own. Then, in one process: the former way of
reading (decoded in full, turned, its middle square resized, in threads on all cores), `load_dataset` for the first
time, and a second time. Each begins with the files in the system's cache.

The bar: the first is at least 3, the second at least 20 times faster than the former way.
"""

import argparse
import io
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgenas.accuracy.dataset_sources import load_dataset

FIRST, SECOND = 3, 20
"""How many times faster than the former way."""

DRAWN = 12
CLASSES = 4
ORIENTATION, TURNED = 0x0112, 6


def main() -> None:
    """Make the photographs, read them three times, print how long it took; exit 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", default="4000x3000", help="WIDTHxHEIGHT")
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--folder", type=Path, help="where to make them; default: a temporary folder")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"  # nothing of an earlier run is found there
        paths = make_photographs(Path(folder, "photographs"), options.images, width, height)
        size_gb = sum(path.stat().st_size for path in paths) / 1e9
        print(f"{len(paths)} photographs of {width}x{height}, {size_gb:.2f} GB, to {options.resolution} px;"
              f" {os.cpu_count()} cores, {platform.machine()}")  # fmt: skip
        photographs = str(Path(folder, "photographs"))
        former_s = timed("former way", lambda: read_as_before(paths, options.resolution))
        first_s = timed("first load", lambda: load_dataset(photographs, options.resolution))
        second_s = timed("second load", lambda: load_dataset(photographs, options.resolution))
    met = [
        reached("first load", former_s / first_s, FIRST),
        reached("second load", former_s / second_s, SECOND),
    ]
    sys.exit(not all(met))


def timed(name: str, call: Callable[[], object]) -> float:
    """Seconds that a call takes, printed too."""
    start = time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    print(f"{name:>12}: {seconds:8.2f} s", flush=True)
    return seconds


def reached(name: str, ratio: float, bar: float) -> bool:
    """Whether a ratio reaches its bar; says so."""
    print(f"{name:>12}: {ratio:6.1f} times faster than the former way (bar: {bar})")
    return ratio >= bar


def read_as_before(paths: list[Path], resolution: int) -> NDArray[np.uint8]:
    """All pixels decoded and turned before the picture is made small."""

    def read(path: Path) -> NDArray[np.uint8]:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            fitted = ImageOps.fit(upright, (resolution, resolution), Image.Resampling.BILINEAR)
            return np.asarray(fitted)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return np.stack(list(pool.map(read, paths)))


def make_photographs(folder: Path, count: int, width: int, height: int) -> list[Path]:
    """Write `folder/train/<class>/<n>.jpg`, each file its own."""
    rng = np.random.default_rng(0)
    drawn = [jpeg(photograph(rng, width, height), turned=i % 3 == 0) for i in range(min(DRAWN, count))]
    paths = []
    for number in range(count):
        path = folder / "train" / f"class{number % CLASSES}" / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(with_comment(drawn[number % len(drawn)], f"photograph {number}"))
        paths.append(path)
    return paths


def photograph(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Smooth shapes of several sizes and the grain of a sensor: about as many bytes a pixel as a camera's."""
    total = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((4, 60), (24, 30), (160, 14)):
        coarse = rng.integers(0, 256, (cells * height // width + 2, cells, 3), np.uint8)
        layer = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        total += (np.asarray(layer, np.float32) - 128) * (strength / 64)
    grain = rng.normal(0, 6, (height, width, 1)).astype(np.float32)
    return Image.fromarray((total + grain + 118).clip(0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, turned: bool) -> bytes:
    """The file of a picture; one that is turned lies on its side, and its EXIF says so."""
    exif, buffer = Image.Exif(), io.BytesIO()
    if turned:
        exif[ORIENTATION], picture = TURNED, picture.transpose(Image.Transpose.ROTATE_90)
    picture.save(buffer, "JPEG", quality=90, exif=exif)
    return buffer.getvalue()


def with_comment(content: bytes, text: str) -> bytes:
    """The same JPEG with a comment after its first marker."""
    comment = text.encode()
    return content[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + content[2:]


if __name__ == "__main__":
    main()
