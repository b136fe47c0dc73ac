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
import struct
import sys
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from mutants import escape, in_child, missed, mutated_bytes, outcomes_in_children, report, watched
from PIL import Image

from edgenas.images.preparation import Preparation
from edgenas.images.reading import UnreadableImageError, read_pixels

MEMORY_BYTES = 8 * 2**30
"""Address space of a child; what does not fit is an error of the reader, not trouble for the machine."""

SIZES = (16, 64, 224)


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
    seeds = range(options.first, options.first + options.images)
    outcomes = outcomes_in_children(
        lambda first, count: in_child(__file__, "--first", first, "--images", count), seeds, options.processes
    )
    report(outcomes, "pictures", "suffixes")
    sys.exit(any(missed(what) for _, _, what in outcomes))


def read_in_this_process(seeds: range) -> None:
    """Read the pictures of some seeds; a line for each begins before it is read."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    originals()
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            suffix, content = mutated(seed)
            with watched(seed, suffix) as say:
                say(outcome_of(Path(folder), seed, suffix, content))


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
        return escape(error)
    if (found.shape, found.dtype) != ((size, size, preparation.channels), np.uint8):
        return f"escape: pixels are {found.dtype} of shape {found.shape}"
    return "pixels"


def mutated(seed: int) -> tuple[str, bytes]:
    """The suffix and the content of one picture."""
    rng = random.Random(seed)
    suffix, content = rng.choice(originals())
    return suffix, mutated_bytes(content, rng, lambda: rng.choice(originals())[1])


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
