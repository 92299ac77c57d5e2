"""Edit a workshop's Spanish and English notebooks side by side, in one text file.

    python tools/twins.py export 02_cnn_mnist > 02.txt   # both notebooks -> one text
    python tools/twins.py import 02_cnn_mnist < 02.txt   # the text -> both notebooks

The notebooks stay the source; the text is a view of them. Each cell begins with a line
`%% code ID tag tag` or `%% markdown ID tag`. A Markdown cell holds the Spanish text, a
line `=== en`, and the English text. A code cell holds the code once; a line that
differs stands twice, as `es| ...` and `en| ...`. Importing keeps the stored outputs of
the cells whose source did not change. Afterwards run tools/run_notebooks.py.
"""

import argparse
import difflib
import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
LANGUAGES = ("es", "en")
MARK = "%% "
SEPARATOR = "=== en"
METADATA = {  # what a notebook says of its kernel: the same on every machine
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}


def export_text(es: nbformat.NotebookNode, en: nbformat.NotebookNode) -> str:
    """Both notebooks as one text. Raises ValueError where the cells do not pair up."""
    if [c.id for c in es.cells] != [c.id for c in en.cells]:
        raise ValueError("the notebooks' cell ids differ: run pytest tests/notebooks")
    blocks = []
    for a, b in zip(es.cells, en.cells, strict=True):
        head = MARK + " ".join([a.cell_type, a.id, *a.metadata.get("tags", [])])
        if a.cell_type == "code":
            body = "\n".join(_merge(a.source.splitlines(), b.source.splitlines()))
        else:
            body = f"{a.source}\n{SEPARATOR}\n{b.source}"
        blocks.append(f"{head}\n{body}\n")
    return "\n".join(blocks)


def _merge(es: list[str], en: list[str]) -> list[str]:
    out = []
    matcher = difflib.SequenceMatcher(a=es, b=en, autojunk=False)
    for op, i, j, k, m in matcher.get_opcodes():
        if op == "equal":
            out += es[i:j]
        else:
            out += [f"es| {line}" for line in es[i:j]]
            out += [f"en| {line}" for line in en[k:m]]
    return out


def import_text(text: str) -> dict[str, list[nbformat.NotebookNode]]:
    """The cells of both languages. Raises ValueError naming the line that is wrong."""
    cells = {lang: [] for lang in LANGUAGES}
    for number, head, body in _blocks(text):
        try:
            kind, cell_id, *tags = head.removeprefix(MARK).split()
            make = {
                "code": nbformat.v4.new_code_cell,
                "markdown": nbformat.v4.new_markdown_cell,
            }[kind]
        except (ValueError, KeyError):
            raise ValueError(
                f"line {number}: wanted '%% code ID' or '%% markdown ID', not {head!r}"
            ) from None
        for lang in LANGUAGES:
            source = _source(kind, body, lang, number)
            metadata = {"tags": tags} if tags else {}
            cells[lang].append(make(source, id=cell_id, metadata=metadata))
    ids = [c.id for c in cells["es"]]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise ValueError(f"cell ids used twice: {', '.join(twice)}")
    return cells


def _blocks(text: str):
    block = None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(MARK):
            if block:
                yield block
            block = (number, line, [])
        elif block:
            block[2].append(line)
        elif line.strip():
            raise ValueError(f"line {number}: text before the first cell: {line!r}")
    if block:
        yield block


def _source(kind: str, body: list[str], lang: str, number: int) -> str:
    if kind == "markdown":
        if body.count(SEPARATOR) != 1:
            raise ValueError(f"cell at line {number}: expected one line '{SEPARATOR}'")
        cut = body.index(SEPARATOR)
        body = body[:cut] if lang == "es" else body[cut + 1 :]
    else:
        other = "en" if lang == "es" else "es"
        # An empty line keeps no trailing space, so the mark may stand alone.
        body = [
            line.removeprefix(f"{lang}|").removeprefix(" ")
            if line.startswith(f"{lang}|")
            else line
            for line in body
            if not line.startswith(f"{other}|")
        ]
    return "\n".join(body).strip("\n")


def write(path: Path, cells: list[nbformat.NotebookNode]) -> None:
    """Store cells, keeping the outputs of those whose source is unchanged."""
    if path.exists():
        notebook = nbformat.read(path, as_version=4)
    else:
        notebook = nbformat.v4.new_notebook(metadata=METADATA)
    old = {c.id: c for c in notebook.cells}
    for cell in cells:
        twin = old.get(cell.id)
        same = twin is not None and twin.source == cell.source
        if same and cell.cell_type == twin.cell_type == "code":
            cell.outputs, cell.execution_count = twin.outputs, twin.execution_count
    notebook.cells = cells
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("action", choices=["export", "import"])
    parser.add_argument("name", help="for example 02_cnn_mnist")
    args = parser.parse_args()
    paths = {lang: NOTEBOOKS / lang / f"{args.name}.ipynb" for lang in LANGUAGES}
    try:
        if args.action == "export":
            pair = [nbformat.read(paths[lang], as_version=4) for lang in LANGUAGES]
            sys.stdout.write(export_text(*pair))
        else:
            cells = import_text(sys.stdin.read())
            for lang in LANGUAGES:
                write(paths[lang], cells[lang])
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"twins: {error}")


if __name__ == "__main__":
    main()
