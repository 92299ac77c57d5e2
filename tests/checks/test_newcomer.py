"""What learners write in the stubs of workshop 02: each slip gets its own sentence.

Complements test_workshop_02.py with answers written inside the stubs as they stand in
the notebook, among them those that PyTorch or Python stop.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import checks
from course_utils.checks import Status, check, judge
from course_utils.history import History
from course_utils.locale import set_language


# ---- the stubs, with the blanks as functions ---------------------------------------
def conv2d(window, total=lambda w, k: (w * k).sum()):
    cut = window

    def answer(x, kernel, padding=0, stride=1):
        x = F.pad(x, (padding,) * 4)
        k = kernel.shape[0]
        rows = (x.shape[0] - k) // stride + 1
        columns = (x.shape[1] - k) // stride + 1
        output = torch.zeros(rows, columns)
        for i in range(rows):
            for j in range(columns):
                window = cut(x, i, j, k, stride)
                output[i, j] = total(window, kernel)
        return output

    return answer


def right_window(x, i, j, k, s):
    return x[i * s : i * s + k, j * s : j * s + k]


def pooled(of_blocks):
    def max_pool2d(x, size=2):
        rows, columns = x.shape[0] // size, x.shape[1] // size
        blocks = x[: rows * size, : columns * size].reshape(rows, size, columns, size)
        return of_blocks(blocks)

    return max_pool2d


def field(grow, result=lambda field, jump: field, early=False):
    def receptive_field(layers):
        field, jump = 1, 1
        for kernel, stride in layers:
            field = grow(field, kernel, jump, stride)
            jump = jump * stride
            if early:
                return field
        return result(field, jump)

    return receptive_field


def centred(column, shift=lambda v: round(14 - v.item()), whole=None):
    def center(image):
        positions = torch.arange(28.0)
        row = (image.sum(1) * positions).sum() / image.sum()
        shifts = (shift(row), shift(column(image, positions, row)))
        if whole:
            shifts = whole(row, column(image, positions, row))
        return torch.roll(image, shifts, dims=(0, 1))

    return center


def by_columns(image, positions, row):
    return (image.sum(0) * positions).sum() / image.sum()


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, kernel_size=3, padding=1)
        self.fc = nn.Linear(16 * 7 * 7, 10)


def network(forward):
    return type("SmallCNN", (SmallCNN,), {"forward": forward})


def relu_layer(self, x):
    x = F.max_pool2d(nn.ReLU(self.conv1(x)), 2)
    return self.fc(F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1))


def relu_layer_into_conv2(self, x):
    return self.fc(self.conv2(nn.ReLU(self.conv1(x))).flatten(1))


def relu_layer_and_method(self, x):
    return nn.ReLU(self.conv1(x)).flatten(1)


def pool_layer(self, x):
    return F.relu(nn.MaxPool2d(self.conv1(x), 2))


def result_not_kept(self, x):
    F.max_pool2d(F.relu(self.conv1(x)), 2)
    x = F.max_pool2d(F.relu(self.conv2(x)), 2)
    return self.fc(x.flatten(1))


def conv1_twice(self, x):
    x = F.max_pool2d(F.relu(self.conv1(x)), 2)
    x = F.max_pool2d(F.relu(self.conv1(x)), 2)
    return self.fc(x.flatten(1))


def own_pooling(self, x):
    return pooled(lambda blocks: blocks.amax((1, 3)))(F.relu(self.conv1(x)), 2)


def f1(y, y_hat, digit):
    hits = ((y == digit) & (y_hat == digit)).sum()
    precision, recall = hits / (y_hat == digit).sum(), hits / (y == digit).sum()
    return 2 * precision * recall / (precision + recall)


def only(digit_written):
    return lambda y, y_hat, digit: (
        (y_hat[y == digit_written] == digit_written).float().mean()
    )


def and_between_tensors(y, y_hat, digit):
    return ((y == digit) and (y_hat == digit)).sum() / (y == digit).sum()


def no_parentheses(y, y_hat, digit):
    return (y == digit & y_hat == digit).sum() / (y == digit).sum()


TABLE = {
    "02.output_size": {
        "kernel and stride swapped": [lambda n, k, p=0, s=1: (n + 2 * p - s) // k + 1],
        "Parentheses are missing": [lambda n, k, p=0, s=1: n + 2 * p - k // s + 1],
        "padding shrink": [lambda n, k, p=0, s=1: (n - 2 * p - k) // s + 1],
    },
    "02.conv2d": {
        "your window has the shape": [
            conv2d(lambda x, i, j, k, s: x[i * s : i + k, j * s : j + k]),
            conv2d(lambda x, i, j, k, s: x[i * s : k, j * s : k]),
            conv2d(
                lambda x, i, j, k, s: x[i * s : (i + k) * s, j * s : (j + k) * s],
            ),
            conv2d(
                lambda x, i, j, k, s: x[i * s : i * s + k + 1, j * s : j * s + k + 1]
            ),
            conv2d(lambda x, i, j, k, s: right_window(x, j, i, k, s)),
            conv2d(lambda x, i, j, k, s: x[i * s : i * s + k][j * s : j * s + k]),
        ],
        "add them up into one number": [
            conv2d(right_window, lambda w, k: w * k),
            conv2d(right_window, lambda w, k: sum(w * k)),
        ],
        "NumPy's `sum`": [conv2d(right_window, lambda w, k: np.sum(w * k))],
    },
    "02.max_pool2d": {
        "takes one dimension only": [
            pooled(lambda blocks: blocks.max(dim=(1, 3))),
            pooled(lambda blocks: torch.max(blocks, (1, 3))),
            pooled(lambda blocks: blocks.max(1, 3)),
        ],
        "take its `.values`": [
            pooled(lambda blocks: blocks.max(dim=1)),
            pooled(lambda blocks: blocks.max(dim=3).max(dim=1)),
        ],
        "go together, in a tuple": [
            pooled(lambda blocks: blocks.amax(1, 3)),
            pooled(lambda blocks: torch.amax(blocks, 1, 3)),
        ],
        "wrong dimensions": [
            pooled(lambda blocks, dims=dims: blocks.amax(dim=dims))
            for dims in [(2, 3), (0, 2), (1, 2), (0, 1), (0, 3), 0, 2]
        ],
        "other dimension": [
            pooled(lambda blocks: blocks.amax(dim=1)),
            pooled(lambda blocks: blocks.amax(dim=3)),
        ],
    },
    "02.conv_parameters": {
        "written `**`": [
            lambda c_in, c_out, kernel, bias=True: c_out * (c_in * kernel ^ 2 + bias),
            lambda c_in, c_out, kernel, bias=True: c_in * kernel ^ 2,
        ],
        "always give the same": [lambda c_in, c_out, kernel, bias=True: 608],
        "c_in and c_out swapped": [
            lambda c_in, c_out, kernel, bias=True: c_in * (c_out * kernel**2 + bias)
        ],
    },
    "02.receptive_field": {
        "starts from nothing": [field(lambda f, k, j, s: (k - 1) * j)],
        "starts again from 1": [field(lambda f, k, j, s: 1 + (k - 1) * j)],
        "inside the loop": [field(lambda f, k, j, s: f + (k - 1) * j, early=True)],
        "layer's own stride": [field(lambda f, k, j, s: f + (k - 1) * s)],
        "distance between": [field(lambda f, k, j, s: f, lambda field, jump: jump)],
    },
    "02.cnn_forward": {
        "nn.ReLU is a layer": [
            network(relu_layer),
            network(relu_layer_into_conv2),
            network(relu_layer_and_method),
        ],
        "nn.MaxPool2d is a layer": [network(pool_layer)],
        "keep the result of conv1": [network(result_not_kept)],
        "conv1 got maps": [network(conv1_twice)],
        "for a single map": [network(own_pooling)],
    },
    "02.recall": {
        "the same digit, the 8": [only(8)],
        "the same digit, the 3": [only(3)],
        "F1 score": [f1],
        "have no mean": [lambda y, y_hat, d: (y_hat[y == d] == d).mean()],
        "NumPy's `mean`": [
            lambda y, y_hat, d: np.mean(y_hat[y == d] == d),
            lambda y, y_hat, d: np.mean((y_hat[y == d] == d).float()),
        ],
        "takes the place of `and`": [and_between_tensors, no_parentheses],
        "never above 1": [
            lambda y, y_hat, d: (y == d).sum() / ((y == d) & (y_hat == d)).sum()
        ],
    },
    "02.center": {
        "column uses the ink of the rows": [
            centred(lambda image, positions, row: row),
            centred(
                lambda image, positions, row: (
                    (image.sum(1) * positions).sum() / image.sum()
                )
            ),
        ],
        "wants Python integers": [
            centred(by_columns, shift=lambda v: 14 - v.item()),
            centred(by_columns, shift=lambda v: 14 - v),
            centred(by_columns, shift=lambda v: round(14 - v)),
            centred(by_columns, shift=lambda v: np.round(14 - v)),
        ],
        "one shift for each": [centred(by_columns, whole=lambda row, column: 3)],
    },
}
SLIPS = [(n, part, a) for n, t in TABLE.items() for part, all in t.items() for a in all]


@pytest.mark.parametrize(("name", "part", "answer"), SLIPS)
def test_a_slip_is_told_by_its_own_sentence_and_by_no_other(name, part, answer):
    verdict = judge(name, answer)
    assert verdict.status is Status.NOT_YET
    assert part in verdict.message, verdict.message
    assert not [p for p in TABLE[name] if p != part and p in verdict.message]
    assert len(verdict.message) < 450
    set_language("es")
    assert part not in judge(name, answer).message


def test_the_stubs_filled_rightly_are_correct():
    answers = {
        "02.conv2d": conv2d(right_window),
        "02.max_pool2d": pooled(lambda blocks: blocks.amax(dim=(1, 3))),
        "02.receptive_field": field(lambda f, k, j, s: f + (k - 1) * j),
        "02.center": centred(by_columns),
    }
    for name, answer in answers.items():
        assert judge(name, answer).status is Status.CORRECT, name


def test_a_window_is_placed_and_measured():
    message = judge("02.conv2d", conv2d(lambda x, i, j, k, s: x[i:k, j:k])).message
    assert "At i=0, j=1 your window has the shape (3, 2), and the kernel (3, 3)" in (
        message
    )
    assert "RuntimeError" not in message


def test_pythons_sum_is_named_beside_the_products():
    told = judge("02.conv2d", conv2d(right_window, lambda w, k: sum(w * k))).message
    assert "Python's `sum`" in told
    told = judge("02.conv2d", conv2d(right_window, lambda w, k: w * k)).message
    assert "Python's `sum`" not in told


def test_an_error_without_a_name_is_still_quoted():
    def answer(x, kernel, padding=0, stride=1):
        return torch.zeros(2, 24) @ torch.zeros(500, 10)

    message = judge("02.conv2d", answer).message
    assert (
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x24 and 500x10)"
        in (message)
    )


def test_matrix_shapes_are_no_memory_addresses():
    def answer(n, kernel, padding=0, stride=1):
        raise ValueError("(500x0 and 240x10) at 0x7f12ab34cd56!")

    assert "(500x0 and 240x10) at 0x...!" in judge("02.output_size", answer).message


def test_the_sentences_leave_the_solution_to_the_learner():
    solutions = [
        "amax",
        ".sum()",
        "i * stride",
        "self.fc(",
        "relu(",
        "y_hat ==",
        "** 2",
    ]
    solutions += ["kernel - 1", "* jump", "// stride", "c_in * kernel", "round(14"]
    for name, _part, answer in SLIPS:
        said = judge(name, answer).message
        assert not [part for part in solutions if part in said], said


# ---- blanks ------------------------------------------------------------------------
def one_blank_conv2d(x, kernel, padding=0, stride=1):
    output = torch.zeros(2, 3)
    for i in range(2):
        for j in range(3):
            window = x[i : i + 3, j : j + 3]  # noqa: F841
            output[i, j] = ...
    return output


def two_blanks_conv2d(x, kernel, padding=0, stride=1):
    output = torch.zeros(2, 3)
    for i in range(2):
        for j in range(3):
            window = ...  # noqa: F841
            output[i, j] = ...
    return output


def one_blank_field(layers):
    field, jump = 1, 1
    for kernel, _stride in layers:
        field = field + (kernel - 1) * jump
        jump = ...
    return field


def one_blank_center(image):
    positions = torch.arange(28.0)
    column = (image.sum(0) * positions).sum() / image.sum()  # noqa: F841
    shifts = ...
    return torch.roll(image, shifts, dims=(0, 1))


def one_blank_of_one(x, size=2):
    blocks = x.reshape(-1, size)  # noqa: F841
    return ...


PARTLY = [
    ("02.conv2d", one_blank_conv2d),
    ("02.receptive_field", one_blank_field),
    ("02.center", one_blank_center),
]


@pytest.mark.parametrize(("name", "answer"), PARTLY)
def test_a_second_blank_is_asked_for(name, answer, shown):
    check(name, answer)
    assert str(shown[0]) == "Not yet: there is still a `...` to fill in."
    set_language("es")
    assert judge(name, answer).message == "Todavía no: te falta completar otro `...`."


def test_untouched_stubs_are_not_attempted():
    for name, answer in [
        ("02.conv2d", two_blanks_conv2d),
        ("02.max_pool2d", one_blank_of_one),
        ("02.center", lambda image: ...),
    ]:
        assert judge(name, answer).status is Status.NOT_ATTEMPTED, name


# ---- hints are kept for ideas ------------------------------------------------------
def prints(n, kernel, padding=0, stride=1):
    print(n - kernel + 1)


def misspells(n, kernel, padding=0, stride=1):
    return kernl + 1  # noqa: F821


def test_slips_use_up_no_hint(shown, capsys):
    answers = [prints, misspells, lambda n: n, lambda *a: "28", 26, lambda *a: [26]]
    for answer in answers:
        check("02.output_size", answer)
    check("02.output_size", prints, prints)
    check("02.conv2d", conv2d(right_window, lambda w, k: np.sum(w * k)))
    check("02.max_pool2d", pooled(lambda blocks: blocks.max(dim=1)))
    assert all(v.status is Status.NOT_YET and not v.hint for v in shown)
    assert checks._failures == {}
    check("02.output_size", lambda n, k, p=0, s=1: 7)
    assert shown[-1].hint.startswith("Hint 1 of 3")


def test_a_wrong_window_gets_the_hint_about_windows(shown):
    check("02.conv2d", conv2d(lambda x, i, j, k, s: x[i:k, j:k]))
    assert shown[0].hint.startswith("Hint 1 of 3: Begin with i = 0 and j = 0")


def test_a_check_without_the_name_says_so(shown):
    for answer in (prints, SmallCNN, torch.zeros(3)):
        check(answer)
        check(answer, (1, 2))
    assert {str(v) for v in shown} == {
        'The exercise\'s name is missing: check("02....", answer).'
    }
    with pytest.raises(ValueError, match="name is missing"):
        judge(prints)


# ---- the open exercise -------------------------------------------------------------
def reads_the_label():
    model = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, 10))
    with torch.no_grad():
        model[2].weight.copy_(torch.eye(10, 49))
        model[2].bias.zero_()
    return model


def valid(correct):
    y = torch.arange(1000) % 10
    seen = torch.where(torch.arange(1000) < correct * 1000, y, (y + 1) % 10)
    x = F.one_hot(seen, 49).float().view(1000, 1, 7, 7)
    return F.interpolate(x, scale_factor=4), y


def test_what_fit_returns_is_not_the_network(shown):
    check("02.small_network", History(), valid(1.0))
    assert "do not store what it returns in `small`" in str(shown[0])
    assert not shown[0].hint


def test_an_untrained_network_is_told_to_call_fit_and_nothing_of_its_size(shown):
    check("02.small_network", reads_the_label(), valid(0.1))
    assert "call `fit(small, train, valid, ...)` before the check" in str(shown[0])
    assert not shown[0].hint


def test_the_hints_follow_what_is_missing_size_or_training(shown):
    large = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    for model, accuracy in [(large, 1.0), (reads_the_label(), 0.9)] * 2:
        check("02.small_network", model, valid(accuracy))
    check("02.small_network", reads_the_label(), valid(0.96))
    hints = [verdict.hint for verdict in shown]
    assert [hint[:6] for hint in hints] == ["Hint 1", "Hint 1", "Hint 2", "Hint 2", (
        "Hint 3"
    )]  # fmt: skip
    assert "Where are the parameters" in hints[0] and "maps of 7x7" in hints[2]
    assert "training's turn" in hints[1] and "`lr`" in hints[3]
    assert "Augmentation" in hints[4]
    check("02.small_network", reads_the_label(), valid(1.0))
    assert checks._failures == {}
