"""Mutilated pictures are read in children."""

import re
import sys

import mutated_images
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
