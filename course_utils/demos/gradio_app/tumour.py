"""The third tab: a brain in slices, the tumour that the network finds, and its file."""

import contextlib
import html
import os
import threading
from collections.abc import Iterable
from typing import NamedTuple

from torch import nn

from course_utils.data.volumes import MODALITIES
from course_utils.demos.gradio_app import upload
from course_utils.demos.gradio_app.case import (
    Case,
    synthetic_case,
    table,
    unseen,
    uploaded_case,
)
from course_utils.locale import _
from course_utils.widgets.brain_slices import (
    PLANES,
    SIDE_BY_SIDE,
    View,
    largest,
    plane_names,
    source_names,
)
from course_utils.widgets.brain_viewer import notes, pictures_to_html

MINUTES = 30  # that a patient is kept for somebody who has gone away


def from_choice(name: str, model: nn.Module) -> tuple[Case, str]:
    """A synthetic patient, and what to say of it."""
    case = synthetic_case(name, model)
    return case, _(
        "{patient}: a synthetic patient that the network was not trained on."
    ).format(patient=name)


def from_files(paths: list[str] | None, model: nn.Module) -> tuple[Case, str]:
    """The patient of uploaded files, and what to say of it once they are deleted.

    Raises ValueError for files that cannot be used.
    """
    read = upload.read(paths or [])
    case = uploaded_case(*read, model)
    said = [_("The files of {patient} have been read and deleted here.")]
    if read.truth is None:
        said.append(_("Without a segmentation there is no Dice."))
    elif len(read.regions) == 1:
        said.append(_("Their segmentation marks the whole tumour only."))
    return case, " ".join(said).format(patient=case.brain.name)


class Visitors:
    """Which uploaded files each visitor has chosen; nobody's are deleted at once.

    Gradio keeps a file that two visitors uploaded only once, as in a class where
    everybody opens the same patient: it goes with the last of them.
    """

    def __init__(self):
        self._files: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def keep(self, visitor: str, paths: Iterable[str] | None) -> None:
        """These are now the files of a visitor; those that were and are not, go."""
        with self._lock:
            gone = self._files.pop(visitor, set())
            if paths:
                self._files[visitor] = set(map(str, paths))
            for path in gone.difference(*self._files.values()):
                with contextlib.suppress(OSError):
                    os.remove(path)


def draw(case: Case | None, plane: str, place: int, modality: int, overlay: str) -> str:
    """HTML of one slice. place: from 1; beyond the last slice, the last."""
    if case is None:  # nobody yet, or somebody who has been away for long
        return _nobody()
    last = _slices(case, plane)
    at = min(max(int(place), 1), last) - 1
    view = View(plane, at, modality, overlay)
    said = "".join(f"<p>{html.escape(note)}</p>" for note in notes(case.brain, view))
    pictures = pictures_to_html(case.brain, view)
    return f'<div class="course-view">{pictures}<div>{said}</div></div>'


def _slices(case: Case, plane: str) -> int:
    return case.brain.grey.shape[1 + PLANES[plane][0]]


def overlays(case: Case | None) -> list[tuple[str, str]]:
    """(what to say, key of View.overlay) of each overlay that a case has."""
    said = source_names()
    choices = [(said["prediction"], "prediction"), (_("no overlay"), "none")]
    if case is None or "truth" in case.brain.masks:
        choices.insert(0, (_("both, as outlines"), "both"))
        choices.insert(2, (said["truth"], "truth"))
    return choices


def _choices(said: dict) -> list[tuple]:
    """What Gradio's lists take: (what to say, key)."""
    return [(shown, key) for key, shown in said.items()]


def _hint() -> str:
    return "<p class='course-hint'>{}</p>".format(
        html.escape(
            _(
                "All together, as .nii or .nii.gz, with the segmentation if there is "
                "one; at most {megabytes} MB each. Their names end as in BraTS: "
                "_flair, _t1, _t1ce, _t2, _seg, or -t2f, -t1n, -t1c, -t2w, -seg."
            ).format(megabytes=upload.MEGABYTES)
        )
    )


def _nobody() -> str:
    return status(_("Choose a patient, or upload one."))


def status(sentence: str, wrong: bool = False) -> str:
    """HTML of a sentence that screen readers say, too."""
    role, kind = ("alert", "course-fault") if wrong else ("status", "course-said")
    return f'<p role="{role}" class="{kind}">{html.escape(sentence)}</p>'


class _Page(NamedTuple):
    """The components of the tab. case: the state that keeps a visitor's Case."""

    patient: object
    files: object
    send: object
    plane: object
    modality: object
    overlay: object
    said: object
    place: object
    picture: object
    results: object
    download: object
    case: object


def add_tab(model: nn.Module, tab, app) -> None:
    """The contents of the tab, inside a Blocks.

    model: as `networks.load("tumour")`. tab: the first patient is shown when it opens.
    app: the Blocks; it says when a visitor has gone.
    """
    import gradio as gr

    page, visitors = _layout(), Visitors()

    def choose(name, plane, modality):
        return _show(page, *from_choice(name, model), plane, modality)

    def open_first(known, name, plane, modality):
        return {} if known else choose(name, plane, modality)

    def keep(paths, request: gr.Request):
        visitors.keep(request.session_hash, paths)

    def leave(request: gr.Request):
        visitors.keep(request.session_hash, None)

    def send_files(paths, plane, modality, request: gr.Request):
        keep(paths, request)
        try:
            found, sentence = from_files(paths, model)
        except ValueError as fault:
            # They stay: one that was forgotten can still be added.
            return {page.said: status(str(fault), wrong=True)}
        leave(request)
        # The list names nobody now, so that its first patient can be chosen again.
        cleared = {page.files: None, page.patient: None}
        return {**_show(page, found, sentence, plane, modality), **cleared}

    shown = [page.case, page.said, page.place, page.overlay, page.picture]
    shown += [page.results, page.download]
    view = [page.plane, page.modality]
    # One brain at a time: another would make both wait, and take memory.
    busy = {"show_progress_on": page.picture, "concurrency_id": "brain"}
    tab.select(open_first, [page.case, page.patient, *view], shown, **busy)
    page.patient.input(choose, [page.patient, *view], shown, **busy)
    page.send.click(
        send_files, [page.files, *view], [*shown, page.files, page.patient], **busy
    )
    page.files.change(keep, page.files, queue=False, show_progress="hidden")
    app.unload(leave)
    _redraw(page)


def _layout() -> _Page:
    """The brain at the left, what is seldom changed at the right; narrow, below."""
    import gradio as gr

    names = unseen()
    channels = dict(enumerate(MODALITIES.values()))
    channels[SIDE_BY_SIDE] = _("all, side by side")
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            patient = gr.Dropdown(names, value=names[0], label=_("Synthetic patient"))
            said = gr.HTML(_nobody(), elem_id="course-status", apply_default_css=False)
            place = gr.Slider(1, 80, value=40, step=1, label=_("Slice"))
            picture = gr.HTML(elem_id="course-slice", apply_default_css=False)
            results = gr.HTML(elem_id="course-results", apply_default_css=False)
            save = _("Download the prediction (NIfTI)")
            download = gr.DownloadButton(save, interactive=False)
        with gr.Column(scale=1, min_width=280):
            plane = gr.Dropdown(_choices(plane_names()), label=_("Plane"))
            modality = gr.Dropdown(_choices(channels), label=_("Modality"))
            overlay = gr.Dropdown(overlays(None), label=_("Overlay"))
            files = gr.File(
                label=_("Or your files: FLAIR, T1, T1ce, T2"),
                file_count="multiple",
                elem_id="course-files",
            )
            gr.HTML(_hint(), apply_default_css=False)
            send = gr.Button(_("Segment these files"))
    case = gr.State(time_to_live=60 * MINUTES)
    return _Page(
        patient=patient,
        files=files,
        send=send,
        plane=plane,
        modality=modality,
        overlay=overlay,
        said=said,
        place=place,
        picture=picture,
        results=results,
        download=download,
        case=case,
    )


def _show(page: _Page, found: Case, sentence: str, plane: str, modality: int) -> dict:
    """What the components are to hold when another patient is there."""
    import gradio as gr

    at = largest(found.brain, plane) + 1
    kinds = overlays(found)
    first = kinds[0][1]
    return {
        page.case: found,
        page.said: status(sentence),
        page.place: gr.Slider(maximum=_slices(found, plane), value=at),
        page.overlay: gr.Dropdown(kinds, value=first),
        page.picture: draw(found, plane, at, modality, first),
        page.results: table(found),
        page.download: gr.DownloadButton(value=str(found.path), interactive=True),
    }


def _redraw(page: _Page) -> None:
    """Draw whenever the slice, the plane, the modality or the overlay changes."""
    import gradio as gr

    def turn(known, plane, modality, overlay):
        """Another plane: the slider goes where most of the tumour is."""
        if known is None:
            return {page.picture: _nobody()}
        at = largest(known.brain, plane) + 1
        return {
            page.place: gr.Slider(maximum=_slices(known, plane), value=at),
            page.picture: draw(known, plane, at, modality, overlay),
        }

    # Nobody waits for a slice behind somebody's network; of many, the last is drawn.
    quick = {"queue": False, "show_progress": "hidden", "trigger_mode": "always_last"}
    turned = [page.case, page.plane, page.modality, page.overlay]
    page.plane.input(turn, turned, [page.place, page.picture], **quick)
    view = [page.case, page.plane, page.place, page.modality, page.overlay]
    for control in (page.place, page.modality, page.overlay):
        control.input(draw, view, page.picture, **quick)
