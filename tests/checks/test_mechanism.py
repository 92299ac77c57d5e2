"""The mechanism of the checks: states, hints, display, and that nothing raises."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from course_utils import checks
from course_utils.checks import Status, check, judge, verify
from course_utils.locale import set_language

NAME = "02.output_size"


def right(n, kernel, padding=0, stride=1):
    return (n + 2 * padding - kernel) // stride + 1


def wrong(n, kernel, padding=0, stride=1):
    return (n + 2 * padding - kernel) // stride


def test_the_three_states():
    assert judge(NAME, right).status is Status.CORRECT
    assert judge(NAME, wrong).status is Status.NOT_YET
    assert judge(NAME, ...).status is Status.NOT_ATTEMPTED


def returns_it(n, kernel, padding=0, stride=1):
    return ...


def body_is_it(n, kernel, padding=0, stride=1):
    """Only a docstring."""
    ...  # noqa: PIE790


def raises_with_it(n, kernel, padding=0, stride=1):
    positions = ...
    return positions // stride


def wrong_with_it(n, kernel, padding=0, stride=1):
    if padding:
        ...
    return 7


def index_and_wrong(n, kernel, padding=0, stride=1):
    return int(torch.zeros(3, 4)[..., 0].sum())


def index_and_raises(n, kernel, padding=0, stride=1):
    return torch.zeros(3, 4)[..., 9]


@pytest.mark.parametrize(
    "stub",
    [returns_it, body_is_it, raises_with_it, wrong_with_it, lambda *a: ...],
)
def test_a_stub_is_not_attempted(stub):
    assert judge(NAME, stub).status is Status.NOT_ATTEMPTED
    assert checks._failures == {}


@pytest.mark.parametrize("answer", [index_and_wrong, index_and_raises])
def test_an_ellipsis_used_as_an_index_is_no_stub(answer):
    assert judge(NAME, answer).status is Status.NOT_YET


def test_a_stub_without_source_is_not_attempted():
    cell = {}
    code = "def f(n, k, p=0, s=1):\n    a = ...\n    return a + 1\n"
    exec(compile(code, "<no source>", "exec"), cell)
    assert judge(NAME, cell["f"]).status is Status.NOT_ATTEMPTED


def test_an_answer_that_keeps_a_useless_ellipsis_is_correct():
    def answer(n, kernel, padding=0, stride=1):
        ...  # noqa: PIE790
        return right(n, kernel, padding, stride)

    assert judge(NAME, answer).status is Status.CORRECT


def test_hints_progress_and_restart_when_correct(shown):
    for answer in [wrong, wrong, wrong, wrong, right, wrong]:
        check(NAME, answer)
    numbers = [v.hint.split(":")[0] for v in shown]
    assert numbers == [
        "Hint 1 of 3",
        "Hint 2 of 3",
        "Hint 3 of 3",
        "Hint 3 of 3",
        "",
        "Hint 1 of 3",
    ]
    assert len({v.hint for v in shown}) == 4


def test_each_exercise_counts_its_own_hints(shown):
    check(NAME, wrong)
    check("02.recall", wrong)
    check(NAME, ...)
    assert [v.hint[:6] for v in shown] == ["Hint 1", "Hint 1", ""]


def test_verify_says_the_same_and_is_quiet(shown):
    assert verify(NAME, right) is None
    for answer in (wrong, ...):
        with pytest.raises(AssertionError) as raised:
            verify(NAME, answer)
        assert str(raised.value) == judge(NAME, answer).message
    assert shown == []
    check(NAME, wrong)
    assert shown[0].hint.startswith("Hint 1 of 3")
    assert str(shown[0]).startswith(judge(NAME, wrong).message)


def test_an_unknown_exercise(shown):
    for name in ["02.no_such", "77.output_size", "output_size", "../x", 3]:
        check(name, right)
        with pytest.raises(ValueError, match="no exercise"):
            verify(name, right)
    assert all("no exercise" in str(verdict) for verdict in shown)


def test_a_missing_or_extra_answer_is_explained():
    assert 'check("02.output_size", answer)' in judge(NAME).message
    message = judge("02.small_network", torch.nn.Linear(1, 1)).message
    assert 'check("02.small_network", model, valid)' in message
    assert "needs 1 answers and got 2" in judge(NAME, right, right).message


def test_every_exercise_has_two_or_three_hints_in_both_languages():
    said = []
    for lang in ("en", "es"):
        set_language(lang)
        for name in checks.names("02"):
            hints = checks._exercises[name].hints()
            assert 2 <= len(hints) <= 3, name
            said += hints
    assert len(checks.names("02")) == 9
    assert len(set(said)) == len(said)


def test_text_and_html_say_the_same_and_html_is_escaped():
    def answer(n, kernel, padding=0, stride=1):
        raise ValueError("<script>alert(1)</script> & `x`")

    verdict = judge(NAME, answer)
    page = verdict._repr_html_()
    assert "<script>" in repr(verdict)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; <code>x</code>" in page
    assert 'lang="en"' in page and "Not yet:" in page


def test_the_display_is_the_same_in_every_run():
    def answer(n, kernel, padding=0, stride=1):
        raise ValueError(f"cannot use {object()!r}")

    assert repr(judge(NAME, answer)) == repr(judge(NAME, answer))
    assert "0x..." in repr(judge(NAME, answer))


class Hostile:
    """Everything that can be asked of it raises."""

    def _refuse(self, *args, **kwargs):
        raise RuntimeError("no")

    __repr__ = __str__ = __len__ = __eq__ = __bool__ = __iter__ = _refuse
    __float__ = __int__ = __index__ = __getitem__ = __deepcopy__ = _refuse
    __hash__ = None

    def __getattr__(self, name):
        raise RuntimeError(name)


class Unspeakable(BaseException):
    def __str__(self):
        raise RuntimeError("no text")


def raising(error):
    def answer(*args, **kwargs):
        raise error

    return answer


def endless(*args):
    return endless(*args)


HOSTILE = {
    "a number": 3,
    "nothing": None,
    "text": "28",
    "a hostile object": Hostile(),
    "returns hostile": lambda *a: Hostile(),
    "returns nothing": lambda *a: None,
    "returns inf": lambda *a: float("inf"),
    "returns nan": lambda *a: float("nan"),
    "returns complex": lambda *a: 1j,
    "returns a huge int": lambda *a: 10**6000,
    "returns True": lambda *a: True,
    "returns text": lambda *a: "<b>28</b>",
    "returns a list": lambda *a: [[1.0]],
    "returns an array": lambda *a: np.ones((2, 2)),
    "returns an object array": lambda *a: np.array([None]),
    "returns a huge tensor": lambda *a: torch.ones(1).expand(10**6, 10**6),
    "returns an empty tensor": lambda *a: torch.ones(0),
    "returns a meta tensor": lambda *a: torch.ones(3, 3, device="meta"),
    "returns a sparse tensor": lambda *a: torch.eye(3).to_sparse(),
    "returns a complex tensor": lambda *a: torch.ones(3, 3) * 1j,
    "returns a tensor with gradient": lambda *a: torch.ones(3, 3, requires_grad=True),
    "returns its arguments": lambda *a: a,
    "no arguments": lambda: 1,
    "raises": raising(ValueError("x" * 10_000)),
    "raises SystemExit": raising(SystemExit(3)),
    "raises without text": raising(Unspeakable()),
    "raises NotYet's base": raising(Exception()),
    "never ends": endless,
    "a type": dict,
    "a module type": torch.nn.Linear,
    "a module": torch.nn.Linear(2, 2),
    "a generator": lambda *a: (i for i in a),
}


@pytest.mark.parametrize("name", checks.names("02"))
@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_check_never_raises(name, answer, shown):
    parts = [answer] * 2 if name == "02.small_network" else [answer]
    check(name, *parts)
    (verdict,) = shown
    assert verdict.status is Status.NOT_YET
    assert len(str(verdict)) < 1_000
    assert str(verdict).startswith(("Not yet: ", "Almost: "))
    assert verdict._repr_html_()


def test_the_users_interrupt_passes():
    with pytest.raises(KeyboardInterrupt):
        check(NAME, raising(KeyboardInterrupt()))


def test_a_check_leaves_random_numbers_and_inputs_alone(shown):
    class Random(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(5)
            self.conv1 = torch.nn.Conv2d(1, 8, 3, padding=1)

    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    check("02.cnn_forward", Random)
    assert torch.equal(torch.rand(3), wanted)


def test_an_answer_that_changes_its_input_is_judged_by_its_result():
    def center_in_place(image):
        rows, columns = torch.arange(28.0)[:, None], torch.arange(28.0)
        down = round((14 - (image * rows).sum() / image.sum()).item())
        right = round((14 - (image * columns).sum() / image.sum()).item())
        moved = torch.roll(image, (down, right), (0, 1))
        image.zero_()
        return moved

    assert judge("02.center", center_in_place).status is Status.CORRECT

    def field_by_popping(layers):
        size = 1
        while layers:
            kernel, stride = layers.pop()
            size = (size - 1) * stride + kernel
        return size

    assert judge("02.receptive_field", field_by_popping).status is Status.CORRECT


def test_importing_the_checks_is_light():
    code = (
        "import json, sys, course_utils.checks as c; c.names('02');"
        "print(json.dumps(sorted(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    loaded = set(json.loads(out.splitlines()[-1]))
    assert not loaded & {"torchvision", "matplotlib.pyplot", "ipywidgets", "sklearn"}
