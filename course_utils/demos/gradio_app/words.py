"""What the app says of itself: what it is, what each network is, and what it is not."""

from html import escape

from course_utils.demos import cards, networks
from course_utils.locale import _


def tabs() -> dict[str, str]:
    """Title of each network's tab, in order."""
    return {
        "digits": _("Digits"),
        "signs": _("Signs"),
        "tumour": _("Tumours"),  # short: three tabs fit on a telephone
    }


def warning() -> str:
    """HTML of what stands above everything."""
    return _note(
        _(
            "A demonstration of a course, not a medical device: nothing here may serve "
            "to diagnose or treat anybody. Do not upload images of patients without "
            "their permission."
        ),
        "course-note course-warning",
    )


def about(name: str, own: bool) -> str:
    """HTML of what a tab does and how its network came to be.

    name: of the network. own: it is somebody's, not the one that comes with the course.
    """
    training = _origin(name)
    if own:
        training = _("The network is of whoever opened this app.")
    parts = [_task(name), training, _score(name) if not own else ""]
    parts.append(_("A demonstration, not a medical device."))
    return _note(" ".join(filter(None, parts)), "course-note")


def _note(sentence: str, kind: str) -> str:
    return f'<p role="note" class="{kind}">{escape(sentence)}</p>'


def _task(name: str) -> str:
    return {
        "digits": _("Draw a digit from 0 to 9, and watch what the network reads."),
        "signs": _(
            "Show one of 24 letters of the American manual alphabet, by camera or "
            "from a file (J and Z are movements and are not among them)."
        ),
        "tumour": _(
            "The network marks three regions in a brain: the whole tumour (WT), its "
            "core (TC) and the part that takes up contrast (ET). Files must be as "
            "BraTS prepares them: skull removed, the four images aligned, voxels "
            "of 1 mm."
        ),
    }[name]


def _origin(name: str) -> str:
    return {
        "digits": _("It learnt from handwritten digits of MNIST."),
        "signs": _(
            "It learnt from synthetic hands, rendered by a computer, and from no real "
            "photo: with yours it will often be wrong."
        ),
        "tumour": _(
            "It learnt from synthetic patients, and from no real one: with real images "
            "it will often be wrong."
        ),
    }[name]


def _score(name: str) -> str:
    """The measured score of the network that comes with the course, "" without one."""
    card = networks.card(name)
    return _("Measured: {scores}.").format(scores=cards.scores(card)) if card else ""
