"""The course's own pad and camera as components of a Gradio page.

Gradio's Sketchpad loses what is drawn on some loads of a page. The pad of the notebooks
is one canvas, drawn on from its first moment, so it stands here in its place.
"""

import base64
from collections.abc import Callable
from importlib.resources import files

from course_utils.locale import _

WIDGETS = files("course_utils.widgets")
HERE = files(__package__)


def widget(
    module: str,
    script: str,
    answer: Callable,
    labels: dict[str, str],
    name: str,
    **data,
):
    """A gr.HTML component that holds a widget of the course; call it inside a Blocks.

    module: "drawing_pad" or "photo_input", its .js and .css in course_utils/widgets.
    script: the file here that puts it into the page, and asks. answer: called with each
    question of the page, a dict; what it returns goes back to the page as JSON.
    labels: the words of the widget. name: its id in the page. data: what the script
    reads as props besides.
    """
    import gradio as gr

    def answer_of_page(question):
        return answer(question)

    answer_of_page.__name__ = "answer"  # as the scripts call it
    return gr.HTML(
        html_template="<div></div>",
        js_on_load=read_text(HERE, "common.js") + read_text(HERE, script),
        apply_default_css=False,
        elem_id=name,
        server_functions=[answer_of_page],
        source=read_text(WIDGETS, f"{module}.js"),
        style=read_text(WIDGETS, f"{module}.css"),
        labels={**labels, **_labels()},
        **data,
    )


def encode(data: bytes) -> str:
    """Bytes as the text that the scripts read."""
    return base64.b64encode(data).decode("ascii")


def decode(text: object, size: int) -> bytes:
    """The bytes of a text from the page. Raises ValueError unless they are `size`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError):  # no text, or not of these letters
        data = b""
    if len(data) != size:
        raise ValueError(_("The page sent no picture: load it again."))
    return data


def _labels() -> dict[str, str]:
    """Words that speak of a notebook in the widgets, and of this page here."""
    return {
        "waiting": _("Waiting for the answer: the program is busy."),
        "lost": _("The program behind this page does not answer: was it stopped?"),
    }


def read_text(folder, name: str) -> str:
    """A file that comes with the package: its text."""
    return folder.joinpath(name).read_text(encoding="utf-8")
