"""Mutants of valid files, and child processes that try them; `mutated_images.py` and `fuzz.py` share it.

A child tries mutants one after the other and writes a line for each: the beginning before it is tried, what came of it
afterwards. So the death of a child names its mutant, and the next child begins after it.
"""

import copy
import random
import signal
import struct
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUDGET_S = 2
"""Of processor time for a mutant, so that other work on the machine does not count."""

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2**31, 2**63, 10**30, 0.5, 1e9, -1e9, 1e308, 1e-320, float("nan"), float("inf")),
    *("", "x", "a" * 10_000, "\x1b[2J", "\ud800", "\u202e", "../../x", "<script>", "1e999", "\0"),
    *([], {}, [[]], {"": None}, [1] * 1000, {"a": {"b": {"c": []}}}),
)
"""What fields are replaced by."""

Outcome = tuple[int, str, str]
"""Seed, the kind of its mutant, and what came of it."""

Lender = Callable[[], bytes]
"""Gives the content of another file."""

Child = Callable[[int, int], tuple[int, str, str]]
"""From the first seed and how many: exit code, output, and complaints of a child."""


def missed(outcome: str) -> bool:
    """Whether it is one that the bar does not allow."""
    return outcome.startswith(("escape", "hang", "death", "memory"))


def escape(error: BaseException) -> str:
    """The outcome where anything but an error of edgenas was raised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = [each for each in traceback.extract_tb(error.__traceback__) if "/edgenas/" in each.filename][-1:]
    own = "".join(f", by {Path(each.filename).name}:{each.lineno}" for each in where)
    said = ascii(error)[:80].replace("\t", " ")
    return f"escape of {said} at {Path(last.filename).name}:{last.lineno}{own}"


def report(outcomes: Sequence[Outcome], what: str, kind: str) -> None:
    """Print the counts, and the seeds to look at."""
    print(f"{len(outcomes)} {what} of {len({name for _, name, _ in outcomes})} {kind}")
    kinds = Counter(text.split(" ")[0] if missed(text) else text for _, _, text in outcomes)
    for name in ("escape", "hang", "death"):
        kinds.setdefault(name, 0)
    for name, count in sorted(kinds.items(), key=lambda pair: -pair[1]):
        print(f"{count:7d}  {name}")
    for seed, name, text in outcomes:
        if missed(text):
            print(f"seed {seed} ({name}): {text}")


def outcomes_in_children(child: Child, seeds: range, processes: int) -> list[Outcome]:
    """Try the mutants of all seeds, in so many processes at a time."""
    size = -(-len(seeds) // processes)
    parts = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    with ThreadPoolExecutor(processes) as pool:
        return [each for part in pool.map(lambda part: _outcomes(child, part), parts) for each in part]


def _outcomes(child: Child, seeds: range) -> list[Outcome]:
    """Those of consecutive seeds; where a child dies, the next begins after the deadly one."""
    outcomes: list[Outcome] = []
    while len(outcomes) < len(seeds):
        first = seeds[len(outcomes)]
        code, said, complaints = child(first, seeds.stop - first)
        lines = [line.split("\t") for line in said.splitlines()]
        outcomes += [(int(line[0]), line[1], line[2]) for line in lines if len(line) == 3]
        if code == 0 and len(lines) == seeds.stop - first:
            break
        if code > 0 or not lines:
            raise RuntimeError(f"a child ended with {code}: {complaints}")
        if len(lines[-1]) < 3:
            what = "hang" if code == -signal.SIGPROF else f"death ({signal.Signals(-code).name})"
            outcomes.append((int(lines[-1][0]), lines[-1][1], what))
    return outcomes


def in_child(script: str, *options: object) -> tuple[int, str, str]:
    """Run a script with `--child`: its exit code, output, and the end of what it, or a library in it, complained of."""
    command = [sys.executable, script, "--child", *map(str, options)]
    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=complaints, text=True, check=False)
        complaints.seek(0)
        return done.returncode, done.stdout, complaints.read()[-2000:]


@contextmanager
def watched(seed: int, kind: str) -> Iterator[Callable[[str], None]]:
    """Print a mutant, and then what came of it; a signal ends the process after its time, whatever it is doing."""
    print(seed, kind, sep="\t", end="", flush=True)
    signal.setitimer(signal.ITIMER_PROF, BUDGET_S)
    yield lambda what: print(f"\t{what}", flush=True)
    signal.setitimer(signal.ITIMER_PROF, 0)


def mutated_document(document: Any, rng: random.Random) -> Any:
    """A copy of a document in which one or a few values are replaced, left out, repeated or renamed."""
    found = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = [place for place in _containers(found) if place]
        if places:
            _change(rng.choice(places), rng)
    return found


def _containers(document: Any) -> Iterator[Any]:
    pending = [document]
    while pending:
        each = pending.pop()
        if isinstance(each, dict | list):
            yield each
            pending += each.values() if isinstance(each, dict) else each


def _change(container: Any, rng: random.Random) -> None:
    place = rng.choice(list(container)) if isinstance(container, dict) else rng.randrange(len(container))
    match rng.randrange(6):
        case 0:
            del container[place]
        case 1 if isinstance(container, dict):
            container[rng.choice(("", "x", f"{place}x", "\ud800", "__class__", "a" * 5000))] = container.pop(
                place
            )
        case 1:
            container *= rng.choice((2, 50))
        case 2 if isinstance(container[place], int | float):
            container[place] *= rng.choice((-1, 1e-9, 1e9, 1e300))
        case _:
            container[place] = copy.deepcopy(rng.choice(ODD))


def mutated_bytes(content: bytes, rng: random.Random, lent: Lender) -> bytes:
    """Damaged content, half of it in the first bytes, where headers are.

    Args:
        content: of a valid file.
        rng: decides what is done.
        lent: the content of another file, from which parts are taken.
    """
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        rng.choice(MUTATIONS)(data, _place(data, rng), rng, lent)
    return bytes(data)


def _place(data: bytearray, rng: random.Random) -> int:
    end = len(data) if rng.random() < 0.5 else min(len(data), 200)
    return rng.randrange(max(1, end))


def _flip(data: bytearray, at: int, rng: random.Random, lent: Lender) -> None:
    if data:
        data[at] ^= 1 << rng.randrange(8)


def _overwrite(data: bytearray, at: int, rng: random.Random, lent: Lender) -> None:
    data[at : at + rng.choice((1, 2, 4, 16))] = rng.randbytes(rng.choice((1, 2, 4, 16)))


def _extreme(data: bytearray, at: int, rng: random.Random, lent: Lender) -> None:
    value, form = rng.choice(EXTREMES), rng.choice(("<I", ">I", "<H", ">H"))
    size = struct.calcsize(form)
    data[at : at + size] = struct.pack(form, value % 256**size)


def _cut_out(data: bytearray, at: int, rng: random.Random, lent: Lender) -> None:
    del data[at : at + rng.choice((1, 3, 30, 300))]


def _repeat(data: bytearray, at: int, rng: random.Random, lent: Lender) -> None:
    data[at:at] = data[at : at + rng.choice((1, 3, 30, 300))] * rng.choice((1, 2, 20))


def _exchange(data: bytearray, at: int, rng: random.Random, lent: Lender) -> None:
    other, length = rng.randrange(max(1, len(data))), rng.choice((2, 8, 64))
    data[at : at + length], data[other : other + length] = (
        data[other : other + length],
        data[at : at + length],
    )


def _borrow(data: bytearray, at: int, rng: random.Random, lent: Lender) -> None:
    other = lent()
    begin = rng.randrange(max(1, len(other)))
    data[at : at + 64] = other[begin : begin + rng.choice((8, 64, 512))]


def _cut_off(data: bytearray, at: int, rng: random.Random, lent: Lender) -> None:
    del data[at:]


MUTATIONS: tuple[Callable[[bytearray, int, random.Random, Lender], None], ...] = (
    *(_flip, _flip, _flip, _overwrite, _overwrite, _extreme, _extreme),
    *(_cut_out, _repeat, _exchange, _borrow, _cut_off),
)
