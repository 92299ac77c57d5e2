"""The language of widgets, checks and plots: gettext catalogues, English by default.

The message ids are the English sentences themselves, so English needs no catalogue.
Spanish lives in es/LC_MESSAGES/course_utils.po, compiled to the .mo beside it (the
command is in CONTRIBUTING.md). Look-ups happen at call time: `set_language` changes
everything said from then on, also by modules imported before it was called.
"""

import gettext
from pathlib import Path

LANGUAGES = ("en", "es")

_catalogues: dict[str, gettext.NullTranslations] = {"en": gettext.NullTranslations()}
_language = "en"


def set_language(lang: str) -> None:
    """Choose the language of every sentence said from now on.

    lang: "en" or "es". Raises ValueError for any other value, and then the language
    stays as it was.
    """
    global _language
    if lang not in LANGUAGES:
        known = ", ".join(f'"{name}"' for name in LANGUAGES)
        raise ValueError(
            _("Unknown language {lang!r}: use one of {known}.").format(
                lang=lang, known=known
            )
        )
    if lang not in _catalogues:
        _catalogues[lang] = gettext.translation(
            "course_utils", localedir=Path(__file__).parent, languages=[lang]
        )
    _language = lang


def language() -> str:
    """The language in use, "en" or "es" (English until `set_language` is called)."""
    return _language


def _(message: str) -> str:
    """`message` in the language in use; the message itself where it has no translation.

    message: an English sentence, with {placeholders} still unfilled, so that the
    catalogue finds it: `_("expected {n}").format(n=3)`.
    """
    # gettext answers the catalogue's header to the empty id: nobody wants to read that.
    return _catalogues[_language].gettext(message) if message else ""
