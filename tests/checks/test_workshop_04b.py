"""Workshop 04, second half: blocks, split by patient, small tumours, small U-Net."""

import random
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cells import Stubs
from check_frame import CheckFrame
from course_utils import checks
from course_utils.checks import Status, check, judge
from course_utils.checks.workshop_04 import small_unet as small_module
from course_utils.data.brats_labels import REGIONS, regions
from course_utils.data.volumes import Patient, Patients
from course_utils.history import History
from course_utils.locale import set_language
from course_utils.models import AttentionGate, UNet, UpBlock, double_conv
from course_utils.segmentation import SegmentationHistory

UP, GATE = "04.up_block", "04.attention_gate"
SPLIT, ENHANCING = "04.split_by_patient", "04.small_enhancing"
SMALL = "04.small_unet"
TEXTS = {
    UP: """
class UpBlock(nn.Module):
    def __init__(self, c_in, c_skip, c_out, dims=2):
        super().__init__()
        up = nn.ConvTranspose2d if dims == 2 else nn.ConvTranspose3d
        self.up = up(c_in, c_out, kernel_size=2, stride=2)
        self.conv = double_conv(c_out + c_skip, c_out, dims)

    def forward(self, x, skip):
        x = «self.up(x)»  # twice the size
        x = «torch.cat([skip, x], 1)»  # the skip beside it, on the channels
        return «self.conv(x)»
""",
    GATE: """
class AttentionGate(nn.Module):
    def __init__(self, c_gate, c_skip, c_mid, dims=2):
        super().__init__()
        conv = nn.Conv2d if dims == 2 else nn.Conv3d
        self.of_gate = conv(c_gate, c_mid, 1)
        self.of_skip = conv(c_skip, c_mid, 1, bias=False)
        self.score = conv(c_mid, 1, 1)

    def forward(self, gate, skip):
        mixed = «F.relu(self.of_gate(gate) + self.of_skip(skip))»
        self.alpha = «self.score(mixed).sigmoid()»
        return «skip * self.alpha»
""",
    SPLIT: """
def split_by_patient(scans, fraction, seed):
    person = {scan: «scan[:-4]» for scan in scans}
    people = sorted(set(person.values()))
    random.Random(seed).shuffle(people)
    chosen = «people[: round(fraction * len(people))]»
    valid = [scan for scan in scans if person[scan] in chosen]
    train = «[scan for scan in scans if person[scan] not in chosen]»
    return train, valid
""",
    ENHANCING: """
def drop_small_enhancing(label, least):
    enhancing = label == 3
    small = «enhancing.sum() < least»
    return «torch.where(enhancing & small, 1, label)»
""",
}
STUBS = Stubs(
    TEXTS,
    {
        "F": F,
        "nn": nn,
        "np": np,
        "random": random,
        "torch": torch,
        "double_conv": double_conv,
    },
)
filled, changed = STUBS.filled, STUBS.changed


# ---- right answers -----------------------------------------------------------------
def split_by_dictionary(scans, fraction, seed):
    visits = {}
    for scan in sorted(scans):
        visits.setdefault(scan.split("-")[2], []).append(scan)
    people = list(visits)
    random.Random(seed).shuffle(people)
    n = int(fraction * len(people))
    train = [scan for person in people[n:] for scan in visits[person]]
    return train, [scan for person in people[:n] for scan in visits[person]]


def enhancing_by_copy(label, least):
    result = label.clone()
    if (label == 3).sum() < least:
        result[label == 3] = 1
    return result


RIGHT = {
    UP: [
        filled(UP),
        filled(UP, None, "torch.hstack((skip, x))"),
        filled(UP, "self.up.forward(x)", "torch.concat([skip, x], dim=1)"),
        filled(UP, None, "torch.cat([skip, x], -x.ndim + 1)"),
        UpBlock,
    ],
    GATE: [
        filled(GATE),
        filled(GATE, "(self.of_gate(gate) + self.of_skip(skip)).relu()"),
        filled(GATE, "torch.clamp(self.of_skip(skip) + self.of_gate(gate), min=0)",
               "torch.sigmoid(self.score(mixed))", "self.alpha * skip"),
        filled(GATE, None, "1 / (1 + (-self.score(mixed)).exp())",
               "skip.mul(self.alpha.expand_as(skip))"),
        AttentionGate,
    ],
    SPLIT: [
        filled(SPLIT),
        filled(SPLIT, "scan.rsplit('-', 1)[0]", "set(people[: int(fraction * len(people"
                                                "))])"),
        filled(SPLIT, "scan.split('-')[2]", None, "[s for s in scans if s not in "
                                                  "valid]"),
        filled(SPLIT, "scan[10:15]", "people[-round(fraction * len(people)) :]"),
        filled(SPLIT, None, None, "sorted(set(scans) - set(valid))"),
        filled(SPLIT, "int(scan[10:15])"),
        split_by_dictionary,
    ],
    ENHANCING: [
        filled(ENHANCING),
        filled(ENHANCING, "enhancing.sum().item() < least"),
        filled(ENHANCING, "torch.count_nonzero(enhancing) < least",
               "label.masked_fill(enhancing & small, 1)"),
        filled(ENHANCING, None, "label - 2 * (enhancing & small).byte()"),
        filled(ENHANCING, None, "label.where(~(enhancing & small), torch.ones_like("
                                "label))"),
        filled(ENHANCING, None, "torch.where(enhancing, 1, label) if small else label"),
        enhancing_by_copy,
    ],
}  # fmt: skip


# ---- typical mistakes --------------------------------------------------------------
SUM, SCORE = "self.of_gate(gate) + self.of_skip(skip)", "self.score(mixed)"
CHOSEN = "people[: round(fraction * len(people))]"
MISTAKES = {
    UP: {
        "You add x and skip": [
            filled(UP, None, "x + skip"),
            filled(UP, None, "skip + x"),
        ],
        "You multiply x and skip": [filled(UP, None, "x * skip")],
        "as more images": [
            filled(UP, None, "torch.cat([skip, x])"),
            filled(UP, None, "torch.cat([skip, x], 0)"),
        ],
        "along a side of the picture": [
            filled(UP, None, "torch.cat([skip, x], -1)"),
            filled(UP, None, "torch.cat([x, skip], 2)"),
        ],
        "The channels of x come first": [filled(UP, None, "torch.cat([x, skip], 1)")],
        "`self.conv` is missing": [
            filled(UP, None, None, "x"),
            filled(UP, None, "torch.cat([x, skip], 1)", "x"),
        ],
        "the enlarged x alone": [filled(UP, None, "x", "x")],
        "You return the sum": [filled(UP, None, "x + skip", "x")],
        "You return the skip": [filled(UP, None, None, "skip")],
        "and x is lost": [filled(UP, None, "torch.cat([skip, skip], 1)")],
        "and the skip is lost": [filled(UP, None, "torch.cat([x, x], 1)")],
        "what `self.up` gives goes": [filled(UP, "F.relu(self.up(x))")],
        "before `self.conv`, which": [
            filled(UP, None, "F.relu(torch.cat([skip, x], 1))"),
        ],
        "a sigmoid at the end": [filled(UP, None, None, "self.conv(x).sigmoid()")],
        "That is x alone": [
            filled(UP, None, "x"),
            filled(UP, "self.conv(self.up(x))"),
        ],
        "That is the skip alone": [filled(UP, None, "skip")],
        "`self.conv` comes twice": [filled(UP, None, None, "self.conv(self.conv(x))")],
        "brings them down": [
            filled(UP, "F.interpolate(x, scale_factor=2)"),
            filled(UP, "F.interpolate(x, scale_factor=2, mode='bilinear')"),
        ],
        "has x been enlarged just once": [filled(UP, "x")],
        "it enlarges x, and x alone": [
            filled(UP, "self.up(skip)"),
            filled(UP, "self.up(self.up(x))"),
            filled(UP, "torch.cat([skip, F.interpolate(x, scale_factor=2)], 1)",
                   "self.up(x)"),
        ],
        "makes a new dimension": [filled(UP, None, "torch.stack([skip, x], 1)")],
        "what cuts it off": [filled(UP, None, None, "self.conv(x).detach()")],
        "which step is missing": [filled(UP, "2 * self.up(x)")],
        "channels of skip and x together": [
            filled(UP, None, "torch.cat([skip, x, x], 1)"),
        ],
    },
    GATE: {
        "over a single channel": [
            filled(GATE, None, f"{SCORE}.softmax(1)"),
            filled(GATE, None, f"F.softmax({SCORE}, dim=1)"),
        ],
        "The sigmoid is missing": [
            filled(GATE, None, SCORE),
            filled(GATE, None, f"F.relu({SCORE})"),
        ],
        "You cut off below 0": [filled(GATE, None, f"{SCORE}.clamp(0, 1)")],
        "goes from -1 to 1": [filled(GATE, None, f"{SCORE}.tanh()")],
        "shares one attention": [
            filled(GATE, None, f"{SCORE}.softmax(2)"),
            filled(GATE, None, f"{SCORE}.softmax(-1)"),
            filled(GATE, None, f"{SCORE}.flatten(2).softmax(2).view(len(skip), 1, "
                               "*skip.shape[2:])"),
        ],
        "The sigmoid comes before": [
            filled(GATE, None, "self.score(mixed.sigmoid())"),
            filled(GATE, f"torch.sigmoid({SUM})", SCORE),
        ],
        "in the place of the ReLU": [filled(GATE, f"torch.sigmoid({SUM})")],
        "There are two sigmoids": [
            filled(GATE, None, "self.score(mixed.sigmoid()).sigmoid()"),
        ],
        "The ReLU is missing": [filled(GATE, SUM)],
        "ReLU and sigmoid are missing": [filled(GATE, SUM, SCORE)],
        "ReLU to each of the two": [
            filled(GATE, "F.relu(self.of_gate(gate)) + F.relu(self.of_skip(skip))"),
        ],
        "below one half": [filled(GATE, None, f"{SCORE}.relu().sigmoid()")],
        "belongs before": [filled(GATE, SUM, f"{SCORE}.relu().sigmoid()")],
        "You multiply gate and skip": [
            filled(GATE, "F.relu(self.of_gate(gate) * self.of_skip(skip))"),
        ],
        "You subtract": [
            filled(GATE, "F.relu(self.of_gate(gate) - self.of_skip(skip))"),
        ],
        "The skip is missing": [filled(GATE, "F.relu(self.of_gate(gate))")],
        "The gate is missing": [filled(GATE, "F.relu(self.of_skip(skip))")],
        "gate and skip are swapped": [
            filled(GATE, "F.relu(self.of_gate(skip) + self.of_skip(gate))"),
        ],
        "One number a place": [
            filled(GATE, None, "mixed.sigmoid()"),
            filled(GATE, None, f"{SCORE}.sigmoid().expand_as(skip)"),
        ],
        "You return the coefficients": [filled(GATE, None, None, "self.alpha")],
        "You weigh the gate": [filled(GATE, None, None, "gate * self.alpha")],
        "You add the coefficients": [filled(GATE, None, None, "skip + self.alpha")],
        "is turned around": [filled(GATE, None, None, "skip * (1 - self.alpha)")],
        "is added to itself": [filled(GATE, None, None, "skip + skip * self.alpha")],
        "passes untouched": [filled(GATE, None, None, "skip")],
        "You return the gate": [filled(GATE, None, None, "gate")],
        "The gate is added": [
            filled(GATE, None, None, "skip * self.alpha + gate"),
            filled(GATE, None, None, "(skip + gate) * self.alpha"),
        ],
        "The gate lies beside": [
            filled(GATE, None, None, "torch.cat([skip * self.alpha, gate], 1)"),
        ],
        "a ReLU at the end": [filled(GATE, None, None, "F.relu(skip * self.alpha)")],
        "it belongs to alpha": [
            filled(GATE, None, None, "(skip * self.alpha).sigmoid()"),
        ],
        "pass or not": [filled(GATE, None, None, "skip * (self.alpha > 0.5)")],
        "for their sum": [
            filled(GATE, "F.relu(torch.cat([self.of_gate(gate), self.of_skip(skip)], "
                         "1))"),
        ],
        "What meets there": [
            filled(GATE, "F.relu(self.of_gate(gate) + skip)"),
            filled(GATE, "F.relu(gate + self.of_skip(skip))"),
        ],
        "fits any number": [filled(GATE, None, None, "skip * mixed")],
        "no gradient reaches": [
            filled(GATE, None, f"{SCORE}.sigmoid().detach()"),
            filled(GATE, None, None, "(skip * self.alpha).detach()"),
        ],
        "which step is missing": [filled(GATE, None, f"{SCORE}.sigmoid() / 2")],
    },
    SPLIT: {
        "is the examination itself": [filled(SPLIT, "scan")],
        "the number of the examination": [
            filled(SPLIT, "scan[-3:]", "people[:1]"),
            filled(SPLIT, "scan.split('-')[-1]", "people[: round(fraction * len("
                                                 "people) + 0.5)]"),
        ],
        "You count the examinations": [
            filled(SPLIT, None, "people[: round(fraction * len(scans))]"),
        ],
        "Everybody is in `train`": [
            filled(SPLIT, None, None, "[scan for scan in scans if scan not in chosen]"),
            filled(SPLIT, None, None, "scans"),
        ],
        "must not be trained on": [
            filled(SPLIT, None, None, "[s for s in scans if person[s] != chosen[0]]"),
        ],
        "That is a person": [
            filled(SPLIT, None, None, "[p for p in people if p not in chosen]"),
        ],
        "in neither part": [
            filled(SPLIT, None, None, "[s for s in scans if person[s] in people[9:]]"),
            filled(SPLIT, None, None, "[]"),
        ],
        "come twice": [
            filled(SPLIT, None, None, "2 * [s for s in scans if s not in valid]"),
        ],
        "are the parts swapped": [
            filled(SPLIT, None, "people[round(fraction * len(people)) :]"),
            changed(SPLIT, "train, valid", "valid, train"),
        ],
        "None is chosen": [
            filled(SPLIT, None, "people[:0]"),
            filled(SPLIT, "scan[:9]"),
        ],
        "All are chosen": [
            filled(SPLIT, None, "people"),
            filled(SPLIT, "scan.split('-')[0]", "people[:1]"),
        ],
        "two splits": [
            filled(SPLIT, None, "random.sample(people, round(fraction * len(people)))"),
        ],
        "every seed gives": [
            filled(SPLIT, None, "sorted(people)[: round(fraction * len(people))]"),
            changed(SPLIT, "Random(seed)", "Random(0)"),
        ],
    },
    ENHANCING: {
        "It becomes background": [
            filled(ENHANCING, None, "torch.where(enhancing & small, 0, label)"),
            filled(ENHANCING, None, "label * ~(enhancing & small)"),
        ],
        "It becomes oedema": [
            filled(ENHANCING, None, "torch.where(enhancing & small, 2, label)"),
        ],
        "has the labels 0, 1, 2": [
            filled(ENHANCING, None, "torch.where(enhancing & small, 4, label)"),
        ],
        "Just `least`": [filled(ENHANCING, "enhancing.sum() <= least")],
        "wrong way round": [
            filled(ENHANCING, "enhancing.sum() > least"),
            filled(ENHANCING, "enhancing.sum() >= least"),
        ],
        "each voxel counts 3": [
            filled(ENHANCING, "label[enhancing].sum() < least"),
            filled(ENHANCING, "(label * enhancing).sum() < least"),
        ],
        "You add up all the labels": [filled(ENHANCING, "label.sum() < least")],
        "You count the whole tumour": [filled(ENHANCING, "(label > 0).sum() < least")],
        "`len` counts slices": [filled(ENHANCING, "len(enhancing) < least")],
        "all the voxels of the volume": [
            filled(ENHANCING, "enhancing.numel() < least"),
        ],
        "You compare voxel by voxel": [
            filled(ENHANCING, "enhancing < least"),
            filled(ENHANCING, "label < least"),
        ],
        "whether the tumour is small": [
            filled(ENHANCING, None, "small"),
            filled(ENHANCING, "bool(enhancing.sum() < least)", "small"),
        ],
        "You always drop": [
            filled(ENHANCING, None, "torch.where(enhancing, 1, label)"),
        ],
        "Nothing changes": [filled(ENHANCING, None, "label")],
        "slice by slice": [
            filled(ENHANCING, "(enhancing.sum((1, 2)) < least)[:, None, None]"),
        ],
        "replace the whole label": [
            filled(ENHANCING, None, "torch.where(small, 1, label)"),
            filled(ENHANCING, None, "torch.where(small, torch.zeros_like(label), "
                                    "label)"),
        ],
        "You replace what does not": [
            filled(ENHANCING, None, "torch.where(enhancing & ~small, 3, 1)"),
        ],
        "That is a mask": [filled(ENHANCING, None, "enhancing & small")],
        "enhancing tumour alone": [filled(ENHANCING, None, "enhancing & ~small")],
        "also changes the label": [
            filled(ENHANCING, None, "label.masked_fill_(enhancing & small, 1)"),
        ],
    },
}  # fmt: skip
SLIPS = {
    UP: {
        "takes all its tensors in one list": [
            filled(UP, None, "torch.cat(skip, x)"),
            filled(UP, None, "torch.cat(skip, x, 1)"),
            filled(UP, None, "torch.cat(skip, x, dim=1)"),
        ],
        "its layers are up, conv": [filled(UP, None, None, "self.double_conv(x)")],
        "write `self.` before": [
            filled(UP, "up(x)"),
            filled(UP, None, None, "conv(x)"),
        ],
        "without its parentheses": [
            filled(UP, "self.up"),
            filled(UP, None, None, "self.conv.relu(x)"),
        ],
        "nn.Upsample is a layer": [filled(UP, "nn.Upsample(x)")],
        "returns a layer": [filled(UP, None, None, "self.conv")],
        "`return` missing": [filled(UP, None, None, "None")],
        "is `skip` meant": [filled(UP, None, "torch.cat([skp, x], 1)")],
        "A layer takes one thing": [filled(UP, None, None, "self.conv(skip, x)")],
        "without parentheses, and got": [UpBlock(2, 2, 2), nn.Linear(2, 2), 3],
        "self.up is not as given": [changed(UP, "stride=2", "stride=1")],
        "self.conv is not as given": [changed(UP, "c_out + c_skip", "c_out")],
    },
    GATE: {
        "its layers are of_gate, of_skip, score": [
            filled(GATE, None, "self.scores(mixed).sigmoid()"),
        ],
        "write `self.` before": [filled(GATE, "F.relu(of_gate(gate))")],
        "without its parentheses": [
            filled(GATE, "F.relu(self.of_gate + self.of_skip)"),
            filled(GATE, None, "self.score.sigmoid()"),
        ],
        "nn.ReLU is a layer": [
            filled(GATE, f"nn.ReLU({SUM})"),
        ],
        "nn.Sigmoid is a layer": [filled(GATE, None, f"nn.Sigmoid({SCORE})")],
        "A layer takes one thing": [filled(GATE, "F.relu(self.of_gate(gate, skip))")],
        "store them as `self.alpha`": [
            changed(GATE, "self.alpha =", "alpha =", "skip * self.alpha",
                    "skip * alpha"),
        ],
        "`return` missing": [filled(GATE, None, None, "None")],
        "is `mixed` meant": [filled(GATE, None, "self.score(mixd).sigmoid()")],
        "without parentheses, and got": [AttentionGate(2, 2, 2), "gate"],
        "self.of_gate is not as given": [
            changed(GATE, "self.of_gate = conv(c_gate, c_mid, 1)",
                    "self.of_gate = conv(c_gate, c_mid, 3)"),
        ],
        "self.score is not as given": [changed(GATE, "conv(c_mid, 1, 1)", "None")],
    },
    SPLIT: {
        "a whole number of people": [filled(SPLIT, None, "people[: fraction * 9]")],
        "gives a list of parts": [filled(SPLIT, "scan.split('-')")],
        "not asked by name": [
            filled(SPLIT, None, None, "[s for s in scans if people[s] not in chosen]"),
        ],
        "and answers with a person": [
            filled(SPLIT, None, None, "[s for s in people if person[s] not in chosen]"),
        ],
        "`chosen` holds people, and not how many": [
            filled(SPLIT, None, "set(round(fraction * len(people)))"),
            filled(SPLIT, None, "round(fraction * len(people))"),
        ],
        "`return` missing": [changed(SPLIT, "return train, valid", "train, valid")],
        "must return 2 things": [changed(SPLIT, "return train, valid", "return train")],
        "in `train`, I expected a list": [filled(SPLIT, None, None, "len(scans)")],
        "in `train`, an examination is a text": [filled(SPLIT, None, None, "[1, 2]")],
        "holds 'c', which is no examination": [filled(SPLIT, None, None, "['c']")],
        "There is no `persn` here": [
            filled(SPLIT, None, None, "[s for s in scans if persn[s] not in chosen]"),
        ],
    },
    ENHANCING: {
        "wants a mask of the label's shape": [
            filled(ENHANCING, None, "torch.where(enhancing & small, label)"),
            filled(ENHANCING, "bool(enhancing.sum() < least)",
                   "torch.where(small, 1, label)"),
        ],
        "`if` and `and` want": [
            filled(ENHANCING, None, "torch.where(enhancing and small, 1, label)"),
        ],
        "have no mean": [filled(ENHANCING, "enhancing.mean() < least")],
        "`return` missing": [filled(ENHANCING, None, "None")],
        "something of type list": [filled(ENHANCING, None, "label.tolist()")],
        "is `enhancing` meant": [filled(ENHANCING, "enhancng.sum() < least")],
    },
}  # fmt: skip
SOLUTIONS = {  # what no sentence may show
    UP: ["self.up(", "cat([", "self.conv(", "skip, x]"],
    GATE: ["self.of_gate(", "self.score(", "skip *", "* self.alpha", "sigmoid()"],
    SPLIT: ["scan[", "rsplit", "people[", "not in", "len("],
    ENHANCING: ["sum()", "< least", "enhancing &", "where(enhancing"],
}


class TestTheSecondHalf(CheckFrame):
    stubs, right, mistakes, slips = STUBS, RIGHT, MISTAKES, SLIPS
    solutions = SOLUTIONS
    ideas = ("no examination",)
    general = (UP,)
    without_stub = (SMALL,)


def test_a_person_in_both_parts_is_named():
    def split(scans, fraction, seed):
        order = random.Random(seed).sample(scans, len(scans))
        n = round(fraction * len(scans))
        return order[n:], order[:n]

    message = judge(SPLIT, split).message
    assert re.search(
        r"of BraTS-GLI-\d{5}, \d examinations train and \d validate", message
    )
    assert message.endswith("a person stays whole.")


def test_another_order_of_the_channels_is_almost_right():
    assert judge(UP, filled(UP, None, "torch.cat([x, skip], 1)")).message.startswith(
        "Almost: for UpBlock(6, 4, 4, dims=2), x (2, 6, 3, 4), skip (2, 4, 6, 8) I "
        "expected 0.08"
    )


def test_a_block_right_in_pictures_only_is_found_out():
    message = judge(UP, filled(UP, None, "torch.cat([skip, x], -3)")).message
    assert "UpBlock(4, 3, 3, dims=3), x (1, 4, 2, 3, 4), skip" in message
    assert message.endswith("side of the picture: the channels are dimension 1.")
    gate = filled(GATE, None, None, "torch.einsum('nohw,nchw->nchw', self.alpha, skip)")
    assert "AttentionGate(3, 4, 2, dims=3)" in judge(GATE, gate).message


def test_the_cell_of_double_conv_must_have_been_run():
    block = filled(UP)
    del block.__init__.__globals__["double_conv"]
    message = judge(UP, block).message
    assert message.endswith("Run the cell that defines `double_conv` first.")


def test_the_blocks_of_the_course_are_those_of_the_exercises():
    # The notebook's class and the course's must be able to load the same weights.
    for stub, ours, sizes in [
        (UP, UpBlock, (6, 4, 4)),
        (GATE, AttentionGate, (4, 4, 3)),
    ]:
        for dims in (2, 3):
            theirs = filled(stub)(*sizes, dims=dims).state_dict()
            assert theirs.keys() == ours(*sizes, dims=dims).state_dict().keys()


# ---- hints -------------------------------------------------------------------------
OF_ONE_BLANK = [
    (GATE, filled(GATE, SUM), "2: The gate asks"),
    (GATE, filled(GATE, None, None, "self.alpha"), "1: What comes out"),
    (SPLIT, filled(SPLIT, "scan"), "1: In BraTS-GLI"),
    (
        SPLIT,
        filled(SPLIT, None, "sorted(people)[: round(fraction * len(people))]"),
        "1: `person` goes",
    ),
    (SPLIT, filled(SPLIT, None, None, "scans"), "1: `train` is built"),
    (ENHANCING, filled(ENHANCING, "label.sum() < least"), "2: Two questions"),
    (ENHANCING, filled(ENHANCING, None, "label"), "2: A mask of"),
]


@pytest.mark.parametrize(("name", "answer", "hint"), OF_ONE_BLANK)
def test_a_mistake_of_one_blank_gets_the_hints_of_that_blank(name, answer, hint, shown):
    check(name, answer)
    assert shown[0].hint.startswith(f"Hint 1 of {hint}")


def test_no_warning_of_pytorchs_is_shown(recwarn):
    judge(GATE, filled(GATE, None, f"F.softmax({SCORE})"))
    assert not recwarn.list


# ---- the open exercise -------------------------------------------------------------
class Reads(nn.Module):
    """A network whose logits stand in x: `patient` below paints the regions there."""

    def __init__(self, outputs=3, extra=0):
        super().__init__()
        self.conv = nn.Conv2d(4, outputs, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(9 * torch.eye(outputs, 4)[..., None, None])
        if extra:
            self.extra = nn.Parameter(torch.zeros(extra))

    def forward(self, x):
        return self.conv(x)


def patient(correct=(1.0, 1.0, 1.0), name="real-1"):
    """One whose regions are drawn in its channels, as large as Dice `correct` asks."""
    label = torch.zeros(16, 16, 16, dtype=torch.uint8)
    label[4:12, 3:13, 3:13] = 2
    label[4:12, 5:11, 5:11] = 1
    label[4:12, 6:10, 6:10] = 3
    brain = torch.zeros(16, 16, 16, dtype=torch.bool)
    brain[2:14] = True
    image = torch.full((4, 16, 16, 16), -1.0)
    for c, (share, mask) in enumerate(zip(correct, regions(label), strict=True)):
        places = mask.nonzero()
        # Of n true voxels k are shown, nothing else: the Dice is 2k / (n + k).
        k = round(len(places) * share / (2 - share))
        image[c, *places[:k].T] = 1.0
    affine = np.eye(4)
    return Patient(name, image * brain, label, brain, affine, (16,) * 3, affine)


GOAL = small_module.MIN_DICE


def wide():
    return nn.Sequential(
        nn.Conv2d(4, 128, 3, padding=1),
        nn.Conv2d(128, 128, 3, padding=1),
        nn.Conv2d(128, 3, 1),
    )


class Pair(Reads):
    def forward(self, x):
        return self.conv(x), x


VALID = (patient(), patient(name="real-2"))
EVERYBODY = Patients(VALID, VALID, VALID, ("FLAIR",), 2.0, "nobody", real=False)
SMALL_MISTAKES = {
    "largest part is `1.weight`, with 147,456": (wide(), VALID),
    "do not store what it returns": (SegmentationHistory(), VALID),
    "must be a network": (Reads.forward, VALID),
    "that is the class `Reads`": (Reads, VALID),
    "That is next to nothing": (Reads(), (patient((0.1, 0.0, 0.0)),)),
    "that is the whole data set": (Reads(), EVERYBODY),
    "that is one patient": (Reads(), VALID[0]),
    "and not slices": (Reads(), (torch.zeros(2, 4, 16, 16), torch.zeros(2, 3, 16, 16))),
    "There is one map for each region": (Reads(1), VALID),
    "(4, 2, 8, 8); (4, 3, 16, 16) is meant": (
        nn.Sequential(nn.Conv2d(4, 2, 1), nn.MaxPool2d(2)), VALID),
    "something of type tuple": (Pair(), VALID),
    "nan or inf": (nn.Sequential(Reads(), nn.Threshold(99, torch.nan)), VALID),
    "is there a sigmoid": (nn.Sequential(Reads(), nn.Sigmoid()), VALID),
    "and your network expects 1": (nn.Sequential(nn.Conv2d(1, 3, 1)), VALID),
    "and your network expects 2": (UNet(2, 3, width=4, levels=2), VALID),
    "your network is a 3-D one": (UNet(4, 3, width=4, levels=2, dims=3), VALID),
    "stops with an error": (nn.Sequential(Reads(), nn.Conv2d(2, 3, 1)), VALID),
    "The goal is a mean of": (Reads(), (patient((0.5, 0.5, 0.5)),)),
}  # fmt: skip


@pytest.mark.parametrize("part", SMALL_MISTAKES)
def test_a_mistake_with_the_small_network_is_told(part):
    for lang, opening in [("en", "Not yet: "), ("es", "Todavía no: ")]:
        set_language(lang)
        message = judge(SMALL, *SMALL_MISTAKES[part]).message
        assert message.startswith(opening)
        assert (part in message) == (lang == "en"), message
        assert not [p for p in SMALL_MISTAKES if p != part and p in message]
        assert len(message) < 450


@pytest.mark.parametrize("valid", [(), [], None, "valid", [1], [torch.zeros(3)]])
def test_what_are_no_patients_are_not_judged(valid, shown):
    check(SMALL, Reads(), valid)
    assert "pass the patients of the validation part" in shown[0].message
    assert not shown[0].hint


def test_the_networks_of_the_other_workshops_histories_are_known():
    assert "do not store what it returns" in judge(SMALL, History(), VALID).message


def test_the_goal_itself_is_enough_and_less_is_not():
    good = (GOAL + 0.1, GOAL, GOAL - 0.09)
    verdict = judge(SMALL, Reads(), (patient(good),))
    assert verdict.status is Status.CORRECT
    assert re.fullmatch(
        r"Correct\. Dice 0\.7\d\d with 12 parameters, over 1 patient \(WT 0\.\d\d, TC "
        r"0\.\d\d, ET 0\.\d\d\)\. Try it with half as many; and .* once\.",
        verdict.message,
    )
    almost = judge(SMALL, Reads(), (patient((GOAL - 0.02,) * 3),)).message
    assert almost.startswith("Almost: Dice 0.6")
    far = judge(SMALL, Reads(), (patient((GOAL - 0.1,) * 3),)).message
    assert far.startswith("Not yet: Dice 0.")


def test_the_score_is_that_of_the_regions_and_of_each_patient():
    valid = (patient((1.0, 0.8, 0.6)), patient((0.8, 0.8, 0.8), "real-2"))
    message = judge(SMALL, Reads(), valid).message
    found = re.search(r"Dice (\S+) with .* over 2 patients \((.*?)\)", message)
    assert float(found[1]) == pytest.approx(0.8, abs=0.01)
    parts = [float(part.split()[1]) for part in found[2].split(", ")]
    assert parts == pytest.approx([0.9, 0.8, 0.7], abs=0.02)
    assert [part.split()[0] for part in found[2].split(", ")] == list(REGIONS)


def test_synthetic_patients_are_called_so():
    message = judge(SMALL, Reads(), (patient(name="phantom-03"),)).message
    assert "over 1 synthetic patient (" in message
    assert "synthetic" not in judge(SMALL, Reads(), VALID).message


def test_one_parameter_too_many_is_one_too_many():
    limit = small_module.MAX_PARAMETERS - 12
    assert judge(SMALL, Reads(extra=limit), VALID).status is Status.CORRECT
    message = judge(SMALL, Reads(extra=limit + 1), VALID).message
    assert "150,001 parameters, 1 too many. The largest part is `extra`" in message


def test_a_network_in_training_mode_is_judged_in_eval_and_left_as_it_was():
    model = nn.Sequential(nn.Dropout(0.95), Reads(), nn.BatchNorm2d(3, affine=False))
    model.train()
    model[2].eval()
    before = model[2].running_mean.clone()
    assert judge(SMALL, model, VALID).status is Status.CORRECT
    assert [m.training for m in model] == [True, True, False]
    assert torch.equal(model[2].running_mean, before)


@pytest.mark.parametrize(("width", "levels"), [(8, 4), (16, 3)])
def test_what_the_hints_say_of_widths_is_true(width, levels):
    total = sum(p.numel() for p in UNet(4, 3, width, levels).parameters())
    assert total == pytest.approx(120_000, rel=0.1)
    assert total <= small_module.MAX_PARAMETERS


def test_the_hints_follow_what_is_missing_size_or_training(shown):
    check(SMALL, wide(), VALID)
    check(SMALL, Reads(), (patient((0.5, 0.5, 0.5)),))
    assert "Where are the parameters" in shown[0].hint
    assert "training's turn" in shown[1].hint
    check(SMALL, Reads(), VALID)
    assert checks._failures == {}
