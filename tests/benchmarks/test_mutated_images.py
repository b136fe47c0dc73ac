"""Mutilated pictures are read in children, and those that die are named."""

import re
import signal
import subprocess
import sys

import mutated_images
import numpy as np
import pytest


def test_some_are_read_and_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mutated_images.py", "--images", "40", "--first", "7"])
    with pytest.raises(SystemExit) as ended:
        mutated_images.main()
    said = capsys.readouterr().out
    assert said.startswith("40 pictures of ") and re.search(r"^ +0  escape$", said, re.MULTILINE)
    assert not ended.value.code


def test_after_a_death_the_next_picture_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    children = {
        3: (-27, "3\t.png\tpixels\n4\t.tif", ""),
        5: (-11, "5\t.jpg", ""),
        6: (0, "6\t.gif\tdamaged\n7\t.bmp\tescape of KeyError(1) at x.py:3\n", ""),
    }
    monkeypatch.setattr(mutated_images, "in_child", lambda first, images: children[first])
    outcomes = mutated_images.read_in_children(np.arange(3, 8))
    assert outcomes == [
        (3, ".png", "pixels"),
        (4, ".tif", "hang"),
        (5, ".jpg", "death (SIGSEGV)"),
        (6, ".gif", "damaged"),
        (7, ".bmp", "escape of KeyError(1) at x.py:3"),
    ]
    assert [mutated_images.missed(what) for _, _, what in outcomes] == [False, True, True, False, True]
    mutated_images.report(outcomes)
    said = capsys.readouterr().out
    assert (
        "seed 4 (.tif): hang" in said and "1  escape" in said and "seed 7 (.bmp): escape of KeyError" in said
    )


def test_a_child_that_cannot_begin_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutated_images, "in_child", lambda first, images: (1, "", "ImportError: no"))
    with pytest.raises(RuntimeError, match="ended with 1: ImportError: no"):
        mutated_images.read_in_children(np.arange(2))


def test_the_signal_that_ends_a_hang_is_named_so() -> None:
    """A child that computes for longer than its budget dies by it, in Python or in C."""
    code = "import signal; signal.setitimer(signal.ITIMER_PROF, 0.05)\nwhile True: sum(range(1000))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGPROF
