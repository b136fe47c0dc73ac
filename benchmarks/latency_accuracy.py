"""How well predicted latencies agree with measured ones: profile, then validate on fresh networks in a new process.

For each case a table is made from nothing in a folder of its own, then `edgenas validate` measures 50 random whole
networks that calibration never saw, at once and, with --later, again after some minutes. Exit code 1 when a bar is
missed.

    python benchmarks/latency_accuracy.py [--cases 224x1,224x2,32x1,int8] [--later 10] [--networks 50] [--seed 0]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """Options of a case, and the bars it has to clear (None for none)."""

    options: tuple[str, ...]
    spearman: float
    within_5: float | None = None
    mape: float | None = None
    coverage_off: float | None = None
    profile_s: float | None = None


CASES = {
    "224x1": Case(("--resolution", "224", "--threads", "1"), 0.99, 0.99, 1.5, 0.05, 120),
    "224x2": Case(("--resolution", "224", "--threads", "2"), 0.99, 0.99, 1.5, 0.05, 120),
    "32x1": Case(("--resolution", "32", "--threads", "1"), 0.97, 0.95),
    "32x2": Case(("--resolution", "32", "--threads", "2"), 0.97, 0.95),
    "int8": Case(("--resolution", "224", "--threads", "1", "--precision", "int8"), 0.98),
}
NOMINAL_COVERAGE = 0.9


def main() -> None:
    """Run the chosen cases and print a line for each validation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default="224x1,224x2,32x1,int8")
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--later", type=float, help="minutes after which everything is validated again")
    arguments = parser.parse_args()
    names = arguments.cases.split(",")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "latency_models").mkdir()
        first: dict[str, Any] = {}
        missed = []
        for name in names:
            case = CASES[name]
            profile = edgenas(folder, "profile", *case.options)
            print(f"{name}: {profile['entries']} entries, profiled in {profile['seconds']:.0f} s", flush=True)
            first[name] = validate(folder, case, arguments.networks, arguments.seed, name)
            missed += failures(name, case, first[name], profile["seconds"])
        finished = time.monotonic()
        if arguments.later:
            for name in names:
                time.sleep(max(0.0, finished + 60 * arguments.later - time.monotonic()))
                again = validate(folder, CASES[name], arguments.networks, arguments.seed + 1, f"{name} later")
                if again["mape_percent"] > 2 * first[name]["mape_percent"]:
                    missed.append(f"{name}: error more than doubled after {arguments.later:g} minutes")
    print("missed: " + "; ".join(missed) if missed else "every bar is cleared")
    sys.exit(bool(missed))


def edgenas(folder: str, *arguments: str) -> dict[str, Any]:
    """What a command prints as JSON, run on this host's processor in a process of its own."""
    command = [sys.executable, "-m", "edgenas", *arguments, "--device", "cpu", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def validate(folder: str, case: Case, networks: int, seed: int, title: str) -> dict[str, Any]:
    """Validate and print one line."""
    found = edgenas(folder, "validate", *case.options, "--networks", str(networks), "--seed", str(seed))
    print(
        f"{title}: {found['networks']} networks, Spearman {found['spearman']:.4f}, Kendall {found['kendall']:.3f}, "
        f"MAPE {found['mape_percent']:.2f} %, within 5 % {found['within_5_percent']:.0%}, within 10 % "
        f"{found['within_10_percent']:.0%}, coverage {found['interval_coverage']:.0%} (nominal 90 %), "
        f"disturbed {found['disturbed']:.1%}; pace {found['pace']:.3f}{at_table_pace(found['at_table_pace'])}",
        flush=True,
    )
    return found


def at_table_pace(errors: dict[str, float] | None) -> str:
    """The figures with the machine's drift taken out."""
    if errors is None:
        return ""
    return (
        f", at which MAPE {errors['mape_percent']:.2f} %, within 5 % {errors['within_5_percent']:.0%}, "
        f"coverage {errors['interval_coverage']:.0%}"
    )


def failures(name: str, case: Case, found: dict[str, Any], seconds: float) -> list[str]:
    """Bars a case has missed, in words."""
    checks = {
        f"Spearman {found['spearman']:.4f} < {case.spearman}": found["spearman"] >= case.spearman,
        f"within 5 % {found['within_5_percent']:.0%}": found["within_5_percent"] >= (case.within_5 or 0),
        f"MAPE {found['mape_percent']:.2f} %": found["mape_percent"] <= (case.mape or float("inf")),
        f"coverage {found['interval_coverage']:.0%}": abs(found["interval_coverage"] - NOMINAL_COVERAGE)
        <= (case.coverage_off or 1) + 1e-9,
        f"profile {seconds:.0f} s": seconds <= (case.profile_s or float("inf")),
    }
    return [f"{name}: {text}" for text, passed in checks.items() if not passed]


if __name__ == "__main__":
    main()
