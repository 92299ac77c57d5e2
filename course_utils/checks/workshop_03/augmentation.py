"""Exercise: choose how to change the training images."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from course_utils.augment import (
    GaussianBlur,
    GaussianNoise,
    RandomAffine,
    RandomErasing,
)
from course_utils.checks import exercise
from course_utils.checks.answers import (
    NotYet,
    Slip,
    Stopped,
    call,
    tensor,
)
from course_utils.checks.workshop_01.plain_words import plain_tensor_stop
from course_utils.checks.workshop_03.augmentation_probe import Measured, pattern
from course_utils.locale import _

# Of 64 draws, how many may go wrong by chance, and how many are no chance.
RARE, OFTEN = 2, 10
NO_LIGHT = (GaussianNoise, GaussianBlur, RandomErasing)


@exercise(
    "03.augmentation",
    hints=lambda: [
        _(
            "In what do two photos of the same letter differ? In the place, angle and "
            "size of the hand, and in the light. And in what never?"
        ),
        _(
            "Take from `augment` something that moves the hand and something that "
            "changes the light, and join them with `Compose`. In which units is each "
            "number: degrees, pixels, fractions, units of the normalised image?"
        ),
        _(
            "Begin with what a hand does between two photos: some 10 degrees, 2 or 3 "
            "pixels, a tenth of its size, a few tenths of brightness. Look at a page "
            "of draws before training: can you still read the letters?"
        ),
    ],
)
def augmentation(answer):
    _expect_change(answer)
    measured = Measured(_drawing(answer, Generator().manual_seed(0)))
    _expect_values(measured)
    _expect_same_letter(measured)
    _expect_both_kinds(answer, measured)
    _expect_sharp_and_upright(answer)
    _expect_own_draws(measured)
    if not _repeatable(answer):
        return _(
            "But it does not draw from the generator that it is given: two trainings "
            "with the same seed will differ."
        )
    return _(
        "Try it: double one number, and predict what the validation part will say "
        "before you train."
    )


def _expect_change(answer: object) -> None:
    """Slip unless `answer` looks like something that changes a batch of images."""
    if isinstance(answer, list | tuple):
        raise Slip(_("these are several changes: `augment.Compose` joins them in one."))
    if isinstance(answer, Tensor):
        raise Slip(
            _(
                "these are images, already changed: the change itself is asked for, so "
                "that each batch draws anew."
            )
        )
    for step in _steps(answer):
        if isinstance(step, type):
            reason = _("`{name}` needs parentheses, with your numbers in between.")
            raise Slip(reason.format(name=step.__name__))
        if type(step).__module__.startswith("torchvision"):
            raise NotYet(
                _(
                    "torchvision's transforms take no generator, and change all the "
                    "images of a batch in the same way: use those of `augment`."
                )
            )
    if not callable(answer):
        reason = _(
            "a change is expected, for example "
            "`augment.Compose(augment.RandomAffine(degrees=10), …)`, and it got "
            "something of type {kind}."
        )
        raise Slip(reason.format(kind=type(answer).__name__))


def _steps(answer: object) -> list:
    """The answer, and the changes that it joins, if it is a `Compose`."""
    return [answer, *getattr(answer, "steps", ())]


def _drawing(answer: Callable, generator: Generator) -> Callable[[Tensor], Tensor]:
    """The answer as a function of the images alone, its results checked."""

    def draw(x: Tensor) -> Tensor:
        case = _("a batch of {n} images").format(n=len(x))
        try:
            result = call(lambda x: answer(x, generator), x, case=case)
        except Stopped as stopped:
            raise _named_stop(stopped) or stopped from None
        return _expect_images(result, x)

    return draw


def _named_stop(stopped: Stopped) -> NotYet | None:
    text = str(stopped.error)
    if isinstance(stopped.error, TypeError) and "argument" in text:
        told = _("for {case} your code stops.").format(case=stopped.case)
        reason = _(
            "`fit` gives two things to it, the batch and a generator: can it take both?"
        )
        return Slip(f"{told} {reason}")
    return plain_tensor_stop(stopped)


def _expect_images(result: object, x: Tensor) -> Tensor:
    if isinstance(result, tuple | list):
        reason = _("it gives back {n} things: the changed images alone are meant.")
        raise Slip(reason.format(n=len(result)))
    images = tensor(result)
    if images.shape != x.shape:
        reason = _("images of shape {wanted} go in and {got} comes out.")
        raise NotYet(reason.format(wanted=tuple(x.shape), got=tuple(images.shape)))
    if images.dtype != x.dtype:
        kind = str(images.dtype).removeprefix("torch.")
        reason = _("images of type float32 go in and {kind} comes out.")
        raise NotYet(reason.format(kind=kind))
    if not images.isfinite().all():
        raise NotYet(_("some of what comes out is nan or inf."))
    return images.cpu()


def _expect_values(measured: Measured) -> None:
    """NotYet for values that are no longer those of a normalised image."""
    outputs = measured.outputs
    if 0 <= outputs.amin() < outputs.amax() <= 1:
        raise NotYet(
            _(
                "it cuts all values to 0..1. The images are normalised, and many of "
                "their values are negative: those would be lost."
            )
        )
    far = torch.maximum(measured.dark.abs(), measured.bright.abs())
    if (far > 3).sum() > RARE:
        raise NotYet(
            _(
                "its grey levels go as far as {value:.0f}. The images are normalised, "
                "from about -2 to 2, and brightness counts in these units: what would "
                "be a little?"
            ).format(value=far.max().item())
        )
    noise = measured.noise.median().item()
    if noise > 0.75:
        raise NotYet(
            _(
                "its noise has a standard deviation of {noise:.1f}, and that of a "
                "whole normalised image is 1: the hand drowns in it."
            ).format(noise=noise)
        )


def _expect_same_letter(measured: Measured) -> None:
    """NotYet if a changed image need no longer show the same letter."""
    counts = _("in {n} of {total} draws")
    total = len(measured.turn)
    if (n := int(measured.mirrored.sum())) > RARE:
        reason = _(
            "{counts} the image comes out mirrored: a right hand becomes a left one. "
            "Could a photo of the same hand look like that?"
        )
    elif (n := int(measured.overturned.sum())) > RARE:
        reason = _(
            "{counts} the image is turned too far. Letters differ by how the hand is "
            "turned: K and P are the same handshape. Stay within 30 degrees."
        )
    elif (n := int(((measured.shift > 8) & measured.clear).sum())) > RARE:
        reason = _(
            "{counts} the image is shifted by 9 pixels or more, of 28: the fingers "
            "leave the picture."
        )
    elif (n := int((measured.likeness < 0.7).sum())) >= OFTEN:
        reason = _(
            "{counts} hardly anything of the image is left. Look at a page of draws: "
            "which of your numbers hides so much?"
        )
    else:
        return
    raise NotYet(reason.format(counts=counts.format(n=n, total=total)))


def _expect_both_kinds(answer: object, measured: Measured) -> None:
    """NotYet unless both the place of things and the light change."""
    moves = measured.moved.sum() >= OFTEN
    lights = measured.lit.sum() >= OFTEN
    if moves and lights:
        return
    if measured.always_the_same() and not (moves or lights):
        raise NotYet(_("it gives back every image as it was: nothing changes."))
    if lights:
        reason = _(
            "the light changes, but the hand stays where it was, to the pixel: photos "
            "also differ in angle, place and size (in degrees, pixels and fractions)."
        )
    elif moves:
        reason = _(
            "the hand moves, but the light stays as it was: photos also differ in "
            "brightness, contrast, or the side from which the light comes."
        )
        if any(isinstance(step, NO_LIGHT) for step in _steps(answer)):
            also = _("Noise, blur and erased squares are not light.")
            reason = f"{reason} {also}"
    else:
        reason = _(
            "neither does the hand move nor does the light change, or hardly: noise, "
            "blur and erased squares come on top of these. Are the numbers too small?"
        )
    raise NotYet(reason)


def _expect_sharp_and_upright(answer: object) -> None:
    """NotYet for ranges of ours with which a letter can hardly be read."""
    for step in _steps(answer):
        if isinstance(step, RandomAffine) and step.shear >= 0.6:
            reason = _(
                "it slants by up to {shear:g} of the height: no hand leans like that. "
                "Stay below 0.6."
            )
            raise NotYet(reason.format(shear=step.shear))
        if isinstance(step, GaussianBlur) and step.sigma > 1.5:
            reason = _(
                "it blurs by up to {sigma:g} pixels, of 28: the fingers run into each "
                "other. Do not go beyond 1.5."
            )
            raise NotYet(reason.format(sigma=step.sigma))


def _expect_own_draws(measured: Measured) -> None:
    if measured.always_the_same():
        raise NotYet(
            _(
                "it always makes the same change: then the network sees each image in "
                "one form only, as before. Draw at random."
            )
        )
    if measured.one_a_batch():
        raise NotYet(
            _(
                "all the images of a batch get the same change: draw one for each "
                "image, so that a batch shows many."
            )
        )


def _repeatable(answer: Callable) -> bool:
    """Whether the generator decides what comes out, and not the global one."""
    x = pattern().repeat(4, 1, 1, 1)
    torch.manual_seed(1)
    first = _drawing(answer, Generator().manual_seed(5))(x)
    torch.manual_seed(2)
    return torch.equal(first, _drawing(answer, Generator().manual_seed(5))(x))
