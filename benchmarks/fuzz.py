"""Mutants of every file that edgenas reads, through the doors they come in by: an answer, or an error of edgenas, soon.

    python benchmarks/fuzz.py [--mutants 100000] [--first 0] [--processes 2] [--door table] [--keep FOLDER]

A workshop is made first (`fuzz_workshop.py`): a finished run with its exported models, a kit with results, a latency
table, devices, settings, pictures. Each seed damages one of its files, and something of edgenas reads it, in a child
process. Half of the documents are changed in their values, half in their bytes; a table then gets the checksum of its
new content.

The bar: no escape (any error but edgenas's own), no hang (over 2 seconds of processor time), no more than 500 MB of
memory beyond that of the beginning, no death of a process. `--keep` writes the files that missed it.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import random
import resource
import shutil
import sqlite3
import struct
import sys
import tempfile
import tomllib
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mutated_images
import numpy as np
import onnx
import tomli_w
from fuzz_workshop import BOARD, RUN, furnish
from mutants import (
    ODD,
    escape,
    in_child,
    missed,
    mutated_bytes,
    mutated_document,
    outcomes_in_children,
    report,
    watched,
)
from onnx import numpy_helper
from pydantic import ValidationError

import edgenas
from edgenas.board.manifest import MANIFEST, read_kit
from edgenas.board.problem import BoardError
from edgenas.errors import EdgenasError
from edgenas.kits.kit_results import KitResults, read_results, table_from_results
from edgenas.latency.table import LatencyTable
from edgenas.settings.files import read_settings
from edgenas.settings.search import SearchSettings
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_store import RunStore

MEMORY_BYTES = 500 * 2**20

EXTREME_SIZES = (-1, 0, 1, 2, 2**16, 2**31 - 1, 2**31, 2**40, 2**62, -(2**63))


class Door(NamedTuple):
    """What reads some files of the workshop.

    Attributes:
        files: patterns of those that are damaged.
        enter: reads one, standing in the workshop.
        share: how often it is tried, beside the others.
    """

    files: tuple[str, ...]
    enter: Callable[[Path], object]
    share: float = 1


def main() -> None:
    """Try all, count what came of it; exit 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--door", choices=DOORS, help="only this one")
    parser.add_argument("--keep", type=Path, help="folder for the files that missed the bar")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--workshop", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    doors = (options.door,) if options.door else tuple(DOORS)
    if options.child:
        try_in_this_process(options.workshop, doors, options.first, options.keep)
        return
    with tempfile.TemporaryDirectory() as folder:
        workshop = Path(folder)
        furnish(workshop)
        more = [f"--door={options.door}"] if options.door else []
        more += [f"--keep={options.keep.resolve()}"] if options.keep else []

        def child(first: int, count: int) -> tuple[int, str, str]:
            rest = ("--first", first, "--mutants", count, "--workshop", workshop, *more)
            return in_child(__file__, *rest)

        seeds = range(options.first, options.first + options.mutants)
        outcomes = outcomes_in_children(child, seeds, options.processes)
    report(outcomes, "mutants", "doors")
    sys.exit(any(missed(what) for _, _, what in outcomes))


def try_in_this_process(workshop: Path, doors: tuple[str, ...], first: int, keep: Path | None) -> None:
    """Try mutants from a seed on, in a copy of the workshop, until one takes too much memory."""
    count = int(sys.argv[sys.argv.index("--mutants") + 1])
    warnings.simplefilter("ignore")
    logging.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "workshop")
        shutil.copytree(workshop, copy)
        os.environ["XDG_DATA_HOME"] = str(Path(folder, "data"))
        os.chdir(copy)
        files = files_of(copy, doors)
        enter_all(files)
        before = peak_bytes()
        for seed in range(first, first + count):
            door, path, content = mutant(files, seed)
            with watched(seed, door) as say:
                what = outcome_of(door, path, content)
                what = "memory" if peak_bytes() - before > MEMORY_BYTES else what
                say(what)
            if missed(what) and keep:
                keep.mkdir(parents=True, exist_ok=True)
                Path(keep, f"{seed}-{path.name}").write_bytes(content)
            if what == "memory":  # the peak never falls: a new process goes on
                return


def peak_bytes() -> int:
    """The most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


Files = dict[str, list[tuple[Path, bytes]]]
"""By door: the files that are damaged, and their content."""


def files_of(workshop: Path, doors: tuple[str, ...] = ()) -> Files:
    """The files of each door, all doors if none are named."""
    return {
        name: [
            (path, path.read_bytes()) for each in DOORS[name].files for path in sorted(workshop.glob(each))
        ]
        for name in doors or DOORS
    }


def enter_all(files: Files) -> None:
    """Read every file as it is: each must be answered, and what is imported or cached then is no mutant's doing."""
    for door, found in files.items():
        for path, content in found:
            what = outcome_of(door, path, content)
            if what != "answered":
                raise RuntimeError(f"{path} itself: {what}")


def mutant(files: Files, seed: int) -> tuple[str, Path, bytes]:
    """Door, file and damaged content of a seed."""
    rng = random.Random(seed)
    door = rng.choices(list(files), [DOORS[name].share for name in files])[0]
    path, content = rng.choice(files[door])
    change = CHANGES.get(path.suffix)
    if change is not None and rng.random() < 0.5:
        with contextlib.suppress(Exception):  # not every value can be written: then its bytes are damaged
            return door, path, change(content, rng)
    return door, path, mutated_bytes(content, rng, lambda: rng.choice(files[door])[1])


def outcome_of(door: str, path: Path, content: bytes) -> str:
    """What comes of a file with this content; the file is as before afterwards."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            DOORS[door].enter(path)
    except (EdgenasError, BoardError) as error:
        text = str(error)
        return f"escape of a message: {text!a:.60}" if len(text) > 600 or "\n" in text else "refused"
    except BaseException as error:
        return escape(error)
    finally:
        path.write_bytes(before)
    return "answered"


# Changing values.


def _changed_json(content: bytes, rng: random.Random) -> bytes:
    changed = mutated_document(json.loads(content), rng)
    if isinstance(changed, dict) and changed.get("schema") == "edgenas.table/1":
        with contextlib.suppress(ValidationError, ValueError):
            changed["checksum"] = LatencyTable.model_validate(changed).content_checksum()
    return json.dumps(changed).encode()


def _changed_toml(content: bytes, rng: random.Random) -> bytes:
    return tomli_w.dumps(mutated_document(tomllib.loads(content.decode()), rng)).encode()


def _changed_safetensors(content: bytes, rng: random.Random) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    header = json.dumps(mutated_document(json.loads(content[8 : 8 + length]), rng)).encode()
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def _changed_store(content: bytes, rng: random.Random) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".sqlite") as file:
        file.write(content)
        file.flush()
        with contextlib.closing(sqlite3.connect(file.name, isolation_level=None)) as store:
            tables = [
                name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            table = rng.choice([name for name in tables if not name.startswith("sqlite_")])
            column = rng.choice([row[1] for row in store.execute(f"PRAGMA table_info({table})")])
            values = (*(value for value in ODD if isinstance(value, int | float | str)), b"\xff\0", 2**62)
            match rng.randrange(5):
                case 0:
                    store.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
                case 1:
                    store.execute(f"DROP TABLE {table}")
                case _:
                    rows = [row for (row,) in store.execute(f"SELECT rowid FROM {table}")]
                    where = f"rowid = {rng.choice(rows)}"
                    store.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (rng.choice(values),))
        return Path(file.name).read_bytes()


def _changed_onnx(content: bytes, rng: random.Random) -> bytes:
    model = onnx.load_model_from_string(content)
    graph = model.graph
    for _ in range(rng.choice((1, 1, 2, 4))):
        node = rng.choice(graph.node)
        match rng.randrange(7):
            case 0 if graph.initializer:
                rng.choice(graph.initializer).dims.append(rng.choice(EXTREME_SIZES))
            case 1 if graph.initializer:
                tensor = rng.choice(graph.initializer)
                tensor.CopyFrom(
                    numpy_helper.from_array(np.array(rng.choices(EXTREME_SIZES, k=4)), tensor.name)
                )
            case 2 if node.attribute and rng.choice(node.attribute).ints:
                each = rng.choice([each for each in node.attribute if each.ints])
                each.ints[rng.randrange(len(each.ints))] = rng.choice(EXTREME_SIZES)
            case 3:
                rng.choice(graph.input).type.tensor_type.shape.dim.add(dim_value=rng.choice(EXTREME_SIZES))
            case 4 if node.input:
                node.input[rng.randrange(len(node.input))] = rng.choice(rng.choice(graph.node).output)
            case 5:
                node.op_type = rng.choice(
                    [*(each.op_type for each in graph.node), "Loop", "Range", "Tile", "If"]
                )
            case _:
                graph.node.append(node)
    return bytes(model.SerializeToString())


def _changed_zip(content: bytes, rng: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(entries))
    entries[name] = mutated_bytes(entries[name], rng, lambda: content)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for each, found in entries.items():
            archive.writestr(each, found)
    return stream.getvalue()


CHANGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".json": _changed_json,
    ".toml": _changed_toml,
    ".safetensors": _changed_safetensors,
    ".sqlite": _changed_store,
    ".onnx": _changed_onnx,
    ".zip": _changed_zip,
}
"""By the suffix of a file; of others bytes are damaged only."""


# Doors.


def _results(path: Path) -> None:
    results = read_results(path, KitResults)
    table_from_results(results, results.plan.for_device(None), path)


def _table(path: Path) -> None:
    edgenas.devices(BOARD)
    edgenas.predict("architecture.json", BOARD)
    edgenas.predict("models/small.onnx", BOARD)


def _device(path: Path) -> None:
    edgenas.predict("architecture.json", path.stem)


def _kit(path: Path) -> None:
    """Unpack it as the user of a board would, and read what says what is to be measured."""
    with tempfile.TemporaryDirectory() as folder:
        if path.suffix == ".zip":
            try:
                with zipfile.ZipFile(path) as archive:
                    if sum(each.file_size for each in archive.infolist()) < 2**26:
                        archive.extractall(folder)
            except Exception:  # the user's program for archives refuses it
                return
        else:
            shutil.copytree(path.parent, Path(folder, "kit"))
        for manifest in Path(folder).glob(f"*/{MANIFEST}"):
            read_kit(manifest.parent)


def _run(path: Path) -> None:
    found = edgenas.load_run(RUN)
    RunFolder(Path("runs", RUN)).read_document()
    store = RunStore(Path("runs", RUN, "run.sqlite"))
    try:
        store.evaluations()
        store.seconds()
    finally:
        store.close()
    if path.suffix == ".safetensors":
        for model in found.front:
            model.load()


def _image(path: Path) -> None:
    what = mutated_images.outcome_of(path.parent, 0, path.suffix, path.read_bytes())
    if missed(what):
        raise RuntimeError(what)


DOORS = {
    "onnx": Door(("models/*.onnx",), lambda path: edgenas.predict(str(path), "pi5"), 3),
    "fix": Door(("models/*.onnx",), lambda path: edgenas.predict(str(path), "pi5", fix="fixed.onnx"), 0.02),
    "exported": Door((f"exports/{RUN}/*.onnx",), lambda path: edgenas.run(str(path), ["photo.png"])),
    "card": Door((f"exports/{RUN}/*.json",), lambda path: edgenas.predict(str(path), "pi5"), 2),
    "image": Door(("pictures/*",), _image, 3),
    "table": Door((f"latency_models/{BOARD}/*.json",), _table),
    "device": Door(("devices/*.toml",), _device),
    "settings": Door(("search.toml",), lambda path: read_settings(path, SearchSettings)),
    "results": Door(("results.json",), _results),
    "kit": Door(("kit.zip", f"kit/{MANIFEST}"), _kit),
    "architecture": Door(("architecture.json",), lambda path: edgenas.predict(str(path), "pi5"), 2),
    "run": Door(
        tuple(
            f"runs/{RUN}/{name}" for name in ("run.json", "front.json", "run.sqlite", "models/*.safetensors")
        ),
        _run,
        3,
    ),
}


if __name__ == "__main__":
    main()
