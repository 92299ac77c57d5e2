"""Each rule catches the notebook that breaks it, and lets a good one pass."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import rules

PNG = "iVBORw0KGgo="
ANSWER = """\
<details><summary>{hint}</summary>

Text.
</details>
<details><summary>{solution}</summary>

```python
def double(x):
    return 2 * x
```
</details>"""


def figure(alt, data=PNG, **more):
    return new_output(
        "display_data",
        data={"image/png": data, "text/plain": "figure", **more},
        metadata={"image/png": {"alt": alt}},
    )


def code(cell_id, source, *outputs, tags=(), count=1):
    metadata = {"tags": list(tags)} if tags else {}
    return new_code_cell(
        source,
        id=cell_id,
        outputs=list(outputs),
        execution_count=count,
        metadata=metadata,
    )


def text(cell_id, source, tags=()):
    return new_markdown_cell(source, id=cell_id, metadata={"tags": list(tags)})


def folded(hint, solution):
    return ANSWER.format(hint=hint, solution=solution)


def twins():
    """A good pair, Spanish and English."""
    es = new_notebook(
        cells=[
            text("title", "# Suma dos números\n[otro](../es/01.ipynb)"),
            code(
                "sum",
                'print(f"{a:.1f} de {b}")  # comentario',
                figure("La suma crece con el primer número.", "AAAA"),
            ),
            code("todo", STUB, tags=["exercise"], count=2),
            text("answer", folded("Pista", "Solución"), ["solution"]),
        ]
    )
    en = new_notebook(
        cells=[
            text("title", "# Add two numbers\n[other](../en/01.ipynb)"),
            code(
                "sum",
                'print(f"{b} has {a:.1f}")  # comment',
                figure("The sum grows with the first number.", "BBBB"),
            ),
            code("todo", STUB, tags=["exercise"], count=2),
            text("answer", folded("Hint", "Solution"), ["solution"]),
        ]
    )
    return es, en


STUB = """\
def double(x):
    return ...

check("00.double", double)"""


def test_good_twins_keep_every_rule():
    es, en = twins()
    nbformat.validate(es)
    assert rules.parity(es, en) == []
    for notebook in (es, en):
        assert rules.style(notebook) == []
        assert rules.stored(notebook) == []
        assert rules.exercise_form(notebook) == []


def broken_parity():
    def source(index, new):
        return lambda es, en: en.cells[index].update(source=new)

    yield "ids", lambda es, en: en.cells[0].update(id="other"), "cell ids differ: other"
    yield "order", lambda es, en: en.cells.reverse(), "their order"
    yield "lost cell", lambda es, en: en.cells.pop(), "cell ids differ: answer"
    yield "code", source(1, 'print(f"{b} has {a + 1:.1f}")'), "cell sum: code differs"
    yield "format", source(1, 'print(f"{b} has {a:.2f}")'), "cell sum: code differs"
    yield "magic", source(1, "%pip list"), "cell sum: code differs"
    yield "type", lambda es, en: en.cells[0].update(cell_type="raw"), "cell title: is"
    yield "tags", lambda es, en: en.cells[2].metadata.clear(), "cell todo: tags differ"
    yield "heading", source(0, "## Add\n[other](../en/01.ipynb)"), "levels of headings"
    yield "link", source(0, "# Add\n[other](../en/02.ipynb)"), "link in one only"
    yield "image", source(0, "# Add\n![A hand on paper](a.png)"), "images differ"
    yield (
        "translation",
        lambda es, en: (
            en.cells[0].update(source="# Uno dos tres cuatro")
            or es.cells[0].update(source="# Uno dos tres cuatro")
        ),
        "same in both languages",
    )
    yield (
        "solution",
        lambda es, en: en.cells[3].update(
            source=en.cells[3].source.replace("2 * x", "x + x")
        ),
        "cell answer: code block differs",
    )
    yield (
        "no figure",
        lambda es, en: en.cells[1].outputs.clear(),
        "1 figures in",
    )
    yield (
        "alt",
        lambda es, en: (
            en.cells[1]
            .outputs[0]
            .metadata["image/png"]
            .update(alt="La suma crece con el primer número.")
        ),
        "alt text is the same",
    )
    yield (
        "figure",
        lambda es, en: en.cells[1].outputs[0].data.update({"image/png": "AAAA"}),
        "a figure is the same",
    )


@pytest.mark.parametrize(
    ("breaks", "complaint"),
    [pytest.param(b, c, id=name) for name, b, c in broken_parity()],
)
def test_a_broken_twin_is_caught(breaks, complaint):
    es, en = twins()
    breaks(es, en)
    assert complaint in "\n".join(rules.parity(es, en))


def test_a_wordless_figure_may_be_the_same():
    es, en = twins()
    for notebook in (es, en):
        notebook.cells[1].metadata.tags = ["wordless"]
        notebook.cells[1].outputs[0].data["image/png"] = "AAAA"
    assert rules.parity(es, en) == []


@pytest.mark.parametrize(
    ("es", "en", "same"),
    [
        ("x = 'uno'  # uno", "x = 'one'", True),
        ("x = 'uno'", "y = 'one'", False),
        ("x = 1", "x = 2", False),
        ("f(f'{a} y {b}')", "f(f'{b} and {a}')", True),
        ("f(f'{a} y {b}')", "f(f'{a} and {a}')", False),
        ("f(f'{a[\"uno\"]}')", "f(f'{a[\"one\"]}')", True),
        ("if x:\n    %pip install a", "if x:\n    %pip install b", False),
        ("this is not Python", "nor is this", False),
    ],
)
def test_code_is_compared_without_its_words(es, en, same):
    assert rules.same_code(es, en) is same


def broken_style():
    long = "\n".join(f"x{i} = {i}" for i in range(26))
    yield "long", code("c", long), "cell c: 26 lines of code"
    yield "wide", code("c", "x = 1" + " " * 83 + "+ 1"), "a line of 91 columns"
    yield "median", code("c", "x = 1\n" * 7), "median code cell of 7 lines"
    yield "alt", code("c", "x", figure("a plot")), "alt text of a figure is too short"
    yield "image", text("c", "![plot](a.png)"), "alt text of an image is too short"
    yield "tag", text("c", '<img src="a.png">'), "alt text of an image is too short"
    yield "words", text("c", "word " * 4001), "4001 words of prose"
    yield "emoji", text("c", "## Great \N{ROCKET}"), "emoji in the title"


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [pytest.param(cell, c, id=name) for name, cell, c in broken_style()],
)
def test_style_is_held(cell, complaint):
    assert complaint in "\n".join(rules.style(new_notebook(cells=[cell])))


def test_words_leave_out_code_formulas_and_tags():
    prose = "Two <b>words</b> $$a + b$$\n\n```python\nx = 1\n```\n"
    assert rules.prose_words(prose) == 2


def broken_storage():
    live = {rules.WIDGET: {"model_id": "1"}}
    widget = new_output("display_data", data=live)
    error = new_output("error", ename="KeyError", evalue="", traceback=[])
    noise = new_output("stream", name="stderr", text="warning")
    yield "unrun", code("c", "x", count=None), "execution counts"
    yield "twice", code("c", "x", count=2), "execution counts"
    yield "error", code("c", "x", error), "stores an error, KeyError"
    yield "stderr", code("c", "x", noise), "stores output on stderr"
    yield "empty widget", code("c", "x", widget), "a widget is stored with no picture"
    both = figure("A widget in its first state.", **live)
    yield "live widget", code("c", "x", both), "a widget is stored with its live view"


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [pytest.param(cell, c, id=name) for name, cell, c in broken_storage()],
)
def test_storage_is_held(cell, complaint):
    assert complaint in "\n".join(rules.stored(new_notebook(cells=[cell])))


def test_widget_state_is_caught():
    notebook = new_notebook(metadata={"widgets": {}})
    assert "widget state" in "\n".join(rules.stored(notebook))


def broken_exercises():
    good = folded("Hint", "Solution")

    def pair(stub=STUB, answer=good, tags=("solution",)):
        return [code("e", stub, tags=["exercise"]), text("s", answer, tags)]

    yield "alone", pair()[:1], "lacks the tag 'solution'"
    yield "untagged", pair(tags=()), "lacks the tag 'solution'"
    yield "no hint", pair(answer=good.partition("\n</details>\n")[2]), "found 1"
    yield "no code", pair(answer=good.replace("python", "text")), "no ```python block"
    yield "no summary", pair(answer=good.replace("summary", "b")), "no <summary>"
    yield "no check", pair(stub=STUB.partition("check")[0]), "no check(...)"
    yield "other", pair(answer=good.replace("double(x)", "twice(x)")), "differ in more"
    yield "no hole", pair(stub=STUB.replace("...", "2 * x")), "differ in more"


@pytest.mark.parametrize(
    ("cells", "complaint"),
    [pytest.param(cells, c, id=name) for name, cells, c in broken_exercises()],
)
def test_the_form_of_exercises_is_held(cells, complaint):
    assert complaint in "\n".join(rules.exercise_form(new_notebook(cells=cells)))


@pytest.mark.parametrize(
    ("stub", "solution", "fits"),
    [
        ("y = ...", "y = 1", True),
        ("y = ...", "z = 1", False),
        ("y = ...", "y = 1\ntrain(y)", True),
        ("y = f(..., 2)", "y = f(1, 2)", True),
        ("y = f(..., 2)", "y = f(1, 3)", False),
        ("y = f(..., 2)", "z = 1\ny = f(z, 2)", False),
        ("def f(x):\n    return ...", "def f(x):\n    y = x\n    return y", True),
        ("def f(x):\n    return ...", "def f(x):\n    y = x", False),
        (
            "def f(x):\n    ...\n    return x",
            "def f(x):\n    x += 1\n    return x",
            True,
        ),
        (
            "def f(x):\n    ...\n    return x",
            "def f(x):\n    x += 1\n    return 1",
            False,
        ),
        ("def f(x):\n    'Doc.'\n    return ...", "def f(x):\n    return 1", False),
        (
            "class A(B):\n    def f(self):\n        return ...",
            "class A(B):\n    def f(self):\n        x = 1\n        return x",
            True,
        ),
        ("for x in ...:\n    y = ...", "for x in z:\n    w = x\n    y = w", True),
        ("y = 1", "y = 1", False),
    ],
)
def test_a_solution_is_its_stub_filled_in(stub, solution, fits):
    assert rules.fits(stub, solution) is fits


def test_solved_puts_the_solution_before_the_check():
    es, _ = twins()
    cell = rules.solved(es).cells[2]
    expected = 'def double(x):\n    return 2 * x\n\ncheck("00.double", double)'
    assert cell.source == expected
    assert "..." in es.cells[2].source, "the notebook given is left as it was"
