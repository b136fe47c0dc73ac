"""`edgenas benchmark search`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli.main import run
from edgenas.search.registry import SEARCHERS
from edgenas.space import nasbench_macro

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
    rows = [line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")]
    assert rows[0] == "10"
    assert len(rows) == 2
    assert "true front: 8 of 80 networks within 50 ms, hypervolume" in shown
    assert "ms an evaluation" in shown


def test_an_early_end_is_said(text: Text, command: list[str]) -> None:
    assert "of 500: the searcher found no new network" in text([*command, "--evaluations", "500"])


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
        (["--searcher", "proxyless"], 2, "searcher proxyless learns together with the weights of a supernet"),
        (["--space", "mbconv"], 2, "space mbconv has too many networks for a table"),
        (["--space", "nasbench201"], 2, "t.csv: row 2: arch: '00000000' is no architecture of nasbench201"),
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


def test_benchmark_alone_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["benchmark"]) == 2
    assert "search" in capsys.readouterr().out
