"""Ultrasound of nerves and vessels, with masks: where somebody has put it."""

import os
from pathlib import Path

import numpy as np
import torch

from course_utils.data import sources
from course_utils.data.dataset import Dataset, Split, cache_folder
from course_utils.locale import _

HEIGHT, WIDTH = 96, 128
LABELS = 3  # background, nerve, vessel
# Of ten runs of neighbouring images: two to validate and two to test, one of each from
# either half, since the first half comes from another machine than the second.
PARTS = 2 * ("train", "train", "valid", "test", "train")


def nerve(source: str | Path | None = None) -> Dataset | None:
    """Ultrasound of nerves and vessels, outlined by hand, 96 by 128 grey pixels.

    source: "auto" and "download" take the folder nerve_ultrasound of the cache folder;
        where it is absent or damaged they say so in one sentence: there is no server to
        download it from. "embedded": no ultrasound comes with any package, which it
        says. A path: the folder, with images/NAME.png and masks/NAME.png. None: the
        variable COURSE_DATA, or "auto" where it is not set.
    Returns a Dataset, x uint8 (N, 1, 96, 128), y uint8 (N, 96, 128), a class per pixel:
    0 background, 1 nerve, 2 vessel; or None where there are no images.
    An image keeps its proportions: it is reduced by averaging, a mask by its nearest
    pixel, and what is left at the sides is 0.
    Which patient an image shows is not known. Neighbouring numbers may show the same
    one: they stay together, in ten runs, six of them to train, two to validate, two to
    test; always the same.
    Raises ValueError for another source, and for a folder whose files are not what
    they should be, naming the file.
    """
    if named := sources.as_folder(source):
        return _dataset(named)
    source = sources.choose("nerve", source, folders=True)
    if source == "embedded":
        print(
            _(
                "The ultrasound of nerves is left out: the chosen source is "
                '"embedded", and no ultrasound comes with an installed package.'
            )
        )
        return None
    folder = cache_folder() / "nerve_ultrasound"
    if not os.path.isdir(folder):
        print(
            _(
                "The ultrasound of nerves is left out: there is no {folder}, and no "
                "server to download it from; data/README.md says what belongs there."
            ).format(folder=folder)
        )
        return None
    try:
        return _dataset(folder)
    except ValueError as fault:
        print(_("The ultrasound of nerves is left out: {fault}").format(fault=fault))
        return None


def _dataset(folder: Path) -> Dataset:
    paths = sorted((folder / "images").glob("*.png"))
    if len(paths) < len(PARTS):
        raise ValueError(
            _(
                "nerve: {folder} holds {count} images, and {least} are needed to cut "
                "them in three; it should hold images/NAME.png and masks/NAME.png."
            ).format(folder=folder, count=len(paths), least=len(PARTS))
        )
    pairs = [_pair(path, folder / "masks" / path.name) for path in paths]
    x = torch.from_numpy(np.stack([image for image, mask in pairs])).unsqueeze(1)
    y = torch.from_numpy(np.stack([mask for image, mask in pairs]))
    run = torch.arange(len(paths)) * len(PARTS) // len(paths)
    splits = {}
    for part in ("train", "valid", "test"):
        runs = torch.tensor([i for i, owner in enumerate(PARTS) if owner == part])
        members = torch.isin(run, runs)
        splits[part] = Split(x[members], y[members])
    return Dataset(
        **splits,
        classes=(_("background"), _("nerve"), _("vessel")),
        source=_(
            "Real ultrasound of nerves and vessels, from {folder}: {train} images to "
            "train, {valid} to validate, {test} to test. Their names do not tell the "
            "patients: neighbouring images were kept together, and still one patient "
            "may be in two parts."
        ).format(
            folder=folder, **{part: len(split.y) for part, split in splits.items()}
        ),
        real=True,
    )


def _pair(image_path: Path, mask_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """An image and its mask, uint8 (96, 128) each, or a ValueError naming the file."""
    from PIL import Image  # late: only here

    image, mask = _open(image_path), _open(mask_path)
    # A mask's pixels are places in its palette: as grey they would be other numbers.
    if mask.mode not in ("P", "L"):
        raise ValueError(
            _(
                "nerve: {file} is a picture in colours (mode {mode}), not a mask of "
                "classes; save it with a palette, 0 background, 1 nerve, 2 vessel."
            ).format(file=mask_path, mode=mask.mode)
        )
    if mask.size != image.size:
        raise ValueError(
            _(
                "nerve: {file} has {mask} pixels, its image {image} (width, height)."
            ).format(file=mask_path, mask=mask.size, image=image.size)
        )
    if (highest := int(np.asarray(mask).max())) >= LABELS:
        raise ValueError(
            _(
                "nerve: {file} has the label {label}; known are 0 background, 1 nerve, "
                "2 vessel."
            ).format(file=mask_path, label=highest)
        )
    return (
        _fitted(image.convert("L"), Image.Resampling.BOX),
        _fitted(mask, Image.Resampling.NEAREST),
    )


def _open(path: Path):
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise ValueError(
            _("nerve: {file} is missing: an image needs a mask of its name.").format(
                file=path
            )
        ) from None
    except (OSError, SyntaxError, ValueError) as error:  # PIL's words for a bad file
        raise ValueError(
            _("nerve: {file} cannot be read ({error}).").format(file=path, error=error)
        ) from error


def _fitted(picture, resampling: int) -> np.ndarray:
    """The picture as large as fits into 96 by 128, in the middle of zeros."""
    width, height = picture.size
    scale = min(WIDTH / width, HEIGHT / height)
    width, height = round(scale * width), round(scale * height)
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    top, left = (HEIGHT - height) // 2, (WIDTH - width) // 2
    canvas[top : top + height, left : left + width] = np.asarray(
        picture.resize((width, height), resampling)
    )
    return canvas
