"""Exercise: a U-Net of at most 150,000 parameters."""

import math
import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils.checks import exercise
from course_utils.checks.answers import Almost, NotYet, Slip, Stopped, call, tensor
from course_utils.checks.small_network import expect_network, expect_small
from course_utils.data.brats_labels import REGIONS, regions
from course_utils.data.volumes import Patient, Patients
from course_utils.locale import _
from course_utils.metrics import dice
from course_utils.models import UNet
from course_utils.modes import eval_mode
from course_utils.segmentation import SegmentationHistory, predict

MAX_PARAMETERS = 150_000
MIN_DICE = 0.70  # mean over patients and regions; the notebook's goal
PEOPLE = "valid_people"  # the notebook's name of the validation patients
CHANCE = 0.2  # a network without training marks half of the brain


@exercise(
    "04.small_unet",
    hints=lambda: [
        _("Where are the parameters? Count them level by level: one takes nearly all."),
        _(
            "Twice the width makes four times the parameters, and each level has twice "
            "the width of the one above."
        ),
        _(
            "With width 8 and four levels a U-Net has some 120,000; with width 16, "
            "three levels. What does each of them see of the brain?"
        ),
    ],
)
def small_unet(model, valid):
    if isinstance(model, SegmentationHistory):
        raise Slip(
            _(
                "`fit_segmentation` trains the network in place and returns the record "
                "of the training: do not store what it returns in `small_unet`."
            )
        )
    if isinstance(model, type) and issubclass(model, nn.Module):
        reason = _(
            "that is the class `{name}`: make a network of it, with parentheses and "
            "its settings inside them."
        )
        raise Slip(reason.format(name=model.__name__))
    expect_network(model)
    patients = _expect_patients(valid)
    total = expect_small(model, MAX_PARAMETERS)
    _expect_maps(model, patients[0])
    scores = torch.cat([_score(model, patient) for patient in patients])
    mean, told = scores.mean().item(), _told(scores, patients, total)
    if mean >= MIN_DICE:
        remark = _("Try it with half as many; and in the end ask the test part, once.")
        return f"{told} {remark}"
    if mean < CHANCE:
        reason = _(
            "That is next to nothing: call `fit_segmentation(small_unet, ...)` before "
            "the check."
        )
        raise Slip(f"{told} {reason}")
    gap = _("The goal is a mean of {goal:.2f}.").format(goal=MIN_DICE)
    failure = Almost if mean >= MIN_DICE - 0.05 else NotYet
    raise failure(f"{told} {gap}", _training_hints())


def _expect_patients(valid: object) -> Sequence[Patient]:
    """Patients, at least one; Slip otherwise."""
    if isinstance(valid, Patients):
        reason = _("that is the whole data set: pass its validation part, `{part}`.")
        raise Slip(reason.format(part=PEOPLE))
    if isinstance(valid, Patient):
        reason = _("that is one patient: pass all of them, `{part}`.")
        raise Slip(reason.format(part=PEOPLE))
    good = isinstance(valid, tuple | list) and len(valid) > 0
    if not good or not all(isinstance(patient, Patient) for patient in valid):
        raise Slip(
            _(
                "the check scores whole volumes: pass the patients of the validation "
                "part, `{part}`, and not slices."
            ).format(part=PEOPLE)
        )
    return valid


def _expect_maps(model: nn.Module, patient: Patient) -> None:
    """Slip unless a few slices become logits, one map a region."""
    x = patient.image[:, patient.brain.flatten(1).any(1)][:, :4].transpose(0, 1)
    y_hat = _logits(model, x)
    wanted = (len(x), len(REGIONS), *x.shape[2:])
    if y_hat.shape != wanted:
        _expect_2d(model)
        told = _("your network returns the shape {got}; {wanted} is meant.")
        told = told.format(got=tuple(y_hat.shape), wanted=wanted)
        if y_hat.ndim == 4 and y_hat.shape[2:] == x.shape[2:]:
            reason = _(
                "There is one map for each region, WT, TC and ET: background needs "
                "none, since each is a yes or no."
            )
            told = f"{told} {reason}"
        raise Slip(told)
    if not y_hat.isfinite().all():
        raise NotYet(
            _("your network returns nan or inf: was the learning rate too high?")
        )
    if y_hat.min() >= 0 and y_hat.max() <= 1:
        raise NotYet(
            _(
                "all that your network returns lies between 0 and 1: is there a "
                "sigmoid at its end? Logits are meant."
            )
        )


def _logits(model: nn.Module, x: Tensor) -> Tensor:
    """What `model` returns for a few slices x (N, C, H, W), in eval mode."""
    place = next((p.device for p in model.parameters()), x.device)
    case = _("x of shape {shape}").format(shape=tuple(x.shape))
    try:
        with torch.no_grad(), eval_mode(model):
            result = call(model, x.to(place), case=case)
    except Stopped as stopped:
        _expect_2d(model)
        _expect_channels(model, x.shape[1], str(stopped.error))
        raise
    if isinstance(result, Tensor):
        return tensor(result).cpu()
    reason = _(
        "your network returns something of type {kind}: one tensor is meant, the "
        "logits of the three regions."
    )
    raise Slip(reason.format(kind=type(result).__name__))


def _expect_2d(model: nn.Module) -> None:
    """Slip if `model`, which could not use slices, is a network for volumes."""
    if any(isinstance(part, nn.Conv3d) for part in model.modules()):
        raise Slip(
            _(
                "your network is a 3-D one, for volumes: the check shows it slices, so "
                "a 2-D one is meant, with `dims=2`."
            )
        )


def _expect_channels(model: nn.Module, channels: int, error: str) -> None:
    """Slip if `model` stopped with `error` since x has other channels than it reads."""
    told = re.search(r"to have (\d+) channels, but got (\d+)", error)
    wanted = int(told[1]) if told and int(told[2]) == channels else channels
    wanted = model.c_in if isinstance(model, UNet) else wanted
    if wanted != channels:
        raise Slip(
            _(
                "x has {c} channels, one for each modality, and your network expects "
                "{wanted}: build it with `c_in=channels`."
            ).format(c=channels, wanted=wanted)
        )


def _score(model: nn.Module, patient: Patient) -> Tensor:
    """Dice of the regions in one patient's volume, (1, 3)."""
    pred = predict(model, patient, device="cpu") > 0.5
    return dice(pred[None], regions(patient.label)[None])


def _told(scores: Tensor, patients: Sequence[Patient], total: int) -> str:
    """What the network reaches, never rounded up to the goal."""
    means = [math.floor(100 * mean + 1e-6) / 100 for mean in scores.mean(0).tolist()]
    names = ", ".join(
        f"{region} {mean:.2f}" for region, mean in zip(REGIONS, means, strict=True)
    )
    n = len(patients)
    if any(patient.name.startswith("phantom") for patient in patients):
        who = _("1 synthetic patient") if n == 1 else _("{n} synthetic patients")
    else:
        who = _("1 patient") if n == 1 else _("{n} patients")
    mean = math.floor(1000 * scores.mean().item() + 1e-6) / 1000
    text = _("Dice {mean:.3f} with {total:,} parameters, over {who} ({names}).")
    return text.format(mean=mean, total=total, who=who.format(n=n), names=names)


def _training_hints() -> list[str]:
    """The hints for a network that is small enough and not yet good enough."""
    return [
        _("The size is fine: it is the training's turn. More epochs are cheap here."),
        _(
            "Which region is lowest? A loss that weighs what is missed more than what "
            "is false helps the small ones."
        ),
        _(
            "Augmentation of both picture and mask, if the training patients are far "
            "above the others; a batch norm after each convolution; other values of "
            "`lr`."
        ),
    ]
