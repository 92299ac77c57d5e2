"""Workshop 02: right answers pass, each typical mistake is told by its own sentence.

The answers are written as learners write them, not as the checks model them.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from check_frame import RightAnswers
from course_utils.checks import Status, judge
from course_utils.locale import set_language


# ---- right answers -----------------------------------------------------------------
def output_size(n, kernel, padding=0, stride=1):
    return (n - kernel + 2 * padding) // stride + 1


def conv2d(x, kernel, padding=0, stride=1, of_window=lambda w, k: (w * k).sum()):
    k = len(kernel)
    x = F.pad(x, (padding, padding, padding, padding))
    rows, columns = [output_size(n, k, stride=stride) for n in x.shape]
    y = torch.zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            window = x[i * stride : i * stride + k, j * stride : j * stride + k]
            y[i, j] = of_window(window, kernel)
    return y


def max_pool2d(x, size=2, of_tile=torch.max):
    y = torch.zeros(x.shape[0] // size, x.shape[1] // size)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            tile = x[i * size : (i + 1) * size, j * size : (j + 1) * size]
            y[i, j] = of_tile(tile)
    return y


def conv_parameters(c_in, c_out, kernel, bias=True):
    return c_out * (c_in * kernel**2 + (1 if bias else 0))


def receptive_field(layers):
    size, jump = 1, 1
    for kernel, stride in layers:
        size += (kernel - 1) * jump
        jump *= stride
    return size


class SmallCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc = nn.Linear(16 * 7 * 7, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


def network(forward):
    return type("SmallCNN", (SmallCNN,), {"forward": forward})


def recall(y, y_hat, digit):
    return (y_hat[y == digit] == digit).float().mean().item()


def centre_of_mass(image):
    rows, columns = torch.arange(28.0)[:, None], torch.arange(28.0)[None]
    return (
        ((image * rows).sum() / image.sum()).item(),
        ((image * columns).sum() / image.sum()).item(),
    )


def center(image, target=14, rounded=round):
    row, column = centre_of_mass(image)
    shift = (rounded(target - row), rounded(target - column))
    return torch.roll(image, shift, dims=(0, 1))


def reads_the_label():
    """A network whose answer stands in x: `valid` below lights the square of y."""
    model = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, 10))
    with torch.no_grad():
        model[2].weight.copy_(torch.eye(10, 49) * 9)
        model[2].bias.zero_()
    return model


def valid(correct=1.0, n=1000):
    """n images, of which the fraction `correct` is read rightly above."""
    y = torch.arange(n) % 10
    seen = torch.where(torch.arange(n) < round(correct * n), y, (y + 1) % 10)
    x = torch.zeros(n, 1, 7, 7).view(n, 49)
    x[torch.arange(n), seen] = 1
    return F.interpolate(x.view(n, 1, 7, 7), scale_factor=4), y


RIGHT = {
    "02.output_size": [
        output_size,
        lambda n, kernel, padding=0, stride=1: math.floor(
            (n + 2 * padding - kernel) / stride + 1
        ),
        lambda n, kernel, padding=0, stride=1: torch.tensor(
            output_size(n, kernel, padding, stride)
        ),
    ],
    "02.conv2d": [
        conv2d,
        lambda x, kernel, padding=0, stride=1: F.conv2d(
            x[None, None], kernel[None, None], padding=padding, stride=stride
        )[0, 0],
        lambda x, kernel, padding=0, stride=1: conv2d(
            x, kernel, padding, stride
        ).requires_grad_(),
    ],
    "02.max_pool2d": [max_pool2d, lambda x, size=2: F.max_pool2d(x[None], size)[0]],
    "02.conv_parameters": [conv_parameters],
    "02.receptive_field": [receptive_field],
    "02.cnn_forward": [
        SmallCNN,
        network(  # pooling before ReLU is the same
            lambda self, x: self.fc(
                F.max_pool2d(self.conv2(F.max_pool2d(self.conv1(x), 2).relu()), 2)
                .relu()
                .flatten(1)
            )
        ),
    ],
    "02.recall": [
        recall,
        lambda y, y_hat, digit: (
            ((y == digit) & (y_hat == digit)).sum() / (y == digit).sum()
        ),
    ],
    "02.center": [
        center,
        lambda image: center(image, target=13.5),
        lambda image: center(image, rounded=lambda v: math.floor(v + 0.5)),
        lambda image: center(image).double(),
    ],
}


class TestRightAnswers(RightAnswers):
    right = RIGHT


# ---- typical mistakes --------------------------------------------------------------
def conv_of(of_window):
    return lambda *case: conv2d(*case, of_window=of_window)


def first_window_only(x, kernel, padding=0, stride=1):
    return (x[: len(kernel), : len(kernel)] * kernel).sum()


def window_does_not_move(x, kernel, padding=0, stride=1):
    y = conv2d(x, kernel, padding, stride)
    return torch.full_like(y, first_window_only(F.pad(x, (padding,) * 4), kernel))


def return_in_both_loops(x, kernel, padding=0, stride=1):
    right = conv2d(x, kernel, padding, stride)
    y = torch.zeros(right.shape)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = right[i, j]
            return y


def return_in_outer_loop(x, kernel, padding=0, stride=1):
    right = conv2d(x, kernel, padding, stride)
    y = torch.zeros(right.shape)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = right[i, j]
        return y


def size_of_x(x, kernel, padding=0, stride=1):
    y = torch.zeros_like(x)
    right = conv2d(x, kernel)
    y[: right.shape[0], : right.shape[1]] = right
    return y


def stride_in_size_only(x, kernel, padding=0, stride=1):
    y = conv2d(x, kernel, padding, stride)
    return conv2d(x, kernel, padding)[: y.shape[0], : y.shape[1]]


def overlapping(x, size=2):
    y = torch.zeros(x.shape[0] - size + 1, x.shape[1] - size + 1)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = x[i : i + size, j : j + size].max()
    return y


def from_zero(x, size=2):
    def largest(tile):
        best = 0
        for value in tile.flatten():
            best = max(best, value)
        return best

    return max_pool2d(x, size, of_tile=largest)


def in_blocks(x, size=2):
    h, w = x.shape
    return x.reshape(h // size, size, w // size, size).amax((1, 3))


def in_wrong_blocks(x, size=2):
    h, w = x.shape
    return x.reshape(h // size, w // size, size, size).amax((2, 3))


def rows_only(x, size=2):
    return torch.stack(
        [x[i * size : (i + 1) * size].amax(0) for i in range(len(x) // size)]
    )


def field(layers, start=1, less=1, own=False, forget=False, add=False):
    size, jump = start, 1
    for kernel, stride in layers:
        after = stride if forget else jump + stride if add else jump * stride
        size += (kernel - less) * (after if own else jump)
        jump = after
    return size


def trunk(self, x, relu=F.relu, pool=F.max_pool2d):
    return pool(relu(self.conv2(pool(relu(self.conv1(x)), 2))), 2)


def logits(self, x, **parts):
    return self.fc(trunk(self, x, **parts).flatten(1))


def one_pooling(self, x):
    x = F.max_pool2d(F.relu(self.conv1(x)), 2)
    return self.fc(F.relu(self.conv2(x)).flatten(1))


def one_pooling_by_view(self, x):
    x = F.max_pool2d(F.relu(self.conv1(x)), 2)
    return self.fc(F.relu(self.conv2(x)).reshape(-1, 784))


def no_pooling(self, x):
    return self.fc(self.conv2(self.conv1(x).relu()).relu().flatten(1))


def relu_forgotten_once(self, x):
    x = F.max_pool2d(F.relu(self.conv1(x)), 2)
    return self.fc(F.max_pool2d(self.conv2(x), 2).flatten(1))


def conv1_forgotten(self, x):
    return self.fc(F.relu(self.conv2(x)).flatten(1))


def fixed_batch(self, x):
    return self.fc(trunk(self, x).view(6, 784))


def precision(y, y_hat, digit):
    return ((y == digit) & (y_hat == digit)).sum() / (y_hat == digit).sum()


def specificity(y, y_hat, digit):
    return ((y != digit) & (y_hat != digit)).sum() / (y != digit).sum()


def hits(y, y_hat, digit):
    return ((y == digit) & (y_hat == digit)).sum()


def rolled(rows, columns):
    """A `center` that rolls by functions of the right shift (a, b)."""

    def answer(image):
        row, column = centre_of_mass(image)
        a, b = round(14 - row), round(14 - column)
        return torch.roll(image, (rows(a, b), columns(a, b)), (0, 1))

    return answer


def center_of_box(image):
    rows, columns = image.nonzero(as_tuple=True)
    middle = [(int(v.min()) + int(v.max())) // 2 for v in (rows, columns)]
    return torch.roll(image, (14 - middle[0], 14 - middle[1]), (0, 1))


def center_of_outline(image):
    rows, columns = image.nonzero(as_tuple=True)
    shift = [round(14 - v.float().mean().item()) for v in (rows, columns)]
    return torch.roll(image, shift, (0, 1))


def interpolated(image):
    row, column = centre_of_mass(image)
    theta = torch.tensor([[[1, 0, (column - 14) / 14], [0, 1, (row - 14) / 14]]])
    grid = F.affine_grid(theta, (1, 1, 28, 28), align_corners=False)
    return F.grid_sample(image[None, None], grid, align_corners=False)[0, 0]


def rolled_without_dims(image):
    row, column = centre_of_mass(image)
    return torch.roll(torch.roll(image, round(14 - row)), round(14 - column))


def cropped(image):
    row, column = (round(v) for v in centre_of_mass(image))
    part = image[max(row - 3, 0) : row + 3, max(column - 3, 0) : column + 3]
    out = torch.zeros(28, 28)
    out[11 : 11 + part.shape[0], 11 : 11 + part.shape[1]] = part
    return out


def wide_network():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 10)

    def forward(self, x):
        return x.mean() * torch.full((len(x), 10), float("nan"))


MISTAKES = {
    "02.output_size": {
        "both counted": lambda n, k, p=0, s=1: (n - k + 2 * p) // s,
        "both counted?": lambda n, k, p=0, s=1: int((n - k + 2 * p) / s),
        "Almost: the size is a whole number": lambda n, k, p=0, s=1: (
            (n - k + 2 * p) / s + 1
        ),
        "one side only": lambda n, k, p=0, s=1: (n - k + p) // s + 1,
        "does the stride do": lambda n, k, p=0, s=1: n - k + 2 * p + 1,
        "does the padding do": lambda n, k, p=0, s=1: (n - k) // s + 1,
        "n and kernel swapped": lambda n, k, p=0, s=1: (k - n + 2 * p) // s + 1,
        "padding and stride swapped": lambda n, k, p=0, s=1: output_size(n, k, s, p),
        "dividing or adding one": lambda n, k, p=0, s=1: (n - k + 2 * p + 1) // s,
        "round up": lambda n, k, p=0, s=1: math.ceil((n - k + 2 * p) / s + 1),
        "type str": lambda n, k, p=0, s=1: str(output_size(n, k, p, s)),
    },
    "02.conv2d": {
        "cross-correlation": conv_of(lambda w, k: (w * k.flip(0).flip(1)).sum()),
        "transposed": conv_of(lambda w, k: (w * k.T).sum()),
        "ignore the padding": lambda x, k, p=0, s=1: conv2d(x, k, 0, s),
        "left and right": lambda x, k, p=0, s=1: conv2d(F.pad(x, (p, p)), k, 0, s),
        "ignore the stride": lambda x, k, p=0, s=1: conv2d(x, k, p),
        "start one pixel apart": stride_in_size_only,
        "average the products": conv_of(lambda w, k: (w * k).mean()),
        "add the kernel": conv_of(lambda w, k: (w + k).sum()),
        "multiplies matrices": conv_of(lambda w, k: (w @ k).sum()),
        "only the first window": first_window_only,
        "repeats the first window": window_does_not_move,
        "inside the loops": return_in_both_loops,
        "inside the outer loop": return_in_outer_loop,
        "always as big as x": size_of_x,
        "products of one window": lambda x, k, p=0, s=1: x[: len(k), : len(k)] * k,
        "type list": lambda *case: conv2d(*case).tolist(),
        "type ndarray": lambda *case: conv2d(*case).numpy(),
    },
    "02.max_pool2d": {
        "average pooling": lambda x, size=2: max_pool2d(x, size, torch.mean),
        "smallest": lambda x, size=2: max_pool2d(x, size, torch.min),
        "add up each tile": lambda x, size=2: max_pool2d(x, size, torch.sum),
        "overlap": overlapping,
        "along the rows only": rows_only,
        "along the columns only": lambda x, size=2: rows_only(x.T, size).T,
        "transposed": lambda x, size=2: max_pool2d(x, size).T,
        "not square tiles": in_wrong_blocks,
        "leftover is dropped": in_blocks,
        "incomplete tile": lambda x, size=2: F.max_pool2d(
            x[None], size, ceil_mode=True
        )[0],
        "whole map": lambda x, size=2: x.max(),
        "start from": from_zero,
        "tiles of 2": lambda x, size=2: max_pool2d(x),
        "type max": lambda x, size=2: x.max(dim=0),
    },
    "02.conv_parameters": {
        "biases are missing": lambda i, o, k, bias=True: i * o * k * k,
        "also when bias=False": lambda i, o, k, bias=True: i * o * k * k + o,
        "slice of the kernel": lambda i, o, k, bias=True: i * o * (k * k + bias),
        "bias to each weight": lambda i, o, k, bias=True: i * o * k * k * (1 + bias),
        "single bias": lambda i, o, k, bias=True: i * o * k * k + int(bias),
        "per input channel": lambda i, o, k, bias=True: (o * k * k + bias) * i,
        "input channels are missing": lambda i, o, k, bias=True: o * (k**2 + bias),
        "one filter": lambda i, o, k, bias=True: i * k * k + bias,
        "kernel is a square": lambda i, o, k, bias=True: o * (i * k + bias),
        "not doubled": lambda i, o, k, bias=True: o * (i * k * 2 + bias),
    },
    "02.receptive_field": {
        "add up the kernels": lambda layers: sum(k for k, s in layers),
        "ignore the strides": lambda layers: 1 + sum(k - 1 for k, s in layers),
        "one pixel was there": lambda layers: field(layers, less=0),
        "steps are right": lambda layers: field(layers, start=0, less=0),
        "One pixel is missing": lambda layers: field(layers, start=0),
        "not its own kernel": lambda layers: field(layers, own=True),
        "wrong direction": lambda layers: field(layers[::-1]),
        "only the last stride": lambda layers: field(layers, forget=True),
        "add the strides": lambda layers: field(layers, add=True),
        "multiply the kernels": lambda layers: math.prod(k for k, s in layers),
    },
    "02.cnn_forward": {
        "There is a softmax at the end: the loss": network(
            lambda self, x: logits(self, x).softmax(1)
        ),
        "along the batch": network(lambda self, x: logits(self, x).softmax(0)),
        "cross-entropy applies": network(
            lambda self, x: F.log_softmax(logits(self, x), dim=1)
        ),
        "ReLU after the last": network(lambda self, x: logits(self, x).relu()),
        "is a sigmoid": network(lambda self, x: logits(self, x).sigmoid()),
        "Where are the ReLUs": network(
            lambda self, x: logits(self, x, relu=lambda v: v)
        ),
        "after conv2": network(relu_forgotten_once),
        "averaging": network(lambda self, x: logits(self, x, pool=F.avg_pool2d)),
        "flatten it": network(lambda self, x: self.fc(trunk(self, x))),
        "Maps of 14x14": network(one_pooling),
        "four rows": network(one_pooling_by_view),
        "both poolings": network(no_pooling),
        "flatten the batch too": network(
            lambda self, x: self.fc(trunk(self, x).flatten())
        ),
        "flatten the batch too:": network(
            lambda self, x: self.fc(trunk(self, x).reshape(1, -1))
        ),
        "last layer, fc, is missing": network(
            lambda self, x: trunk(self, x).flatten(1)
        ),
        "Flattening and the last": network(trunk),
        "conv2 comes without conv1": network(conv1_forgotten),
        "batch size written": network(fixed_batch),
        "leave `__init__`": type("SmallCNN", (nn.Module,), {}),
        "class itself": SmallCNN(),
    },
    "02.recall": {
        "precision": precision,
        "accuracy over all": lambda y, y_hat, digit: (y == y_hat).float().mean(),
        "count of hits": hits,
        "specificity": specificity,
        "percentage": lambda y, y_hat, digit: 100 * recall(y, y_hat, digit),
        "fraction missed": lambda y, y_hat, digit: 1 - recall(y, y_hat, digit),
        "divide by all": lambda y, y_hat, digit: hits(y, y_hat, digit) / len(y),
        "counts the other digits": lambda y, y_hat, digit: (
            ((y == digit) == (y_hat == digit)).float().mean()
        ),
        "how frequent": lambda y, y_hat, digit: (y == digit).float().mean(),
        "one number and got several": lambda y, y_hat, digit: (
            y_hat[y == digit] == digit
        ),
    },
    "02.center": {
        "where it was": lambda image: image,
        "swapped": rolled(lambda a, b: b, lambda a, b: a),
        "wrong way": rolled(lambda a, b: -a, lambda a, b: -b),
        "Only the rows": rolled(lambda a, b: a, lambda a, b: 0),
        "Only the columns": rolled(lambda a, b: 0, lambda a, b: b),
        "centre of the box": center_of_box,
        "inked pixels all alike": center_of_outline,
        "`int()` cuts": lambda image: center(image, rounded=int),
        "grey value": interpolated,
        "Without `dims`": rolled_without_dims,
        "the ink changed": cropped,
        "type ndarray": lambda image: center(image).numpy(),
        "expected the shape": lambda image: center(image)[None],
    },
}

TRAINED = valid()
SMALL_MISTAKES = {
    "2,850 too many. The largest part is `1.weight`": (wide_network(), TRAINED),
    "chance": (reads_the_label(), valid(0.1)),
    "96.9% with 500 parameters; 0.1 points": (reads_the_label(), valid(0.9696, 10_000)),
    "Not yet: it reaches 90.0%": (reads_the_label(), valid(0.9)),
    "ten logits": (nn.Sequential(nn.AvgPool2d(4), nn.Flatten()), TRAINED),
    "nan or inf": (Lazy(), TRAINED),
    "type uint8": (reads_the_label(), (TRAINED[0].byte(), TRAINED[1])),
    "as many images as labels": (reads_the_label(), (TRAINED[0], TRAINED[1][:9])),
    "must be a pair": (reads_the_label(), TRAINED[0]),
    "valid is empty": (reads_the_label(), (TRAINED[0][:0], TRAINED[1][:0])),
    "must be a network": (reads_the_label, TRAINED),
}
ALL = [(name, part, (a,)) for name, m in MISTAKES.items() for part, a in m.items()]
ALL += [("02.small_network", part, answer) for part, answer in SMALL_MISTAKES.items()]


@pytest.mark.parametrize(("name", "part", "answer"), ALL, ids=[p for _n, p, _a in ALL])
def test_a_typical_mistake_is_told_by_name(name, part, answer):
    verdict = judge(name, *answer)
    assert verdict.status is Status.NOT_YET
    assert part.rstrip("?:") in verdict.message
    set_language("es")
    spanish = judge(name, *answer)
    assert spanish.status is Status.NOT_YET
    assert spanish.message.startswith(("Todavía no: ", "Casi: "))
    assert part not in spanish.message or part.startswith("type ")


@pytest.mark.parametrize("lang", ["en", "es"])
@pytest.mark.parametrize("name", [*MISTAKES, "02.small_network"])
def test_mistakes_get_different_sentences(name, lang):
    set_language(lang)
    # Two of the table are the same mistake written twice; the key ends in ? or :
    told = [
        judge(name, *a).message for n, p, a in ALL if n == name and p[-1] not in "?:"
    ]
    assert len(told) >= 3
    assert len(set(told)) == len(told)
    assert all(len(sentence) < 450 for sentence in told)


def test_a_mistake_beside_another_is_still_told_from_the_first_case():
    def flipped_and_unstrided(x, kernel, padding=0, stride=1):
        return conv2d(x, kernel.flip(0, 1), padding, 1)

    assert "cross-correlation" in judge("02.conv2d", flipped_and_unstrided).message


def test_a_mistake_without_a_name_says_where_it_differs():
    message = judge("02.output_size", lambda n, k, p=0, s=1: 40).message
    wanted = "Not yet: for n=5, kernel=3, padding=0, stride=1 I expected 3 and got 40."
    assert message == wanted
    message = judge("02.max_pool2d", lambda x, size=2: max_pool2d(x, size) + 1).message
    assert message == (
        "Not yet: for x (4, 4), size=2 I expected 8 at position [0, 0] and got 9."
    )


@pytest.mark.parametrize("name", [*MISTAKES, "02.small_network"])
def test_no_sentence_shows_the_solution(name):
    """The formulas and calls that solve an exercise appear in no sentence or hint."""
    from course_utils.checks import _exercises, names

    names("02")
    answers = {
        "02.output_size": ["// stride", "2 * padding", "- kernel"],
        "02.conv2d": ["* kernel", "i * stride :", ".sum()"],
        "02.max_pool2d": [".max(", "amax", "size :"],
        "02.conv_parameters": ["c_in * kernel", "c_in * c_out", "** 2", "kernel**2"],
        "02.receptive_field": ["kernel - 1", "*= stride", "* jump"],
        "02.cnn_forward": ["self.fc(", "relu(", "max_pool2d("],
        "02.recall": [".sum()", ".mean()", "y_hat =="],
        "02.center": ["round(", "roll(image", "/ image.sum"],
        "02.small_network": ["nn.Conv2d(", "nn.Sequential("],
    }
    said = [judge(name, *a).message for n, _p, a in ALL if n == name]
    for text in said + _exercises[name].hints():
        assert not any(part in text for part in answers[name]), text


# ---- the open exercise -------------------------------------------------------------
def test_the_goal_itself_is_enough():
    verdict = judge("02.small_network", reads_the_label(), valid(0.97))
    assert verdict.status is Status.CORRECT
    assert verdict.message.startswith("Correct. 97.0% with 500 parameters. Try it")


def test_five_thousand_parameters_are_allowed_and_one_more_is_not():
    def padded(extra):
        model = reads_the_label()
        model.register_parameter("extra", nn.Parameter(torch.zeros(extra)))
        return model

    assert judge("02.small_network", padded(4500), TRAINED).status is Status.CORRECT
    message = judge("02.small_network", padded(4501), TRAINED).message
    assert "5,001 parameters, 1 too many" in message


def test_a_model_left_in_training_mode_is_judged_in_eval_and_left_as_it_was():
    model = reads_the_label()
    model.insert(2, nn.Dropout(0.95))
    model.append(nn.BatchNorm1d(10, affine=False))
    model.train()
    model[4].eval()
    before = model[4].running_mean.clone()
    assert judge("02.small_network", model, TRAINED).status is Status.CORRECT
    assert [m.training for m in model] == [True, True, True, True, False]
    assert torch.equal(model[4].running_mean, before)
    assert all(p.grad is None for p in model.parameters())


def test_the_modes_return_also_when_the_network_stops():
    model = nn.Sequential(nn.Flatten(), nn.Linear(7, 10)).train()
    assert "stops with an error" in judge("02.small_network", model, TRAINED).message
    assert model.training and model[1].training
