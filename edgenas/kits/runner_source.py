"""Programs for boards: modules of `board`, joined into one file that needs nothing but Python 3.8."""

import ast
from collections import defaultdict
from collections.abc import Sequence
from importlib.resources import files

MODULES = (
    "problem",
    "host",
    "conditions",
    "bursts",
    "power",
    "energy",
    "random_inputs",
    "onnx_sessions",
    "execution",
    "worker",
    "trtexec",
    "manifest",
    "kit_folder",
    "display",
    "ending",
    "session_lock",
    "kit_timing",
    "run",
)
"""Of the runner of a kit, in the order of their dependencies: each imports only from those before it."""

LOOK_MODULES = ("problem", "host", "look")
"""Of the program that tells what a board is."""

_OURS = "edgenas."

_FIRST = """\
import os
import sys

# Modules are those of Python alone, none of a file that lies beside this one, or where it is run.
_beside = ("", os.path.dirname(os.path.realpath(sys.argv[0])))
sys.path[:] = [each for each in sys.path if each not in _beside]"""
"""What a program does before its other imports; Python 3.8 has no option for it."""


def runner_source(modules: Sequence[str] = MODULES) -> str:
    """The text of a program: the docstring of the last module, all imports, then what else is in each module."""
    texts = {name: files("edgenas.board").joinpath(f"{name}.py").read_text("utf-8") for name in modules}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    docstring = ast.get_docstring(trees[modules[-1]], clean=False)
    imports = _imports(list(trees.values()))
    parts = [f'"""{docstring}"""', "from __future__ import annotations", _FIRST, imports]
    parts += [f"# --- {name} ---\n\n{_body(texts[name], tree)}" for name, tree in trees.items()]
    return "\n\n".join(parts) + "\n"


def _imports(trees: Sequence[ast.Module]) -> str:
    """The imports of other modules than our own, each once."""
    modules: set[str] = set()
    names: defaultdict[str, set[str]] = defaultdict(set)
    for node in (node for tree in trees for node in tree.body):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names[node.module] |= {alias.name for alias in node.names}
    others = {module: each for module, each in names.items() if not module.startswith((_OURS, "__future__"))}
    lines = [f"import {module}" for module in sorted(modules)]
    lines += [f"from {module} import {', '.join(sorted(each))}" for module, each in sorted(others.items())]
    return "\n".join(lines)


def _body(text: str, tree: ast.Module) -> str:
    """A module without its docstring and its imports."""
    left_out = {
        line
        for number, node in enumerate(tree.body)
        if number == 0 or isinstance(node, ast.Import | ast.ImportFrom)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    kept = [line for number, line in enumerate(text.splitlines(), start=1) if number not in left_out]
    return "\n".join(kept).strip()
