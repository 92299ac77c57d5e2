"""What a learner wrote in a cell, with its source, as the checks meet it."""

import itertools
import linecache

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
