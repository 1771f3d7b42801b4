"""The notebook and the snippets of docs/python.md run from top to bottom in an empty folder."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import Bench

DOCS = Path(__file__).resolve().parents[2] / "docs"
NOTEBOOK = DOCS / "notebook.ipynb"
CONTENT: dict[str, Any] = json.loads(NOTEBOOK.read_text("utf-8"))
CELLS = ["".join(cell["source"]) for cell in CONTENT["cells"] if cell["cell_type"] == "code"]
SNIPPETS = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text("utf-8"), re.DOTALL)
FRAMES = {"pandas": "pd", "polars": "pl"}
"""Packages of the extra ``interop``, without which cells that use them are left out."""


def is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def is_runnable(code: str) -> bool:
    return all(is_installed(name) or f"{short}." not in code for name, short in FRAMES.items())


def executed(cells: list[str]) -> tuple[dict[str, Any], list[object]]:
    """Execute cells in order; return their variables, and the value of each last expression."""
    names: dict[str, Any] = {}
    shown = []
    for cell in filter(is_runnable, cells):
        tree = ast.parse(cell)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)  # noqa: S102 - as a notebook does
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))  # noqa: S307 - likewise
    return names, shown


def test_the_notebook_is_valid_and_has_no_outputs() -> None:
    assert (CONTENT["nbformat"], CONTENT["nbformat_minor"]) == (4, 5)
    assert CONTENT["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in CONTENT["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in CONTENT["cells"]:
        common = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            assert cell.keys() == common | {"outputs", "execution_count"}
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
        else:
            assert (cell["cell_type"], cell.keys()) == ("markdown", common)
    assert NOTEBOOK.read_text("utf-8") == json.dumps(CONTENT, indent=1, ensure_ascii=False) + "\n"
    code = "\n".join(CELLS)
    assert not re.findall(r"^ *(?:from nnexp|import nnexp\.)", code, re.MULTILINE)


def test_the_cells_run_in_order(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    names, shown = executed(CELLS)
    names["plt"].close("all")
    html = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    own = [text for text in html if text.startswith('<div class="nnexp">')]
    assert [re.findall("<h2>(.*?)</h2>", text)[:1] for text in own] == [
        *(["Result"], [], ["Verdict"], []),
    ]
    assert names["prediction"].predicted.tolist() == [7]
    assert names["runs"][0].config.learning_rate == 0.25
    assert names["compared"].verdicts["C"].outcome == "worse"
    assert "<caption>" in own[-1]
    assert len(list((bench.folder / "runs").glob("quickstart-*"))) == 10


def test_the_page_s_snippets_run_in_order(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    names, _ = executed(SNIPPETS)
    printed = capsys.readouterr().out
    compared = names["compared"]
    for line in (
        f"Run('{names['run'].path}') finished",
        "[7] (1, 10)",
        f"{compared}",
        f"{compared.verdicts['B'].outcome} {compared.value('B', 'best_epoch')}",
    ):
        assert f"{line}\n" in printed
    assert str(compared).startswith("test accuracy, best epoch: ")
    assert f"\n{names['runs'][0].name} 0.8" in printed
    assert len(list((bench.folder / "runs").glob("quickstart-*"))) == 7


EXECUTE = """
import json, sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(notebook)
NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
print(json.dumps([cell.get("outputs") for cell in notebook.cells if cell.cell_type == "code"]))
"""


@pytest.mark.slow
def test_a_kernel_executes_the_notebook(bench: Bench) -> None:
    needed = ("nbclient", "nbformat", "ipykernel", "pandas")
    if missing := [name for name in needed if not is_installed(name)]:
        pytest.skip(f"{', '.join(missing)} is not installed")
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(NOTEBOOK)],
        cwd=bench.folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outputs = json.loads(done.stdout)
    assert len(outputs) == len(CELLS)
    assert all(outputs)
    assert not [o for cell in outputs for o in cell if o["output_type"] in {"stream", "error"}]
    html = ["".join(o.get("data", {}).get("text/html", "")) for cell in outputs for o in cell]
    assert len([text for text in html if text.startswith('<div class="nnexp">')]) == 4
    assert len([text for text in html if "dataframe" in text]) == 2
