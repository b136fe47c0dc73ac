"""The archive of a kit: one folder, the same bytes each time, no longer on the board than was said."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.boards import BOARD, MeasuredKit, add_board

from edgenas import kit
from edgenas.board.manifest import read_kit
from edgenas.errors import DeviceError, InputError
from edgenas.fragments import drawing
from edgenas.kits import kit_archive

SMALL: dict[str, Any] = {"space": "nasbench-macro", "resolution": 16, "classes": 2, "networks": 3}


def test_it_unpacks_into_one_folder(measured_kit: MeasuredKit) -> None:
    with zipfile.ZipFile(measured_kit.archive) as archive:
        names = archive.namelist()
        readme = archive.read(f"kit-{BOARD}/README.txt").decode()
    assert {name.split("/")[0] for name in names} == {f"kit-{BOARD}"}
    assert not any(".." in name or name.startswith("/") for name in names)
    others = {name.removeprefix(f"kit-{BOARD}/") for name in names if "/models/" not in name}
    assert others == {"run.py", "manifest.json", "README.txt"}
    assert len(readme.splitlines()) == 5
    assert "python3 run.py" in readme and "edgenas kit-import results.json" in readme


def test_the_same_settings_make_the_same_bytes(
    quick_kit: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_kit(tmp_path)
    monkeypatch.setattr(kit_archive, "MIN_FRAGMENTS", 2)
    monkeypatch.setattr(drawing, "COUNT", 3)
    made = [kit(BOARD, **SMALL, out=name).kit.read_bytes() for name in ("a.zip", "b.zip")]
    assert made[0] == made[1] != kit(BOARD, **SMALL, seed=1).kit.read_bytes()


def test_its_result_says_what_it_holds(measured_kit: MeasuredKit) -> None:
    manifest = read_kit(measured_kit.results.parent)
    planned = manifest.plan
    assert set(planned["sizes"]) == {"16", "32"}
    assert planned["fragments"]["count"] == 24
    kinds = [key.split("/")[0] for key in manifest.models]
    assert {kind: kinds.count(kind) for kind in ("network", "fragment", "overhead")} == {
        "network": 24,
        "fragment": 24,
        "overhead": 1,
    }
    # In a random order: networks do not come first or last.
    assert 0 < kinds.index("network") < len(kinds) - 30


def test_fragments_are_left_out_where_the_board_would_take_too_long(
    quick_kit: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_kit(tmp_path)
    monkeypatch.setattr(drawing, "COUNT", 24)
    monkeypatch.setattr(kit_archive, "MIN_FRAGMENTS", 2)
    all_of_them = kit(BOARD, **SMALL)
    without = all_of_them.models - all_of_them.fragments
    assert all_of_them.fragments == 24
    monkeypatch.setattr(kit_archive, "MAX_S", all_of_them.estimated_s - 1)
    fewer = kit(BOARD, **SMALL)
    assert 2 <= fewer.fragments < 24 and fewer.models == without + fewer.fragments
    assert fewer.estimated_s < all_of_them.estimated_s
    monkeypatch.setattr(kit_archive, "MAX_S", 1.0)
    none = kit(BOARD, **SMALL)
    assert none.fragments == 0 and none.models == without
    monkeypatch.setattr(drawing, "COUNT", 0)
    assert kit(BOARD, **SMALL).estimated_s == none.estimated_s


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_models_are_converted_and_have_no_fragments(
    precision: str, quick_kit: Callable[[Path], None], tmp_path: Path
) -> None:
    quick_kit(tmp_path)
    made = kit(BOARD, **SMALL, precision=precision)
    with zipfile.ZipFile(made.kit) as archive:
        sizes = json.loads(archive.read(f"{made.folder}/manifest.json"))["weights_bytes"]
    assert made.fragments == 0
    assert {"fp16": "float16", "int8": "int8"}[precision] in sizes


def test_a_device_that_a_kit_cannot_serve_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_board(tmp_path, runtime='"tflite"')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeviceError, match=rf"kits cannot time models with tflite, which {BOARD} uses"):
        kit(BOARD, **SMALL)
    with pytest.raises(InputError, match=r"device cpu is this machine; run edgenas profile --device cpu"):
        kit("cpu", **SMALL)
    add_board(tmp_path)
    with pytest.raises(InputError, match=r"my-board\.toml/kit\.zip: cannot be written \(.+\); choose"):
        kit(BOARD, **SMALL, out=tmp_path / "devices" / f"{BOARD}.toml" / "kit.zip")


def test_quick_is_ten_networks_of_one_size(quick_kit: Callable[[Path], None], tmp_path: Path) -> None:
    quick_kit(tmp_path)
    asked = {key: value for key, value in SMALL.items() if key != "networks"}
    assert kit(BOARD, **asked, quick=True).models == 10 + 1
    assert kit(BOARD, **asked, samples=4).models == 4 + 1
    with pytest.raises(InputError, match=r"--samples infers the blocks of one image size"):
        kit(BOARD, **{**asked, "resolution": "16,32"}, quick=True)
    with pytest.raises(InputError, match=r"--quick and --networks both say how many"):
        kit(BOARD, **SMALL, quick=True)
