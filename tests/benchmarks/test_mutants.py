"""Mutants are tried in children, and those that kill one are named; documents are changed in their values."""

import json
import random
import signal
import subprocess
import sys

import mutants
import pytest

DOCUMENT = {"name": "x", "sizes": [1, 2, 3], "inner": {"share": 0.5, "none": None}}


def test_after_a_death_the_next_mutant_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    children = {
        3: (-27, "3\t.png\tpixels\n4\t.tif", ""),
        5: (-11, "5\t.jpg", ""),
        6: (0, "6\t.gif\tmemory\n", ""),
        7: (0, "7\t.bmp\tescape of KeyError(1) at x.py:3\n", ""),
    }
    outcomes = mutants.outcomes_in_children(lambda first, count: children[first], range(3, 8), 1)
    assert outcomes == [
        (3, ".png", "pixels"),
        (4, ".tif", "hang"),
        (5, ".jpg", "death (SIGSEGV)"),
        (6, ".gif", "memory"),
        (7, ".bmp", "escape of KeyError(1) at x.py:3"),
    ]
    assert [mutants.missed(what) for _, _, what in outcomes] == [False, True, True, True, True]
    mutants.report(outcomes, "pictures", "suffixes")
    said = capsys.readouterr().out
    assert (
        "seed 4 (.tif): hang" in said and "1  escape" in said and "seed 7 (.bmp): escape of KeyError" in said
    )


def test_a_child_that_cannot_begin_is_no_finding() -> None:
    with pytest.raises(RuntimeError, match="ended with 1: ImportError: no"):
        mutants.outcomes_in_children(lambda first, count: (1, "", "ImportError: no"), range(2), 1)


def test_the_signal_that_ends_a_hang_is_named_so() -> None:
    """A child that computes for longer than its budget dies by it, in Python or in C."""
    code = "import signal; signal.setitimer(signal.ITIMER_PROF, 0.05)\nwhile True: sum(range(1000))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGPROF


def test_documents_are_changed_in_a_copy() -> None:
    before = json.dumps(DOCUMENT)
    changed = [mutants.mutated_document(DOCUMENT, random.Random(seed)) for seed in range(100)]
    assert json.dumps(DOCUMENT) == before
    assert sum(repr(each) != repr(DOCUMENT) for each in changed) > 90
    again = [mutants.mutated_document(DOCUMENT, random.Random(seed)) for seed in range(100)]
    assert repr(again) == repr(changed)
