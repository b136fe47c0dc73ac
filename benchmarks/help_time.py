"""How long `edgenas --help` takes beside a bare typer program, in turn, in one run.

    python benchmarks/help_time.py [--runs 15]

The bar: at most twice the time (medians).
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import typer
app = typer.Typer()

@app.command()
def one(name: str = typer.Option("x", help="A name.")) -> None:
    '''Say one.'''

@app.command()
def two(name: str = typer.Option("x", help="A name.")) -> None:
    '''Say two.'''

app()
"""


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of one run of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE, encoding="utf-8")
        commands = {
            "bare typer": [sys.executable, str(bare), "--help"],
            "edgenas": [sys.executable, "-m", "edgenas", "--help"],
        }
        for command in commands.values():  # fill the file cache and write the bytecode
            seconds(command)
        times = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                times[name].append(seconds(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:12} median {median * 1e3:6.0f} ms, least {min(times[name]) * 1e3:6.0f} ms")
    ratio = medians["edgenas"] / medians["bare typer"]
    print(f"ratio of medians: {ratio:.2f} (bar: 2.00)")
    sys.exit(ratio > 2)


if __name__ == "__main__":
    main()
