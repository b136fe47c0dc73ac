"""Profiling from Python; what the command line adds is tested with it."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.timing import FakeRuntime

from edgenas import mbconv, profile, validate
from edgenas.api.profile import FewSamplesResult, ProfileResult
from edgenas.device import find_device
from edgenas.errors import DeviceError, InputError, UnknownNameError
from edgenas.formats import write_json
from edgenas.fragments import drawing
from edgenas.latency.predictor import predictor_for
from edgenas.latency.table import LatencyTable, find_table, journal_path, table_from_json
from edgenas.space import ResolutionSpace, nasbench_macro

SMALL: dict[str, Any] = {"resolution": 16, "classes": 2, "networks": 3}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_timing: None) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def data_home(
    tmp_path_factory: pytest.TempPathFactory, quicken_timing: Callable[[pytest.MonkeyPatch], None]
) -> tuple[Path, ProfileResult]:
    """A user's data folder with the table of one profile; do not change it."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_DATA_HOME", str(folder))
        quicken_timing(patch)
        return folder / "edgenas", profile("cpu", **SMALL)


@pytest.fixture
def first(data_home: tuple[Path, ProfileResult], own_user_folders: Path) -> ProfileResult:
    """A profile of the space that this user has made before."""
    folder, made = data_home
    shutil.copytree(folder, own_user_folders)
    return made.model_copy(update={"table": own_user_folders / made.table.relative_to(folder)})


@pytest.fixture
def moded() -> str:
    """The host under another name, with two power modes."""
    text = (Path(__file__).parents[2] / "devices" / "cpu.toml").read_text(encoding="utf-8")
    host = find_device("cpu").power_mode
    for old, new in (('name = "cpu"', 'name = "moded"'), ('aliases = ["host"]', ""), (host, "usual")):
        text = text.replace(old, new)
    Path("devices").mkdir()
    modes = '[power_modes]\n"usual" = 1000.0\n"slow" = 500.0\n'
    Path("devices/moded.toml").write_text(f"{text}\n{modes}", encoding="utf-8")
    return "moded"


def _unstable(table: LatencyTable) -> list[str]:
    return [key for key, entry in table.entries.items() if entry.unstable]


def test_a_profile_lands_in_the_users_folder_where_the_working_folder_has_none(
    own_user_folders: Path,
) -> None:
    result = profile("cpu", **SMALL)
    assert own_user_folders in result.table.parents
    table = table_from_json(result.table)
    assert (
        len(table.entries) == result.entries == result.measured == len(mbconv(16, 2).blocks_of_any_channels)
    )
    assert result.seconds > 0
    assert result.retaken >= 0
    assert 0 <= result.disturbed == table.disturbed <= 1
    assert result.calibration == table.calibrations[mbconv(16, 2).signature]
    assert len(result.calibration.networks) == 3
    assert sorted(result.unstable) == sorted(_unstable(table))
    assert not journal_path(find_device("cpu"), mbconv(16, 2).signature).exists()
    assert list(Path().iterdir()) == []


def test_repeated_it_times_only_what_is_unstable(first: ProfileResult) -> None:
    assert profile("cpu", **SMALL).measured == len(first.unstable)


def test_a_table_grows_for_another_space(first: ProfileResult) -> None:
    second = profile("cpu", **{**SMALL, "classes": 4})
    assert second.table == first.table
    shared = {block.key for block in mbconv(16, 4).blocks_of_any_channels}
    assert second.measured == 1 + len(shared.intersection(first.unstable))
    assert second.entries == first.entries + 1
    # The older calibration goes where noise made a block unstable that was then timed anew.
    for classes in (2, 4) if second.measured == 1 else (4,):
        assert predictor_for(mbconv(16, classes), find_device("cpu")).provenance == "measured"


def test_a_table_grows_for_nasbench_macro(first: ProfileResult) -> None:
    second = profile("cpu", space="nasbench-macro", **SMALL)
    space = nasbench_macro(16, 2)
    assert second.table == first.table
    assert second.entries == first.entries + len(space.blocks_of_any_channels)
    assert predictor_for(space, find_device("cpu")).provenance == "measured"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"precision": "int8"}, "onnxruntime-cpu-int8-t1-b1"),
        ({"precision": "fp16", "batch": 2}, "onnxruntime-cpu-fp16-t1-b2"),
        ({"threads": 2}, "onnxruntime-cpu-fp32-t2-b1"),
    ],
    ids=str,
)
def test_an_operating_point_has_a_table_of_its_own(options: dict[str, Any], name: str) -> None:
    result = profile("cpu", **SMALL, **options)
    assert result.table.stem == name
    table = table_from_json(result.table)
    for field, value in options.items():
        assert getattr(table, field) == value
    assert find_table(find_device("cpu")) is None
    found = find_table(find_device("cpu", **options))
    assert found is not None and found[1] == table


def test_every_power_mode_has_a_table_of_its_own(moded: str) -> None:
    results = [
        profile(moded, resolution=16, classes=2, samples=3, power_mode=mode) for mode in (None, "slow")
    ]
    assert [each.table.stem for each in results] == [
        "onnxruntime-cpu-fp32-t1-b1-usual",
        "onnxruntime-cpu-fp32-t1-b1-slow",
    ]
    assert [each.measured for each in results] == [3, 3]
    assert [table_from_json(each.table).power_mode for each in results] == ["usual", "slow"]
    validation = validate(moded, 2, resolution=16, classes=2, power_mode="slow")
    assert (validation.table, validation.provenance) == ("onnxruntime-cpu-fp32-t1-b1-slow", "calibrated")


class Interruption:
    """Ctrl-C once a share of the timing is done."""

    def __init__(self, share: float) -> None:
        self._share = share

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        if phase == "timing" and done >= self._share * total:
            raise KeyboardInterrupt


def _interrupted(share: float, **options: Any) -> Path:
    with pytest.raises(KeyboardInterrupt):
        profile("cpu", progress=Interruption(share), **{**SMALL, **options})
    classes = options.get("classes", SMALL["classes"])
    return journal_path(find_device("cpu"), mbconv(16, classes).signature)


@pytest.mark.parametrize(("share", "rounds_done"), [(0.0, False), (0.5, True), (0.9, True)])
def test_an_interrupted_profile_leaves_the_table_and_goes_on(
    share: float, rounds_done: bool, first: ProfileResult
) -> None:
    table = first.table
    before = table.read_bytes()
    journal = _interrupted(share, classes=4)
    assert table.read_bytes() == before
    assert journal.exists() == rounds_done
    shares: list[float] = []

    def progress(phase: str, done: float, total: float, detail: str = "") -> None:
        if phase == "timing":
            shares.append(done / total)

    result = profile("cpu", progress=progress, **{**SMALL, "classes": 4})
    assert (shares[0] > 0.3) == rounds_done  # it says how much was there already
    assert shares[-1] == 1
    assert not journal.exists()
    assert mbconv(16, 4).signature in table_from_json(result.table).calibrations


@pytest.mark.parametrize("damage", [lambda text: text[:200], lambda text: "", lambda text: "{}"])
def test_a_damaged_journal_is_no_obstacle(damage: Callable[[str], str]) -> None:
    journal = _interrupted(0.5)
    journal.write_text(damage(journal.read_text()))
    assert profile("cpu", **SMALL).measured == len(mbconv(16, 2).blocks_of_any_channels)
    assert not journal.exists()


def test_another_count_of_networks_starts_anew() -> None:
    journal = _interrupted(0.5)
    assert len(profile("cpu", **{**SMALL, "networks": 4}).calibration.networks) == 4
    assert not journal.exists()


def test_a_table_of_the_users_folder_is_carried_to_the_working_one(
    first: ProfileResult, own_user_folders: Path
) -> None:
    assert own_user_folders in first.table.parents
    Path("latency_models").mkdir()
    second: ProfileResult = profile("cpu", **{**SMALL, "classes": 4})
    assert second.table.is_relative_to("latency_models")
    assert second.entries == len(table_from_json(second.table).entries)
    # The older calibration goes where noise made a block unstable that was then timed anew.
    for classes in (2, 4) if second.measured == 1 else (4,):
        assert predictor_for(mbconv(16, classes), find_device("cpu")).provenance == "measured"


def test_a_table_from_a_few_networks() -> None:
    space, device = mbconv(16, 2), find_device("cpu")
    result = profile("cpu", resolution=16, classes=2, samples=4)
    assert isinstance(result, FewSamplesResult)
    assert (result.measured, result.entries) == (4, len(space.blocks_of_any_channels))
    table = table_from_json(result.table)
    inference = table.inferences[space.signature]
    assert result.calibration == inference.calibration
    assert len(result.calibration.networks) == len(result.calibration.residuals) == 4
    assert predictor_for(space, device).provenance == "calibrated"
    assert not journal_path(device, f"{space.signature}-samples").exists()
    again = profile("cpu", resolution=16, classes=2, samples=6)
    assert again.table == result.table
    assert isinstance(again, FewSamplesResult)
    assert again.samples.measured + again.samples.kept == 6


@pytest.fixture
def slowed(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`slowed(factor)`: from now on models are timed by a formula, on a machine that much slower than it."""

    def slow(factor: float) -> None:
        runtime = FakeRuntime(slowdown=lambda number: factor)
        monkeypatch.setattr("edgenas.api.profile.runtime_for", lambda device: runtime)

    monkeypatch.setattr(drawing, "COUNT", 8)
    slow(1)
    return slow


def test_again_it_times_all_of_the_space_and_the_fragments(slowed: Callable[[float], None]) -> None:
    first = table_from_json(profile("cpu", **SMALL).table)
    path = profile("cpu", **{**SMALL, "classes": 4}).table
    before = table_from_json(path)
    assert before.fragments is not None and before.fragments == first.fragments
    slowed(1.1)
    assert profile("cpu", **SMALL).measured == 0
    assert table_from_json(path).fragments == first.fragments
    result = profile("cpu", **SMALL, again=True)
    after = table_from_json(path)
    own = {block.key for block in mbconv(16, 2).blocks_of_any_channels}
    assert (result.table, result.measured, result.entries) == (path, len(own), len(before.entries))
    ratios = {key: entry.typical_ms / before.entries[key].typical_ms for key, entry in after.entries.items()}
    assert ratios == pytest.approx({key: 1.1 if key in own else 1 for key in before.entries})
    assert after.fragments is not None
    times_ms = [each.typical_ms for each in after.fragments.times]
    assert times_ms == pytest.approx([1.1 * each.typical_ms for each in before.fragments.times])
    assert set(after.calibrations) == {each.signature for each in mbconv(16, 2).of_any_channels}


def test_again_it_times_a_few_networks_anew_and_keeps_the_rest(slowed: Callable[[float], None]) -> None:
    few: dict[str, Any] = {"resolution": 16, "classes": 2, "samples": 3}
    profile("cpu", **few)
    before = table_from_json(profile("cpu", **{**SMALL, "classes": 4}).table)
    kept, again = profile("cpu", **few), profile("cpu", **few, again=True)
    assert isinstance(kept, FewSamplesResult) and isinstance(again, FewSamplesResult)
    assert (kept.samples.measured, kept.samples.kept) == (0, 3)
    assert (again.samples.measured, again.samples.kept) == (3, 0)
    after = table_from_json(again.table)
    assert after.fragments is not None and after.fragments == before.fragments
    assert (after.entries, after.calibrations) == (before.entries, before.calibrations)


def test_again_a_table_of_another_folder_keeps_the_rest(
    slowed: Callable[[float], None], own_user_folders: Path
) -> None:
    profile("cpu", **{**SMALL, "classes": 4})
    first = profile("cpu", **SMALL)
    assert own_user_folders in first.table.parents
    Path("latency_models").mkdir()
    slowed(1.1)
    second = profile("cpu", **SMALL, again=True)
    assert second.table.is_relative_to("latency_models")
    before, after = table_from_json(first.table), table_from_json(second.table)
    assert after.entries.keys() == before.entries.keys()
    assert set(after.calibrations) == {each.signature for each in mbconv(16, 2).of_any_channels}


def test_a_full_profile_takes_its_place_and_stays() -> None:
    profile("cpu", resolution=16, classes=2, samples=3)
    result = profile("cpu", **SMALL)
    assert result.measured == result.entries == len(mbconv(16, 2).blocks_of_any_channels)
    assert table_from_json(result.table).inferences == {}
    assert predictor_for(mbconv(16, 2), find_device("cpu")).provenance == "measured"
    before = result.table.read_bytes()
    with pytest.raises(InputError, match="was measured on cpu: --samples would add nothing; leave out"):
        profile("cpu", resolution=16, classes=2, samples=3)
    assert result.table.read_bytes() == before


@pytest.mark.parametrize("classes", [2, 4], ids=["its space", "another space"])
def test_a_measured_table_survives_an_upgrade_of_the_runtime(classes: int, first: ProfileResult) -> None:
    table = first.table
    older = table_from_json(table).model_copy(update={"runtime_version": "1.0"})
    write_json(table, older.model_copy(update={"checksum": older.content_checksum()}))
    before = table.read_bytes()
    message = (
        r"^cpu has a table measured with onnxruntime 1\.0, power mode '[^']+': --samples would replace it; leave out "
        rf"--samples to measure again, or move {re.escape(str(table))} away$"
    )
    with pytest.raises(InputError, match=message):
        profile("cpu", resolution=16, classes=classes, samples=3)
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"device": "pi4"}, DeviceError, "raspberry-pi-4 cannot be reached from here"),
        (
            {"device": "cpu", "networks": 2},
            InputError,
            "^--networks 2 is too small; give at least 3$",
        ),
        (
            {"device": "cpu", "networks": 501},
            InputError,
            "^--networks 501 is too large; give at most 500$",
        ),
        (
            {"device": "cpu", "samples": 2},
            InputError,
            "^--samples 2 is too small; give at least 3$",
        ),
        (
            {"device": "cpu", "samples": 101},
            InputError,
            "^--samples 101 is too large; give at most 100$",
        ),
        ({"device": "cpu", "space": "cell"}, UnknownNameError, "unknown search space 'cell'"),
        (
            {"device": "cpu", "space": "nasbench-macro", "activation": "relu"},
            InputError,
            "^space nasbench-macro has no --activation",
        ),
        (
            {"device": "cpu", "precision": "fp8"},
            InputError,
            "^unknown --precision 'fp8'; did you mean 'fp32'",
        ),
        ({"device": "cpu", "batch": 0}, InputError, "^--batch 0 is too small; give at least 1$"),
        ({"device": "cpu", "batch": 1025}, InputError, "^--batch 1025 is too large; give at most 1024$"),
        (
            {"device": "cpu", "power_mode": "5W"},
            UnknownNameError,
            "^unknown power mode '5W'; cpu has: 'as the",
        ),
        ({"device": "cpu", "threads": 0}, InputError, "^--threads 0 is too small; give at least 1$"),
        ({"device": "cpu", "resolution": 72}, InputError, "--resolution 72 is not supported"),
        ({"device": "cpu", "classes": 1}, InputError, "--classes 1 is too small"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        profile(**arguments)  # type: ignore[arg-type]


def test_several_sizes_are_profiled_validated_and_predicted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: dict[str, Any] = {"resolution": "16,20,24,32", "classes": 2}
    result = profile("cpu", networks=3, **asked)
    assert set(result.calibrations) == {16, 24, 32} and result.calibration == result.calibrations[32]
    assert result.measured == result.entries > 0
    found = validate("cpu", 12, **asked)
    provenances = {pair.choices[0]: pair.latency.provenance for pair in found.pairs}
    assert provenances.get("r20", "calibrated") == "calibrated"
    assert {each for size, each in provenances.items() if size != "r20"} == {"measured"}
    with pytest.raises(InputError, match="--samples infers the blocks of one image size"):
        profile("cpu", samples=3, space=ResolutionSpace(mbconv(32, 2), (16, 32)))
