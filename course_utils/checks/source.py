"""What can be read off the learner's function without running it."""

import ast
import dis
import inspect
import math
import textwrap
from collections.abc import Callable


def placeholders(answer: object) -> float:
    """How many `...` a function, or the methods of a class, still have to be filled in.

    A `...` used as an index, as in `x[..., 0]`, does not count. Infinity where there
    are some and the source that would tell how many is not to be had.
    """
    parts = vars(answer).values() if isinstance(answer, type) else [answer]
    return sum(_unfilled(part) for part in parts if inspect.isfunction(part))


def uses_operator(answer: object, operator: str) -> bool:
    """Whether a function's own code applies a binary operator, such as "^"."""
    return inspect.isfunction(answer) and any(
        step.opname == "BINARY_OP" and step.argrepr.removesuffix("=") == operator
        for step in dis.get_instructions(answer)
    )


def _unfilled(function: Callable) -> float:
    hidden = math.inf if ... in function.__code__.co_consts else 0
    if function.__name__ == "<lambda>":  # its source is the whole line around it
        return hidden
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):  # made by exec, for instance
        return hidden
    slices = [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    indices = {id(node) for part in slices for node in ast.walk(part)}
    return sum(
        isinstance(node, ast.Constant) and node.value is ... and id(node) not in indices
        for node in ast.walk(tree)
    )
