"""The same words in both languages at once, for what is read without Python."""

from collections.abc import Callable
from typing import TypeVar

from course_utils.locale import LANGUAGES, language, set_language

Said = TypeVar("Said")


def in_both(say: Callable[[], Said]) -> dict[str, Said]:
    """What `say()` returns in each language: {"en": ..., "es": ...}.

    The language in use is afterwards as it was.
    """
    before, said = language(), {}
    try:
        for lang in LANGUAGES:
            set_language(lang)
            said[lang] = say()
    finally:
        set_language(before)
    return said
