"""Workshop 03, calibration, class maps, diagnosis and the small network."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cells import Stubs
from check_frame import CheckFrame
from course_utils import checks
from course_utils.checks import Status, check, judge, names
from course_utils.checks.workshop_03 import small as small_module
from course_utils.history import History

ECE, T, CAM = "03.ece", "03.temperature", "03.grad_cam"
RATES, SMALL = "03.sensitivity_specificity", "03.small_sign_network"
TEXTS = {
    ECE: """
def ece(probabilities, y, bins=10):
    confidence, predicted = probabilities.max(1)
    right = (predicted == y).float()
    error = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins)
        if inside.any():
            error += «GAP * inside.float().mean()»
    return error
""",
    T: """
def fit_temperature(logits, y):
    log_t = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = «F.cross_entropy(logits / log_t.exp(), y)»
        loss.backward()
        return loss

    optimizer.step(closure)
    return «log_t.exp().item()»
""",
    CAM: """
def grad_cam(activations, gradients):
    weights = «gradients.mean((2, 3), keepdim=True)»
    return «F.relu((weights * activations).sum(1))»
""",
    RATES: """
def sensitivity_specificity(p, y, threshold):
    positive = «p >= threshold»
    sensitivity = «positive[y == 1].float().mean()»
    specificity = «(~positive)[y == 0].float().mean()»
    return sensitivity, specificity
""",
}
STUBS = Stubs(
    TEXTS,
    {"np": np, "torch": torch, "F": F, "nn": nn},
    GAP="(right[inside].mean() - confidence[inside].mean()).abs()",
)
filled, changed, ending = STUBS.filled, STUBS.changed, STUBS.ending


def cam(weights="gradients.mean((2, 3), keepdim=True)", result=None):
    return filled(CAM, weights, *([result] if result else []))


def rates(**lines):
    return filled(RATES, **lines)


# ---- right answers -----------------------------------------------------------------
def ece_by_arrays(probabilities, y, bins=10):
    p = probabilities.numpy().astype(float)
    confidence, right = p.max(1), p.argmax(1) == y.numpy()
    of = np.ceil(confidence * bins)
    return sum(
        abs(right[of == b].mean() - confidence[of == b].mean()) * (of == b).mean()
        for b in np.unique(of)
    )


def ece_by_left_edges(probabilities, y, bins=10):
    """[b, b + 1) and a confidence of 1 in the last bin: as good a convention."""
    confidence, predicted = probabilities.max(1)
    of = (confidence * bins).long().clamp(max=bins - 1)
    gap = (predicted == y).float() - confidence
    return torch.zeros(bins).index_add(0, of, gap).abs().sum() / len(y)


def temperature_by_grid(logits, y):
    grid = torch.logspace(-1, 1, 300)
    losses = [F.cross_entropy(logits / t, y) for t in grid]
    return grid[torch.stack(losses).argmin()]


def temperature_by_adam(logits, y):
    t = torch.ones(1, requires_grad=True)
    optimizer = torch.optim.Adam([t], lr=0.1)
    for _step in range(150):
        optimizer.zero_grad()
        F.cross_entropy(logits / t, y).backward()
        optimizer.step()
    return t


def temperature_by_bisection(logits, y):
    """Where the derivative in 1/T changes its sign."""
    low, high = 0.01, 100.0
    for _step in range(40):
        middle = (low * high) ** 0.5
        p = (logits / middle).softmax(1)
        mean = (p * logits).sum(1).mean()
        low, high = (
            (low, middle) if mean < logits[range(len(y)), y].mean() else (middle, high)
        )
    return low


def cam_by_loops(activations, gradients):
    maps = torch.zeros(len(activations), *activations.shape[2:])
    for n, k in np.ndindex(*activations.shape[:2]):
        maps[n] += gradients[n, k].mean() * activations[n, k]
    return torch.where(maps > 0, maps, 0.0)


def rates_by_counting(p, y, threshold):
    pairs = [(a >= threshold, b == 1) for a, b in zip(p.tolist(), y.tolist())]  # noqa: B905
    ill = [positive for positive, sick in pairs if sick]
    well = [positive for positive, sick in pairs if not sick]
    return sum(ill) / len(ill), 1 - sum(well) / len(well)


def rates_by_numpy(p, y, threshold):
    positive, y = p.numpy() >= threshold, y.numpy()
    return np.array([positive[y == 1].mean(), (~positive[y == 0]).mean()]).tolist()


RIGHT = {
    ECE: [
        filled(ECE),
        filled(ECE, "abs(right[inside].sum() - confidence[inside].sum()) / len(y)"),
        filled(ECE, "GAP.item() * inside.sum().item() / len(y)"),
        filled(ECE, "inside.sum() / len(inside) * torch.abs((right - confidence)"
                    "[inside].mean())"),
        ece_by_arrays,
        ece_by_left_edges,
    ],
    T: [
        filled(T),
        filled(T, "F.cross_entropy(logits / torch.exp(log_t), y)", "log_t.exp()"),
        filled(T, "F.cross_entropy(logits / log_t.exp(), y, reduction='sum')"),
        filled(T, "F.cross_entropy(logits * log_t.exp(), y)", "1 / log_t.exp()"),
        filled(T, "F.nll_loss((logits / log_t.exp()).log_softmax(1), y)"),
        filled(T, "nn.CrossEntropyLoss()(logits / log_t.exp(), y)"),
        filled(T, "F.cross_entropy(logits / log_t.exp(), F.one_hot(y, "
                  "logits.shape[1]).float())"),
        filled(T, optimizer="torch.optim.LBFGS([log_t], line_search_fn="
                            "'strong_wolfe')"),
        temperature_by_grid,
        temperature_by_adam,
        temperature_by_bisection,
    ],
    CAM: [
        filled(CAM),
        filled(CAM, "gradients.mean(dim=(-2, -1), keepdim=True)"),
        filled(CAM, "gradients.mean(2, True).mean(3, True)"),
        cam("gradients.flatten(2).mean(2)[..., None, None]"),
        cam("gradients.mean((2, 3))",
            "torch.einsum('nk,nkhw->nhw', weights, activations).clamp(min=0)"),
        cam("F.adaptive_avg_pool2d(gradients, 1)",
            "torch.relu(torch.sum(weights * activations, dim=1))"),
        cam("gradients.mean((2, 3), keepdim=True)",
            "F.relu((weights * activations).sum(1, keepdim=True))[:, 0]"),
        cam_by_loops,
    ],
    RATES: [
        filled(RATES),
        rates(
            sensitivity="(positive & (y == 1)).sum() / (y == 1).sum()",
            specificity="(~positive & (y == 0)).sum() / (y == 0).sum()",
        ),
        rates(
            sensitivity="((positive * y).sum() / y.sum()).item()",
            specificity="1 - ((positive * (1 - y)).sum() / (1 - y).sum()).item()",
        ),
        rates(positive="(p >= threshold).long()",
              specificity="(positive == 0)[y == 0].float().mean().item()"),
        rates(positive="torch.ge(p, threshold)",
              specificity="(p[y == 0] < threshold).sum() / len(y[y == 0])"),
        rates_by_counting,
        rates_by_numpy,
    ],
}  # fmt: skip


# ---- typical mistakes --------------------------------------------------------------
MEANS = "right[inside].mean() - confidence[inside].mean()"
SHARE = "inside.float().mean()"
CE, SCALED = "F.cross_entropy", "logits / log_t.exp()"
WEIGHTED = "(weights * activations)"
ILL, WELL = "positive[y == 1]", "(~positive)[y == 0]"

MISTAKES = {
    ECE: {
        "just added up": [filled(ECE, "GAP"), filled(ECE, f"abs({MEANS})")],
        "cancel others": [
            filled(ECE, f"{SHARE} * ({MEANS})"),
            filled(ECE, f"{SHARE} * -({MEANS})"),
            filled(ECE, MEANS),
        ],
        "the same weight": [
            filled(ECE, "GAP / bins"),
            filled(ECE, "GAP / len((confidence * bins).ceil().unique())"),
        ],
        "You square": [
            filled(ECE, f"{SHARE} * ({MEANS}) ** 2"),
            ending(ECE, "error ** 0.5", f"{SHARE} * ({MEANS}) ** 2"),
        ],
        "You count the images": [
            filled(ECE, "GAP * inside.sum()"),
            filled(ECE, "abs(right[inside].sum() - confidence[inside].sum())"),
        ],
        "a share is out of all": [filled(ECE, "GAP * inside.sum() / bins")],
        "where is `inside`": [filled(ECE, "(right.mean() - confidence.mean()).abs()")],
        "You compare one mean": [
            ending(ECE, "abs(error)", f"{SHARE} * ({MEANS})"),
            filled(ECE, f"(right.mean() - confidence.mean()).abs() * {SHARE}"),
        ],
        "confidence is that of all": [
            filled(ECE, f"{SHARE} * abs(right[inside].mean() - confidence.mean())")
        ],
        "accuracy is that of all": [
            filled(ECE, f"{SHARE} * abs(right.mean() - confidence[inside].mean())")
        ],
        "image by image": [
            filled(ECE, f"{SHARE} * (right - confidence)[inside].abs().mean()"),
            filled(ECE, "(right[inside] - confidence[inside]).abs().sum() / len(y)"),
            filled(ECE, "(right[inside] - confidence[inside]).abs().mean()"),
        ],
        "the place of the bin": [
            filled(ECE, f"{SHARE} * abs(right[inside].mean() - (b + 0.5) / bins)"),
            filled(ECE, f"{SHARE} * abs(right[inside].mean() - (b + 1) / bins)"),
            filled(ECE, f"{SHARE} * abs(right[inside].mean() - b / bins)"),
        ],
        "That is the accuracy": [filled(ECE, f"{SHARE} * right[inside].mean()")],
        "That is the mean confidence": [
            filled(ECE, f"{SHARE} * confidence[inside].mean()")
        ],
        "the largest of": [
            changed(ECE, f"error += GAP * {SHARE}", "error = max(error, GAP)")
        ],
        "is a percentage": [filled(ECE, f"100 * GAP * {SHARE}")],
        "Only the last bin": [changed(ECE, "error += ", "error = ")],
        "return in the first round": [
            changed(ECE, "    return", "            return"),
            changed(ECE, "    return", "        return"),
        ],
        "where means belong": [
            filled(ECE, f"{SHARE} * abs((right - confidence)[inside].sum())"),
        ],
        "always use ten": [
            changed(ECE, "    error = 0.0\n", "    error, bins = 0.0, 10\n"),
        ],
        "get lost": [changed(ECE, "> b / bins) & (confidence <= (b", ">= b / bins) & "
                             "(confidence < (b")],
        "never below 0": [filled(ECE, "-3 * inside.sum()")],
    },
    T: {
        "That is 1/T": [
            filled(T, f"{CE}(logits * log_t.exp(), y)"),
            filled(T, f"{CE}({SCALED}, y)", "(-log_t).exp()"),
            filled(T, f"{CE}(logits * log_t, y)", "log_t.item()"),
        ],
        "That is the logarithm of T": [filled(T, f"{CE}({SCALED}, y)", "log_t.item()")],
        "the logarithm of 1/T": [
            filled(T, f"{CE}(logits * log_t.exp(), y)", "log_t.item()")
        ],
        "exponential once more": [
            filled(T, f"{CE}({SCALED}, y)", "log_t.exp().exp()")
        ],
        "T stays at 1": [
            filled(T, f"{CE}(logits - log_t.exp(), y)"),
            filled(T, f"{CE}(logits + log_t, y)"),
            changed(T, "    optimizer.step(closure)\n", ""),
        ],
        "where `log_t` starts": [
            filled(T, f"{CE}(logits - log_t, y)", "log_t.item()"),
        ],
        "the loss that the best": [
            filled(T, f"{CE}({SCALED}, y)", "closure()"),
        ],
        "a softmax before": [
            filled(T, f"{CE}(({SCALED}).softmax(1), y)"),
            filled(T, f"{CE}(F.softmax({SCALED}, dim=1), y)"),
        ],
        "T divides probabilities": [
            filled(T, f"{CE}(logits.softmax(1) / log_t.exp(), y)")
        ],
        "the logarithm is missing": [
            filled(T, f"F.nll_loss(F.softmax({SCALED}, 1), y)")
        ],
        "sign is turned": [filled(T, f"-{CE}({SCALED}, y)")],
        "T is lost, as nan": [
            filled(T, f"{CE}(logits / log_t, y)"),
            filled(T, f"F.nll_loss({SCALED}, y)"),
        ],
        "as if it were T": [
            filled(T, f"{CE}(logits * log_t, y)"),
        ],
        "T is outside": [
            filled(T, f"{CE}(logits, y) / log_t.exp()"),
            filled(T, f"{CE}(logits, y) * log_t.exp()"),
        ],
        "upside down": [filled(T, f"{CE}(log_t.exp() / logits, y)")],
        "A temperature is positive": [filled(T, f"{CE}({SCALED}, y)", "-2.5")],
        "The tolerance is": [
            filled(T, f"{CE}({SCALED}, y)", "1.04 * log_t.exp().item()"),
            filled(T, f"{CE}({SCALED}, y)", "round(log_t.exp().item() + 0.2, 1)"),
        ],
        "T runs away": [filled(T, f"{CE}({SCALED}, y)", "1e9")],
    },
    CAM: {
        "The ReLU is missing": [cam(result=f"{WEIGHTED}.sum(1)")],
        "absolute values": [cam(result=f"{WEIGHTED}.sum(1).abs()")],
        "against the class.": [cam(result=f"F.relu(-{WEIGHTED}.sum(1))")],
        "weights are sums": [
            cam("gradients.sum((2, 3), keepdim=True)"),
            cam("gradients.sum((2, 3), keepdim=True)", f"{WEIGHTED}.sum(1)"),
        ],
        "You average the channels": [
            cam(result=f"F.relu({WEIGHTED}.mean(1))"),
            cam(result=f"{WEIGHTED}.mean(1)"),
        ],
        "before the sum": [cam(result=f"F.relu({WEIGHTED}).sum(1)")],
        "on the weights:": [
            cam("F.relu(gradients.mean((2, 3), keepdim=True))", f"{WEIGHTED}.sum(1)")
        ],
        "on the weights as": [cam("F.relu(gradients.mean((2, 3), keepdim=True))")],
        "on the gradients": [cam("F.relu(gradients).mean((2, 3), keepdim=True)")],
        "without their sign": [cam("gradients.abs().mean((2, 3), keepdim=True)")],
        "on the activations": [
            cam(result="F.relu((weights * F.relu(activations)).sum(1))")
        ],
        "Each position has": [
            cam("gradients"),
            cam("gradients", f"{WEIGHTED}.sum(1)"),
            cam("gradients", f"F.relu({WEIGHTED}).sum(1)"),
        ],
        "come from the act": [cam("activations.mean((2, 3), keepdim=True)")],
        "are swapped": [
            cam("activations.mean((2, 3), keepdim=True)",
                "F.relu((weights * gradients).sum(1))"),
        ],
        "multiply the gradients": [cam(result="F.relu((weights * gradients).sum(1))")],
        "largest gradients": [cam("gradients.amax((2, 3), keepdim=True)")],
        "weights are missing": [cam(result="F.relu(activations.sum(1))")],
        "runs over the channels:": [
            cam("gradients.mean(1, keepdim=True)"),
            cam("gradients.mean(1, keepdim=True)", f"{WEIGHTED}.sum(1)"),
        ],
        "rows and columns, both": [
            cam(f"gradients.mean({dims}, keepdim=True)")
            for dims in ["2", "3", "(1, 2)", "(1, 3)", "(1, 2, 3)"]
        ],
        "average over the images": [cam("gradients.mean((0, 2, 3), keepdim=True)")],
        "You scale": [
            cam(result=f"F.relu({WEIGHTED}.sum(1)) / {WEIGHTED}.sum(1).relu().amax("
                       "(1, 2), keepdim=True)"),
            cam(result=f"F.relu({WEIGHTED}.sum(1)) / F.relu({WEIGHTED}.sum(1)).max()"),
            cam(result=f"{WEIGHTED}.sum(1).sigmoid()"),
        ],
        "only one is left": [cam(result=f"F.relu({WEIGHTED}.sum(1, keepdim=True))")],
        "channels are still there": [
            cam(result=f"F.relu({WEIGHTED})"),
            cam(result=WEIGHTED),
            cam(result="weights * activations"),
        ],
        "add up the images:": [cam(result=f"F.relu({WEIGHTED}.sum(0))")],
        "along the rows": [cam(result=f"F.relu({WEIGHTED}.sum(3))")],
        "A single number": [cam(result=f"F.relu({WEIGHTED}.sum((1, 2, 3)))")],
        "keeps its own map": [cam(result=f"F.relu({WEIGHTED}.sum((0, 1)))")],
        "look like the weights": [
            cam(result="weights"),
            cam("gradients.mean((2, 3))", "weights"),
        ],
    },
    RATES: {
        "That is the precision": [
            rates(sensitivity="(y[positive] == 1).float().mean()"),
            rates(sensitivity="(positive & (y == 1)).sum() / positive.sum()"),
        ],
        "predictive value": [
            rates(specificity="(y[~positive] == 0).float().mean()"),
            rates(specificity="(~positive & (y == 0)).sum() / (~positive).sum()"),
        ],
        "Are the two swapped": [
            ending(RATES, "specificity, sensitivity"),
            rates(sensitivity=f"{WELL}.float().mean()"),
        ],
        "the sensitivity once more": [rates(specificity=f"{ILL}.float().mean()")],
        "the ill that the test misses": [
            rates(sensitivity=f"1 - {ILL}.float().mean()"),
            rates(sensitivity=f"(~{ILL}).float().mean()"),
            rates(positive="p < threshold"),
        ],
        "You compare `y`": [rates(positive="y >= threshold")],
        "inequality is the wrong": [
            rates(positive="p <= threshold"),
            rates(specificity="(p[y == 0] > threshold).float().mean()"),
        ],
        "You average probabilities": [
            rates(sensitivity="p[y == 1].mean()"),
            rates(specificity="1 - p[y == 0].mean()"),
            rates(specificity="p[y == 0].mean()"),
        ],
        "Do not round": [
            rates(sensitivity=f"round({ILL}.float().mean().item(), 2)"),
            rates(specificity=f"round({WELL}.float().mean().item(), 3)"),
        ],
        "fraction of false alarms": [
            rates(specificity="positive[y == 0].float().mean()"),
            rates(specificity=f"1 - {WELL}.float().mean()"),
        ],
        "healthy with a false alarm": [
            rates(sensitivity="positive[y == 0].float().mean()"),
        ],
        "the ill that are missed": [
            rates(specificity="(~positive)[y == 1].float().mean()"),
        ],
        "That is the accuracy": [
            rates(sensitivity="(positive == y).float().mean()"),
            rates(specificity="(positive == y).float().mean()"),
        ],
        "That is a count": [
            rates(sensitivity=f"{ILL}.sum()"),
            rates(specificity=f"{WELL}.sum()"),
        ],
        "sensitivity is a fraction of": [rates(sensitivity=f"{ILL}.sum() / len(y)")],
        "specificity is a fraction of": [
            rates(specificity="(~positive & (y == 0)).float().mean()")
        ],
        "hits are among the ill": [
            rates(sensitivity=f"{ILL}.sum() / (y == 0).sum()"),
        ],
        "hits are among the healthy": [
            rates(specificity=f"{WELL}.sum() / (y == 1).sum()"),
        ],
        "how frequent": [rates(sensitivity="y.float().mean()")],
        "how often the test": [
            rates(sensitivity="positive.float().mean()"),
            rates(specificity="(~positive).float().mean()"),
        ],
        "from both groups": [
            rates(sensitivity="positive.sum() / (y == 1).sum()"),
            rates(specificity="(~positive).sum() / (y == 0).sum()"),
        ],
        "is a percentage": [
            rates(sensitivity=f"100 * {ILL}.float().mean()"),
            rates(specificity=f"100 * {WELL}.float().mean()"),
        ],
        "exactly on the threshold": [
            rates(positive="p > threshold"),
            rates(specificity="(p[y == 0] <= threshold).float().mean()"),
        ],
        "always decide at 0.5": [
            rates(positive="p >= 0.5"),
            rates(positive="p > 0.5"),
            rates(positive="p.round() == 1"),
        ],
        "the F1 score": [
            rates(sensitivity="2 * (positive & (y == 1)).sum() / (positive.sum() + "
                              "y.sum())"),
        ],
        "brackets are places": [
            rates(sensitivity="positive[y].float().mean()"),
            rates(specificity="(~positive)[1 - y].float().mean()"),
        ],
        "never above 1": [rates(sensitivity="(y == 1).sum() / positive[y == 1].sum()")],
        "never below 0": [
            rates(positive="(p >= threshold).int()"),
        ],
    },
}  # fmt: skip
SLIPS = {
    ECE: {
        "have no mean": [filled(ECE, "GAP * inside.mean()")],
        "`error` is one number": [
            filled(ECE, f"{SHARE} * (right[inside] - confidence).abs().mean()"),
            filled(ECE, "(right[inside] - confidence[inside]).abs()"),
        ],
        "one number and got several": [
            filled(ECE, f"{SHARE} * (right - confidence).abs()"),
        ],
        "use their own `mean`": [filled(ECE, "GAP * np.mean(right[inside])")],
        "is `confidence` meant": [filled(ECE, f"{SHARE} * confidense[inside].mean()")],
        "`return` missing": [changed(ECE, "return error", "error")],
        "needs its parentheses": [filled(ECE, f"{SHARE} * right[inside].mean")],
        "type list": [changed(ECE, "return error", "return [error]")],
        "Is there a division by zero": [
            changed(ECE, "if inside.any():", "if True:"),
        ],
    },
    T: {
        "The loss is a pair": [filled(T, f"({SCALED}, y)")],
        "is a plain number": [
            filled(T, f"{CE}({SCALED}, y).item()"),
            filled(T, f"float({CE}({SCALED}, y))"),
        ],
        "does not lead back": [
            filled(T, f"{CE}(logits / log_t.exp().item(), y)"),
            filled(T, f"{CE}({SCALED}.detach(), y)"),
            filled(T, f"{CE}(logits, y)"),
        ],
        "That is NumPy's": [filled(T, f"{CE}(logits / np.exp(log_t), y)")],
        "must be one number": [
            filled(T, f"{CE}({SCALED}, y, reduction='none')"),
            filled(T, SCALED),
        ],
        "nn.CrossEntropyLoss is a layer": [
            filled(T, f"nn.CrossEntropyLoss({SCALED}, y)")
        ],
        "`cross_entropy` wants": [
            filled(T, f"{CE}(y, {SCALED})"),
            filled(T, f"{CE}({SCALED}, y.float())"),
            filled(T, f"{CE}(({SCALED}).argmax(1), y)"),
            filled(T, f"{CE}({SCALED}, F.one_hot(y))"),
        ],
        "`cross_entropy` compares": [filled(T, f"{CE}({SCALED})")],
        "That loss is for numbers": [filled(T, f"F.mse_loss({SCALED}, y)")],
        "`return loss` is missing": [changed(T, "        return loss\n", "")],
        "needs its parentheses": [filled(T, f"{CE}(logits / log_t.exp, y)")],
        "expected a number": [filled(T, f"{CE}({SCALED}, y)", "str(log_t)")],
        "one number and got several": [filled(T, f"{CE}({SCALED}, y)", SCALED)],
    },
    CAM: {
        "keeps its four dimensions": [cam("gradients.mean(1)")],
        "weights have the shape (2, 3) and the activations (2, 3, 4, 5)": [
            cam("gradients.mean((2, 3))"),
            cam("activations", "F.relu((gradients.mean((2, 3)) * weights).sum(1))"),
        ],
        "nn.ReLU is a layer": [
            cam(result=f"nn.ReLU({WEIGHTED}.sum(1))"),
            cam(result=f"nn.ReLU({WEIGHTED}).sum(1)"),
        ],
        "`weights` meant": [cam(result="F.relu((weight * activations).sum(1))")],
        "type ndarray": [cam(result=f"F.relu({WEIGHTED}.sum(1)).numpy()")],
        "`max` and `if` want": [cam(result=f"max(0, {WEIGHTED}.sum(1))")],
        "take its `.values`": [cam(result=f"{WEIGHTED}.max(1)")],
        "`@` multiplies matrices": [
            cam(result="F.relu((weights @ activations).sum(1))")
        ],
        "in a tuple with": [cam("gradients.mean(2, 3)")],
        "use their own `mean`": [cam("np.mean(gradients, axis=(2, 3))")],
        "`return` missing": [cam(result="None")],
    },
    RATES: {
        "takes the place of `and`": [
            rates(sensitivity="(positive and y == 1).sum() / y.sum()"),
            rates(specificity="(not positive)[y == 0].float().mean()"),
        ],
        "have no mean": [rates(sensitivity=f"{ILL}.mean()")],
        "not with `-`": [
            rates(specificity="(-positive)[y == 0].float().mean()"),
            rates(specificity="(1 - positive)[y == 0].float().mean()"),
        ],
        "for masks of True": [
            rates(positive="(p >= threshold).float()"),
        ],
        "must return 2 things": [
            ending(RATES, "sensitivity"),
        ],
        "in `specificity`, I expected one number": [rates(specificity=WELL)],
        "Is there a division by zero": [rates(sensitivity="positive[y == 2].float("
                                              ").mean()")],
        "for each person": [
            rates(positive="p[p >= threshold]"),
            rates(positive="torch.where(p >= threshold)"),
        ],
        "group that is empty": [rates(sensitivity="1 / (y == 2).sum().item()")],
        "`threshold` meant": [rates(positive="p >= treshold")],
    },
}  # fmt: skip
SOLUTIONS = {  # what no sentence may show
    ECE: [".abs()", "abs(", "].mean()", "inside.float", "inside.sum", "len(y)"],
    T: ["log_t.exp", "exp(log_t", "cross_entropy(", "/ log_t"],
    CAM: ["gradients.mean", ".sum(1)", "* activations", "F.relu("],
    RATES: ["p >=", "positive[", "& (y", ".sum()", "(~"],
}


class TestTheSecondHalf(CheckFrame):
    stubs, right, mistakes, slips = STUBS, RIGHT, MISTAKES, SLIPS
    solutions = SOLUTIONS
    ideas = ("four dimensions", "one number and", "division by zero")
    general = tuple(STUBS)
    without_stub = (SMALL,)


def test_an_answer_without_a_name_says_where_it_differs():
    told = judge(ECE, filled(ECE, "0.1 * GAP * inside.float().mean()")).message
    assert told.endswith("y=[0, 1, 1, 1, 0], bins=10 I expected 0.41 and got 0.041.")
    told = judge(CAM, cam(result=f"{WEIGHTED}.sum(1).relu() + 1")).message
    assert re.search(r"gradients \(2, 3, 4, 5\) I expected .* at position", told)
    told = judge(RATES, rates(sensitivity="p.max()")).message
    assert "for `sensitivity`, p=[0.9, 0.5, 0.3, 0.7" in told
    assert told.endswith("threshold=0.5 I expected 0.6667 and got 0.9.")
    told = judge(T, lambda logits, y: 3.0).message
    assert told == (
        "Not yet: for 300 images of a network that is too sure I expected 2.356 and "
        "got 3. The tolerance is 2.5%."
    )


def test_within_a_few_per_cent_of_the_best_temperature_is_right_and_beyond_is_not():
    for factor, status in [
        (1.024, Status.CORRECT),
        (0.976, Status.CORRECT),
        (1.028, Status.NOT_YET),
        (0.972, Status.NOT_YET),
    ]:
        answer = filled(T, f"{CE}({SCALED}, y)", f"{factor} * log_t.exp().item()")
        assert judge(T, answer).status is status, factor


def test_the_notebooks_grid_of_temperatures_is_fine_enough():
    def by_grid(logits, y):
        grid = torch.logspace(-1, 1, 201)
        return min(grid, key=lambda t: F.cross_entropy(logits / t, y)).item()

    assert judge(T, by_grid).status is Status.CORRECT


@pytest.mark.parametrize("factor", ["5 *", "-3 *"])
def test_the_bounds_of_an_ece_are_told_of_a_value_beyond_them_only(factor):
    # 0.1 of the first case is within, and the later ones are not: it is not shown.
    beyond = judge(ECE, filled(ECE, f"{factor} inside.sum()")).message
    assert beyond.endswith("An ECE is never below 0 nor above 1.")
    within = filled(ECE, f"0.1 * GAP * {SHARE} if len(y) < 6 else {factor} 1")
    assert "An ECE is" not in judge(ECE, within).message


def test_t_is_not_known_by_that_name():
    for name in "Tt":
        message = judge(T, filled(T, f"{CE}(logits / {name}, y)")).message
        assert message.endswith(f"There is no `{name}` here: it is `log_t.exp()`.")


# ---- the open exercise -------------------------------------------------------------
def reads_the_label(outputs=24):
    """A network whose answer stands in x: `valid` below lights the square of y."""
    model = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49, outputs))
    with torch.no_grad():
        model[2].weight.copy_(torch.eye(outputs, 49) * 9)
        model[2].bias.zero_()
    return model


def valid(correct=1.0, n=1200, dark=-0.2):
    """n images, of which the fraction `correct` is read rightly above."""
    y = torch.arange(n) % 24
    seen = torch.where(torch.arange(n) < round(correct * n), y, (y + 1) % 24)
    x = F.one_hot(seen, 49).float().view(n, 1, 7, 7) + dark
    return F.interpolate(x, scale_factor=4), y


def padded(extra):
    model = reads_the_label()
    model.register_parameter("extra", nn.Parameter(torch.zeros(extra)))
    return model


def wide():
    return nn.Sequential(
        nn.Conv2d(1, 128, 3), nn.Conv2d(128, 128, 3), nn.Flatten(), nn.Linear(9, 24)
    )


GOAL = small_module.MIN_ACCURACY
X, Y = valid()
SMALL_MISTAKES = {
    "largest part is `1.weight`, with 147,456": (wide(), (X, Y)),
    "do not store what it returns": (History(), (X, Y)),
    "must be a network": (reads_the_label, (X, Y)),
    "That is what chance gives": (reads_the_label(), valid(0.05)),
    "valid must be a pair": (reads_the_label(), X),
    "as many images as labels": (reads_the_label(), (X, Y[:9])),
    "type uint8": (reads_the_label(), (X.byte(), Y)),
    "valid is empty": (reads_the_label(), (X[:0], Y[:0])),
    "here they are whole": (reads_the_label(), (X, Y.float())),
    "go from 0 to 24": (reads_the_label(), (X, Y + (Y > 8))),
    "(1200, 25); 24 logits an image make (1200, 24). J and Z": (
        reads_the_label(25),
        (X, Y),
    ),
    "(1200, 26); 24 logits an image make (1200, 24). J and Z": (
        reads_the_label(26),
        (X, Y),
    ),
    "(1200, 49); 24 logits an image make (1200, 24).": (
        nn.Sequential(nn.AvgPool2d(4), nn.Flatten()),
        (X, Y),
    ),
    "nan or inf": (nn.Sequential(reads_the_label(), nn.Threshold(99, torch.nan)),
                   (X, Y)),
    "stops with an error": (nn.Sequential(nn.Flatten(), nn.Linear(7, 24)), (X, Y)),
}  # fmt: skip


@pytest.mark.parametrize("part", SMALL_MISTAKES)
def test_a_mistake_with_the_small_network_is_told(part):
    message = judge(SMALL, *SMALL_MISTAKES[part]).message
    assert message.startswith("Not yet: ")
    assert part in message, message
    assert not [p for p in SMALL_MISTAKES if p != part and p in message]
    assert len(message) < 450


def test_the_goal_itself_is_enough_and_less_is_not():
    verdict = judge(SMALL, reads_the_label(), valid(GOAL))
    assert verdict.status is Status.CORRECT
    told = f"Correct. {GOAL:.1%} with 1,200 parameters. Try it with half as many"
    assert verdict.message.startswith(told)
    almost = judge(SMALL, reads_the_label(), valid(GOAL - 0.001, 6000)).message
    assert almost.startswith(f"Almost: it reaches {GOAL - 0.001:.1%} with 1,200")
    assert "0.1 points to go" in almost
    far = judge(SMALL, reads_the_label(), valid(GOAL - 0.1)).message
    assert far.startswith("Not yet: it reaches")


def test_a_perfect_score_is_correct_and_asked_about():
    verdict = judge(SMALL, reads_the_label(), (X, Y))
    assert verdict.status is Status.CORRECT
    assert verdict.message == (
        "Correct. 100.0% with 1,200 parameters. Is that `valid`, and not what the "
        "network saw?"
    )


def test_a_hundred_images_are_enough_to_judge_by():
    assert judge(SMALL, reads_the_label(), valid(n=100)).status is Status.CORRECT
    message = judge(SMALL, reads_the_label(), valid(n=99)).message
    assert message.startswith("Not yet: valid holds 99 images: too few to judge")


class Square(nn.Module):
    """Logits (N, 24, 1, 1): nobody has flattened them."""

    def forward(self, x):
        return x.mean((2, 3), keepdim=True).expand(-1, 24, -1, -1)


@pytest.mark.parametrize(
    ("model", "split"),
    [
        (reads_the_label(25), (X, Y)),
        (reads_the_label(10), (X, Y)),
        (Square(), (X, Y)),
        (reads_the_label(), (X.byte(), Y)),
        (reads_the_label(), (X[:50], Y[:50])),
        (reads_the_label(), X),
    ],
)
def test_what_is_no_idea_about_the_network_uses_up_no_hint(model, split, shown):
    check(SMALL, model, split)
    assert shown[0].status is Status.NOT_YET and not shown[0].hint


def test_one_parameter_too_many_is_one_too_many():
    limit = small_module.MAX_PARAMETERS - 1200
    assert judge(SMALL, padded(limit), (X, Y)).status is Status.CORRECT
    message = judge(SMALL, padded(limit + 1), (X, Y)).message
    assert "100,001 parameters, 1 too many. The largest part is `extra`" in message


def test_batch_norm_left_in_training_mode_is_judged_in_eval_and_left_as_it_was():
    model = reads_the_label().insert(2, nn.Dropout(0.95))
    model.append(nn.BatchNorm1d(24, affine=False)).train()
    model[4].eval()
    before = model[4].running_mean.clone()
    assert judge(SMALL, model, (X, Y)).status is Status.CORRECT
    assert [m.training for m in model] == [True, True, True, True, False]
    assert torch.equal(model[4].running_mean, before)


def test_the_hints_follow_what_is_missing_size_training_or_pixels(shown):
    for model, split in [
        (wide(), (X, Y)),
        (reads_the_label(), valid(GOAL - 0.1)),
        (reads_the_label(), valid(GOAL - 0.1, dark=0.0)),
        (reads_the_label(), valid(GOAL - 0.1)),
    ]:
        check(SMALL, model, split)
    hints = [verdict.hint for verdict in shown]
    assert "Where are the parameters" in hints[0]
    assert "training's turn" in hints[1]
    assert "pass through `normalize`" in hints[2]
    assert hints[3].startswith("Hint 2 of 3: There are few photos")
    check(SMALL, reads_the_label(), (X, Y))
    assert checks._failures == {}


def test_the_exercises_are_known_under_their_names():
    known = names("03")
    assert [known.index(name) for name in (ECE, T, CAM, RATES, SMALL)]
