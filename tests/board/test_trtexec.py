"""TensorRT through trtexec alone: flags and output of its versions, models it refuses or dies of, and hangs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures.boards import quick_runner
from fixtures.fake_trtexec import FakeTrtexec, trtexec
from fixtures.kits import UnpackedKit, make_kit

from edgenas.board import trtexec as module
from edgenas.board.problem import BoardError
from edgenas.board.trtexec import Trtexec
from edgenas.board.worker import WorkerDiedError

__all__ = ["make_kit", "trtexec"]


@pytest.fixture
def kit(make_kit: Callable[[], UnpackedKit], trtexec: FakeTrtexec) -> UnpackedKit:
    """A kit of three models and the sentinel for TensorRT at fp16."""
    kit = make_kit()
    kit.manifest |= {"runtime": "tensorrt", "provider": "TensorrtExecutionProvider", "precision": "fp16"}
    kit.write()
    (kit.folder / "run.py").write_text(quick_runner(), encoding="utf-8")
    return kit


@pytest.mark.parametrize(
    ("banner", "version", "flags"),
    [
        ("8201", "8.2.1", {"--buildOnly", "--fp16"}),
        ("8502", "8.5.2", {"--buildOnly", "--fp16"}),
        ("8601", "8.6.1", {"--skipInference", "--fp16"}),
        ("100300", "10.3.0", {"--skipInference", "--stronglyTyped"}),
        ("101302", "10.13.2", {"--skipInference", "--stronglyTyped"}),
        ("110000", "11.0.0", {"--skipInference"}),
    ],
)
def test_every_version_gets_its_own_flags(
    banner: str, version: str, flags: set[str], trtexec: FakeTrtexec, tmp_path: Path
) -> None:
    trtexec.be(banner)
    (tmp_path / "model.onnx").write_bytes(bytes(1000))
    program = Trtexec(tmp_path / "engines", "fp16", print)
    assert program.version == version
    for _ in range(2):  # built once
        times = program.load(str(tmp_path / "model.onnx"), 1).time_ms(3)
        assert times == pytest.approx([0.06] * 3)
    (words,) = trtexec.builds
    assert {word for word in words if "=" not in word} == flags
    assert f"--timingCacheFile={tmp_path}/engines/timing.cache" in words


def test_a_kit_is_measured_and_each_engine_built_once(kit: UnpackedKit, trtexec: FakeTrtexec) -> None:
    trtexec.be("100300")
    done = kit.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tensorrt 10.3.0 (TensorrtExecutionProvider) runs on this board" in done.stdout
    results = kit.results
    assert (results["runtime"], results["runtime_version"]) == ("tensorrt", "10.3.0")
    assert set(results["bursts"]) == {"stem", "mbconv", "head"} and results["failed"] == {}
    assert len(trtexec.builds) == 4


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("refuse:2", "trtexec: [TRT] ModelImporter.cpp:771: ERROR: No importer registered for op: Foo"),
        ("crash:2", "the runtime died (SIGSEGV)"),
    ],
)
def test_a_model_that_it_refuses_or_dies_of_is_left_out(
    trouble: str, reason: str, kit: UnpackedKit, trtexec: FakeTrtexec
) -> None:
    trtexec.be("100300", trouble)
    assert kit.run().returncode == 1
    assert kit.results["failed"] == {"mbconv": reason}
    assert set(kit.results["bursts"]) == {"stem", "head"}


@pytest.mark.parametrize(
    ("banner", "trouble", "message"),
    [
        ("7103", "", "TensorRT 7.1.3 is too old; install TensorRT 8.2 or later"),
        ("100300", "not-a-number", "trtexec exported no times of 1 runs"),
        ("100300", "garbage", "trtexec exported no times of 1 runs"),
        ("100300", "no-engine", "trtexec wrote no engine"),
        ("100300", "crash:0", "tensorrt died in its first call (SIGSEGV)"),
    ],
)
def test_what_cannot_measure_at_all_is_told_in_one_line(
    banner: str, trouble: str, message: str, kit: UnpackedKit, trtexec: FakeTrtexec
) -> None:
    trtexec.be(banner, trouble)
    done = kit.run("--check")
    assert done.returncode == 3
    assert done.stdout.splitlines()[-1].startswith(f"error: {message}")


def test_without_the_program_it_says_how_to_get_it(
    kit: UnpackedKit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = kit.run("--check")
    assert done.returncode == 3
    assert "trtexec is neither in PATH nor /usr/src/tensorrt/bin/trtexec" in done.stdout
    assert "sudo apt install libnvinfer-bin" in done.stdout


@pytest.mark.parametrize("program", ["#!/bin/sh\necho hello\n", "#!/bin/sh\nkill -ILL $$\n", "no program"])
def test_another_program_of_this_name_is_refused(program: str, trtexec: FakeTrtexec, tmp_path: Path) -> None:
    (tmp_path / "trt-bin" / "trtexec").write_text(program, encoding="utf-8")
    with pytest.raises(BoardError, match=r"does not say its version|SIGILL|cannot be run"):
        Trtexec(tmp_path / "engines", "fp32", print)


def test_what_hangs_is_ended_and_tells_meanwhile(
    trtexec: FakeTrtexec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trtexec.be("100300", "hang:model")
    monkeypatch.setattr(module, "MAX_BUILD_S", 1.0)
    monkeypatch.setattr(module, "TELL_S", 0.3)
    (tmp_path / "model.onnx").touch()
    told: list[str] = []
    program = Trtexec(tmp_path / "engines", "fp32", told.append)
    with pytest.raises(
        BoardError, match=r"^trtexec was still building the engine of model.onnx after 0 minutes;"
    ):
        program.load(str(tmp_path / "model.onnx"), 1)
    assert told and told[0].startswith("building the engine of model.onnx: ")


def test_a_link_in_place_of_the_folder_is_refused(trtexec: FakeTrtexec, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "engines").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BoardError, match=r"engines is a link; remove it"):
        Trtexec(tmp_path / "engines", "fp32", print).load(str(tmp_path / "model.onnx"), 1)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_engine_that_dies_while_it_is_timed_is_named(trtexec: FakeTrtexec, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    session = Trtexec(tmp_path / "engines", "int8", print).load(str(tmp_path / "model.onnx"), 1)
    assert len(list(session.time_ms(3))) == 3
    trtexec.be("8502", "crash:model")
    with pytest.raises(WorkerDiedError, match="SIGSEGV"):
        session.time_ms(3)
