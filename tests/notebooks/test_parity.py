"""The Spanish and the English notebook of a workshop differ in their words only."""

import pytest

import course
import rules


@pytest.mark.parametrize("name", course.NAMES)
def test_twins(name):
    missing = [
        lang for lang in course.LANGUAGES if not course.path(name, lang).exists()
    ]
    assert not missing, f"{name} has no twin in {missing}"
    es, en = (course.read(name, lang) for lang in course.LANGUAGES)
    assert rules.parity(es, en) == []
