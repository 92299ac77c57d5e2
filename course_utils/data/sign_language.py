"""Sign-Language-MNIST: photos of hands that spell, or rendered hands in their place."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_utils.data import kept, sources
from course_utils.data.dataset import Dataset, Split, cache_folder, stratified_order
from course_utils.data.photos import near_copies, photo_groups, split_by_photo
from course_utils.data.sign_csv import CsvFault, content_of, parse
from course_utils.locale import _

CLASSES = tuple("ABCDEFGHIKLMNOPQRSTUVWXY")  # J and Z are drawn in the air: no photo
HANDLE = "datamunge/sign-language-mnist"
SERVER = "https://www.kaggle.com"
TRAIN, TEST = "sign_mnist_train.csv", "sign_mnist_test.csv"
# Bytes and sha256 of the official files.
FILES = {
    TRAIN: (
        83_253_609,
        "b7ff39ad5f1210fa765ce11aa5f20c2e97fe467ffc22231aac923c863eef75c4",
    ),
    TEST: (
        21_770_312,
        "178c0dd21c4b0e86d58df12f14ea1e9efa795ad19d146802b3b28094a16d56ae",
    ),
}
FIRST_TEST_PERSON = 8  # of the twelve whose hands are rendered
VALID_SHARE = 0.2  # of each letter's photos
KEPT = {"x": np.uint8, "y": np.int64, "photo": np.int64, "person": np.int64}


def sign_language(source: str | Path | None = None) -> Dataset:
    """Hands that spell 24 letters, 28 by 28 grey pixels, black 0 to white 255.

    source: "auto" takes the two CSV files from the cache folder, else downloads them
        from Kaggle (65 MB, 105 MB on disk; no account), else says in one sentence why
        not and goes on with "embedded"; "download" does the same but raises
        RuntimeError instead of going on; "embedded" takes rendered hands: no network,
        no real photo. A path: the folder that holds sign_mnist_train.csv and
        sign_mnist_test.csv. None: the variable COURSE_DATA, or "auto" where not set.
    Returns a Dataset, x uint8 (N, 1, 28, 28), y int64 (N,), indices into the 24
    letters of `classes` (the files' labels, places in the alphabet, are converted).

    The images are variants of far fewer photos. Validation takes a fifth of each
    letter's photos, never an image whose photo is in train, always the same. The test
    file stays the test set: it holds its photos with all their variants (344 photos,
    about 21 of each), so a photo of train should not be in it; `source` says how many
    test images are near copies of training ones where there are any.
    Rendered: 3,072 / 768 / 1,920 images (train / valid / test), in test the hands of
    other people than in train and valid.

    Raises ValueError for another source, and for a folder whose files are not what
    they should be, naming file and line.
    """
    if named := sources.as_folder(source):
        return _from_folder(named)
    source = sources.choose("sign_language", source, folders=True)
    if source == "embedded":
        return _rendered()
    folder = cache_folder() / "sign_mnist"
    fault = None
    if all(os.path.isfile(folder / name) for name in FILES):
        try:
            return _real(folder)
        except CsvFault as error:
            fault = str(error)
    found = sources.obtain(
        lambda: _download(folder),
        source=source,
        name="Sign-Language-MNIST",
        otherwise=_("we go on with rendered hands, no real photos; to have those"),
        fault=fault,
        call="data.sign_language()",
        package="kagglehub",
        folder=folder,
        megabytes=400,
    )
    if found is None:
        return _rendered()
    if fault:
        print(
            _("{fault}; the official files have been downloaded in its place.").format(
                fault=fault
            )
        )
    return found


def _from_folder(folder: Path) -> Dataset:
    for name in FILES:
        if not os.path.isfile(folder / name):
            raise ValueError(
                _(
                    "sign_language: there is no {name} in {folder}; the folder must "
                    "hold {train} and {test}."
                ).format(name=name, folder=folder, train=TRAIN, test=TEST)
            )
    try:
        return _real(folder)
    except CsvFault as fault:
        raise ValueError(
            _(
                "{fault}. Pass a folder with the files as Kaggle has them, or call "
                "data.sign_language() to have them downloaded."
            ).format(fault=fault)
        ) from None


def _download(folder: Path) -> Dataset:
    """Fetch by kagglehub into a folder beside, check, then rename into `folder`."""
    with sources.staging(folder) as beside:
        if not sources.online(SERVER):
            raise sources.Offline
        import kagglehub  # late: only a download needs it

        with sources.kagglehub_in(beside):
            fetched = Path(kagglehub.dataset_download(HANDLE))
        for name in FILES:
            if not _is_official(name, content_of(fetched / name)):
                raise RuntimeError(f"{name}: checksum")
            shutil.copyfile(fetched / name, beside / name)
        for name in FILES:
            os.replace(beside / name, folder / name)
    return _real(folder)


def _is_official(name: str, content: bytes) -> bool:
    size, sha256 = FILES[name]
    return len(content) == size and hashlib.sha256(content).hexdigest() == sha256


def _real(folder: Path) -> Dataset:
    """The two files of `folder` as a Dataset. Raises CsvFault."""
    contents = {name: content_of(folder / name) for name in FILES}
    x, y = parse(folder / TRAIN, contents[TRAIN])
    test = parse(folder / TEST, contents[TEST])
    train, valid = split_by_photo(photo_groups(x, y), y, VALID_SHARE)
    counts = {"train": len(train), "valid": len(valid), "test": len(test.y)}
    if all(_is_official(name, content) for name, content in contents.items()):
        source = _(
            "Sign-Language-MNIST: real photos of hands (Kaggle, {handle}): {train:,} "
            "images to train, {valid:,} of other photos to validate, {test:,} to test."
        ).format(handle=HANDLE, **counts)
    else:
        source = _(
            "Photos of hands from {folder}, which are not the official files of "
            "Sign-Language-MNIST: {train:,} images to train, {valid:,} of other photos "
            "to validate, {test:,} to test."
        ).format(folder=folder, **counts)
    copies = int(near_copies(*test, x, y).sum())
    if copies:
        source += " " + _(
            "Mind that {copies:,} of the test images are near copies of images to "
            "train or to validate."
        ).format(copies=copies)
    return Dataset(
        train=Split(x[train], y[train]),
        valid=Split(x[valid], y[valid]),
        test=test,
        classes=CLASSES,
        source=source,
        real=True,
    )


def _rendered() -> Dataset:
    """5,760 synthetic images: 720 photos, eight variants of each, of twelve people."""
    x, y, photo, person = _kept() or _render_and_keep()

    def part(indices: Tensor) -> Split:
        # In an order of which any beginning shows all the letters.
        indices = indices[stratified_order(y[indices].numpy(), seed=0)]
        return Split(x[indices], y[indices])

    test = (person >= FIRST_TEST_PERSON).nonzero().flatten()
    rest = (person < FIRST_TEST_PERSON).nonzero().flatten()
    train, valid = split_by_photo(photo[rest], y[rest], VALID_SHARE)
    return Dataset(
        train=part(rest[train]),
        valid=part(rest[valid]),
        test=part(test),
        classes=CLASSES,
        source=_(
            "Rendered hands, synthetic: {train:,} images to train, {valid:,} to "
            "validate, {test:,} of other people's hands to test; computed from a model "
            "of the hand, no real photo among them; no internet needed."
        ).format(train=len(train), valid=len(valid), test=len(test)),
        real=False,
    )


def _kept_path() -> Path:
    return cache_folder() / "rendered_hands-v1.npz"


def _kept() -> tuple[Tensor, ...] | None:
    """The hands that an earlier call rendered; None if there are none, or damaged."""
    arrays = kept.read(_kept_path(), KEPT)
    return arrays and tuple(map(torch.from_numpy, arrays))


def _render_and_keep() -> tuple[Tensor, ...]:
    from course_utils.data.synthetic import hands  # late: only here

    with kept.one_thread():
        tensors = hands.collection(seed=0)
    arrays = {name: t.numpy() for name, t in zip(KEPT, tensors, strict=True)}
    kept.write(_kept_path(), arrays, compress=True)
    return tensors
