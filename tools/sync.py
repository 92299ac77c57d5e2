"""Carry what stands in one place into all the places that repeat it.

    python tools/sync.py           # rewrite
    python tools/sync.py --check   # only say what disagrees; status 1 if anything does

- the set-up cell (tag `setup`) of each notebook, from SETUP below and the repository's
  address in pyproject.toml;
- the Colab and Binder links of READMEs and notebooks, from the same address;
- the measured seconds, from notebooks/durations.json (tools/run_notebooks.py --time).

Links and seconds stand between marks that no reader sees: `<!-- badges -->` and
`<!-- /badges -->`, likewise `seconds` (wall time) and `cpu` (CPU seconds). In a README
the opening mark names the notebook: `<!-- seconds:02_cnn_mnist -->`.
"""

import argparse
import json
import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
READMES = {"README.md": "en", "README.es.md": "es"}

SETUP = """\
import importlib.util, pathlib, sys
root = pathlib.Path("../..").resolve()
if (root / "course_utils").is_dir():  # {local}
    sys.path.insert(0, str(root))
elif importlib.util.find_spec("course_utils") is None:  # Colab, Kaggle
    %pip install -q "git+{address}"
import course_utils
course_utils.setup(lang="{lang}")"""
WORDS = {
    "es": {
        "local": "el proyecto en tu disco, o Binder",
        "colab": "Abrir en Colab",
        "binder": "Abrir en Binder",
    },
    "en": {
        "local": "the project on your disk, or Binder",
        "colab": "Open in Colab",
        "binder": "Launch Binder",
    },
}
COLAB_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
BINDER_BADGE = "https://mybinder.org/badge_logo.svg"
MARKED = re.compile(
    r"(?P<open><!-- (?P<kind>badges|seconds|cpu)(?::(?P<name>\w+))? -->)"
    r".*?(?P<close><!-- /(?P=kind) -->)",
    re.DOTALL,
)


def address(root: Path = ROOT) -> str:
    """The repository's address, https://github.com/OWNER/NAME, from pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    url = project["project"]["urls"]["Repository"]
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", url):
        raise ValueError(
            f"pyproject.toml, [project.urls] Repository: expected "
            f"https://github.com/OWNER/NAME, got {url!r}"
        )
    return url


def setup_cell(lang: str, url: str) -> str:
    """The set-up cell of a notebook in "es" or "en"."""
    return SETUP.format(lang=lang, address=url, local=WORDS[lang]["local"])


def badges(name: str, lang: str, url: str, *, pictures: bool) -> str:
    """Markdown that opens a notebook in Colab and in Binder.

    pictures: the services' own badges. Without, plain links: a notebook may be read
    where there is no network, and would begin with two broken pictures.
    """
    repository = url.removeprefix("https://github.com/")
    path = f"notebooks/{lang}/{name}.ipynb"
    places = {
        "colab": f"https://colab.research.google.com/github/{repository}/blob/main/{path}",
        "binder": f"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/{path}",
    }
    pieces = []
    for place, image in (("colab", COLAB_BADGE), ("binder", BINDER_BADGE)):
        words = WORDS[lang][place]
        label = f"![{words}: {name}]({image})" if pictures else words
        pieces.append(f"[{label}]({places[place]})")
    return (" " if pictures else " · ").join(pieces)


def rounded(seconds: float) -> str:
    """Seconds as a reader wants them: to five."""
    return str(max(5, 5 * round(seconds / 5)))


def filled(
    text: str, lang: str, url: str, durations: dict, name: str | None = None
) -> str:
    """`text` with everything between marks brought up to date.

    name: the notebook that marks without a name mean (the one they stand in).
    Raises ValueError for a mark that names no notebook where none is meant.
    """

    def fill(match: re.Match) -> str:
        notebook = match["name"] or name
        if notebook is None:
            raise ValueError(f"{match['open']} does not say which notebook it means")
        if match["kind"] == "badges":
            new = badges(notebook, lang, url, pictures=name is None)
        elif notebook not in durations:
            return match[0]  # not timed yet; tests/notebooks/test_runner.py asks for it
        else:
            key = {"seconds": "seconds", "cpu": "cpu_seconds"}[match["kind"]]
            new = rounded(durations[notebook][key])
        # Alone on its line a mark is an HTML block, in which Markdown does not count.
        edge = "\n" if match["kind"] == "badges" and name else ""
        return f"{match['open']}{edge}{new}{edge}{match['close']}"

    return MARKED.sub(fill, text)


def synced_notebook(
    notebook: nbformat.NotebookNode, name: str, lang: str, url: str, durations: dict
) -> nbformat.NotebookNode:
    """The notebook, changed in place: first cell and set-up cell up to date."""
    setups = [c for c in notebook.cells if "setup" in c.metadata.get("tags", [])]
    if len(setups) != 1:
        raise ValueError(f"expected one cell with the tag 'setup', found {len(setups)}")
    setups[0].source = setup_cell(lang, url)
    first = notebook.cells[0]
    first.source = filled(first.source, lang, url, durations, name)
    return notebook


def synced(root: Path = ROOT) -> dict[Path, tuple[str, str]]:
    """For every file that repeats something: its text now, and as it should be."""
    url = address(root)
    file = root / "notebooks" / "durations.json"
    durations = {}
    if file.exists():
        durations = json.loads(file.read_text(encoding="utf-8"))["notebooks"]
    texts = {}
    for readme, lang in READMES.items():
        now = (root / readme).read_text(encoding="utf-8")
        texts[root / readme] = (now, filled(now, lang, url, durations))
    for path in sorted(root.glob("notebooks/e[sn]/*.ipynb")):
        now = path.read_text(encoding="utf-8")
        notebook = nbformat.reads(now, as_version=4)
        before = nbformat.writes(notebook)
        try:
            synced_notebook(notebook, path.stem, path.parent.name, url, durations)
        except ValueError as error:
            raise ValueError(f"{path.relative_to(root)}: {error}") from None
        after = nbformat.writes(notebook)
        texts[path] = (now, now if before == after else after + "\n")
    return texts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    try:
        texts = synced()
    except ValueError as error:
        sys.exit(f"sync: {error}")
    stale = [path for path, (now, right) in texts.items() if now != right]
    for path in stale:
        print(("stale: " if check else "rewritten: ") + str(path.relative_to(ROOT)))
        if not check:
            path.write_text(texts[path][1], encoding="utf-8", newline="\n")
    if check and stale:
        sys.exit("sync: run python tools/sync.py")


if __name__ == "__main__":
    main()
