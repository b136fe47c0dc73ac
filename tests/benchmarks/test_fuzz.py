"""Two thousand mutants of every file that edgenas reads: each is answered, or refused in one line."""

import logging
import random
import warnings
from collections.abc import Callable, Iterator

import fuzz
import mutants
import pytest
from fuzz_workshop import furnish

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged pictures

MUTANTS = 2000


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory, hurry: Callable[[pytest.MonkeyPatch, int], None]
) -> Iterator[fuzz.Files]:
    """The files of a workshop in which the tests stand."""
    folder = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.chdir(folder)
        hurry(patch, 2)
        warnings.simplefilter("ignore")
        logging.disable()
        furnish(folder)
        yield fuzz.files_of(folder, tuple(fuzz.DOORS))
        logging.disable(logging.NOTSET)


def test_sound_files_are_answered(files: fuzz.Files) -> None:
    assert all(files.values())
    fuzz.enter_all(files)


@pytest.mark.parametrize("part", range(4))
def test_mutants_are_answered_or_refused(files: fuzz.Files, part: int) -> None:
    found = set()
    for seed in range(part * MUTANTS // 4, (part + 1) * MUTANTS // 4):
        door, path, content = fuzz.mutant(files, seed)
        what = fuzz.outcome_of(door, path, content)
        assert not mutants.missed(what), f"seed {seed} ({door}, {path.name}): {what}"
        found.add((door, what))
    seldom = {"image", "fix"}  # most damaged pictures are read; few mutants come to the other door
    assert {door for door, what in found if what == "refused"} >= set(fuzz.DOORS) - seldom


def test_mutants_are_the_same_each_time(files: fuzz.Files) -> None:
    random.seed()
    assert [fuzz.mutant(files, seed)[:2] for seed in range(50)] == [
        fuzz.mutant(files, seed)[:2] for seed in range(50)
    ]
