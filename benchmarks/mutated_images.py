"""Mutilated pictures of many formats through the reader: it gives pixels or its own error, and soon.

    python benchmarks/mutated_images.py [--images 20000] [--first 0] [--processes 2]

Each seed makes one picture: bits flipped, bytes overwritten, parts cut out, repeated, exchanged or taken from another
picture, the file cut off; half of the damage hits the first bytes, where headers and EXIF are. Pictures are read in
child processes, so that the death of one is seen, and the seed and format of its picture are named.

The bar: no escape (any error but `UnreadableImageError`), no hang (over 2 seconds of processor time; a death by
SIGPROF), no other death of a process.
"""

import argparse
import contextlib
import io
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgenas.images.preparation import Preparation
from edgenas.images.reading import UnreadableImageError, read_pixels

BUDGET_S = 2
"""Of processor time, so that other work on the machine does not count."""

MEMORY_BYTES = 8 * 2**30
"""Address space of a child; what does not fit is an error of the reader, not trouble for the machine."""

SIZES = (16, 64, 224)
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

Outcome = tuple[int, str, str]
"""Seed, the suffix of its picture, and what came of it."""


def main() -> None:
    """Read all, count what came of it; exit 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        read_in_this_process(range(options.first, options.first + options.images))
        return
    parts = np.array_split(range(options.first, options.first + options.images), options.processes)
    with ThreadPoolExecutor(options.processes) as pool:
        outcomes = [each for part in pool.map(read_in_children, parts) for each in part]
    report(outcomes)
    sys.exit(any(missed(what) for _, _, what in outcomes))


def missed(outcome: str) -> bool:
    """Whether it is one that the bar does not allow."""
    return outcome.startswith(("escape", "hang", "death"))


def report(outcomes: list[Outcome]) -> None:
    """Print the counts, and the seeds to look at."""
    print(f"{len(outcomes)} pictures of {len({suffix for _, suffix, _ in outcomes})} suffixes")
    kinds = Counter("escape" if what.startswith("escape") else what for _, _, what in outcomes)
    for kind in ("escape", "hang", "death"):
        kinds.setdefault(kind, 0)
    for kind, count in sorted(kinds.items(), key=lambda pair: -pair[1]):
        print(f"{count:7d}  {kind}")
    for seed, suffix, what in outcomes:
        if missed(what):
            print(f"seed {seed} ({suffix}): {what}")


def read_in_children(seeds: NDArray[np.int64]) -> list[Outcome]:
    """Read the pictures of consecutive seeds; where a child dies, the next begins after the deadly one."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(seeds):
        first, end = int(seeds[len(outcomes)]), int(seeds[-1]) + 1
        code, said, complaints = in_child(first, end - first)
        lines = [line.split("\t") for line in said.splitlines()]
        outcomes += [(int(line[0]), line[1], line[2]) for line in lines if len(line) == 3]
        if code == 0:
            break
        if code > 0 or not lines or len(lines[-1]) == 3:
            raise RuntimeError(f"a child ended with {code}: {complaints}")
        what = "hang" if code == -signal.SIGPROF else f"death ({signal.Signals(-code).name})"
        outcomes.append((int(lines[-1][0]), lines[-1][1], what))
    return outcomes


def in_child(first: int, images: int) -> tuple[int, str, str]:
    """Exit code, output, and the end of what a child, or a library in it, complained of."""
    command = [sys.executable, __file__, "--child", "--first", str(first), "--images", str(images)]
    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=complaints, text=True, check=False)
        complaints.seek(0)
        return done.returncode, done.stdout, complaints.read()[-2000:]


def read_in_this_process(seeds: range) -> None:
    """Read the pictures of some seeds; a line for each begins before it is read."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    originals()
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            suffix, content = mutated(seed)
            print(seed, suffix, sep="\t", end="", flush=True)
            signal.setitimer(
                signal.ITIMER_PROF, BUDGET_S
            )  # its signal ends the process, whatever it is doing
            what = outcome_of(Path(folder), seed, suffix, content)
            signal.setitimer(signal.ITIMER_PROF, 0)
            print(f"\t{what}", flush=True)


def outcome_of(folder: Path, seed: int, suffix: str, content: bytes) -> str:
    """Read one picture: "pixels", the reason of the reader's error, or what escaped."""
    rng = random.Random(seed)
    preparation = Preparation(fit=rng.choice(("crop", "pad", "stretch")), channels=rng.choice((1, 3)))
    size = rng.choice(SIZES)
    path = folder / f"picture{suffix}"
    path.write_bytes(content)
    try:
        found = read_pixels(path, size, preparation)
    except UnreadableImageError as error:
        return error.reason
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"escape of {error!r:.80} at {Path(last.filename).name}:{last.lineno}"
    if (found.shape, found.dtype) != ((size, size, preparation.channels), np.uint8):
        return f"escape: pixels are {found.dtype} of shape {found.shape}"
    return "pixels"


def mutated(seed: int) -> tuple[str, bytes]:
    """The suffix and the content of one picture."""
    rng = random.Random(seed)
    suffix, content = rng.choice(originals())
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        rng.choice(MUTATIONS)(data, _place(data, rng), rng)
    return suffix, bytes(data)


def _place(data: bytearray, rng: random.Random) -> int:
    end = len(data) if rng.random() < 0.5 else min(len(data), 200)
    return rng.randrange(max(1, end))


def _flip(data: bytearray, at: int, rng: random.Random) -> None:
    if data:
        data[at] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, at: int, rng: random.Random) -> None:
    data[at : at + rng.choice((1, 2, 4, 16))] = rng.randbytes(rng.choice((1, 2, 4, 16)))


def _extreme(data: bytearray, at: int, rng: random.Random) -> None:
    value, form = rng.choice(EXTREMES), rng.choice(("<I", ">I", "<H", ">H"))
    size = struct.calcsize(form)
    data[at : at + size] = struct.pack(form, value % 256**size)


def _cut_out(data: bytearray, at: int, rng: random.Random) -> None:
    del data[at : at + rng.choice((1, 3, 30, 300))]


def _repeat(data: bytearray, at: int, rng: random.Random) -> None:
    data[at:at] = data[at : at + rng.choice((1, 3, 30, 300))] * rng.choice((1, 2, 20))


def _exchange(data: bytearray, at: int, rng: random.Random) -> None:
    other, length = rng.randrange(max(1, len(data))), rng.choice((2, 8, 64))
    data[at : at + length], data[other : other + length] = (
        data[other : other + length],
        data[at : at + length],
    )


def _borrow(data: bytearray, at: int, rng: random.Random) -> None:
    _, other = rng.choice(originals())
    begin = rng.randrange(len(other))
    data[at : at + 64] = other[begin : begin + rng.choice((8, 64, 512))]


def _cut_off(data: bytearray, at: int, rng: random.Random) -> None:
    del data[at:]


MUTATIONS: tuple[Callable[[bytearray, int, random.Random], None], ...] = (
    *(_flip, _flip, _flip, _overwrite, _overwrite, _extreme, _extreme),
    *(_cut_out, _repeat, _exchange, _borrow, _cut_off),
)


@cache
def originals() -> list[tuple[str, bytes]]:
    """Small sound pictures: suffix and content. Each format comes equally often, whatever its variants."""
    by_suffix: dict[str, list[bytes]] = {}
    for suffix, content in _sound():
        if content:
            by_suffix.setdefault(suffix, []).append(content)
    most = max(map(len, by_suffix.values()))
    return [(suffix, each[i % len(each)]) for suffix, each in by_suffix.items() for i in range(most)]


def _sound() -> Iterator[tuple[str, bytes]]:
    yield from _photographs()
    yield from _drawings()
    yield from _tiffs()
    yield from _old_formats()
    yield ".psd", psd(packed=False)
    yield ".psd", psd(packed=True)


def _photographs() -> Iterator[tuple[str, bytes]]:
    exif = _exif()
    for mode in ("RGB", "L", "CMYK"):
        yield ".jpg", _saved("JPEG", mode, exif=exif)
        yield ".jpg", _saved("JPEG", mode, progressive=True, icc_profile=bytes(300), comment=b"a" * 70)
    yield ".jpg", _saved("JPEG", "RGB", restart_marker_rows=1, subsampling=2, dpi=(72, 72))
    yield ".jpg", _saved("MPO", "RGB", save_all=True, append_images=[_picture("RGB")], exif=exif)
    for mode in ("RGB", "RGBA"):
        yield ".webp", _saved("WEBP", mode, exif=exif, icc_profile=bytes(300))
        yield ".webp", _saved("WEBP", mode, lossless=True)
        yield ".webp", _saved("WEBP", mode, save_all=True, append_images=[_picture("RGB", 1)])
        yield ".avif", _saved("AVIF", mode, exif=exif)
        yield ".jp2", _saved("JPEG2000", mode)
        yield ".jp2", _saved("JPEG2000", mode, irreversible=True, tile_size=(16, 16))
    yield ".avif", _saved("AVIF", "RGB", save_all=True, append_images=[_picture("RGB", 1)])
    yield ".j2k", _saved("JPEG2000", "RGB", no_jp2=True)
    yield ".jp2", _saved("JPEG2000", "I;16")


def _drawings() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield ".png", _saved("PNG", mode)
    yield ".png", _saved("PNG", "P", transparency=bytes(range(200)))
    yield ".png", _saved("PNG", "RGB", exif=_exif(), transparency=(1, 2, 3), icc_profile=bytes(300))
    yield ".png", _saved("PNG", "RGB", save_all=True, append_images=[_picture("RGB", 1)])
    for mode in ("L", "P", "RGB"):
        yield ".gif", _saved("GIF", mode, interlace=1)
        yield ".gif", _saved("GIF", mode, save_all=True, append_images=[_picture(mode, 1)], transparency=3)


def _tiffs() -> Iterator[tuple[str, bytes]]:
    for mode in ("1", "L", "P", "I;16", "I", "F", "RGB", "RGBA", "CMYK"):
        yield ".tif", _saved("TIFF", mode, exif=_exif())
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        yield ".tif", _saved("TIFF", "RGB", compression=compression)
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield ".tif", _saved("TIFF", "1", compression=compression)
    yield ".tif", _saved("TIFF", "RGB", save_all=True, append_images=[_picture("L")], big_tiff=True)


def _old_formats() -> Iterator[tuple[str, bytes]]:
    of_modes = {
        "BMP": ("1", "L", "P", "RGB", "RGBA"), "PPM": ("1", "L", "I;16", "RGB", "F"), "TGA": ("1", "L", "P", "RGBA"),
        "PCX": ("1", "L", "P", "RGB"), "ICO": ("RGBA", "P"), "DDS": ("RGB", "RGBA", "L"), "QOI": ("RGB", "RGBA"),
        "SGI": ("L", "RGB"), "XBM": ("1",), "MSP": ("1",), "ICNS": ("RGBA",),
    }  # fmt: skip
    for form, modes in of_modes.items():
        for mode in modes:
            yield f".{form.lower()}", _saved(form, mode)
    for kind in ("DXT1", "DXT5", "BC5"):
        yield ".dds", _saved("DDS", "RGBA" if kind != "BC5" else "RGB", pixel_format=kind)
    yield ".tga", _saved("TGA", "RGB", compression="tga_rle")
    yield ".ico", _saved("ICO", "RGBA", bitmap_format="bmp")


def _saved(form: str, mode: str, **options: object) -> bytes:
    """The file of a picture; empty where this Pillow cannot write such."""
    buffer = io.BytesIO()
    with contextlib.suppress(KeyError, OSError, ValueError):
        _picture(mode).save(buffer, form, **options)
        return buffer.getvalue()
    return b""


def _picture(mode: str, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    smooth = Image.fromarray(rng.integers(0, 256, (5, 7, 4), np.uint8), "RGBA").resize((47, 33))
    if mode == "I;16":
        return Image.fromarray(np.asarray(smooth.convert("L"), np.uint16) * 257)
    return (smooth.convert("L") if mode in ("I", "F") else smooth).convert(mode)


def _exif() -> bytes:
    """As a camera writes it: turned, with rationals, text, places and a thumbnail."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x011A], exif[0x0132] = 6, "Camera", 72.0, "2024:05:01 12:00:00"
    exif.get_ifd(0x8769).update({0x829A: 0.005, 0x9286: b"ASCII\0\0\0note", 0xA002: 47})
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 12.5)})
    return exif.tobytes()


def psd(packed: bool) -> bytes:
    """A picture of Photoshop, which Pillow reads but does not write."""
    planes = np.asarray(_picture("RGB")).transpose(2, 0, 1)
    height, width = planes.shape[1:]
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, height, width, 8, 3) + bytes(12)
    if not packed:
        return header + struct.pack(">H", 0) + planes.tobytes()
    rows = [
        bytes([width - 1]) + row.tobytes() for plane in planes for row in plane
    ]  # of PackBits: no repetition
    lengths = b"".join(struct.pack(">H", len(row)) for row in rows)
    return header + struct.pack(">H", 1) + lengths + b"".join(rows)


if __name__ == "__main__":
    main()
