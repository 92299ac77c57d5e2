"""What a learner wrote in a cell, with its source, as the checks meet it.

A stub is text with its blanks between « », filled with the lines of a learner; so each
slip meets the check as it would in the notebook, with its source.
"""

import itertools
import linecache
import re
from collections.abc import Callable

BLANK = re.compile("«(.*?)»")
_counter = itertools.count()  # one for all tests: a name used twice loses its source


def run(code: str, names: dict) -> dict:
    """The names after a cell with this code, run with `names` given.

    The checks read a function's source, so linecache has to know it, as IPython's does.
    """
    file = f"<cell-{next(_counter)}>"
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    cell = dict(names)
    exec(compile(code, file, "exec"), cell)
    return cell


class Stubs(dict[str, str]):
    """The stubs of a test file: the name of an exercise, and its text.

    given: the names that the notebook has when the cell runs. short: words of the tests
    that stand for a longer piece of code, in a stub and in a learner's line.
    """

    def __init__(self, stubs: dict[str, str], given: dict, **short: str):
        super().__init__(stubs)
        self.given, self.short = given, short

    def written(self, code: str) -> Callable:
        """The function or class that a cell with this code defines."""
        name = re.search(r"(?:def|class) (\w+)", code)[1]
        return run(self._in_full(code), self.given)[name]

    def filled(self, exercise: str, *blanks: str | None, **lines: str) -> Callable:
        """The stub with `blanks` in order, None: the right one; or `lines` by name."""
        code = self._code(exercise, blanks)
        for name, line in lines.items():
            code, n = re.subn(rf"(?m)^( +){name} = .*$", rf"\1{name} = {line}", code)
            assert n == 1, name
        return self.written(code)

    def changed(self, exercise: str, *texts: str) -> Callable:
        """The right stub with other texts in place of its own: old, new, old, new."""
        code = self._in_full(self._code(exercise))
        texts = [self._in_full(text) for text in texts]
        for old, new in zip(texts[::2], texts[1::2], strict=True):
            assert code.count(old) == 1, old
            code = code.replace(old, new)
        return self.written(code)

    def ending(self, exercise: str, result: str, *blanks: str | None) -> Callable:
        """The stub with another last line."""
        code = self._code(exercise, blanks)
        return self.written(
            re.sub(r"    return .*\n\Z", f"    return {result}\n", code)
        )

    def right(self, exercise: str) -> list[str]:
        """What belongs in the blanks."""
        return BLANK.findall(self[exercise])

    def _code(self, exercise, blanks=()):
        given = iter(blanks)
        return BLANK.sub(lambda blank: next(given, None) or blank[1], self[exercise])

    def _in_full(self, code):
        for word, meant in self.short.items():
            code = code.replace(word, meant)
        return code
