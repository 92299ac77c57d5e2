"""What tests of widgets look at: their controls, and the sentences they say."""

import ast
from pathlib import Path

from course_utils import locale

WIDGETS = Path(__file__).parents[2] / "course_utils/widgets"


def leaves(widget):
    """The controls in it, however deep, in their order."""
    if not hasattr(widget, "children"):
        yield widget
    for child in getattr(widget, "children", ()):
        yield from leaves(child)


def nameless(widget):
    """Those controls that do not say what they are for."""
    return [one for one in leaves(widget) if not getattr(one, "description", "")]


def sentences(*modules):
    """What these modules of widgets say: all that they pass to `_`."""
    files = [WIDGETS / f"{module}.py" for module in modules]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    calls = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Call)]
    return [c.args[0].value for c in calls if getattr(c.func, "id", "") == "_"]


def untranslated(said):
    """Those sentences that Spanish says as English does; leaves it set to Spanish."""
    locale.set_language("es")
    return [sentence for sentence in said if locale._(sentence) == sentence]
