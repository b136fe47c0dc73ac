"""What a runner keeps: weights that models can use, and rounds to go on with."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from fixtures.kits import UnpackedKit

from edgenas.board import kit_folder
from edgenas.board.bursts import Burst
from edgenas.board.conditions import Condition
from edgenas.board.energy import Energy
from edgenas.board.kit_folder import (
    MAX_AGE_S,
    TILE,
    UNFINISHED,
    Measured,
    keep_unfinished,
    make_weights,
    missing_weights,
    read_unfinished,
    weights_file,
)
from edgenas.board.manifest import MODELS, Kit, read_kit
from edgenas.board.problem import BoardError

Make = Callable[[], UnpackedKit]
BURST = Burst(1.0, 1.1, 1.2, 3, 0.5, 0.5, 0)
ENERGY = Energy(1.5, 0.1, "RAPL (package-0)")
LEAST = {"float16": np.finfo(np.float16).tiny, "float32": np.finfo(np.float32).tiny}


@pytest.mark.parametrize("name", ["float32", "float16", "int8", "uint8", "int32"])
def test_weights_are_of_the_size_and_neither_large_nor_denormal(make_kit: Make, name: str) -> None:
    folder = make_kit().folder
    size = 4 * TILE + 64
    make_weights(folder, {name: size})
    values = np.fromfile(folder / MODELS / weights_file(name), dtype=name)
    assert values.nbytes == size
    assert len(np.unique(values)) > 50
    if name in LEAST:
        assert LEAST[name] <= np.abs(values).min() and np.abs(values).max() <= 0.1
    assert missing_weights(folder, {name: size}) == {}
    assert missing_weights(folder, {name: size + 1}) == {name: size + 1}


def test_a_folder_that_cannot_be_written_is_told(make_kit: Make, tmp_path: object) -> None:
    kit = make_kit()
    with pytest.raises(
        BoardError, match=r"weights\.int8 cannot be written \(.+\); free disk space, or choose"
    ):
        make_weights(kit.folder / "missing", {"int8": 4})


@pytest.fixture
def kept(make_kit: Make) -> tuple[UnpackedKit, Kit]:
    """A kit of which one model is finished and another begun."""
    unpacked = make_kit()
    kit = read_kit(unpacked.folder)
    measured = Measured(
        before=[Condition("clock governor", "performance")],
        bursts={"stem": [BURST] * 9, "head": [BURST]},
        finished=["stem"],
        failed={"mbconv": "out of memory"},
        retaken=2,
        energies={"stem": ENERGY, "head": ENERGY},
    )
    keep_unfinished(unpacked.folder, kit, "this machine", measured)
    return unpacked, kit


def test_what_was_measured_is_read_again(kept: tuple[UnpackedKit, Kit]) -> None:
    unpacked, kit = kept
    found = read_unfinished(unpacked.folder, kit, "this machine")
    assert found is not None
    assert found.bursts == {"stem": [BURST] * 9, "head": [BURST]}
    assert (found.finished, found.failed, found.retaken) == (["stem"], {}, 2)
    assert found.energies == {"stem": ENERGY, "head": ENERGY}


def test_of_old_rounds_only_complete_ones_are_kept(
    kept: tuple[UnpackedKit, Kit], monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked, kit = kept
    later = kit_folder.time.time() + MAX_AGE_S + 1
    monkeypatch.setattr(kit_folder.time, "time", lambda: later)
    found = read_unfinished(unpacked.folder, kit, "this machine")
    assert found is not None and list(found.bursts) == list(found.energies) == ["stem"]


def test_what_is_of_another_machine_or_kit_is_left_alone(kept: tuple[UnpackedKit, Kit]) -> None:
    unpacked, kit = kept
    assert read_unfinished(unpacked.folder, kit, "another machine") is None
    assert read_unfinished(unpacked.folder, kit._replace(sha256="1"), "this machine") is None


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"schema": 1}'])
def test_what_is_damaged_is_measured_again(kept: tuple[UnpackedKit, Kit], content: str) -> None:
    unpacked, kit = kept
    (unpacked.folder / UNFINISHED).write_text(content)
    assert read_unfinished(unpacked.folder, kit, "this machine") is None


def test_rounds_of_a_wrong_form_are_measured_again(kept: tuple[UnpackedKit, Kit]) -> None:
    unpacked, kit = kept
    path = unpacked.folder / UNFINISHED
    found = json.loads(path.read_text())
    found["measured"]["bursts"]["stem"] = [[1.0]]
    path.write_text(json.dumps(found))
    assert read_unfinished(unpacked.folder, kit, "this machine") is None
