"""`edgenas benchmark search` and `edgenas benchmark latency`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli.main import run
from edgenas.searchers.registry import SEARCHERS
from edgenas.space import nasbench_macro
from edgenas.space.nasbench201 import OPERATIONS

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """The command on a table of 81 networks."""
    space = nasbench_macro()
    names = [f"{a}{b}{c}{d}0000" for a in "012" for b in "012" for c in "012" for d in "012"]
    rows = [f"{name},{40 + 5 * sum(map(int, name))},{1 + sum(map(int, name)) ** 2}" for name in names]
    assert len({space.architecture_from_text(name) for name in names}) == 81
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["arch,accuracy_percent,latency_ms", *rows]))
    return ["benchmark", "search", "--table", str(path), "--space", "nasbench-macro", "--searcher", "random"]


def test_the_json_object(answer: Answer, command: list[str]) -> None:
    found = answer([*command, "--evaluations", "12", "--seed", "3"])
    assert set(found) == {
        *(
            "schema",
            "table",
            "space",
            "searcher",
            "evaluations",
            "asked_for",
            "seed",
            "workers",
            "max_latency_ms",
            "networks",
        ),
        *(
            "feasible",
            "front",
            "oracle_hypervolume",
            "oracle_best_accuracy",
            "best_accuracy",
            "seconds",
            "curve",
        ),
    }
    assert [point["evaluations"] for point in found["curve"]] == list(range(1, found["evaluations"] + 1))
    for point in found["curve"]:
        assert set(point) == {"evaluations", "hypervolume_ratio", "pareto_recall", "best_accuracy"}
        assert all(0 <= point[share] <= 1 for share in ("hypervolume_ratio", "pareto_recall"))
    assert (found["space"], found["searcher"], found["seed"]) == ("nasbench-macro", "random", 3)
    assert (found["networks"], found["front"], found["max_latency_ms"]) == (81, 9, None)
    assert found["oracle_best_accuracy"] == pytest.approx(0.8)


def test_a_limit_bounds_the_oracle(answer: Answer, command: list[str]) -> None:
    found = answer([*command, "--max-latency", "0.017s"])
    assert (found["max_latency_ms"], found["front"]) == (17, 5)
    assert found["oracle_best_accuracy"] == pytest.approx(0.6)


def test_what_people_see(text: Text, command: list[str]) -> None:
    shown = text([*command, "--max-latency", "50ms", "--evaluations", "12"])
    rows = [line.split()[0] for line in shown.splitlines()[3:5]]
    assert rows == ["10", "12"]
    assert "true front: 8 of 80 networks within 50 ms, hypervolume" in shown
    assert "ms an evaluation" in shown


def test_an_early_end_is_said(text: Text, command: list[str]) -> None:
    assert "of 500: the searcher found no new networks" in text([*command, "--evaluations", "500"])


def test_the_help_names_every_searcher(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["benchmark", "--help"], ["benchmark", "search", "--help"]):
        assert run(arguments) == 0
        help_text = " ".join(capsys.readouterr().out.replace("│", " ").split())
        assert "Example: edgenas benchmark search" in help_text
    assert all(name in help_text for name in SEARCHERS)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--max-latency", "0.5ms"], 1, "the fastest possible network takes 1 ms; raise --max-latency"),
        (["--searcher", "nosuch"], 2, "unknown searcher 'nosuch'"),
        (
            ["--searcher", "proxyless"],
            2,
            "searcher proxyless is trained together with the weights of a supernet",
        ),
        (["--space", "mbconv"], 2, "space mbconv has too many networks for a table"),
        (
            ["--space", "nasbench201"],
            2,
            "t.csv: row 2: arch: '00000000' is not an architecture of nasbench201",
        ),
        (["--table", "missing.csv"], 2, "missing.csv: cannot be read"),
        (["--max-latency", "5"], 2, "--max-latency: '5' has no unit"),
        (["--evaluations", "0"], 2, "--evaluations"),
    ],
)
def test_errors_are_one_line(
    command: list[str], more: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, *more]) == code
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("error: ") and message in output.err


@pytest.fixture
def latencies(tmp_path: Path) -> list[str]:
    """The command on a table of 125 cells and three devices."""
    cells = [(a, b, c) for a in OPERATIONS for b in OPERATIONS for c in OPERATIONS]
    rows = [
        f"|{a}~0|+|{b}~0|skip_connect~1|+|none~0|{c}~1|skip_connect~2|,{ms},{5 * ms + i % 3},{3 * ms}"
        for i, (a, b, c) in enumerate(cells)
        for ms in [1 + sum(map(OPERATIONS.index, (a, b, c)))]
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["arch,one,two,three", *rows]))
    return ["benchmark", "latency", "--table", str(path), "--target", "two"]


def test_the_json_object_of_latencies(answer: Answer, latencies: list[str]) -> None:
    more = ["--reference-devices", "one, three", "--samples", "12", "--seed", "3"]
    found = answer([*latencies, *more])
    contract = {"spearman", "median_error_percent", "within_10_percent"}
    asked = {"table", "target", "reference_devices", "samples", "seed", "protocol"}
    beside = {"kendall", "mape_percent", "within_5_percent", "interval_coverage", "interval_percent"}
    chosen = {"schema", "queries", "features", "noise_percent", "sampled", "seconds"}
    assert set(found) == contract | asked | beside | chosen
    assert (found["target"], found["reference_devices"]) == ("two", ["one", "three"])
    assert (found["samples"], found["seed"], found["protocol"]) == (12, 3, "all")
    assert (found["queries"], len(found["sampled"])) == (63, 12)
    assert found["spearman"] > 0.9
    assert all(
        0 <= found[share] <= 1 for share in ("within_5_percent", "within_10_percent", "interval_coverage")
    )


@pytest.mark.parametrize(
    ("references", "said"), [([], "no known device"), (["--reference-devices", "all"], "2 known")]
)
def test_what_people_see_of_latencies(
    text: Text, latencies: list[str], references: list[str], said: str
) -> None:
    shown = " ".join(text([*latencies, *references]).split())
    assert "63 networks" in shown and said in shown
    assert all(
        word in shown for word in ("Spearman", "median error", "within 10%", "inside the 90% interval")
    )
    assert "what costs time: " in shown and "noise of a timing: " in shown


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--target", "tow"], "unknown device 'tow'; did you mean 'two'?"),
        (
            ["--reference-devices", "one,two"],
            "--target two is also among --reference-devices; remove it there",
        ),
        (["--reference-devices", "four"], "unknown device 'four'"),
        (["--samples", "2"], "--samples 2 is too small; give at least 3"),
        (["--samples", "63"], "--samples 63 is more than the 62 networks to choose from; give at most 62"),
        (
            ["--protocol", "help"],
            "has 125 networks, too few for --protocol help; give a table of at least 1900",
        ),
        (["--protocol", "half"], "unknown --protocol 'half'; did you mean 'all'?"),
        (["--table", "missing.csv"], "missing.csv: cannot be read"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_errors_about_latencies_are_one_line(
    latencies: list[str], more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*latencies, *more]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert output.err.startswith("error: ") and message in output.err


def test_the_help_of_latencies(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["benchmark", "latency", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Example: edgenas benchmark latency --table T.csv.gz" in shown


def test_settings_come_from_a_file_too(answer: Answer, latencies: list[str], tmp_path: Path) -> None:
    table = latencies[latencies.index("--table") + 1]
    file = tmp_path / "asked.toml"
    file.write_text(f'table = "{table}"\ntarget = "two"\nreference-devices = "one, three"\nsamples = 12\n')
    found = answer(["benchmark", "latency", "--config", str(file), "--samples", "11"])
    assert (found["reference_devices"], found["samples"]) == (["one", "three"], 11)


def test_benchmark_alone_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["benchmark"]) == 2
    assert "search" in capsys.readouterr().out
