"""Workshop 03, first half: what learners write in the stubs as they stand.

The augmentation is no stub: there the answer is any callable.
"""

import functools
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms as torchvision_transforms
from torch import nn

from cells import Stubs
from check_frame import RightAnswers
from course_utils import augment, checks
from course_utils.augment import (
    Compose,
    GaussianBlur,
    GaussianNoise,
    RandomAffine,
    RandomBrightnessContrast,
    RandomErasing,
    RandomLighting,
)
from course_utils.checks import Status, check, judge
from course_utils.checks.workshop_03.augmentation_probe import Measured, pattern
from course_utils.locale import set_language

TEXTS = {
    "03.letter": """
def letter(label):
    return «ALPHABET[label]»
""",
    "03.split_by_photo": """
def split_by_photo(photo, fraction, seed):
    generator = torch.Generator().manual_seed(seed)
    photos = photo.unique()
    order = torch.randperm(len(photos), generator=generator)
    chosen = «photos[order[: round(fraction * len(photos))]]»
    valid = «torch.isin(photo, chosen)»
    return «~valid, valid»
""",
    "03.residual_block": """
class ResidualBlock(nn.Module):
    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        same = c_in == c_out and stride == 1
        self.shortcut = nn.Identity() if same else shortcut(c_in, c_out, stride)

    def forward(self, x):
        f = «F.relu(self.bn1(self.conv1(x)))»
        f = «self.bn2(self.conv2(f))»
        return «F.relu(f + self.shortcut(x))»
""",
}


def shortcut(c_in, c_out, stride):
    pool = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(
        pool if stride == 2 else nn.Identity(),
        nn.Conv2d(c_in, c_out, 1, bias=False),
        nn.BatchNorm2d(c_out),
    )


STUBS = Stubs(
    TEXTS,
    {
        "__name__": "cell",
        "ALPHABET": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "USED": "ABCDEFGHIKLMNOPQRSTUVWXY",
        "F": F,
        "nn": nn,
        "np": np,
        "torch": torch,
        "shortcut": shortcut,
    },
)
answer = STUBS.filled


# ---- right answers -----------------------------------------------------------------
LIGHT = RandomBrightnessContrast(0.3, 0.3)


def by_hand(x, generator):
    """A shift and a gain of each image, written as a learner may."""
    images = []
    for image in x:
        shift = torch.randint(-3, 4, (2,), generator=generator).tolist()
        gain = 1 + 0.4 * (torch.rand(1, generator=generator) - 0.5)
        images.append(gain * torch.roll(image, shift, (1, 2)))
    return torch.stack(images)


def sometimes(change, p=0.3):
    def changed(x, generator):
        lucky = torch.rand(len(x), 1, 1, 1, generator=generator) < p
        return torch.where(lucky, change(x, generator), x)

    return changed


def normalised_again(x, generator):
    return (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True)


RIGHT = {
    "03.letter": [
        [],
        ["chr(ord('A') + label)"],
        ["USED[label - (label > 9)]"],
        ["np.array(list(ALPHABET))[label]"],
    ],
    "03.split_by_photo": [
        [],
        ["photos[order][: int(fraction * len(photos))]"],
        ["photos[order < fraction * len(photos)]"],
        [None, "(photo[:, None] == chosen).any(1)"],
        [None, "torch.tensor([p in chosen for p in photo])"],
        [None, "np.isin(photo.numpy(), chosen.numpy())"],
        [None, None, "(~valid).nonzero().flatten(), valid.nonzero().flatten()"],
    ],
    "03.residual_block": [
        [],
        ["torch.relu_(self.bn1(self.conv1(x)))", None, "(self.shortcut(x) + f).relu()"],
        ["self.bn1(self.conv1(x)).clamp(min=0)", None, "nn.ReLU()(self.shortcut(x)+f)"],
        [None, None, "F.relu(torch.add(f, self.shortcut(x)))"],
    ],
    "03.augmentation": [
        Compose(RandomAffine(), LIGHT),
        Compose(RandomAffine(12, 3, 0.15, 0.1), LIGHT, RandomErasing(8, 0.5)),
        Compose(LIGHT, RandomLighting(0.6), RandomAffine(25, 3, 0.2, 0.15)),
        Compose(RandomAffine(5, 1, 0.05, 0), RandomLighting(0.3), GaussianNoise(0.3)),
        Compose(RandomAffine(20, 4, 0.2), LIGHT, GaussianBlur(1.5), GaussianNoise(0.2)),
        Compose(RandomAffine(), LIGHT, normalised_again),
        sometimes(Compose(RandomAffine(), LIGHT)),
        by_hand,
    ],
}


def given(name, lines):
    return lines if name == "03.augmentation" else answer(name, *lines)


@functools.cache
def told(name, part, lang):
    """The verdict on a typical mistake, in a language."""
    set_language(lang)
    verdict = judge(name, given(name, MISTAKES[name][part]))
    set_language("en")
    return verdict


GIVEN = {name: [given(name, lines) for lines in RIGHT[name]] for name in RIGHT}


class TestRightAnswers(RightAnswers):
    right = GIVEN


@pytest.mark.parametrize("degrees", [4, 12, 30])
@pytest.mark.parametrize("pixels", [0, 5])
def test_sensible_ranges_are_all_accepted(degrees, pixels):
    change = Compose(RandomAffine(degrees, pixels, 0.15, 0.1), LIGHT)
    assert judge("03.augmentation", change).status is Status.CORRECT


def test_a_change_that_ignores_the_generator_is_correct_with_a_warning():
    verdict = judge("03.augmentation", lambda x, g: LIGHT(RandomAffine()(x)))
    assert verdict.status is Status.CORRECT
    assert "two trainings with the same seed will differ" in verdict.message


# ---- typical mistakes --------------------------------------------------------------
def split_images(photo, fraction, seed):
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(photo), generator=generator)
    valid = torch.zeros(len(photo), dtype=torch.bool)
    valid[order[: round(fraction * len(photo))]] = True
    return ~valid, valid


def mirror(x, generator):
    return x.flip(-1)


def seeded_as_one(change):
    """`change` with one draw for the whole batch."""

    def changed(x, generator):
        seed = torch.randint(10**6, (1,), generator=generator).item()
        one = torch.Generator()
        return torch.cat([change(image[None], one.manual_seed(seed)) for image in x])

    return changed


def always(x, generator):
    def fixed(image, _generator):
        return LIGHT(RandomAffine()(image, seed()), seed())

    def seed():
        return torch.Generator().manual_seed(4)

    return seeded_as_one(fixed)(x, generator)


RELU_F = "F.relu(self.bn2(self.conv2(f)))"
LAYER = "F.relu(self.bn1(self.conv1(x)))"
MISTAKES = {
    "03.letter": {
        "alphabet without J": ["USED[label]"],
        "one letter too many": ["ALPHABET[label + (label > 8)]"],
        "take J away": ["ALPHABET[label - (label > 8)]"],
        "as capitals": ["ALPHABET[label].lower()"],
        "one letter ahead": ["ALPHABET[label + 1]"],
        "one letter behind": ["chr(64 + label)"],
        "one letter behind?": ["ALPHABET[label - 1]"],
        "A is number 65": ["chr(label)"],
        "as a text": ["str(label)"],
        "always give the same": ["'A'"],
        "from the end": ["ALPHABET[25 - label]"],
        "That is a number": ["label"],
        "That is a number?": ["ord('A') + label"],
        "One letter is meant": ["ALPHABET[label : label + 2]"],
        "One letter is meant?": ["ALPHABET[:label]"],
        "letter too few": ["ALPHABET.replace('N', '')[label]"],
        "it has no Ñ": ["(ALPHABET[:14] + 'Ñ' + ALPHABET[14:])[label]"],
        "for label=10 it returns nothing": ["ALPHABET[label] if label < 9 else None"],
        "letter twice": ["ALPHABET.replace('N', 'NN')[label]"],
        "of type list": ["[ALPHABET[label]]"],
        "Square brackets": ["ALPHABET(label)"],
        "do not add up": ["'A' + label"],
        "the way back": ["ALPHABET.index(label)"],
        "no entry": ["dict(enumerate(ALPHABET[:5]))[label]"],
        "is it the whole one": ["ALPHABET[:12][label]"],
        "is `label` meant": ["ALPHABET[labe1]"],
    },
    "03.split_by_photo": {
        "take them for photo numbers": ["order[: round(fraction * len(photos))]"],
        "You count the images": ["photos[order[: round(fraction * len(photo))]]"],
        "in their own order": ["photos[: round(fraction * len(photos))]"],
        "positions in `photos`.": ["photo[order[: round(fraction * len(photos))]]"],
        "a slice has a colon": ["photos[order[round(fraction * len(photos))]]"],
        "choose all the photos": ["photos[order]"],
        "always take the same fraction": ["photos[order[: round(0.3 * len(photos))]]"],
        "parts swapped": [None, "~torch.isin(photo, chosen)"],
        "parts swapped?": ["photos[order[round(fraction * len(photos)) :]]"],
        "parts swapped??": [None, None, "valid, ~valid"],
        "numbers of the chosen photos": [None, "chosen"],
        "zeros and ones": [None, "sum(photo == c for c in chosen)"],
        "of type int64": [None, "torch.isin(photo, chosen).long()", "1 - valid, valid"],
        "images with the chosen photos": [None, "photo == chosen"],
        "images with the chosen photos?": [None, "photo in chosen"],
        "goes first into `isin`": [None, "torch.isin(chosen, photo)"],
        "You say of each photo": [None, "torch.isin(photos, chosen)"],
        "join them with `any`": [None, "photo[:, None] == chosen"],
        "positions of the images": [
            None, "torch.isin(torch.arange(len(photo)), chosen)"],
        "a tensor of them is meant": [None, "[p in chosen for p in photo]"],
        "a tensor of them is meant?": [None, "torch.isin(photo, chosen).float()"],
        "takes two tensors": [None, "torch.isin(photo, set(chosen.tolist()))"],
        "one answer for all": [None, "photo.max() in chosen", "not valid, valid"],
        "Your two parts are the same": [None, None, "valid, valid"],
        "images are in neither part": [
            None, None, "~valid & (photo != photos[order[-1]]), valid"],
        "must not be trained on": [None, None, "~valid | (photo == chosen[0]), valid"],
        "two splits": [
            "photos[torch.randperm(len(photos))[: round(fraction * len(photos))]]"],
        "whole number of photos": ["photos[order[: fraction * len(photos)]]"],
        "A position lies outside": ["photos[: round(fraction * len(photos))][order]"],
        "commas between them": [None, None, "valid"],
        "position of no image": [None, "chosen", "photos[order[3:]], chosen"],
    },
    "03.residual_block": {
        "apply ReLU to `f` and then add": [None, RELU_F, "f + self.shortcut(x)"],
        "apply ReLU to `f` and then add?": [None, None, "F.relu(f) + self.shortcut(x)"],
        "last ReLU is missing": [None, None, "f + self.shortcut(x)"],
        "a ReLU too many": [None, RELU_F],
        "shortcut is missing": [None, None, "F.relu(f)"],
        "long path alone": [None, None, "f"],
        "shortcut alone": [None, None, "F.relu(self.shortcut(x))"],
        "One is x itself": [None, None, "F.relu(f + x)"],
        "You multiply": [None, None, "F.relu(f * self.shortcut(x))"],
        "You subtract": [None, None, "F.relu(f - self.shortcut(x))"],
        "You average": [None, None, "F.relu((f + self.shortcut(x)) / 2)"],
        "channels double": [None, None, "F.relu(torch.cat([f, self.shortcut(x)], 1))"],
        "one behind the other": [
            None, None, "F.relu(torch.cat([f, self.shortcut(x)]))"],
        "no ReLU between": ["self.bn1(self.conv1(x))"],
        "no ReLU at all": ["self.bn1(self.conv1(x))", None, "f + self.shortcut(x)"],
        "comes before bn1": ["self.bn1(F.relu(self.conv1(x)))"],
        "bn1 is missing": ["F.relu(self.conv1(x))"],
        "bn2 is missing": [None, "self.conv2(f)"],
        "Both batch norms": ["F.relu(self.conv1(x))", "self.conv2(f)"],
        "bn1 twice": [None, "self.bn1(self.conv2(f))"],
        "bn2 twice": ["F.relu(self.bn2(self.conv1(x)))"],
        "bn1 and bn2 swapped": [
            "F.relu(self.bn2(self.conv1(x)))", "self.bn1(self.conv2(f))"],
        "conv1 twice": [None, "self.bn2(self.conv1(f))"],
        "conv1 and conv2 swapped": [
            "F.relu(self.bn1(self.conv2(x)))", "self.bn2(self.conv1(f))"],
        "first line is lost": [None, "self.bn2(self.conv2(x))"],
        "shortcut starts from `f`": [None, None, "F.relu(f + self.shortcut(f))"],
        "ReLU to the shortcut": [None, None, "F.relu(f + F.relu(self.shortcut(x)))"],
        "ReLU to both paths": [None, RELU_F, "f + F.relu(self.shortcut(x))"],
        "added twice": [None, None, "F.relu(f + self.shortcut(x) + self.shortcut(x))"],
        "which step is missing": [None, "self.bn2(self.conv2(self.conv2(f)))"],
        "nn.ReLU is a layer": ["nn.ReLU(self.bn1(self.conv1(x)))"],
        "nn.ReLU is a layer?": [None, "nn.ReLU(self.bn2(self.conv2(f)))"],
        "returns a layer": [None, None, "nn.ReLU(f + self.shortcut(x))"],
        "write `self.` before": ["F.relu(bn1(conv1(x)))"],
        "has no `relu1`": ["self.relu1(self.bn1(self.conv1(x)))"],
        "without its parentheses": [None, None, "F.relu(f + self.shortcut)"],
        "without its parentheses?": ["F.relu(self.bn1(self.conv1))"],
        "several things at once": ["self.conv1(x), self.bn1(x)"],
        "takes one thing": [None, None, "F.relu(f, self.shortcut(x))"],
        "before it gets a value": ["F.relu(self.bn1(self.conv1(f)))"],
        "belongs to the tensors": ["relu(self.bn1(self.conv1(x)))"],
    },
    "03.augmentation": {
        "in 35 of 64 draws the image comes out mirrored": sometimes(mirror, 0.5),
        "comes out mirrored": Compose(RandomAffine(), LIGHT, sometimes(mirror, 0.1)),
        "comes out mirrored?": Compose(
            LIGHT, RandomAffine(20), GaussianNoise(0.4), sometimes(mirror, 0.5)),
        "comes out mirrored??": lambda x, g: sometimes(lambda x, g: x.flip(-2))(x, g),
        "comes out mirrored???": lambda x, g: x.mT,
        "turned too far": Compose(RandomAffine(degrees=90), LIGHT),
        "turned too far?": Compose(RandomAffine(degrees=50), LIGHT),
        "turned too far??": lambda x, g: x.rot90(1, (2, 3)),
        "turned too far???": sometimes(lambda x, g: x.flip(-1, -2)),
        "shifted by 9 pixels": Compose(RandomAffine(10, translate=12), LIGHT),
        "hardly anything": Compose(RandomAffine(), LIGHT, RandomErasing(22, p=1)),
        "hardly anything?": Compose(RandomAffine(scale=0.9), LIGHT),
        "hardly anything??": Compose(RandomAffine(), RandomLighting(3)),
        "hardly anything???": lambda x, g: 0 * x,
        "hardly anything????": lambda x, g: -x,
        "drowns": Compose(RandomAffine(), LIGHT, GaussianNoise(2)),
        "as far as 30": Compose(RandomAffine(), RandomBrightnessContrast(30, 0.2)),
        "to 0..1": lambda x, g: torchvision_transforms.functional.adjust_brightness(
            RandomAffine()(x, g), 1.2),
        "nothing changes": Compose(),
        "nothing changes?": Compose(RandomAffine(0, 0, 0, 0), GaussianNoise(0)),
        "the light stays": RandomAffine(),
        "the light stays?": Compose(
            RandomAffine(), GaussianNoise(0.3), RandomErasing(8), GaussianBlur(2)),
        "the hand stays": LIGHT,
        "the hand stays?": Compose(LIGHT, RandomErasing(8), GaussianNoise(0.3)),
        "the hand stays??": Compose(LIGHT, GaussianBlur(3)),
        "neither does the hand move": GaussianNoise(0.3),
        "neither does the hand move?": RandomErasing(10, p=1),
        "neither does the hand move??": Compose(
            RandomAffine(0.2, 0.1, 0.01, 0), RandomBrightnessContrast(0.01, 0.01)),
        "always makes the same": always,
        "the same change: draw one": Compose(seeded_as_one(RandomAffine()), LIGHT),
        "the same change: draw one?": Compose(RandomAffine(), seeded_as_one(LIGHT)),
        "joins them": [RandomAffine(), LIGHT],
        "`RandomAffine` needs parentheses": RandomAffine,
        "`GaussianNoise` needs parentheses": Compose(RandomAffine(), GaussianNoise),
        "already changed": torch.zeros(4, 1, 28, 28),
        "torchvision's": torchvision_transforms.RandomRotation(10),
        "torchvision's?": Compose(torchvision_transforms.RandomRotation(10)),
        "can it take both": lambda x: x,
        "gives back 2 things": lambda x, g: (x, g),
        "float64 comes out": lambda x, g: x.double(),
        "(8, 28, 28) comes out": lambda x, g: x[:, 0],
        "nan or inf": lambda x, g: x / 0,
        "`return` missing": lambda x, g: None,
    },
}  # fmt: skip
ALL = [(name, part) for name, mistakes in MISTAKES.items() for part in mistakes]


@pytest.mark.parametrize(("name", "part"), ALL, ids=[part for _name, part in ALL])
def test_a_typical_mistake_is_told_by_name(name, part):
    verdict = told(name, part, "en")
    assert verdict.status is Status.NOT_YET
    assert part.rstrip("?") in verdict.message, verdict.message
    assert len(verdict.message) < 450
    if not part.endswith("?"):  # otherwise a sentence of the table, once more
        spanish = told(name, part, "es").message
        assert spanish.startswith(("Todavía no: ", "Casi: "))
        assert part not in spanish or part.startswith("of type ")


@pytest.mark.parametrize("lang", ["en", "es"])
@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_get_different_sentences(name, lang):
    # Some of the table end in ?: the mistake of another, written in another way.
    parts = [part for part in MISTAKES[name] if not part.endswith("?")]
    said = {told(name, part, lang).message for part in parts}
    assert len(said) == len(parts) > 10


@pytest.mark.parametrize(
    ("wrong", "kind"), [("rotate", "str"), (None, "NoneType"), (augment, "module")]
)
def test_what_is_no_change_is_told_what_one_looks_like(wrong, kind):
    message = judge("03.augmentation", wrong).message
    assert "for example `augment.Compose(augment.RandomAffine(degrees=10)" in message
    assert message.endswith(f"something of type {kind}.")


def test_noise_is_told_apart_from_light():
    for extra in (GaussianNoise(0.3), GaussianBlur(1), RandomErasing(6)):
        message = judge("03.augmentation", Compose(RandomAffine(), extra)).message
        assert message.endswith("Noise, blur and erased squares are not light.")
    assert "Noise" not in judge("03.augmentation", RandomAffine()).message


def test_too_much_slant_or_blur_is_refused():
    for affine, blur, part in [
        (RandomAffine(shear=0.6), 1.5, "it slants by up to 0.6"),
        (RandomAffine(shear=0.5), 1.6, "it blurs by up to 1.6"),
        (RandomAffine(shear=0.3), 1.5, "Correct"),
    ]:
        change = Compose(affine, LIGHT, GaussianBlur(blur))
        message = judge("03.augmentation", change).message
        assert part in message, message


def seeded_with(seed):
    def split(photo, fraction, seed_given):
        return answer("03.split_by_photo")(photo, fraction, seed)

    return split


def test_a_seed_of_its_own_is_found_out():
    message = judge("03.split_by_photo", seeded_with(0)).message
    assert message.endswith("same split: do you pass `seed` to the generator?")


@pytest.mark.parametrize("own", ["", ", generator=generator"])
def test_a_chance_for_each_photo_is_no_fraction_of_them(own):
    chosen = f"photos[torch.rand(len(photos){own}) < fraction]"
    message = judge("03.split_by_photo", answer("03.split_by_photo", chosen)).message
    assert "You draw how many: they must be `round(fraction" in message


def test_the_function_shortcut_is_not_that_of_the_block():
    block = answer("03.residual_block", None, None, "F.relu(f + shortcut(x))")
    message = judge("03.residual_block", block).message
    assert "`shortcut` alone is the function that builds shortcuts" in message
    assert "Error" not in message


def with_forward(forward):
    parent = answer("03.residual_block")
    return type("ResidualBlock", (parent,), {"forward": forward})


def test_a_block_that_changes_its_input_is_found_out():
    def forward(self, x):
        f = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        s = self.shortcut(x)
        s += f
        return F.relu(s)

    message = judge("03.residual_block", with_forward(forward)).message
    assert "changes the very x that came in" in message

    def forward(self, x):
        f = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        f += self.shortcut(x)
        return F.relu(f)

    assert judge("03.residual_block", with_forward(forward)).status is Status.CORRECT


def test_a_block_without_a_gradient_is_found_out():
    def forward(self, x):
        f = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(f + self.shortcut(x)).detach()

    message = judge("03.residual_block", with_forward(forward)).message
    assert "no gradient comes back through your block" in message


def test_a_photo_in_both_parts_is_named():
    message = judge("03.split_by_photo", split_images).message
    assert "of photo 105, 2 images train and 1 validate" in message
    assert message.endswith("a photo stays whole. Do you shuffle images or photos?")


def test_no_sentence_shows_the_solution():
    solutions = {
        "03.letter": ["ALPHABET[", "[label]", "ord('A')", "65 +"],
        "03.split_by_photo": ["isin(", "photos[", "order[", "len(", "round("],
        "03.residual_block": ["self.conv1(", "self.bn2(", "relu(", "f +", "shortcut(x"],
        "03.augmentation": ["RandomAffine(", "Compose(", "Contrast("],
    }
    for name, parts in solutions.items():
        said = [told(name, part, "en").message for part in MISTAKES[name]]
        # What a sentence quotes of the learner's own line is no solution.
        said = [re.sub("your code stops at `.*?`", "", text) for text in said]
        for text in said + checks._exercises[name].hints():
            assert not any(part in text for part in parts), text


# ---- blanks, hints and slips -------------------------------------------------------
@pytest.mark.parametrize("name", STUBS)
def test_an_untouched_stub_is_not_attempted(name):
    blanks = checks._exercises[name].blanks if name in checks.names("03") else 0
    stub = answer(name, *["..."] * blanks)
    assert judge(name, stub).status is Status.NOT_ATTEMPTED


def test_an_untouched_augmentation_is_not_attempted():
    assert judge("03.augmentation", ...).status is Status.NOT_ATTEMPTED


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("03.split_by_photo", [None, "..."]),
        ("03.split_by_photo", ["..."]),
        ("03.residual_block", ["..."]),
        ("03.residual_block", [None, "..."]),
        ("03.residual_block", [None, None, "..."]),
        ("03.residual_block", [None, "...", "..."]),
    ],
)
def test_a_blank_left_over_is_asked_for(name, lines):
    message = judge(name, answer(name, *lines)).message
    assert message == "Not yet: there is still a `...` to fill in."


def test_the_exercises_are_in_the_notebooks_order():
    order = ["letter", "split_by_photo", "augmentation", "residual_block", "ece"]
    order += ["temperature", "grad_cam", "sensitivity_specificity"]
    assert checks.names("03") == [f"03.{n}" for n in [*order, "small_sign_network"]]


SLIPS = [
    ("03.letter", answer("03.letter", "ALPHABET(label)")),
    ("03.letter", "K"),
    ("03.letter", answer("03.letter", "ALPHABET[label].lower()")),
    ("03.letter", answer("03.letter", "ALPHABET[label] if label < 9 else None")),
    ("03.split_by_photo", answer("03.split_by_photo", None, None, "valid")),
    ("03.split_by_photo", answer("03.split_by_photo", "photos[order[:fraction]]")),
    ("03.residual_block", answer("03.residual_block", "relu(self.conv1(x))")),
    ("03.residual_block", answer("03.residual_block")(8, 8)),
    ("03.residual_block", answer("03.residual_block", None, None, "f + shortcut(x)")),
    ("03.augmentation", [RandomAffine()]),
    ("03.augmentation", "RandomAffine"),
    ("03.augmentation", lambda x: x),
]


@pytest.mark.parametrize(("name", "slip"), SLIPS)
def test_a_slip_uses_up_no_hint_and_a_mistake_does(name, slip, shown):
    check(name, slip)
    assert shown[-1].status is Status.NOT_YET and not shown[-1].hint
    check(name, given(name, next(iter(MISTAKES[name].values()))))
    assert shown[-1].hint.startswith("Hint 1 of 3")


# ---- the residual block ------------------------------------------------------------
def test_the_shortcuts_cell_must_have_been_run():
    block = answer("03.residual_block")
    del block.__init__.__globals__["shortcut"]
    message = judge("03.residual_block", block).message
    assert message.endswith("Run the cell that defines `shortcut` first.")


@pytest.mark.parametrize(
    ("layer", "other"),
    [
        ("conv1", lambda c_in, c_out: nn.Conv2d(c_in, c_out, 3, padding=1)),
        ("conv2", lambda c_in, c_out: nn.Conv2d(c_out, c_out, 1, bias=False)),
        ("bn2", lambda c_in, c_out: nn.Identity()),
        ("shortcut", lambda c_in, c_out: nn.AvgPool2d(3)),
    ],
)
def test_the_layers_must_be_as_given(layer, other):
    block = answer("03.residual_block")

    def altered(self, c_in, c_out, stride=1):
        block.__init__(self, c_in, c_out, stride)
        setattr(self, layer, other(c_in, c_out))

    changed = type("ResidualBlock", (block,), {"__init__": altered})
    message = judge("03.residual_block", changed).message
    assert message == (
        f"Not yet: self.{layer} is not as given: leave `__init__` as it was."
    )


def test_a_block_right_in_training_only_is_found_out():
    def forward(self, x):
        f = F.relu(self.bn1(self.conv1(x)))
        f = F.batch_norm(
            self.conv2(f), None, None, self.bn2.weight, self.bn2.bias, training=True
        )
        return F.relu(f + self.shortcut(x))

    block = type("ResidualBlock", (answer("03.residual_block"),), {"forward": forward})
    message = judge("03.residual_block", block).message
    assert "in evaluation and x (3, 4, 6, 6) I expected" in message


# ---- what the probe of the augmentations measures ----------------------------------
def measured(change):
    generator = torch.Generator().manual_seed(0)
    return Measured(lambda x: change(x, generator))


def fixed_affine(monkeypatch, *drawn):
    """RandomAffine with these fractions drawn: angle, zoom, slant, right, down."""
    from course_utils.augment import geometry

    monkeypatch.setattr(
        geometry, "draw", lambda shape, x, g: torch.tensor(drawn)[:, None].expand(shape)
    )
    return measured(RandomAffine(degrees=40, translate=10, scale=0.3, shear=0.3))


@pytest.mark.parametrize("angle", [-1.0, -0.5, 0.25, 0.75])
def test_the_turn_is_measured(angle, monkeypatch):
    found = fixed_affine(monkeypatch, angle, 0.0, 0.0, 0.0, 0.0)
    assert (found.turn.abs() == abs(40 * angle)).all()
    assert len(found.turn.unique()) == 1 and found.moved.all()
    assert not found.mirrored.any() and not found.lit.any()


@pytest.mark.parametrize(("right", "down", "pixels"), [(0.4, 0, 4), (-0.2, -0.8, 8)])
def test_the_shift_is_measured(right, down, pixels, monkeypatch):
    found = fixed_affine(monkeypatch, 0.0, 0.0, 0.0, right, down)
    assert (found.shift == pixels).all() and found.moved.all()


def test_noise_light_and_mirrors_are_measured():
    noisy = measured(GaussianNoise(0.4))
    assert noisy.noise.median() == pytest.approx(0.4, abs=0.02)
    assert not noisy.moved.any() and noisy.lit.sum() < 5
    brighter = measured(lambda x, g: 1.5 * x + 0.25)
    assert torch.allclose(brighter.dark, torch.tensor(-1.25))
    assert torch.allclose(brighter.bright, torch.tensor(1.75))
    assert brighter.lit.all() and not brighter.moved.any()
    assert measured(mirror).mirrored.all()


def test_the_pattern_is_normalised_and_like_none_of_its_mirrored_selves():
    x = pattern()
    assert x.mean() == pytest.approx(0, abs=1e-5)
    assert x.std(correction=0) == pytest.approx(1, abs=1e-5)
    for turn in range(4):
        for other in (x.flip(-1).rot90(turn, (2, 3)), x.rot90(turn, (2, 3))):
            if not torch.equal(other, x):
                assert (x * other).mean() < 0.6


# ---- nothing raises ----------------------------------------------------------------
class Hostile:
    def _refuse(self, *args, **kwargs):
        raise RuntimeError("no")

    __repr__ = __str__ = __len__ = __eq__ = __bool__ = __iter__ = _refuse
    __hash__ = None

    def __getattr__(self, name):
        raise RuntimeError(name)


def raising(*args):
    raise SystemExit(3)


HOSTILE = {
    "None": None,
    "a number": 3,
    "text": "K",
    "a hostile object": Hostile(),
    "a type": dict,
    "a module type": nn.Linear,
    "a module": nn.Linear(2, 2),
    "raises": raising,
    "returns hostile": lambda *a: Hostile(),
    "returns its arguments": lambda *a: a,
    "returns a huge int": lambda *a: 10**6000,
    "returns a huge tensor": lambda *a: torch.ones(1).expand(10**6, 10**6),
    "returns empty tensors": lambda *a: (torch.ones(0), torch.ones(0)),
    "returns an object array": lambda *a: (np.array([None]), None),
    "returns complex": lambda *a: (torch.ones(3, 3) * 1j,) * 2,
    "no arguments": lambda: 1,
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.parametrize("wrong", HOSTILE.values(), ids=HOSTILE)
def test_check_never_raises(name, wrong, shown):
    check(name, wrong)
    (verdict,) = shown
    assert verdict.status is Status.NOT_YET
    assert len(str(verdict)) < 1_000 and verdict._repr_html_()


def test_checks_leave_the_random_numbers_alone():
    torch.manual_seed(1)
    wanted = torch.rand(3)
    for name in MISTAKES:
        torch.manual_seed(1)
        judge(name, given(name, RIGHT[name][0]))
        assert torch.equal(torch.rand(3), wanted), name


def test_every_change_of_the_course_can_be_judged():
    for name in augment.__all__:
        if name != "Compose":
            verdict = judge("03.augmentation", getattr(augment, name)())
            assert verdict.status is Status.NOT_YET, name
