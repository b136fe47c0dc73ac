"""What is refused before an image is decoded, and runs whose images lie elsewhere now."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgenas import export, search
from edgenas.errors import DataError, InputError, RunConflictError
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_lock import locked

DONE: dict[str, Any] = {"evaluations": 8, "finalists": 2, "run": "done"}


def no_decoding(phase: str, done: float, total: float, detail: str = "") -> None:
    assert "decoding" not in phase


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"max_latency": "30ms"},
            r"different configuration \(--max-latency: 20ms -> 30ms\); use another --run",
        ),
        ({"seed": 1, "metric": "macro-f1"}, r"\(--metric: top-1 -> macro-f1; --seed: 0 -> 1\)"),
        ({"fit": "pad"}, r"\(--fit: crop -> pad\)"),
        ({"resolution": 32}, r"\(--resolution: 16 -> 32\)"),
        ({"augment": "none"}, r"\(--augment: crop -> none\)"),
        ({"threads": 2}, r"\(--threads: 4 -> 2\)"),
        ({"run": "a b"}, r"--run 'a b' is not a valid run name"),
        ({"run": "new", "warm_start": "nosuch"}, r"unknown run 'nosuch'; .*known: done"),
        ({"run": "new", "pretrained": "nosuch"}, r"unknown pretrained weights 'nosuch'"),
        ({"run": "new", "pretrained": "gone.safetensors"}, r"gone\.safetensors"),
    ],
)
def test_what_needs_no_images_is_refused_before_they_are_decoded(
    changes: dict[str, Any], message: str, in_finished_run: Path, image_folder: Path
) -> None:
    asked = {"device": "pi5", "max_latency": "20ms", "data": str(image_folder), **DONE, **changes}
    with pytest.raises(InputError, match=message):
        search(**asked, progress=no_decoding)


def test_the_same_images_elsewhere_are_the_same_data(
    in_finished_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    """A complete run is shown, and exports from the new place without being told again."""
    moved = tmp_path / "moved"
    shutil.copytree(image_folder, moved)
    result = search("pi5", "20ms", str(moved), **DONE)
    assert result.status == "complete"
    assert RunFolder(in_finished_run / "runs/done").read_document().config.settings.data == str(moved)
    assert len(export("done").models) == len(result.front)


def test_images_that_are_not_where_they_were_are_asked_for(
    in_finished_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(image_folder, moved)
    search("pi5", "20ms", str(moved), **DONE)
    shutil.rmtree(moved)
    for given in (str(moved), "misspelt"):
        told = rf"--data {given}: the images of run done are not there; they were last in {moved}; if they have moved"
        with pytest.raises(DataError, match=told):
            search("pi5", "20ms", given, **DONE)
    with pytest.raises(
        DataError, match=r"run done cannot be loaded again .*; if they have moved, give their"
    ):
        export("done")


def test_images_that_changed_are_counted(in_finished_run: Path, image_folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(image_folder, moved)
    search("pi5", "20ms", str(moved), **DONE)
    for name in ("new 1.png", "new 2.png"):
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(moved / "train/red" / name)
    (moved / "train/blue/00.png").unlink()
    shutil.copy(moved / "train/green/01.png", moved / "train/green/02.png")
    with pytest.raises(
        RunConflictError,
        match=r"run done was started on other images: those of \S+moved changed \(2 added, 1 removed, 1 changed\); "
        r"restore them, or use another --run",
    ):
        search("pi5", "20ms", str(moved), **DONE)


def test_images_that_moved_and_changed_are_counted(
    in_finished_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(image_folder, tmp_path / "moved")
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "moved/train/red/new.png")
    with pytest.raises(RunConflictError, match=r"those of \S+moved changed \(1 added\); restore them"):
        search("pi5", "20ms", str(tmp_path / "moved"), **DONE)


def test_a_run_of_an_earlier_version_is_not_said_to_have_other_images(
    in_finished_run: Path, image_folder: Path
) -> None:
    document = in_finished_run / "runs/done/run.json"
    content = json.loads(document.read_text())
    content["config"]["data"]["fingerprint"] = "made otherwise"
    document.write_text(json.dumps(content))
    (in_finished_run / "runs/done/images.json").unlink()
    with pytest.raises(
        RunConflictError, match=r"run done was started by an earlier version of edgenas, which told"
    ):
        search("pi5", "20ms", str(image_folder), **DONE)


def test_a_run_that_is_in_use_is_refused_before_decoding(in_finished_run: Path, image_folder: Path) -> None:
    with (
        locked(in_finished_run / "runs/done"),
        pytest.raises(RunConflictError, match=r"run done is in use by process .*; wait for it"),
    ):
        search("pi5", "20ms", str(image_folder), **DONE, progress=no_decoding)


def test_a_run_without_a_name_is_resumed_wherever_its_images_lie(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for place in ("one", "two"):
        shutil.copytree(image_folder, tmp_path / place / "photos")
        names.append(search("pi5", "20ms", f"{place}/photos", evaluations=1, finalists=1).run)
    assert names[0] == names[1]


def test_files_that_are_not_used_are_listed_beside_the_run_and_noted(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(image_folder, "photos")
    Path("photos/train/red/notes.txt").write_text("red things")
    Path("photos/train/red/broken.png").write_bytes(b"")
    shutil.copy("photos/train/red/00.png", "photos/test/red/also.png")
    result = search("pi5", "20ms", "photos", evaluations=1, finalists=1, run="told")
    assert Path("runs/told/refused-images.txt").read_text() == (
        "train/red/broken.png\tempty\ntrain/red/notes.txt\tnot an image\n"
    )
    notes = "\n".join(result.notes)
    assert "passed over: 1 not an image (train/red/notes.txt)" in notes
    assert "1 of 86 images cannot be read and are skipped" in notes
    assert (
        "1 of 25 test images is also a training image: test figures are too high (test/red/also.png = "
        in notes
    )
    assert "all files that are not used are listed in runs/told/refused-images.txt" in notes
    assert len(json.loads(Path("runs/told/images.json").read_text())["digests"]) == 85
