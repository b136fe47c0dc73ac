"""The photographs are like a camera's, and the three ways of reading them are timed."""

import re
import sys
from pathlib import Path

import numpy as np
import photograph_loading
import pytest
from PIL import Image

from edgenas.images.preparation import Preparation
from edgenas.images.reading import read_pixels


def test_small_ones_are_read_three_times(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["--images", "24", "--size", "160x120", "--resolution", "32", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["photograph_loading.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        photograph_loading.main()
    said = capsys.readouterr().out
    assert re.match(r"24 photographs of 160x120, 0\.00 GB, to 32 px; \d+ cores, ", said)
    assert re.findall(r"^ *(.+): +[\d.]+ s$", said, re.MULTILINE) == [
        "former way",
        "first load",
        "second load",
    ]
    ratios = re.findall(
        r"^ *(.+): +([\d.]+) times faster than the former way \(bar: (\d+)\)$", said, re.MULTILINE
    )
    assert [(name, bar) for name, _, bar in ratios] == [("first load", "3"), ("second load", "20")]
    if all(abs(float(ratio) - float(bar)) > 0.1 for _, ratio, bar in ratios):  # else rounding decides
        missed = any(float(ratio) < float(bar) for _, ratio, bar in ratios)
        assert ended.value.code == missed
    assert not list(tmp_path.iterdir())


def test_each_photograph_is_a_file_of_its_own_and_a_third_is_turned(tmp_path: Path) -> None:
    paths = photograph_loading.make_photographs(tmp_path, 24, 120, 90)
    assert len({path.read_bytes() for path in paths}) == 24
    assert sorted(path.parent.name for path in paths[:4]) == ["class0", "class1", "class2", "class3"]
    with_exif = [Image.open(path) for path in paths]
    assert sum(image.getexif().get(photograph_loading.ORIENTATION) == 6 for image in with_exif) == 8
    assert {image.size for image in with_exif} == {(120, 90), (90, 120)}


def test_the_former_way_gives_nearly_the_same_pixels(tmp_path: Path) -> None:
    paths = photograph_loading.make_photographs(tmp_path, 3, 400, 300)
    former = photograph_loading.read_as_before(paths, 32)
    present = np.stack([read_pixels(path, 32, Preparation()) for path in paths])
    assert np.abs(former.astype(int) - present).mean() < 3


def test_the_bar_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert photograph_loading.reached("first load", 3.1, 3)
    assert not photograph_loading.reached("first load", 2.9, 3)
    assert "3.1 times faster than the former way (bar: 3)" in capsys.readouterr().out
