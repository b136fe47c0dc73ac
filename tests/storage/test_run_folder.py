import hashlib
import json
import logging
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from edgenas.device import Provenance
from edgenas.errors import FileFormatError, InputError, RunConflictError, UnknownNameError
from edgenas.latency.latency import Latency
from edgenas.storage import run_folder as module
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import RunFolder, find_run, open_run
from edgenas.storage.run_store import Evaluation

EVALUATION = Evaluation("ab", ("k3e3",), 0.5, "supernet", Latency(1.0, 0.5, 2.0, Provenance.ESTIMATED))


@pytest.fixture(autouse=True)
def work_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(name: str, config: RunConfig, finished: bool = True) -> RunFolder:
    with open_run(name, config) as (folder, _):
        if finished:
            folder.front.write_text("{}")
    return folder


def test_a_new_run_gets_its_folder_document_and_store(run_config: RunConfig) -> None:
    with open_run("demo", run_config) as (folder, store):
        assert folder.path == Path("runs/demo")
        assert folder.name == "demo"
        document = folder.read_document()
        assert (document.name, document.config) == ("demo", run_config)
        assert store.evaluations() == []


def test_the_files_of_a_run_are_those_of_the_contract() -> None:
    folder = RunFolder(Path("runs/demo"))
    found = [folder.document, folder.store, folder.supernet, folder.front, folder.report]
    assert [path.name for path in found] == [
        "run.json", "run.sqlite", "supernet.safetensors", "front.json", "report.html"
    ]  # fmt: skip
    assert {path.parent for path in found} == {folder.path}
    assert folder.weights("ab") != folder.training("ab")


def test_the_same_name_and_configuration_resumes(run_config: RunConfig) -> None:
    with open_run("demo", run_config) as (folder, store):
        store.add(EVALUATION)
        first = folder.document.read_bytes()
    with open_run("demo", run_config.model_copy()) as (folder, store):
        assert store.evaluations() == [EVALUATION]
        assert folder.document.read_bytes() == first


def test_another_configuration_is_refused_and_every_difference_named(run_config: RunConfig) -> None:
    make("demo", run_config)
    other = run_config.with_settings(max_latency="10ms", seed=3)
    with (
        pytest.raises(
            RunConflictError,
            match=(
                r"run demo has a different configuration \(--max-latency: 20ms -> 10ms; --seed: 0 -> 3\);"
                " use another --run, or the options it was started with"
            ),
        ),
        open_run("demo", other),
    ):
        pass
    with open_run("demo", run_config):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "edgenas.run/9"}', "\0" * 10])
def test_a_document_that_cannot_be_read_is_refused(run_config: RunConfig, content: str) -> None:
    make("demo", run_config).document.write_text(content)
    with (
        pytest.raises(
            RunConflictError, match=r"runs/demo/run\.json: .*; use another --run, or delete the folder"
        ),
        open_run("demo", run_config),
    ):
        pass


def test_other_library_versions_are_warned_of(
    run_config: RunConfig, caplog: pytest.LogCaptureFixture
) -> None:
    document = make("demo", run_config).document
    document.write_text(re.sub(r'"numpy": "[^"]+"', '"numpy": "0.1"', document.read_text()))
    with caplog.at_level(logging.WARNING), open_run("demo", run_config):
        pass
    assert "run demo was started with other library versions: the result may differ" in caplog.text


def test_the_same_versions_are_not_warned_of(run_config: RunConfig, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        with open_run("demo", run_config):
            pass
    assert caplog.text == ""


def test_a_second_process_is_refused_and_may_work_once_the_first_has_ended(run_config: RunConfig) -> None:
    Path("config.json").write_text(run_config.model_dump_json())
    code = (
        "import sys; from pathlib import Path; from edgenas.storage.run_config import RunConfig;"
        "from edgenas.storage.run_folder import open_run;"
        "run = open_run('demo', RunConfig.model_validate_json(Path('config.json').read_text()));"
        "run.__enter__()"
    )
    command = [sys.executable, "-c", code]
    with open_run("demo", run_config):
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert (
        f"RunConflictError: run demo is in use by process {os.getpid()} on {platform.node()}, since 20"
        in second.stderr
    )
    third = subprocess.run(command, capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stderr


def test_the_same_process_cannot_open_a_run_twice(run_config: RunConfig) -> None:
    with (
        open_run("demo", run_config),
        pytest.raises(
            RunConflictError, match=r"run demo is in use by process \d+ on .+ UTC; wait for it, or use"
        ),
        open_run("demo", run_config),
    ):
        pass


def test_two_runs_can_be_open_at_once(run_config: RunConfig) -> None:
    with open_run("one", run_config) as (_, one), open_run("two", run_config) as (_, two):
        one.add(EVALUATION)
        assert two.evaluations() == []


def test_a_run_is_unlocked_and_closed_when_the_work_fails(run_config: RunConfig) -> None:
    with pytest.raises(KeyboardInterrupt), open_run("demo", run_config) as (_, store):
        store.add(EVALUATION)
        raise KeyboardInterrupt
    with open_run("demo", run_config) as (_, store):
        assert store.evaluations() == [EVALUATION]


def test_a_run_that_was_refused_is_unlocked(run_config: RunConfig) -> None:
    folder = make("demo", run_config)
    kept = folder.store.read_bytes()
    folder.store.write_text("no database" * 100)
    with pytest.raises(FileFormatError, match="is damaged"), open_run("demo", run_config):
        pass
    folder.store.write_bytes(kept)
    with open_run("demo", run_config):
        pass


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "a b", "-x", ".hidden", "ä", "a\n", "x" * 101]
)
def test_a_name_that_is_no_folder_name_is_refused(run_config: RunConfig, name: str, tmp_path: Path) -> None:
    with (
        pytest.raises(
            RunConflictError, match=r"is not a valid run name; use letters, digits, '\.', '_' and '-'"
        ),
        open_run(name, run_config),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "cpu-digits-20ms-ab12cd", "v1.0_b", "x" * 100])
def test_plain_names_are_taken(run_config: RunConfig, name: str) -> None:
    with open_run(name, run_config) as (folder, _):
        assert folder.name == name


def test_a_folder_that_cannot_be_made_is_refused(run_config: RunConfig) -> None:
    Path("runs").write_text("a file is in the way")
    with (
        pytest.raises(
            RunConflictError,
            match=r"runs/demo: cannot be written \(Not a directory\); run from a folder you can write to",
        ),
        open_run("demo", run_config),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_refused(
    run_config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(filelock.FileLock, "acquire", denied)
    with (
        pytest.raises(RunConflictError, match=r"runs/demo: cannot be written \(Permission denied\)"),
        open_run("demo", run_config),
    ):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write anywhere")
def test_a_read_only_folder_is_refused(run_config: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    (tmp_path / "runs" / "demo").chmod(0o555)
    with (
        pytest.raises(RunConflictError, match=r"runs/demo: cannot be written \(Permission denied\)"),
        open_run("demo", run_config),
    ):
        pass


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_store_that_is_gone_is_not_begun_anew_beside_what_was_trained(
    run_config: RunConfig, damage: Callable[[Path], object]
) -> None:
    damage(make("demo", run_config).store)
    with (
        pytest.raises(FileFormatError, match=r"run\.sqlite: is damaged \(it is missing or empty\)"),
        open_run("demo", run_config),
    ):
        pass


def test_what_is_left_of_another_run_is_not_made_part_of_a_new_one(run_config: RunConfig) -> None:
    make("demo", run_config).document.unlink()
    told = r"runs/demo holds a run without its run\.json; restore that file, or use another --run"
    with pytest.raises(RunConflictError, match=told), open_run("demo", run_config):
        pass


def test_a_run_without_its_document_is_not_taken_for_an_unknown_one(run_config: RunConfig) -> None:
    make("demo", run_config).document.unlink()
    for name in ("demo", "runs/demo"):
        with pytest.raises(
            RunConflictError, match=r"^runs/demo holds a run without its run\.json; restore that"
        ):
            find_run(name)


@pytest.mark.parametrize("content", ["{", "{}", None])
def test_a_damaged_document_is_told_with_what_helps(run_config: RunConfig, content: str | None) -> None:
    document = make("demo", run_config).document
    if content is None:
        document.unlink()
    else:
        document.write_text(content)
    with pytest.raises(FileFormatError, match=r"run\.json: .*; restore it from a copy, or use another run$"):
        RunFolder(Path("runs/demo")).read_document()


def test_a_damaged_result_can_be_written_again(run_config: RunConfig) -> None:
    folder = make("demo", run_config)
    told = r"front\.json: .*; delete it and repeat the search, which writes it again from what the run holds$"
    with pytest.raises(FileFormatError, match=told):
        folder.read_result()


def test_weights_are_those_of_the_model(run_config: RunConfig) -> None:
    folder = make("demo", run_config)
    with pytest.raises(FileFormatError, match=r"ab\.safetensors: .*; restore the file, or search again$"):
        folder.read_weights("ab", None)
    folder.models.mkdir()
    folder.weights("ab").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert folder.read_weights("ab", None) == folder.read_weights("ab", digest) == b"weights"
    with pytest.raises(
        FileFormatError, match=r"does not hold the weights that ab was trained to \(its SHA-256"
    ):
        folder.read_weights("ab", "0" * 64)
    with pytest.raises(FileFormatError, match=r"is larger than .*; restore the file, or search again$"):
        folder.read_weights("ab", digest, 6)


def test_a_folder_deleted_under_a_run_is_not_begun_anew_while_that_lives(run_config: RunConfig) -> None:
    with open_run("demo", run_config) as (folder, store):
        shutil.rmtree(folder.path)
        with (
            pytest.raises(RunConflictError, match="run demo is in use by process"),
            open_run("demo", run_config),
        ):
            pass
        with pytest.raises(RunConflictError, match="runs/demo was removed, moved or replaced"):
            store.add(EVALUATION)
    with open_run("demo", run_config) as (_, store):
        assert store.evaluations() == []


def test_a_run_is_found_by_name_and_by_path(run_config: RunConfig, tmp_path: Path) -> None:
    make("demo", run_config)
    assert find_run("demo").path == Path("runs/demo")
    assert find_run(str(tmp_path / "runs" / "demo")).name == "demo"


def test_a_path_that_ends_in_dots_is_a_run_with_a_name(
    run_config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    (make("demo", run_config).path / "models").mkdir()
    for where, path in (("runs/demo", "."), ("models", "..")):
        monkeypatch.chdir(where)
        assert find_run(path).exports == Path("exports/demo")


def test_an_unknown_run_lists_those_there_are(run_config: RunConfig) -> None:
    for name in ("two", "one"):
        make(name, run_config)
    with pytest.raises(UnknownNameError, match=r"^unknown run 'three'; known: one, two$"):
        find_run("three")


def test_an_unknown_run_where_there_is_none_says_so() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown run 'demo'; there are no runs under \./runs$"):
        find_run("demo")


def test_a_run_without_a_result_says_how_to_get_one(run_config: RunConfig) -> None:
    make("demo", run_config, finished=False)
    with pytest.raises(InputError, match="run demo has no result yet; let `edgenas search` finish it first"):
        find_run("demo")


def test_runs_are_in_the_working_folder() -> None:
    assert Path("runs") == module.RUNS


def test_a_run_of_an_earlier_version_is_not_resumed(run_config: RunConfig) -> None:
    with open_run("old", run_config) as (folder, _):
        pass
    content = json.loads(folder.document.read_text())
    folder.document.write_text(json.dumps({**content, "schema": "edgenas.run/1"}))
    content["config"] = {**content["config"], "max_latency_ms": 20.0, "data_fingerprint": "ab12"}
    del content["config"]["data"], content["config"]["settings"], content["config"]["gradient_recipe"]
    folder.document.write_text(json.dumps({**content, "schema": "edgenas.run/1"}))
    message = (
        r"^run old was started by an earlier version of edgenas and cannot be resumed; use another --run"
    )
    with pytest.raises(RunConflictError, match=message), open_run("old", run_config):
        pass


def test_exact_accuracies_of_an_earlier_version_are_not_ranked_with_rounded_ones(
    run_config: RunConfig,
) -> None:
    with open_run("r", run_config):
        pass
    told = (
        r"run r was started by an earlier version of edgenas, which evaluated int8 networks in fp32; use another "
        r"--run; its results can still"
    )
    rounded = run_config.model_copy(update={"rounding": "arm64"})
    with pytest.raises(RunConflictError, match=told), open_run("r", rounded):
        pass
