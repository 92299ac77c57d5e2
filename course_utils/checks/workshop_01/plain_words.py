"""Errors of Python, NumPy and PyTorch in plain words, for whoever first meets them.

`plain_stop` is what the exercises in NumPy give to `compare` as `stop`, and
`plain_tensor_stop` those in PyTorch.
"""

import difflib
import linecache
import os
import re
from types import FrameType

import numpy as np
import torch
from torch import Tensor

from course_utils.checks.answers import NotYet, Slip, Stopped, error_text
from course_utils.locale import _

_COURSE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LIBRARIES = tuple(
    os.path.dirname(os.path.abspath(module.__file__)) + os.sep for module in (np, torch)
)


def plain_tensor_stop(stopped: Stopped) -> NotYet | None:
    """Like `plain_stop`, of an answer that works on PyTorch's tensors."""
    return plain_stop(stopped, tensors=True)


def plain_stop(stopped: Stopped, *, tensors: bool = False) -> NotYet | None:
    """What to say of an error in an answer that works on NumPy arrays, or None.

    Shapes that do not fit are a NotYet, since a hint may help; the rest is a Slip.
    """
    frame, line = _place(stopped)
    if frame is None:
        return _of_the_call(stopped)
    told = _("for {case} your code stops.").format(case=stopped.case)
    if line:
        told = _("for {case} your code stops at {line}.")
        told = told.format(case=stopped.case, line=f"`{line}`")
    text = error_text(stopped.error)
    shapes = _of_shapes(text)
    if shapes:
        return NotYet(f"{told} {shapes} {_named_shapes(frame, line)}".rstrip())
    reason = (
        _of_names(stopped.error, frame, tensors)
        or _of_functions(text, frame, line)
        or (_of_tensors(stopped, text) if tensors else _of_arrays(text))
        or _of_types(text)
    )
    return Slip(f"{told} {reason}") if reason else None


def _place(stopped: Stopped) -> tuple[FrameType | None, str]:
    """The learner's own frame where it stopped, and its line if it is a short one."""
    found, line, trace = None, "", stopped.error.__traceback__
    while trace:
        code = trace.tb_frame.f_code
        path = os.path.abspath(code.co_filename)
        if not path.startswith((_COURSE + os.sep, *_LIBRARIES)):
            found, number = trace.tb_frame, trace.tb_lineno
            source = linecache.getline(code.co_filename, number, found.f_globals)
            line = source.partition("#")[0].strip()
        trace = trace.tb_next
    short = len(line) <= 60 and "`" not in line and "lambda" not in line
    return found, line if short else ""


def _of_the_call(stopped: Stopped) -> Slip | None:
    """An error before the first line of the answer: its arguments were changed."""
    if not isinstance(stopped.error, TypeError):
        return None
    if "argument" not in error_text(stopped.error):
        return None
    reason = _(
        "the check cannot call your function: leave its `def` line as it was in the "
        "stub."
    )
    return Slip(reason)


def _of_shapes(text: str) -> str:
    """A sentence for shapes that do not fit, from NumPy's own, or an empty one."""
    pair = re.search(r"size (\d+) is different from (\d+)", text)
    if "matmul" in text and pair:
        columns, rows = pair[2], pair[1]
    else:
        pair = re.search(
            r"not aligned: (\d+) \(dim \d\) != (\d+) \(dim \d\)", text
        ) or re.search(r"cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", text)
        columns, rows = (pair[1], pair[2]) if pair else ("", "")
    if pair:
        return _(
            "In a product of matrices, the columns of the first must be as many as the "
            "rows of the second, and here they are {columns} and {rows}: check which "
            "arrays they are, their order, each `.T`, and whether `@` or `*` is meant."
        ).format(columns=columns, rows=rows)
    pair = re.search(r"together with shapes (\(.*?\)) (\(.*?\))", text) or re.search(
        r"tensor a (\(\d+\)) must match the .* b (\(\d+\))", text
    )
    if pair:
        return _(
            "The shapes {a} and {b} do not fit place by place: is `@` meant, or "
            "another array?"
        ).format(a=_spaced(pair[1]), b=_spaced(pair[2]))
    if "does not have enough dimensions" in text:
        return _("`@` multiplies arrays, and one side of it is a single number here.")
    if re.search(r"axis -?\d+ is out of bounds|Dimension out of range", text):
        return _("The array has fewer axes than that: the first is axis 0.")
    return ""


def _spaced(shape: str) -> str:
    """NumPy's (2,3) as Python writes it, (2, 3)."""
    return re.sub(r",(?=\d)", ", ", shape)


def _named_shapes(frame: FrameType, line: str) -> str:
    """The shapes of the arrays or tensors that the line names: x (5, 2), W1 (2, 3)."""
    names = dict.fromkeys(re.findall(r"[^\W\d]\w*", line))
    shapes = [
        f"{name} {tuple(frame.f_locals[name].shape)}"
        for name in names
        if isinstance(frame.f_locals.get(name), np.ndarray | Tensor)
    ]
    return _("Here: {shapes}.").format(shapes=", ".join(shapes)) if shapes else ""


def _of_names(error: BaseException, frame: FrameType, tensors: bool) -> str:
    """A sentence for a name that is not known where it stands, or an empty one."""
    if isinstance(error, UnboundLocalError):
        return _("Something is used there before it gets a value.")
    if isinstance(error, NameError) and error.name:
        return _of_a_name(error.name, frame, tensors)
    if isinstance(error, AttributeError) and error.name:
        return _of_an_attribute(error.name, error.obj)
    return ""


def _of_a_name(name: str, frame: FrameType, tensors: bool) -> str:
    if name in ("np", "torch", "F", "nn"):
        text = _("Run the set-up cell at the top first: it imports `{name}`.")
        return text.format(name=name)
    if len(name) > 1 and tensors and hasattr(Tensor, name):
        text = _("`{name}` belongs to the tensors: write it behind one, with a dot.")
        return text.format(name=name)
    if len(name) > 1 and hasattr(np, name) and not tensors:
        text = _("`{name}` is NumPy's: its prefix, `np.`, is missing.")
        return text.format(name=name)
    known = {_folded(local): local for local in frame.f_locals}
    near = difflib.get_close_matches(_folded(name), known, n=1)
    if near:
        text = _("There is no `{name}` here: is `{near}` meant?")
        return text.format(name=name, near=known[near[0]])
    text = _("There is no `{name}` here: look at the names in the stub.")
    return text.format(name=name)


def _of_an_attribute(name: str, owner: object) -> str:
    if owner is np:
        text = _("NumPy has no `{name}`: build it from the functions that it has.")
    elif owner is torch:
        text = _("PyTorch has no `{name}`: build it from the functions that it has.")
    elif isinstance(owner, np.ndarray) and hasattr(np, name):
        text = _("For NumPy `{name}` is a function: with `np.` before, array inside.")
    elif isinstance(owner, np.ndarray) and hasattr(Tensor, name):
        text = _("`{name}` belongs to PyTorch's tensors, and these are NumPy's arrays.")
    elif isinstance(owner, Tensor):
        text = _("A tensor has no `{name}`: use the tensor itself, or what it has.")
    elif isinstance(owner, list | tuple):
        text = _("Several things together have no `{name}`: take them one by one.")
    else:
        return ""
    return text.format(name=name)


def _folded(name: str) -> str:
    """`name` with capitals, l and 1, o and 0 all alike."""
    return name.lower().replace("l", "1").replace("o", "0")


def _of_functions(text: str, frame: FrameType, line: str) -> str:
    """A sentence for a function that is used without calling it, or an empty one."""
    kinds = r"'(numpy\.(ufunc|_Array\w+)|function|builtin_function_or_method|method)'"
    if "operand" not in text or not re.search(kinds, text):
        return ""
    for name in re.findall(r"(?<![\w.])([^\W\d]\w*)(?![\w.(])", line):
        if callable(frame.f_locals.get(name, frame.f_globals.get(name))):
            text = _("`{name}` is a function: call it, `{name}(...)`.")
            return text.format(name=name)
    return _("A method needs its parentheses, as in `y.mean()`.")


def _of_arrays(text: str) -> str:
    """A sentence for what belongs to PyTorch, among NumPy's arrays."""
    torchs = ("must be Tensor, not", "got (numpy.ndarray", "'numpy.ndarray' and 'Tens")
    if any(part in text for part in torchs):
        return _("That is PyTorch's: here the arrays are NumPy's, with prefix `np.`.")
    return ""


def _of_tensors(stopped: Stopped, text: str) -> str:
    """A sentence for what tensors do not take, or an empty one."""
    numpys = ("keyword argument 'axis'", "got (ddof=", "got (axis=")
    if any(part in text for part in numpys):
        reason = _("These are PyTorch's tensors: use their own `{name}`, not NumPy's.")
        return reason.format(name=stopped.operation)
    if "'Tensor' object is not callable" in text:
        return _(
            "A tensor is no function: leave out the parentheses behind it, or write "
            "the sign of the product."
        )
    if "stack expects each" in text or "inhomogeneous" in text:
        return _(
            "Tables with other numbers of rows do not stack: return them one by one, "
            "with commas between them."
        )
    if re.search(r"operand type\(s\).*'(tuple|list)'|multiply sequence", text):
        return _(
            "You compute with several things together: take them one by one, each "
            "with the same formula."
        )
    if "one element tensors" in text or "converted to Scalar" in text:
        return _("`.item()`, `float` and `math` want a tensor of one number.")
    if "must be Tensor, not" in text:
        return _("That function of PyTorch wants a tensor, and gets something else.")
    return ""


def _of_types(text: str) -> str:
    """A sentence for what Python or NumPy refuses to compute with, or an empty one."""
    if re.search("only (length-1|0-dimensional) arrays can", text):
        return _(
            "Python's `math` and `float` want one number: NumPy has the same functions "
            "for whole arrays."
        )
    if "truth value of an array" in text:
        return _(
            "`if`, `and`, `max` and `min` want one True or False, and an array has "
            "many: NumPy has functions that decide place by place."
        )
    if "bitwise_xor" in text or "for ^" in text:
        return _("In Python a power is written `**`; `^` is something else.")
    if "ellipsis" in text:
        return _("It uses a function of yours that still holds its `...`.")
    if "object is not callable" in text:
        return _("Python does not read a(b) as a product: write its sign.")
    if "only integer scalar arrays" in text or "'axis'" in text:
        return _(
            "The second argument of that function is an axis: another one compares two "
            "arrays place by place."
        )
    if "return arrays must be of ArrayType" in text:
        return _("That function of NumPy takes a single array, and no base.")
    return ""
