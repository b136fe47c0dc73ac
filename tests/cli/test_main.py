"""Errors become one line and an exit code; help needs no torch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgenas.cli.main import app, run
from edgenas.errors import DeviceError, EdgenasError, InputError

SEARCH = ["search", "--device", "jetson", "--max-latency", "20ms"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["search", "--device", "jetson", "--max-latency", "20"],
            2,
            "'20' has no unit; write for example 20ms",
        ),
        (["search", "--device", "jetson", "--max-latency", "-5ms"], 2, "'-5ms' is not positive"),
        (["search", "--device", "jetson", "--max-latency", "nan"], 2, "'nan' is not a quantity"),
        (["search", "--device", "jetsn", "--max-latency", "20ms"], 2, "did you mean 'jetson'?"),
        (["search", "--device", "jetson"], 2, "--max-latency"),
        (["search", "--device", "jetson", "--max-latency", "20ms", "--seed", "x"], 2, "--seed"),
        ([*SEARCH, "--metric", "f1"], 2, "unknown --metric 'f1'; known: macro-f1"),
        ([*SEARCH, "--evaluator", "oracle"], 2, "unknown evaluator 'oracle'; known: supernet, trained"),
        ([*SEARCH, "--gates", "all"], 2, "unknown --gates 'all'; did you mean 'full'? known: darts, full"),
        ([*SEARCH, "--searcher", "nsga-2"], 2, "unknown searcher 'nsga-2'; did you mean 'nsga2'?"),
        ([*SEARCH, "--augment", "crop,mixpu"], 2, "unknown name in --augment 'mixpu'; did you mean 'mixup'?"),
        ([*SEARCH, "--augment", ""], 2, "unknown name in --augment ''; known: crop, resized-crop"),
        ([*SEARCH, "--distillation", "2"], 2, "--distillation"),
        ([*SEARCH, "--time-budget", "10"], 2, "--time-budget: '10' has no unit"),
        (["serch"], 2, "Did you mean 'search'"),
        (["devices", "--nosuch"], 2, "--nosuch"),
        (["report", "nowhere"], 2, "unknown run 'nowhere'"),
        (["export", "nowhere"], 2, "unknown run 'nowhere'"),
        (["predict", "missing.json", "--device", "cpu"], 2, "missing.json: cannot be read"),
        (["profile", "--device", "pi5", "--resolution", "32"], 3, "cannot be reached from here"),
        (["profile", "--device", "jetson"], 3, "jetson-orin-nano cannot be reached from here"),
        (["profile", "--device", "cpu", "--networks", "2"], 2, "--networks 2 is too small"),
        (["profile", "--device", "cpu", "--space", "cell"], 2, "unknown search space 'cell'"),
        (
            ["profile", "--device", "cpu", "--precision", "fp8"],
            2,
            "unknown --precision 'fp8'; did you mean 'fp32'?",
        ),
        (["doctor", "--device", "nosuch"], 2, "unknown device 'nosuch'"),
    ],
)
def test_bad_input_is_one_line_on_stderr(
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert run(arguments) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("error: ")
    assert message in output.err


def test_an_infeasible_limit_exits_1_with_the_fastest_possible_latency(
    capsys: pytest.CaptureFixture[str], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    assert run(["search", "--device", "jetson", "--max-latency", "1us"]) == 1
    error = capsys.readouterr().err
    assert "the fastest possible network takes" in error
    assert "raise --max-latency to at least" in error


@pytest.mark.parametrize(("error", "code"), [(EdgenasError, 1), (InputError, 2), (DeviceError, 3)])
def test_error_classes_carry_the_exit_codes_of_the_contract(error: type[EdgenasError], code: int) -> None:
    assert error("what", "hint").exit_code == code


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for command in app.registered_commands:
        assert command.name is not None
        assert run([*command.name.split(), "--help"]) == 0
        assert f"Example: edgenas {command.name}" in " ".join(capsys.readouterr().out.split())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from edgenas import __version__

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"edgenas {__version__}\n"


HEAVY = ("torch", "onnxruntime", "pymoo", "sklearn", "matplotlib")


def test_a_search_that_goes_on_waits_for_no_library_that_it_does_not_need_yet() -> None:
    late = ("torchvision", "sklearn", "pandas", "matplotlib", "plotly", "torch._dynamo")
    program = f"import sys, edgenas.pipeline.phases; print(*[each for each in {late} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], (*HEAVY, "numpy", "pydantic")),
        (["search", "--help"], (*HEAVY, "numpy")),  # typer itself loads pydantic
        (["benchmark", "search", "--help"], (*HEAVY, "numpy")),
        (["devices"], HEAVY),
    ],
)
def test_light_commands_do_not_import_heavy_libraries(
    arguments: list[str], unwanted: tuple[str, ...]
) -> None:
    program = (
        "import sys; from edgenas.cli.main import app, run; code = run(sys.argv[1:]); "
        f"loaded = {{*{unwanted}}} & set(sys.modules); "
        "sys.exit(f'loaded {loaded}' if loaded else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [command.name for command in app.registered_commands])
def test_every_command_can_be_quiet(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    assert "--quiet" in capsys.readouterr().out


def plant(folder: Path, names: set[str]) -> Path:
    """Write modules that tell when they are executed; returns the file in which they do."""
    told = folder / "executed.txt"
    program = f"open({str(told)!r}, 'a').write(__file__)\n"
    for name in names:
        (folder / f"{name}.py").write_text(program)
    return told


def test_no_command_executes_a_file_of_the_working_folder(
    command_lines: dict[str, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    told = plant(Path(), {name for name in sys.modules if name.isidentifier()} | sys.stdlib_module_names)
    codes = {name: run([*arguments, "--json"]) for name, arguments in command_lines.items()}
    assert codes == dict.fromkeys(command_lines, 0), capsys.readouterr().err
    assert not told.exists()


LATER = {"json", "tempfile", "logging", "shutil", "pathlib", "numpy", "pydantic", "rich", "typer"}
"""Modules that Python itself does not need to find the package."""


@pytest.mark.parametrize(("options", "names"), [(["-P"], sys.stdlib_module_names | LATER), ([], LATER)])
def test_a_process_executes_no_file_of_the_working_folder(
    options: list[str], names: set[str], tmp_path: Path
) -> None:
    told = plant(tmp_path, names)
    command = [sys.executable, *options, "-m", "edgenas", "devices"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not told.exists()


def test_a_narrow_terminal_shows_options_by_their_whole_names() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "edgenas", "search", "--help"],
        env={**os.environ, "COLUMNS": "20"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"--max-latency", "--latency-loss", "--quiet"} <= set(done.stdout.split())
