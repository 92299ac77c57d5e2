"""Workshop 04, first half: label map, Dice, IoU, Tversky index, where patches begin."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cells import Stubs
from check_frame import CheckFrame
from course_utils.checks import check, judge, names
from course_utils.checks.workshop_04 import label_map as label_module
from course_utils.data.brats_labels import CONVENTIONS

MAP, DICE, IOU = "04.label_map", "04.dice", "04.iou"
TVERSKY, STARTS = "04.tversky", "04.patch_starts"
TEXTS = {
    MAP: '''
def to_course(label, convention):
    """0 background, 1 core without enhancement, 2 oedema, 3 enhancing tumour."""
    tables = {
        "BraTS 2021": [0, 1, 2, 0, 3],
        "BraTS 2023": «[0, 1, 2, 3]»,
        "MSD": «[0, 2, 1, 3]»,
    }
    table = torch.tensor(tables[convention], dtype=torch.uint8)
    return «table[label.long()]»
''',
    DICE: """
def dice(pred, target):
    shared = «(pred & target).sum()»
    total = «pred.sum() + target.sum()»
    if total == 0:
        return 1.0
    return «2 * shared / total»
""",
    IOU: """
def iou(d):
    return «d / (2 - d)»
""",
    TVERSKY: '''
def tversky_index(p, target, missed_weight=0.7, false_weight=0.3):
    """(hits + 1) / (hits + weighted errors + 1), one number for each region (C,)."""
    axes = (0, 2, 3)
    hits = (p * target).sum(axes)
    missed = «((1 - p) * target).sum(axes)»
    false = «(p * (1 - target)).sum(axes)»
    return «(hits + 1) / (hits + ERRORS + 1)»
''',
    STARTS: """
def starts(size, patch, step):
    first = list(range(0, «size - patch + 1», step))
    if first[-1] + patch < size:
        first.append(«size - patch»)
    return first
""",
}
STUBS = Stubs(
    TEXTS,
    {"np": np, "torch": torch, "F": F, "nn": nn},
    ERRORS="missed_weight * missed + false_weight * false",
)
filled, changed = STUBS.filled, STUBS.changed


# ---- right answers -----------------------------------------------------------------
def course_by_masks(label, convention):
    core, oedema = (2, 1) if convention == "MSD" else (1, 2)
    enhancing = 4 if convention == "BraTS 2021" else 3
    result = torch.zeros_like(label)
    for value, new in ((core, 1), (oedema, 2), (enhancing, 3)):
        result[label == value] = new
    return result


def dice_by_numpy(pred, target):
    a, b = pred.numpy(), target.numpy()
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2 * np.count_nonzero(np.logical_and(a, b)) / total if total else 1


def dice_by_slices(pred, target):
    slices = zip(pred, target, strict=True)
    return np.mean([dice_by_numpy(*pair) for pair in slices])


def tversky_by_loops(p, target, missed_weight=0.7, false_weight=0.3):
    indices = []
    for c in range(p.shape[1]):
        a, b = p[:, c], target[:, c].bool()
        errors = missed_weight * (1 - a[b]).sum() + false_weight * a[~b].sum()
        indices.append((a[b].sum() + 1) / (a[b].sum() + errors + 1))
    return torch.stack(indices)


def starts_by_while(size, patch, step):
    found, place = [], 0
    while place + patch < size:
        found.append(place)
        place += step
    return [*found, size - patch]


RIGHT = {
    MAP: [
        filled(MAP),
        filled(MAP, None, None, "table[label.int()]"),
        filled(MAP, None, None, "torch.take(table, label.to(torch.int64))"),
        filled(MAP, None, "[0, 2] + [1, 3]", "F.embedding(label.long(), table[:, None])"
                                             ".squeeze(-1)"),
        filled(MAP, "list(range(4))", None, "table.long()[label.long()]"),
        filled(MAP, None, None, "torch.tensor([table[v] for v in label.flatten().tolist"
                                "()]).view(label.shape)"),
        course_by_masks,
    ],
    DICE: [
        filled(DICE),
        filled(DICE, "(pred * target).sum().item()", "int(pred.sum() + target.sum())"),
        filled(DICE, "torch.logical_and(pred, target).sum()", None, "shared / total*2"),
        filled(DICE, "pred[target].sum()", "torch.stack([pred, target]).sum()"),
        filled(DICE, None, None, "shared / (total / 2)"),
        filled(DICE, None, "(pred | target).sum() + shared"),
        filled(DICE, None, None, "2 * shared / (total + 1e-7)"),
        dice_by_numpy,
    ],
    IOU: [
        filled(IOU),
        filled(IOU, "d / 2 / (1 - d / 2)"),
        filled(IOU, "-d / (d - 2)"),
        filled(IOU, "2 / (2 - d) - 1"),
        filled(IOU, "np.divide(d, 2 - d)"),
        filled(IOU, "torch.tensor(d / (2 - d))"),
        filled(IOU, "1 / (2 / d - 1) if d else 0"),
    ],
    TVERSKY: [
        filled(TVERSKY),
        filled(TVERSKY, "(target - p * target).sum(axes)",
               "(p - p * target).sum(axes)"),
        filled(TVERSKY, "target.sum(axes) - hits", "p.sum(axes) - hits"),
        filled(TVERSKY, "(target - p).clamp(min=0).sum(axes)",
               "F.relu(p - target).sum(axes)"),
        filled(TVERSKY, "torch.einsum('nchw,nchw->c', 1 - p, target)"),
        filled(TVERSKY, None, "((target == 0) * p).sum(dim=(0, 2, 3))",
               "1 - (ERRORS) / (1 + hits + ERRORS)"),
        tversky_by_loops,
    ],
    STARTS: [
        filled(STARTS),
        filled(STARTS, "1 + (size - patch)", "len(range(size)) - patch"),
        filled(STARTS, "max(1, size - patch)"),
        changed(STARTS, "return first", "return torch.tensor(first)"),
        changed(STARTS, "return first", "return np.array(first)"),
        changed(STARTS, "return first", "return tuple(first)"),
        starts_by_while,
    ],
}  # fmt: skip


def test_the_conventions_are_those_of_the_loader():
    years = {"BraTS 2021": "brats2017", "BraTS 2023": "brats2023", "MSD": "msd"}
    wanted = {name: CONVENTIONS[key] for name, key in years.items()}
    assert wanted == label_module.MEANINGS


# ---- typical mistakes --------------------------------------------------------------
M, FALSE = "((1 - p) * target).sum(axes)", "(p * (1 - target)).sum(axes)"
BOTH = "pred.sum() + target.sum()"
MISTAKES = {
    MAP: {
        "so oedema and core change places": [filled(MAP, None, "[0, 1, 2, 3]")],
        "as a well-known tutorial does": [
            filled(MAP, None, "[0, 2, 3, 1]"),
            filled(MAP, None, "[0, 1, 3, 2]"),
        ],
        "MSD's 1 becomes the enhancing": [filled(MAP, None, "[0, 3, 2, 1]")],
        "MSD's 3 becomes oedema": [filled(MAP, None, "[0, 3, 1, 2]")],
        "That is the table of BraTS 2021": [filled(MAP, "[0, 1, 2, 0, 3]")],
        "You give 4": [
            filled(MAP, "[0, 1, 2, 4]"),
            filled(MAP, "[0, 1, 2, 4, 3]"),
        ],
        "tables of BraTS 2023 and MSD swapped": [
            filled(MAP, "[0, 2, 1, 3]", "[0, 1, 2, 3]"),
        ],
        "are not in MSD's order": [filled(MAP, "[0, 2, 1, 3]")],
        "always use the table": [
            changed(MAP, "tables[convention]", "tables['BraTS 2021']"),
        ],
        "You return the label as it came": [filled(MAP, None, None, "label")],
        "You return the table itself": [filled(MAP, None, None, "table")],
        "Table and label are swapped": [filled(MAP, None, None, "label[table.long()]")],
        "That is the enhancing tumour alone": [
            filled(MAP, None, None, "table[label.long()] == 3"),
        ],
        "as a mask: its parts": [filled(MAP, None, None, "table[label.long()] > 0")],
        "counts as a mask": [filled(MAP, None, None, "table[label]")],
        "finds no place": [filled(MAP, "[0, 1, 2]"), filled(MAP, None, "[2, 1, 3]")],
        "has the labels 0, 1, 2 and 3": [
            changed(MAP, "[0, 1, 2, 0, 3]", "[0, 1, 2, 0, 5]"),
        ],
        "label by label": [filled(MAP, None, "[0, 2, 1, 0]")],
    },
    DICE: {
        "A factor is missing": [
            filled(DICE, None, None, "shared / total"),
            filled(DICE, None, "2 * (pred.sum() + target.sum())"),
        ],
        "That is the IoU": [
            filled(DICE, None, "(pred | target).sum()", "shared / total"),
            filled(DICE, None, None, "shared / (total - shared)"),
        ],
        "`total` is the union": [
            filled(DICE, None, "(pred | target).sum()"),
            filled(DICE, None, "(pred + target).sum()"),
        ],
        "count the background": [
            filled(DICE, "(pred == target).sum()"),
            filled(DICE, "(pred == target).sum()", None, "shared / total"),
            filled(DICE, "(pred == target).sum()", "pred.numel()", "shared / total"),
            filled(DICE, "(pred == target).sum()", "pred.numel() + target.numel()"),
        ],
        "divide by all the voxels": [
            filled(DICE, None, "pred.numel()"),
            filled(DICE, None, "pred.numel() + target.numel()"),
        ],
        "That is the precision": [filled(DICE, None, None, "shared / pred.sum()")],
        "That is the sensitivity": [filled(DICE, None, None, "shared / target.sum()")],
        "by one mask only": [
            filled(DICE, None, None, "2 * shared / target.sum()"),
            filled(DICE, None, None, "2 * shared / pred.sum()"),
        ],
        "You average precision": [
            filled(DICE, None, None, "(shared / pred.sum() + shared/target.sum()) / 2"),
        ],
        "That is a number of voxels": [
            filled(DICE, None, None, "shared"),
            filled(DICE, None, None, "2 * shared"),
        ],
        "what either mask marks": [filled(DICE, "(pred | target).sum()")],
        "where the masks differ": [
            filled(DICE, "(pred ^ target).sum()"),
            filled(DICE, "(pred != target).sum()"),
        ],
        "That is 1 - Dice": [filled(DICE, None, None, "1 - 2 * shared / total")],
        "You multiply the two": [
            filled(DICE, None, None, "2 * shared / (pred.sum() * target.sum())"),
        ],
        "`//` drops": [filled(DICE, None, None, "2 * shared // total")],
        "is a percentage": [filled(DICE, None, None, "200 * shared / total")],
        "`len` counts rows": [
            filled(DICE, "len(pred & target)"),
            filled(DICE, None, "len(pred) + len(target)"),
        ],
        "Do not round": [
            filled(DICE, None, None, "round((2 * shared / total).item(), 1)"),
            filled(DICE, None, None, "round((2 * shared / total).item(), 3)"),
        ],
        "and that is 0": [
            changed(DICE, "total == 0", "not pred.any() or not target.any()"),
        ],
        "Leave the stub's `if`": [
            changed(DICE, "total == 0", "False"),
            changed(DICE, "return 1.0", "return 0.0"),
        ],
        "a loss needs that": [
            filled(DICE, None, None, "(2 * shared + 1) / (total + 1)"),
            filled(DICE, None, None, "(2 * shared + 1e-3) / (total + 1e-3)"),
            filled(DICE, None, None, "2 * shared / (total + 0.01)"),
        ],
        "mean over slices": [dice_by_slices],
        "Is there a division by zero": [
            filled(DICE, None, None, "2 / (pred.sum()/shared + 1 / (shared/target.sum()"
                                     "))"),
        ],
        "the `if` looks at": [
            filled(DICE, None, None, "1 / (total.item() / shared.item() / 2)"),
        ],
        "never above 1": [filled(DICE, None, None, "(total + 1) / total")],
        "never below 0": [filled(DICE, None, None, "-shared / total")],
    },
    IOU: {
        "That is the way back": [filled(IOU, "2 * d / (1 + d)")],
        "You halve": [filled(IOU, "d / 2")],
        "That is the Dice loss": [filled(IOU, "1 - d")],
        "You square": [filled(IOU, "d ** 2"), filled(IOU, "d * d")],
        "still the Dice": [filled(IOU, "d")],
        "a 2 too many": [filled(IOU, "2 * d / (2 - d)")],
        "A sign is turned": [filled(IOU, "d / (2 + d)")],
        "upside down": [filled(IOU, "(2 - d) / d")],
        "Parentheses are missing": [filled(IOU, "d / 2 - d")],
        "whole number is missing": [
            filled(IOU, "d / (1 + d)"),
            filled(IOU, "d / (1 - d)"),
        ],
        "there is no d": [filled(IOU, "1 / (2 - d)")],
        "is a percentage": [filled(IOU, "100 * d / (2 - d)")],
        "`//` drops": [filled(IOU, "d // (2 - d)")],
        "That is 1 - IoU": [filled(IOU, "1 - d / (2 - d)")],
        "Do not round": [filled(IOU, "round(d / (2 - d), 2)")],
        "is something else": [filled(IOU, "int(d) ^ 2")],
        "the same number": [filled(IOU, "1 / 3")],
        "never below 0 nor above 1": [filled(IOU, "3 * d - 1")],
        "nothing below the line": [
            filled(IOU, "1 / (2 / d - 1)"),
        ],
    },
    TVERSKY: {
        "The weights are swapped": [
            filled(TVERSKY, None, None, "(hits + 1) / (hits + false_weight * missed + "
                                        "missed_weight * false + 1)"),
            filled(TVERSKY, "(p * (1 - target)).sum(axes)", M),
        ],
        "the whole tumour for missed": [filled(TVERSKY, "target.sum(axes)")],
        "all of p for false": [filled(TVERSKY, None, "p.sum(axes)")],
        "whole of both masks": [filled(TVERSKY, "target.sum(axes)", "p.sum(axes)")],
        "p lacks everywhere": [filled(TVERSKY, "(1 - p).sum(axes)")],
        "whatever p says": [filled(TVERSKY, None, "(1 - target).sum(axes)")],
        "You count background": [
            filled(TVERSKY, "(1 - p).sum(axes)", "(1 - target).sum(axes)"),
        ],
        "belongs to p alone": [filled(TVERSKY, "(1 - p * target).sum(axes)")],
        "the same thing there": [
            filled(TVERSKY, None, M),
            filled(TVERSKY, "(p * (1 - target)).sum(axes)"),
            filled(TVERSKY, *["(p - target).abs().sum(axes)"] * 2),
        ],
        "cancels out": [
            filled(TVERSKY, "(target - p).sum(axes)", "(p - target).sum(axes)"),
        ],
        "The 1 belongs": [
            filled(TVERSKY, None, None, "hits / (hits + ERRORS)"),
            filled(TVERSKY, None, None, "(hits + 1) / (hits + ERRORS)"),
            filled(TVERSKY, None, None, "hits / (hits + ERRORS + 1)"),
        ],
        "not a tiny number": [
            filled(TVERSKY, None, None, "(hits + 1e-6) / (hits + ERRORS + 1e-6)"),
        ],
        "missing above": [
            filled(TVERSKY, None, None, "hits + 1 / (hits + ERRORS + 1)"),
        ],
        "Parentheses are missing below": [
            filled(TVERSKY, None, None, "(hits + 1) / hits + ERRORS + 1"),
        ],
        "only the hits and the 1": [
            filled(TVERSKY, None, None, "(hits + missed + false + 1) / (hits + "
                                        "ERRORS + 1)"),
        ],
        "That is the loss": [
            filled(TVERSKY, None, None, "1 - (hits + 1) / (hits + ERRORS + 1)"),
        ],
        "The weights are missing": [
            filled(TVERSKY, None, None, "(hits + 1) / (hits + missed + false + 1)"),
        ],
        "how Dice counts": [
            filled(TVERSKY, None, None, "(2 * hits + 1) / (2 * hits + ERRORS + 1)"),
        ],
        "hits are missing below": [
            filled(TVERSKY, None, None, "(hits + 1) / (ERRORS + 1)"),
        ],
        "always weigh with": [
            filled(TVERSKY, None, None, "(hits + 1) / (hits + 0.7 * missed + 0.3 * "
                                        "false + 1)"),
        ],
        "one weight from the other": [
            changed(TVERSKY, "false_weight * false", "(1 - missed_weight) * false"),
        ],
        "You decide at 0.5": [
            changed(TVERSKY, "    axes =", "    p = (p > 0.5).float()\n    axes ="),
        ],
        "You average the regions": [
            filled(TVERSKY, None, None, "((hits + 1) / (hits + ERRORS + 1)).mean()"),
        ],
        "average over the images": [
            changed(TVERSKY, "(0, 2, 3)", "(2, 3)", "return (hits + 1) / (hits + ",
                    "return ((hits + 1) / (hits + ", "* false + 1)",
                    "* false + 1)).mean(0)"),
        ],
        "images are still apart": [
            filled(TVERSKY, "((1 - p) * target).sum((2, 3))"),
            changed(TVERSKY, "axes = (0, 2, 3)", "axes = (2, 3)"),
        ],
        "never above 1": [
            filled(TVERSKY, None, None, "(hits + 1) / (hits - missed / 9 + 1)"),
        ],
        "Is there a division by zero": [
            filled(TVERSKY, None, None, "(hits + 1) / (hits + ERRORS + hits / hits)"),
        ],
        "adds up all regions together": [
            filled(TVERSKY, "((1 - p) * target).sum()", "(p * (1 - target)).sum()"),
            filled(TVERSKY, "((1 - p) * target).sum()"),
            filled(TVERSKY, None, "(p * (1 - target)).sum()"),
        ],
        "The weights are applied twice": [
            filled(TVERSKY, f"missed_weight * {M}", f"false_weight * {FALSE}"),
            filled(TVERSKY, f"missed_weight * {M}"),
            filled(TVERSKY, None, f"false_weight * {FALSE}"),
        ],
        "which `axes` do the hits": [
            filled(TVERSKY, None, "(p * (1 - target)).sum((1, 2))"),
            filled(TVERSKY, "((1 - p) * target).sum(1)"),
        ],
        "is still a map": [filled(TVERSKY, "(1 - p) * target")],
        "no gradient comes back": [
            changed(TVERSKY, "    axes =", "    p = p.detach()\n    axes ="),
        ],
    },
    STARTS: {
        "would end at 13": [filled(STARTS, "size"), filled(STARTS, "size + 1")],
        "is where the line ends": [filled(STARTS, None, "size")],
        "is pushed back until it fits": [
            filled(STARTS, None, "first[-1] + step"),
            filled(STARTS, None, "size - patch + 1"),
        ],
        "fits exactly once": [
            filled(STARTS, "size - patch"),
            filled(STARTS, "size - patch - 1"),
        ],
        "no place at all": [filled(STARTS, "patch - size")],
        "are never seen": [
            filled(STARTS, None, "size - patch - 1"),
            filled(STARTS, None, "size - step - patch"),
        ],
        "A patch comes twice": [filled(STARTS, None, "first[-1]")],
        "A place before the line": [filled(STARTS, None, "patch - size")],
        "The first patch begins": [changed(STARTS, "range(0", "range(1")],
        "No patch at all": [changed(STARTS, "return first", "return []")],
        "to the next it is `step`": [
            changed(STARTS, "step))", "step - 1))"),
            lambda size, patch, step: list(range(size - patch + 1)),
        ],
        "that none covers": [changed(STARTS, "step))", "step + 3))")],
    },
}  # fmt: skip
SLIPS = {
    MAP: {
        "A list takes one number": [
            filled(MAP, None, None, "tables[convention][label]"),
        ],
        "of type int64": [
            filled(MAP, None, None, "table[label.float()]"),
            filled(MAP, None, None, "torch.take(table, label)"),
        ],
        "A table is a list": [filled(MAP, "{0: 0, 1: 1, 2: 2, 3: 3}")],
        "no such name": [changed(MAP, '"MSD"', '"MSD Task01"')],
        "`return` missing": [filled(MAP, None, None, "None")],
        "something of type list": [
            filled(MAP, None, None, "[table[v] for v in label.flatten()]"),
        ],
        "is `label` meant": [filled(MAP, None, None, "table[labe1.long()]")],
        "use the tensor itself": [filled(MAP, None, None, "table[label.ints()]")],
    },
    DICE: {
        "`&` and `|` go place by place": [
            filled(DICE, "(pred and target).sum()"),
        ],
        "`total` must be one number": [
            filled(DICE, None, "pred | target"),
            filled(DICE, None, "pred + target"),
            filled(DICE, None, "sum(pred) + sum(target)"),
        ],
        "are not subtracted": [filled(DICE, "(pred - target).sum()")],
        "counts its voxels over all dimensions": [
            filled(DICE, "pred & target"),
            filled(DICE, "sum(pred & target)"),
            filled(DICE, "(pred & target).sum(0)"),
        ],
        "have no mean": [filled(DICE, "(pred & target).mean()")],
        "`return` missing": [filled(DICE, None, None, "None")],
        "write it behind one": [filled(DICE, "count_nonzero(pred & target)")],
        "is `shared` meant": [filled(DICE, None, None, "2 * sharde / total")],
    },
    IOU: {
        "one number and got several": [filled(IOU, "torch.ones(2) * d")],
        "`return` missing": [filled(IOU, "None")],
        "of type str": [filled(IOU, "str(d)")],
        "look at the names": [filled(IOU, "shared / union")],
        "read a(b) as a product": [filled(IOU, "d / 2(1 - d)")],
    },
    TVERSKY: {
        "for masks of True and False": [
            filled(TVERSKY, None, "(p * ~target).sum(axes)"),
            filled(TVERSKY, "(target & (1 - p)).sum(axes)"),
        ],
        "`return` missing": [filled(TVERSKY, None, None, "None")],
        "is `target` meant": [filled(TVERSKY, "((1 - p) * targett).sum(axes)")],
        "use their own `sum`": [filled(TVERSKY, "np.sum((1 - p) * target, axis=axes)")],
        "something of type list": [
            filled(TVERSKY, None, None, "((hits + 1) / (hits + ERRORS + 1)).tolist()"),
        ],
    },
    STARTS: {
        "`/` gives decimals": [filled(STARTS, "size / patch")],
        "A single number is added": [
            filled(STARTS, None, "size, patch"),
            changed(STARTS, "first.append(size - patch)", "first = first + (size - "
                            "patch)"),
        ],
        "a list of places": [changed(STARTS, "return first", "return len(first)")],
        "one of yours is of type list": [filled(STARTS, None, "[size - patch]")],
        "one of yours is of type float": [filled(STARTS, None, "size - patch / 1")],
        "`return` missing": [changed(STARTS, "return first", "first.sort()")],
        "is `patch` meant": [filled(STARTS, "size - pach + 1")],
    },
}  # fmt: skip
SOLUTIONS = {  # what no sentence may show
    MAP: ["label.long()", "table[label", "[0, 2, 1", "int64)"],
    DICE: ["pred & target", "target.sum()", "2 * shared", "/ total"],
    IOU: ["2 - d", "d /", "/ (2"],
    TVERSKY: ["1 - p)", "1 - target", ".sum(", "* missed", "hits + 1"],
    STARTS: ["size -", "- patch", "+ 1"],
}


class TestTheFirstHalf(CheckFrame):
    stubs, right, mistakes, slips = STUBS, RIGHT, MISTAKES, SLIPS
    solutions = SOLUTIONS
    ideas = ("one number and got",)
    general = (DICE, IOU)


def test_an_answer_without_a_name_says_where_it_differs():
    told = judge(MAP, filled(MAP, "[0, 3, 2, 1]")).message
    assert told == (
        'Not yet: for label=[0, 1, 2, 3], convention="BraTS 2023" I expected 1 at '
        "position [1] and got 3. Go through that convention label by label: what is "
        "its 1, 2, 3?"
    )
    told = judge(DICE, filled(DICE, None, None, "0.9 * shared / total")).message
    assert told == (
        "Not yet: for a prediction of 3 voxels and a truth of 5 (2 shared) I expected "
        "0.5 and got 0.225."
    )
    told = judge(TVERSKY, filled(TVERSKY, "((1 - p) ** 2 * target).sum(axes)")).message
    assert told.endswith("I expected 0.6977 at position [0] and got 0.7709.")
    assert "p=[0.75, 0.5, 0.5, 1.0], target=[1.0, 1.0, 0.0, 0.0]" in told
    told = judge(STARTS, filled(STARTS, "size")).message
    assert "size=10, patch=4, step=3 I expected [0, 3, 6] and got [0, 3, 6, 9]." in told


def test_what_a_score_need_not_have_is_almost_right():
    for line in ["(2 * shared + 1) / (total + 1)", "2 * shared / (total + 1e-4)"]:
        message = judge(DICE, filled(DICE, None, None, line)).message
        assert message.startswith("Almost: ")
    message = judge(DICE, filled(DICE, None, None, "shared / total")).message
    assert message.startswith("Not yet: ")


# ---- hints -------------------------------------------------------------------------
OF_ONE_BLANK = [
    (MAP, filled(MAP, None, "[0, 1, 2, 3]"), "2: A table is read"),
    (MAP, filled(MAP, "[0, 1, 2]"), "2: A table is read"),
    (MAP, filled(MAP, None, None, "table[label]"), "1: A tensor takes"),
    (MAP, filled(MAP, None, None, "label"), "1: A tensor takes"),
    (TVERSKY, filled(TVERSKY, "(1 - p).sum(axes)"), "2: `hits` adds up"),
    (TVERSKY, filled(TVERSKY, None, None, "hits / (hits + ERRORS)"), "1: Above"),
    (STARTS, filled(STARTS, "size"), "2: Take a line"),
    (STARTS, filled(STARTS, "size - patch"), "2: Take a line"),
    (STARTS, filled(STARTS, None, "size"), "1: If the last patch"),
    (STARTS, filled(STARTS, None, "first[-1] + step"), "1: If the last patch"),
]


@pytest.mark.parametrize(("name", "answer", "hint"), OF_ONE_BLANK)
def test_a_mistake_of_one_blank_gets_the_hints_of_that_blank(name, answer, hint, shown):
    check(name, answer)
    assert shown[0].hint.startswith(f"Hint 1 of {hint}")


def test_no_warning_of_pytorchs_is_shown(recwarn):
    assert (
        "counts as a mask"
        in judge(MAP, filled(MAP, None, None, "table[label]")).message
    )
    assert not recwarn.list


def test_the_exercises_are_in_the_notebooks_order():
    order = ["label_map", "dice", "iou", "tversky", "up_block", "attention_gate"]
    order += ["split_by_patient", "small_enhancing", "patch_starts", "small_unet"]
    assert names("04") == [f"04.{name}" for name in order]
