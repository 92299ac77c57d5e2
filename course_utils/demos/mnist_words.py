"""The words of the web page, in both languages: those of the pad and its own."""

from course_utils.demos.languages import in_both
from course_utils.locale import _
from course_utils.widgets.drawing_pad import _labels


def page_words() -> dict[str, dict[str, str]]:
    """What the page says: language ("en", "es") -> name -> sentence.

    main.js and feature_maps.js fill in the {names}. The language set stays as it was.
    """
    return in_both(lambda: {**_labels(), **_page_labels()})


def _page_labels() -> dict[str, str]:
    """The words around the pad, in the language set."""
    return {
        "title": _("Draw a digit and a network reads it"),
        "languages": _("Language"),
        "intro": _(
            "A neural network, trained in this course, runs here inside your "
            "browser. What you draw does not leave this device."
        ),
        "not_medical": _(
            "This page is a demonstration for teaching. It is not a medical device."
        ),
        "loading": _(
            "The network is still on its way: the first visit brings about 14 MB."
        ),
        "no_wasm": _(
            "WebAssembly is missing or switched off in this browser, and the network "
            "needs it: switch it on or try another browser."
        ),
        "missing": _(
            "{file} could not be loaded: check the connection and load the page again; "
            "if it is your page, build it again with `python -m course_utils.demos "
            "mnist` and serve the whole folder."
        ),
        "broken": _(
            "The network does not start ({reason}): load the page again or try another "
            "browser; if it is your page, build it again with `python -m "
            "course_utils.demos mnist`."
        ),
        "save": _("Download the drawing"),
        "save_note": _("A PNG of 140×140 pixels: Python reads the same digit in it."),
        "maps_title": _("What lights up in the first block"),
        "maps_empty": _("Draw a digit and see which maps light up."),
        "strongest": _("Map {n} lights up most."),
        "maps_caption": _(
            "The {count} filters of the first block slide over the image, and each "
            "leaves a map of {height}×{width}: white where it found its own pattern, "
            "such as an edge in one direction, black where it did not. All share one "
            "scale of grey."
        ),
        "about_title": _("About this network"),
        "data": _("Data"),
        "parameters": _("Parameters"),
        "accuracy": _("Accuracy on test digits"),
        "measured": _("{accuracy} ({tested} digits that it had never seen)"),
        "not_measured": _("not measured"),
        "created": _("Exported on"),
        "time": _("Time of a prediction"),
        "times": _("{ms} ms (median of {n}, preprocessing included)"),
        "no_times": _("none yet"),
    }
