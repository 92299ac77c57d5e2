"""The rules that notebooks keep. Each returns complaints, a sentence each; none = kept.

A rule takes notebooks as nbformat gives them, so that the tests can also hand it tiny
made-up ones, and see that a broken notebook is caught.
"""

import ast
import copy
import re
import statistics
from collections.abc import Iterator

from nbformat import NotebookNode

MAX_LINES, MEDIAN_LINES, MAX_WIDTH, MAX_WORDS, MIN_ALT = 25, 6, 88, 4000, 20
PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
WIDGET = "application/vnd.jupyter.widget-view+json"

FENCE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
MAGIC = re.compile(r"^(\s*)([%!].*)$", re.MULTILINE)
DETAILS = re.compile(r"<details>.*?</details>", re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)[^)]*\)")
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)")
IMAGE_TAG = re.compile(r"<img\b[^>]*>")
EMOJI = re.compile("[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]")


# --- reading a notebook ---------------------------------------------------------------


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [c for c in notebook.cells if c.cell_type == "code"]


def markdown(notebook: NotebookNode) -> str:
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def without_fences(text: str) -> str:
    return re.sub(r"^```.*?^```", " ", text, flags=re.DOTALL | re.MULTILINE)


def figures(cell: NotebookNode) -> Iterator[tuple[str, str, str]]:
    """Of each picture among a cell's outputs: its type, its data, its alt text."""
    for output in cell.get("outputs", []):
        for mime in PICTURES:
            if mime in output.get("data", {}):
                alt = output.metadata.get(mime, {}).get("alt", "")
                yield mime, output.data[mime], alt


def images(text: str) -> list[tuple[str, str]]:
    """(alt, address) of the images that a Markdown text shows."""
    text = without_fences(text)
    found = [(m[1], m[2]) for m in IMAGE.finditer(text)]
    for tag in IMAGE_TAG.findall(text):
        value = {k: v for k, _, v in re.findall(r"""(\w+)=(['"])(.*?)\2""", tag)}
        found.append((value.get("alt", ""), value.get("src", "")))
    return found


def headings(notebook: NotebookNode) -> list[tuple[int, str]]:
    text = without_fences(markdown(notebook))
    found = re.findall(r"^(#{1,6})\s+(.*)$", text, flags=re.MULTILINE)
    return [(len(hashes), title) for hashes, title in found]


def links(notebook: NotebookNode) -> list[str]:
    return LINK.findall(without_fences(markdown(notebook)))


def code_lines(source: str) -> int:
    lines = (line.strip() for line in source.splitlines())
    return sum(bool(line) and not line.startswith("#") for line in lines)


# --- twins ----------------------------------------------------------------------------


class _Mask(ast.NodeTransformer):
    """Empties the literals that a translator may change."""

    def visit_Constant(self, node):
        return ast.Constant("text") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node):
        # Words and their order differ between languages; what is shown may not.
        shown = [v for v in node.values if isinstance(v, ast.FormattedValue)]
        for value in shown:
            self.visit(value.value)
        return ast.JoinedStr(sorted(shown, key=ast.dump))


def masked(code: str) -> str:
    """The code's shape: comments dropped, string literals emptied; magics stay.

    The expressions and formats within f-strings count, in any order.
    Raises SyntaxError where the rest is not Python.
    """
    magics = [m[2] for m in MAGIC.finditer(code)]
    tree = ast.parse(MAGIC.sub(r"\1pass", code))
    return "\n".join([ast.dump(_Mask().visit(tree)), *magics])


def same_code(es: str, en: str) -> bool:
    try:
        return masked(es) == masked(en)
    except SyntaxError:
        return es == en


def neutral(link: str) -> str:
    """A link without what is allowed to differ: the language."""
    return re.sub(r"([/.=])(es|en)(?=[/.&#?]|$)", r"\1LANG", link)


def parity(es: NotebookNode, en: NotebookNode) -> list[str]:
    """Where the twins differ in anything but their words."""
    ids = [[c.id for c in notebook.cells] for notebook in (es, en)]
    if ids[0] != ids[1]:
        odd = sorted(set(ids[0]) ^ set(ids[1]))
        return [f"cell ids differ: {', '.join(odd) if odd else 'their order'}"]
    complaints = []
    for a, b in zip(es.cells, en.cells, strict=True):
        complaints += [f"cell {a.id}: {what}" for what in _cell_parity(a, b)]
    if [level for level, _ in headings(es)] != [level for level, _ in headings(en)]:
        complaints.append("levels of headings differ")
    ours, theirs = ({neutral(link) for link in links(n)} for n in (es, en))
    complaints += [f"link in one only: {link}" for link in sorted(ours ^ theirs)]
    return complaints


def _cell_parity(es: NotebookNode, en: NotebookNode) -> Iterator[str]:
    if es.cell_type != en.cell_type:
        yield f"is {es.cell_type} in Spanish, {en.cell_type} in English"
        return
    if tags(es) != tags(en):
        yield f"tags differ: {sorted(tags(es) ^ tags(en))}"
    if es.cell_type == "code":
        if not same_code(es.source, en.source):
            yield "code differs"
        yield from _figure_parity(es, en)
        return
    fences = [FENCE.findall(c.source) for c in (es, en)]
    if len(fences[0]) != len(fences[1]):
        yield "number of code blocks differs"
    elif not all(map(same_code, *fences)):
        yield "code block differs"
    if [src for _, src in map(_neutral_image, images(es.source))] != [
        src for _, src in map(_neutral_image, images(en.source))
    ]:
        yield "images differ"
    if es.source.count("<details") != en.source.count("<details"):
        yield "number of folded blocks differs"
    prose = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", "", without_fences(es.source), flags=re.S)
    if es.source == en.source and len(re.findall(r"[^\W\d_]{3,}", prose)) > 3:
        yield "the text is the same in both languages"


def _neutral_image(image: tuple[str, str]) -> tuple[str, str]:
    return image[0], neutral(image[1])


def _figure_parity(es: NotebookNode, en: NotebookNode) -> Iterator[str]:
    ours, theirs = list(figures(es)), list(figures(en))
    if [f[0] for f in ours] != [f[0] for f in theirs]:
        yield f"{len(ours)} figures in Spanish, {len(theirs)} in English"
        return
    for a, b in zip(ours, theirs, strict=True):
        if a[2] == b[2]:
            yield f"a figure's alt text is the same in both languages: {a[2][:60]!r}"
        if a[1] == b[1] and "wordless" not in tags(es):
            yield (
                "a figure is the same in both languages (tag the cell 'wordless' "
                "if nothing is written in it)"
            )


# --- style ----------------------------------------------------------------------------


def style(notebook: NotebookNode) -> list[str]:
    """Where a notebook is too long, too wide, or leaves a picture undescribed."""
    complaints = []
    sizes = []
    for cell in code_cells(notebook):
        size = code_lines(cell.source)
        sizes.append(size)
        if size > MAX_LINES:
            complaints.append(f"cell {cell.id}: {size} lines of code, over {MAX_LINES}")
        wide = max(map(len, cell.source.splitlines()), default=0)
        if wide > MAX_WIDTH:
            complaints.append(f"cell {cell.id}: a line of {wide} columns")
        complaints += [
            f"cell {cell.id}: alt text of a figure is too short: {alt!r}"
            for _, _, alt in figures(cell)
            if len(alt) < MIN_ALT
        ]
    median = statistics.median(sizes or [0])
    if median > MEDIAN_LINES:
        complaints.append(f"median code cell of {median:g} lines, over {MEDIAN_LINES}")
    text = markdown(notebook)
    complaints += [
        f"alt text of an image is too short: {alt!r} ({address})"
        for alt, address in images(text)
        if len(alt) < MIN_ALT
    ]
    words = prose_words(text)
    if words > MAX_WORDS:
        complaints.append(f"{words} words of prose, over {MAX_WORDS}")
    for _, title in headings(notebook):
        if EMOJI.search(title):
            complaints.append(f"emoji in the title {title!r}")
    return complaints


def prose_words(text: str) -> int:
    """Words a learner reads: without code, formulas and tags."""
    text = re.sub(r"\$\$.*?\$\$|<[^>]+>", " ", without_fences(text), flags=re.DOTALL)
    return len(text.split())


def stored(notebook: NotebookNode) -> list[str]:
    """Where what is stored is not the trace of one clean run from top to bottom."""
    complaints = []
    counts = [c.execution_count for c in code_cells(notebook) if c.source.strip()]
    if counts != list(range(1, len(counts) + 1)):
        complaints.append("execution counts are not 1, 2, 3...: run all cells in order")
    if "widgets" in notebook.metadata:
        complaints.append("the notebook stores widget state")
    for cell in code_cells(notebook):
        for output in cell.outputs:
            data = output.get("data", {})
            if output.output_type == "error":
                complaints.append(f"cell {cell.id}: stores an error, {output.ename}")
            if output.get("name") == "stderr":
                complaints.append(f"cell {cell.id}: stores output on stderr")
            if WIDGET in data:
                what = "its live view" if "image/png" in data else "no picture"
                complaints.append(f"cell {cell.id}: a widget is stored with {what}")
    return complaints


# --- exercises ------------------------------------------------------------------------


def exercises(notebook: NotebookNode) -> list[tuple[NotebookNode, NotebookNode | None]]:
    """The exercise cells, each with the cell after it (None at the notebook's end)."""
    after = [*notebook.cells[1:], None]
    return [
        (cell, following)
        for cell, following in zip(notebook.cells, after, strict=True)
        if "exercise" in tags(cell)
    ]


def solution_code(cell: NotebookNode) -> str:
    """The code within the last folded block of a solution cell."""
    return FENCE.findall(DETAILS.findall(cell.source)[-1])[0]


def exercise_form(notebook: NotebookNode) -> list[str]:
    """Where an exercise lacks a hint or a solution, or the stub does not match it."""
    complaints = []
    for cell, solution in exercises(notebook):
        complaints += [f"exercise {cell.id}: {what}" for what in _form(cell, solution)]
    return complaints


def _form(cell: NotebookNode, solution: NotebookNode | None) -> Iterator[str]:
    if solution is None or "solution" not in tags(solution):
        yield "the cell after it lacks the tag 'solution'"
        return
    folded = DETAILS.findall(solution.source)
    if len(folded) != 2:
        yield f"expected two folded blocks, hint and solution, found {len(folded)}"
        return
    if any("<summary>" not in block for block in folded):
        yield "a folded block has no <summary>"
    if len(FENCE.findall(folded[1])) != 1:
        yield "the folded solution holds no ```python block, or several"
        return
    if not checks(cell.source):
        yield "no check(...) in the stub"
    elif not fits(cell.source, solution_code(solution)):
        yield "stub and solution differ in more than the `...`"


def checks(source: str) -> list[str]:
    """The statements of a cell that call check(...), as written."""
    return [
        ast.get_source_segment(source, statement)
        for statement in ast.parse(source).body
        if _is_check(statement)
    ]


def _is_check(statement: ast.stmt) -> bool:
    call = getattr(statement, "value", None)
    return (
        isinstance(statement, ast.Expr)
        and isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "check"
    )


def fits(stub: str, solution: str) -> bool:
    """Whether the solution is the stub with something in place of each `...`.

    `...` stands for any expression. Several statements may stand for a statement `...`,
    for `return ...` if the last of them returns, and for `name = ...` if one of them
    assigns that name. The check calls do not count. A stub without `...` fits nothing.
    """
    bodies = []
    for source in (stub, solution):
        body = [s for s in ast.parse(source).body if not _is_check(s)]
        bodies.append(body)
    holes = [n for s in bodies[0] for n in ast.walk(s) if _is_hole(n)]
    return bool(holes) and _fit_bodies(*bodies)


def _is_hole(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _fit_bodies(stub: list[ast.stmt], solution: list[ast.stmt]) -> bool:
    if not stub:
        return not solution
    first, rest = stub[0], stub[1:]
    longest = len(solution) - len(rest)
    if not _is_hole(getattr(first, "value", None)):
        longest = min(longest, 1)
    return any(
        _fills(first, solution[:n]) and _fit_bodies(rest, solution[n:])
        for n in range(1, longest + 1)
    )


def _fills(stub: ast.stmt, statements: list[ast.stmt]) -> bool:
    """Whether the statements may stand where the stub has this one."""
    if len(statements) == 1 and _fit(stub, statements[0]):
        return True
    if not _is_hole(getattr(stub, "value", None)):
        return False
    if isinstance(stub, ast.Expr):
        return True
    if isinstance(stub, ast.Return):
        return isinstance(statements[-1], ast.Return)
    return any(_fit(stub, s) for s in statements)


def _fit(stub, solution) -> bool:
    """Whether two pieces of syntax are equal; `...` in the stub fits any expression."""
    if isinstance(stub, ast.AST):
        if _is_hole(stub) and isinstance(solution, ast.expr):
            return True
        return type(stub) is type(solution) and all(
            _fit(getattr(stub, field, None), getattr(solution, field, None))
            for field in stub._fields
        )
    if isinstance(stub, list):
        if not isinstance(solution, list):
            return False
        if stub and isinstance(stub[0], ast.stmt):
            return _fit_bodies(stub, solution)
        return len(stub) == len(solution) and all(map(_fit, stub, solution))
    return stub == solution


def solved(notebook: NotebookNode) -> NotebookNode:
    """A copy of the notebook with each solution in the place of its stub."""
    notebook = copy.deepcopy(notebook)
    for cell, solution in exercises(notebook):
        code = solution_code(solution)
        missing = [c for c in checks(cell.source) if c not in checks(code)]
        cell.source = "\n\n".join([code.rstrip(), *missing])
    return notebook


def printed(cell: NotebookNode) -> str:
    """Everything a code cell's outputs say in plain text."""
    pieces = []
    for output in cell.outputs:
        pieces.append(
            output.get("text") or output.get("data", {}).get("text/plain", "")
        )
    return "\n".join(pieces)
