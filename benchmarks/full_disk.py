"""A small search on a file system that is full again and again, each time a little later, against one with room.

    python benchmarks/full_disk.py [--first 64] [--growth 1.15]     (as root on Linux: it mounts a tmpfs)

The search is repeated with a little more room until it ends. The bar: every failure is one line that says to free
space, no evaluation is lost, and the front, weights and files are those of the search that had room.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kill_resume import Search

ADVICE = "free some space"


@contextmanager
def limited(folder: Path, kib: int) -> Iterator[None]:
    """Mount a file system of a limited size."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def enlarge(folder: Path, kib: int) -> None:
    """Give a mounted file system another size."""
    subprocess.run(["mount", "-o", f"remount,size={kib}k", folder], check=True)


def attempt(job: Search) -> tuple[int, str]:
    """Exit code and standard error of the search, but for its progress."""
    command = [sys.executable, "-m", "edgenas", *job.arguments]
    done = subprocess.run(command, cwd=job.folder, capture_output=True, text=True, check=False)
    job.look()
    said = [line for line in done.stderr.splitlines() if not line.startswith((*job.phases, "loading"))]
    return done.returncode, "\n".join(said)


def main() -> None:
    """Print each failure and how it ended; exit 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=64, help="KiB at first")
    parser.add_argument("--growth", type=float, default=1.15, help="factor from one size to the next")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        roomy, full = Search(Path(name, "roomy")), Search(Path(name, "full"))
        for job in (roomy, full):
            job.folder.mkdir()
        code, said = attempt(roomy)
        assert code == 0, said
        kib, failures, bad = options.first, 0, 0
        with limited(full.folder, kib):
            while (ended := attempt(full))[0] != 0:
                failures += 1
                bad += ADVICE not in ended[1] or "\n" in ended[1]
                print(f"{kib} KiB: {ended[1]}", flush=True)
                kib = int(options.growth * kib) + 4
                enlarge(full.folder, kib)
            same = full.result() == roomy.result()
    print(
        f"failures {failures}, without advice or of several lines {bad}, lost {full.lost}, same end: {same}"
    )
    sys.exit(bad > 0 or full.lost > 0 or not same)


if __name__ == "__main__":
    main()
