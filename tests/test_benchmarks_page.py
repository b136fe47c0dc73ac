"""docs/benchmarks.md is held to its word: commands exist; each figure says how, where and when it was measured."""

import re
from argparse import ArgumentError

import pytest
from fixtures.documents import ROOT, check_benchmark_command, check_edgenas_command, code_blocks, commands

PAGE = "docs/benchmarks.md"


def sections() -> dict[str, str]:
    """The text below each heading of the page that has figures, by the heading."""
    parts = re.split(r"^##+ (.+)$", (ROOT / PAGE).read_text(), flags=re.MULTILINE)[1:]
    return {title: body for title, body in zip(parts[::2], parts[1::2], strict=True) if body.strip()}


@pytest.mark.parametrize("line", commands(PAGE))
def test_every_command_exists_with_its_options(line: str) -> None:
    if line.startswith("edgenas "):
        check_edgenas_command(line)
    else:
        check_benchmark_command(line)


@pytest.mark.parametrize("title", sections())
def test_every_section_has_a_command_a_machine_and_a_date(title: str) -> None:
    said = sections()[title]
    assert "```sh\n" in said
    assert re.search(r"(Measured|Computed) on .*?20\d\d-\d\d-\d\d", said, re.DOTALL)
    assert re.search(r"EPYC|Sapphire Rapids|two cores|machine", said)


def test_scripts_named_in_prose_exist() -> None:
    text = (ROOT / PAGE).read_text() + (ROOT / "benchmarks/README.md").read_text()
    scripts = set(re.findall(r"`(?:benchmarks/)?(\w+\.py)`", text))
    assert [name for name in sorted(scripts) if not (ROOT / "benchmarks" / name).is_file()] == []


def test_every_code_block_is_a_command() -> None:
    assert (ROOT / PAGE).read_text().count("```") == 2 * len(code_blocks(PAGE, "sh"))


@pytest.mark.parametrize(
    "line",
    [
        "python benchmarks/main_job.py --devise jetson",
        "python benchmarks/few_samples.py TABLES --protocol",
        "python benchmarks/no_such_script.py",
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises((AssertionError, ArgumentError, FileNotFoundError)):
        check_benchmark_command(line)
