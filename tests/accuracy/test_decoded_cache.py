import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgenas.accuracy import decoded_cache
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.image_folder import dataset_from_folder
from edgenas.errors import DataError
from edgenas.images import decoding
from edgenas.images.preparation import Preparation
from edgenas.images.reading import UnreadableImageError
from edgenas.progress import silent


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every set counts as large; files lie in the folder returned."""
    monkeypatch.setattr(decoded_cache, "MAX_IN_MEMORY", 0)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_: tmp_path / "cache")
    return tmp_path / "cache" / "decoded"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each image was decoded."""
    counter: Counter[str] = Counter()
    read = decoding.read_pixels

    def counted(path: Path, size: int, preparation: Preparation) -> object:
        counter[str(path)] += 1
        return read(path, size, preparation)

    monkeypatch.setattr(decoding, "read_pixels", counted)
    return counter


def write(part: Path, counts: tuple[int, ...], seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for label, count in enumerate(counts):
        (part / f"class {label}").mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            pixels[0, 0] = label  # survives decoding at the same size
            Image.fromarray(pixels).save(part / f"class {label}" / f"{number}.png")


def images(root: Path, counts: tuple[int, ...] = (30, 20), test: tuple[int, ...] | None = (5, 6)) -> Path:
    write(root / "train", counts)
    if test:
        write(root / "test", test, seed=1)
    return root


def load(root: Path) -> Dataset:
    return dataset_from_folder(root, 12, flip=True, progress=silent)


def splits(data: Dataset) -> tuple[Split, Split, Split]:
    return data.train, data.validation, data.test


def assert_same(one: Dataset, other: Dataset) -> None:
    for a, b in zip(splits(one), splits(other), strict=True):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)
    assert one.mean == pytest.approx(other.mean)
    assert one.std == pytest.approx(other.std)
    assert (one.name, one.classes, one.flip) == (other.name, other.classes, other.flip)


@pytest.mark.parametrize("test", [(5, 6, 7), None])
def test_a_mapped_set_is_the_same_as_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, test: tuple[int, ...] | None
) -> None:
    root = images(tmp_path / "set", (30, 20, 10), test)
    mapped = load(root)
    monkeypatch.setattr(decoded_cache, "MAX_IN_MEMORY", 2**30)
    from_file = load(root)
    assert_same(mapped, from_file)
    assert mapped.fingerprint == from_file.fingerprint


def test_images_are_plain_uint8_tensors_in_channels_last_layout_and_slices_of_one_file(
    tmp_path: Path, cache: Path
) -> None:
    data = load(images(tmp_path / "set"))
    for split in splits(data):
        assert type(split.images) is torch.Tensor
        assert split.images.dtype == torch.uint8
        assert split.images.shape[1:] == (3, 12, 12)
        assert split.images.is_contiguous(memory_format=torch.channels_last)
    content = np.fromfile(next(cache.glob("*.u8")), np.uint8).reshape(-1, 12, 12, 3)
    together = torch.cat([split.images for split in splits(data)]).permute(0, 2, 3, 1)
    assert np.array_equal(content, together.numpy())
    assert len({split.images.untyped_storage().data_ptr() for split in splits(data)}) == 1


def test_images_are_decoded_once_and_opened_after_that(tmp_path: Path, reads: Counter[str]) -> None:
    root = images(tmp_path / "set")
    first = load(root)
    again = load(root)
    assert set(reads.values()) == {1}
    assert_same(first, again)
    assert first.fingerprint == again.fingerprint


def test_where_they_are_kept_is_said_once(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = images(tmp_path / "set")
    load(root)
    path = next(cache.glob("*.u8"))
    assert f"{root} is large: its decoded images, 2.64e-05 GB, are cached in {path}" in caplog.text
    caplog.clear()
    load(root)
    assert "are cached in" not in caplog.text


def test_a_copy_has_the_fingerprint_of_the_original_and_a_changed_image_another(tmp_path: Path) -> None:
    root = images(tmp_path / "set")
    before = load(root).fingerprint
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copy)  # other times
    assert load(tmp_path / "copy").fingerprint == before
    Image.new("RGB", (12, 12)).save(root / "train" / "class 0" / "3.png")
    assert load(root).fingerprint != before


def add(root: Path) -> None:
    shutil.copy(root / "train" / "class 0" / "0.png", root / "train" / "class 0" / "new.png")


def rename(root: Path) -> None:
    (root / "train" / "class 0" / "0.png").rename(root / "train" / "class 0" / "new.png")


def touch(root: Path) -> None:
    os.utime(root / "train" / "class 0" / "0.png", (1, 1))


def drop_test(root: Path) -> None:
    shutil.rmtree(root / "test")


@pytest.mark.parametrize("change", [add, rename, touch, drop_test])
def test_a_changed_folder_is_decoded_again(
    tmp_path: Path, reads: Counter[str], change: Callable[[Path], None]
) -> None:
    root = images(tmp_path / "set")
    load(root)
    change(root)
    reads.clear()
    load(root)
    assert len(reads) >= 50


def test_another_resolution_has_a_file_of_its_own(tmp_path: Path, cache: Path) -> None:
    root = images(tmp_path / "set")
    assert [dataset_from_folder(root, size, True, silent).resolution for size in (12, 8, 12)] == [12, 8, 12]
    assert len(list(cache.glob("*.u8"))) == 2


def cut_short(cache: Path) -> None:
    path = next(cache.glob("*.u8"))
    path.write_bytes(path.read_bytes()[:-1])


def remove_images(cache: Path) -> None:
    next(cache.glob("*.u8")).unlink()


def garble_record(cache: Path) -> None:
    next(cache.glob("*.json")).write_text("{")


def other_record(cache: Path) -> None:
    next(cache.glob("*.json")).write_text('{"schema": "edgenas.decoded/0"}')


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (cut_short, "has 26351 bytes, not 26352"),
        (remove_images, r"cannot be read (No such file or directory)"),
        (garble_record, "has a damaged record ("),
        (other_record, "has a damaged record ("),
    ],
)
def test_a_damaged_file_is_noticed_and_made_again(
    tmp_path: Path,
    cache: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    found: str,
) -> None:
    root = images(tmp_path / "set")
    before = load(root)
    expected = [split.images.clone() for split in splits(before)]
    damage(cache)
    after = load(root)
    assert found in caplog.text
    assert "decoding the images again" in caplog.text
    assert all(torch.equal(a, b.images) for a, b in zip(expected, splits(after), strict=True))


def test_a_killed_decoding_is_not_taken_for_a_complete_one(tmp_path: Path, cache: Path) -> None:
    """In a process of its own, that kills itself halfway through."""
    root = images(tmp_path / "set")
    program = f"""
import os, signal, platformdirs
from pathlib import Path
from edgenas.accuracy import image_folder
from edgenas.images import decoding
decoding.BATCH = 10
platformdirs.user_cache_path = lambda *_: Path({str(cache.parent)!r})
def progress(phase, done, total, detail=""):
    if done >= 30:
        print(done, total, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
image_folder.dataset_from_folder(Path({str(root)!r}), 12, True, progress)
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "30 50\n")
    assert [path.suffix for path in cache.iterdir() if path.suffix != ".lock"] == [".part"]
    assert len(load(root).test) == 11
    assert {path.suffix for path in cache.iterdir()} - {".lock"} == {".u8", ".json"}


def test_an_interrupted_decoding_leaves_nothing_behind(tmp_path: Path, cache: Path) -> None:
    def interrupt(phase: str, done: float, total: float, detail: str = "") -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dataset_from_folder(images(tmp_path / "set"), 12, True, interrupt)
    assert {path.suffix for path in cache.iterdir()} <= {".lock"}


def test_a_broken_image_is_skipped_and_named_in_every_session(tmp_path: Path, reads: Counter[str]) -> None:
    root = images(tmp_path / "set")
    broken = root / "train" / "class 1" / "7.png"
    broken.write_bytes(b"no image")
    first, again = load(root), load(root)
    for data in (first, again):
        assert data.files is not None
        assert (
            "1 of 61 images cannot be read and are skipped: train/class 1/7.png (not an image)"
            in data.remarks
        )
        assert data.files.refused == {"train/class 1/7.png": "not an image"}
    assert_same(first, again)
    assert reads[str(broken)] == 1
    assert (len(first.train) + len(first.validation), len(first.test)) == (49, 11)
    for split in splits(first):
        assert torch.equal(split.images[:, 0, 0, 0].long(), split.labels)


@given(broken=st.sets(st.integers(0, 49), max_size=8))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_broken_labels_stay_with_their_images(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, broken: set[int]
) -> None:
    root = images(tmp_path_factory.mktemp("set"), test=None)
    monkeypatch.setattr(decoding, "MAX_UNREADABLE_SHARE", 1)
    monkeypatch.setattr(decoding, "BATCH", 7)
    for number in broken:
        label, place = divmod(number, 30)
        (root / "train" / f"class {label}" / f"{place}.png").write_bytes(b"")
    data = load(root)
    assert sum(map(len, splits(data))) == 50 - len(broken)
    for split in splits(data):
        assert torch.equal(split.images[:, 0, 0, 0].long(), split.labels)


def test_too_many_broken_images_stop_the_decoding_early_and_leave_no_file(
    tmp_path: Path, cache: Path, reads: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "BATCH", 10)
    monkeypatch.setattr(decoding, "AHEAD", 1)
    root = images(tmp_path / "set")
    for path in (root / "train").rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(
        DataError, match=r"at least 10 of 50 images cannot be read: \S*set/train/class .*empty"
    ):
        load(root)
    assert 10 <= len(reads) <= 12
    (listing,) = cache.glob("*.refused.txt")
    assert len(listing.read_text().splitlines()) == 10
    assert all(line.endswith("\tempty") for line in listing.read_text().splitlines())
    assert not list(cache.glob("*.u8"))
    assert not list(cache.glob("*.part"))


def test_a_class_with_too_few_readable_images_is_refused(tmp_path: Path, cache: Path) -> None:
    root = images(tmp_path / "set", (30, 4))
    (root / "train" / "class 1" / "0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"set: class 'class 1' has 3 training images; give every class at"):
        load(root)
    assert not list(cache.glob("*.u8"))


def test_a_disk_without_room_is_seen_before_decoding(
    tmp_path: Path, reads: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(
        DataError,
        match=r"decoded: decoded images need 2\.64e-05 GB, 0 GB are free; free some space there, choose a lower "
        r"--resolution, or set XDG_CACHE_HOME to a larger disk",
    ):
        load(images(tmp_path / "set"))
    assert not reads


def test_a_disk_that_fills_up_meanwhile_is_an_error_and_leaves_no_file(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoded_cache.os, "fsync", full)
    with pytest.raises(
        DataError,
        match=r"decoded: decoded images cannot be stored there \(No space left on device\); free some space there",
    ):
        load(images(tmp_path / "set"))
    assert {path.suffix for path in cache.iterdir()} <= {".lock"}


def test_a_cache_folder_that_cannot_be_made_is_an_error(tmp_path: Path, cache: Path) -> None:
    cache.parent.write_text("a file")
    with pytest.raises(
        DataError,
        match=r"cannot be stored there \(Not a directory\); .* XDG_CACHE_HOME to a writable",
    ):
        load(images(tmp_path / "set"))


def test_a_complete_file_is_opened_where_nothing_can_be_written(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = images(tmp_path / "set")
    load(root)

    def forbidden(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    monkeypatch.setattr(decoded_cache.os, "utime", forbidden)
    monkeypatch.setattr(decoded_cache, "_decode_under_lock", lambda *_: pytest.fail("asked for the lock"))
    assert len(load(root).test) == 11


def aged(path: Path, hours: float) -> None:
    path.write_bytes(bytes(30_000))
    os.utime(path, (time.time() - 3600 * hours,) * 2)


def test_what_was_not_used_for_longest_makes_room(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded_cache, "MAX_CACHE_BYTES", 100_000)
    cache.mkdir(parents=True)
    for name, hours in (("old.u8", 3), ("new.u8", 1), ("running.part", 2), ("killed.part", 30)):
        aged(cache / name, hours)
    load(images(tmp_path / "set"))
    left = {path.name for path in cache.iterdir() if path.suffix in (".u8", ".part")}
    assert {"new.u8", "running.part"} < left and not {"old.u8", "killed.part"} & left
    assert len(left) == 3


def test_an_image_without_permission_is_tried_again_in_the_next_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions do not bind whoever runs the tests as root."""
    root, read = images(tmp_path / "set"), decoding.read_pixels

    def forbidden(path: Path, size: int, preparation: Preparation) -> object:
        if path.parent.name == "class 1" and path.name == "7.png" and path.parent.parent.name == "train":
            raise UnreadableImageError(path, "no permission")
        return read(path, size, preparation)

    with monkeypatch.context() as patch:
        patch.setattr(decoding, "read_pixels", forbidden)
        assert sum(map(len, splits(load(root)))) == 60
    assert sum(map(len, splits(load(root)))) == 61


def test_a_file_that_another_session_deleted_is_made_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = images(tmp_path / "set")
    before = load(root)
    valid = decoded_cache.valid_record

    def then_deleted(plan: decoded_cache.Plan) -> object:
        record = valid(plan)
        monkeypatch.setattr(decoded_cache, "valid_record", valid)
        plan.path.unlink()
        return record

    monkeypatch.setattr(decoded_cache, "valid_record", then_deleted)
    assert_same(before, load(root))


def test_where_nothing_can_be_stored_a_small_set_is_decoded_in_every_session(
    tmp_path: Path,
    cache: Path,
    reads: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(decoded_cache, "MAX_IN_MEMORY", 2**30)
    root = images(tmp_path / "set")
    kept = load(root)
    shutil.rmtree(cache.parent)
    cache.parent.write_text("a file")
    reads.clear()
    first, again = load(root), load(root)
    assert_same(kept, first)
    assert_same(first, again)
    assert set(reads.values()) == {2}
    assert (
        "cannot be stored there (Not a directory), so they are decoded in every session; free some"
        in caplog.text
    )


def test_a_session_waits_for_another_that_decodes_the_same_images(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = images(tmp_path / "set")
    load(root)
    path = next(cache.glob("*.u8"))
    kept = path.with_suffix(".json").read_bytes()
    path.with_suffix(".json").unlink()
    other = FileLock(path.with_suffix(".lock"))
    other.acquire()

    def finish(message: str, *_: object) -> None:
        """The other session completes while this one waits."""
        if "waiting for another session" in message:
            path.with_suffix(".json").write_bytes(kept)
            other.release()

    monkeypatch.setattr(logging.getLogger("edgenas.accuracy.decoded_cache"), "warning", finish)
    monkeypatch.setattr(decoded_cache, "_decode_to_file", lambda *_: pytest.fail("decoded twice"))
    assert len(load(root).test) == 11
