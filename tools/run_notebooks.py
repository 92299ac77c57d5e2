"""Run notebooks and store their outputs, or measure how long they take.

    python tools/run_notebooks.py              # all
    python tools/run_notebooks.py 02_cnn_mnist notebooks/es/01_mlp_regression.ipynb
    python tools/run_notebooks.py --time 02_cnn_mnist

Outputs are made under the settings of tools/reproducible.py, so that the tests can
compare them. With --time the notebooks run as on a learner's machine (all threads),
nothing of them is stored, and notebooks/durations.json gets the mean of both languages.
"""

import argparse
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import reproducible
from twins import METADATA

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
DURATIONS = NOTEBOOKS / "durations.json"
WIDGET = "application/vnd.jupyter.widget-view+json"
# What --time leaves out: a learner's machine has all its cores and instructions.
ARITHMETIC = {k for k in reproducible.ENVIRONMENT if "THREADS" in k} | {
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "ONEDNN_MAX_CPU_ISA",
}


def environment(*, pinned: bool = True) -> dict[str, str]:
    """The kernel's environment; pinned for stored outputs, else for timing."""
    env = dict(os.environ)
    reproducible.apply(env)
    if not pinned:
        for name in ARITHMETIC:
            env.pop(name, None)
    return env


def execute(
    notebook: nbformat.NotebookNode,
    folder: Path,
    *,
    pinned: bool = True,
    timeout: int = 600,
) -> float:
    """Run all cells in a new kernel whose working directory is `folder`.

    The outputs are stored in `notebook`. timeout: seconds for one cell.
    Returns the kernel's CPU seconds, its start and its child processes included.
    Raises nbclient's CellExecutionError at the first cell that raises.
    """
    used = 0.0

    def note(**_):
        nonlocal used
        kernel = psutil.Process(client.km.provisioner.pid)
        used = sum(kernel.cpu_times()[:4])  # its own and its children's

    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        on_cell_executed=note,
    )
    client.execute(env=environment(pinned=pinned))
    return used


def normalise(notebook: nbformat.NotebookNode) -> None:
    """Leave in the notebook only what is the same on every machine, in place.

    A widget's live view needs the kernel that made it. Where a picture stands beside
    it, the view is dropped: a page on GitHub and a closed JupyterLab show the picture.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                data.pop(WIDGET, None)


def write(path: Path, text: str) -> None:
    """Replace a file in one step, so that a crash leaves the old one whole."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8", newline="\n")
    beside.replace(path)


def store(path: Path) -> None:
    """Run a notebook under the pinned settings and write its outputs into it."""
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path.parent)
    normalise(notebook)
    nbformat.validate(notebook)
    write(path, nbformat.writes(notebook) + "\n")


def measure(paths: list[Path]) -> dict[str, float]:
    """Mean wall and CPU seconds of the twins of one notebook, to a tenth."""
    seconds, cpu_seconds = [], []
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        start = time.perf_counter()
        cpu_seconds.append(execute(notebook, path.parent, pinned=False))
        seconds.append(time.perf_counter() - start)
    return {
        "seconds": round(sum(seconds) / len(seconds), 1),
        "cpu_seconds": round(sum(cpu_seconds) / len(cpu_seconds), 1),
    }


def machine() -> str:
    """What the seconds were measured on, in one line."""
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, PyTorch {version('torch')}"
    )


def chosen(names: list[str]) -> list[Path]:
    """Notebooks by name (both languages) or by path; all where none is given."""
    every = sorted(NOTEBOOKS.glob("e[sn]/*.ipynb"))
    paths = []
    for name in names:
        found = [p for p in every if p.stem == name or p == Path(name).resolve()]
        if not found:
            known = ", ".join(sorted({p.stem for p in every})) or "none"
            raise ValueError(f"no notebook {name!r} under {NOTEBOOKS} (there: {known})")
        paths += found
    return paths or every


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", help="such as 02_cnn_mnist; default all")
    parser.add_argument("--time", action="store_true", help="measure, store no outputs")
    args = parser.parse_args()
    try:
        paths = chosen(args.names)
    except ValueError as error:
        sys.exit(f"run_notebooks: {error}")
    for path in paths if not args.time else []:
        print(path.relative_to(ROOT), flush=True)
        try:
            store(path)
        except CellExecutionError as error:
            sys.exit(f"run_notebooks: {path.relative_to(ROOT)}: {error}")
    if args.time:
        record = {"notebooks": {}}
        if DURATIONS.exists():
            record = json.loads(DURATIONS.read_text(encoding="utf-8"))
        for name in sorted({p.stem for p in paths}):
            taken = measure([p for p in paths if p.stem == name])
            record["notebooks"][name] = taken | {"machine": machine()}
            print(name, taken, flush=True)
        write(DURATIONS, json.dumps(record, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
