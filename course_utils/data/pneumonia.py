"""PneumoniaMNIST: 5,856 real chest radiographs of children, where they can be had."""

import contextlib
import io
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from course_utils.data import sources
from course_utils.data.dataset import Dataset, Split, cache_folder
from course_utils.locale import _

SERVER = "https://zenodo.org"
FILE = "pneumoniamnist.npz"
PARTS = ("train", "val", "test")


def pneumonia(source: str | None = None) -> Dataset | None:
    """Chest radiographs of children, normal or with pneumonia, 28 by 28 grey pixels.

    source: "auto" takes the file from the cache folder, else downloads it by medmnist
        (4 MB), else says in one sentence why not; "download" does the same but raises
        RuntimeError; "embedded": no radiographs come with any package, which it says.
        None: the variable COURSE_DATA, or "auto" where it is not set.
    Returns a Dataset, x uint8 (N, 1, 28, 28), y int64 (N,), 1 = pneumonia; or None
    where there are no radiographs. The official cut: 4,708 / 524 / 624 images
    (train / valid / test), less those of train that are also in valid or test, to the
    pixel; `source` says how many. Validation is cut by image, not by child: the same
    child may be in train; test is the source's own.
    Raises ValueError for another source.

    Kermany, D. S., and others (2018). Cell 172(5).
    https://doi.org/10.1016/j.cell.2018.02.010
    Yang, J., and others (2023). Scientific Data 10, 41.
    https://doi.org/10.1038/s41597-022-01721-8
    """
    source = sources.choose("pneumonia", source)
    if source == "embedded":
        print(
            _(
                'PneumoniaMNIST is left out: the chosen source is "embedded", and no '
                "radiographs come with an installed package."
            )
        )
        return None
    path = cache_folder() / "medmnist" / FILE
    arrays = _read(path)
    if arrays is None:
        arrays = sources.obtain(
            lambda: _download(path),
            source=source,
            name="PneumoniaMNIST",
            otherwise=_("we go on without its radiographs; to have them"),
            damaged=path if os.path.isfile(path) else None,
            call="data.pneumonia()",
            package="medmnist",
            folder=path.parent,
            megabytes=20,
        )
    return _dataset(arrays) if arrays else None


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """The six arrays of the file; None where it is absent or not what it should be."""
    try:
        with np.load(path) as file:
            arrays = {
                f"{part}_{what}": file[f"{part}_{what}"]
                for part in PARTS
                for what in ("images", "labels")
            }
    # zipfile checks the sum of every array that it reads.
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    for part in PARTS:
        x, y = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        if x.dtype != np.uint8 or x.shape[1:] != (28, 28) or y.shape != (len(x), 1):
            return None
        if not len(x) or not np.isin(y, (0, 1)).all():
            return None
    return arrays


def _download(path: Path) -> dict[str, np.ndarray]:
    """Fetch by medmnist into a folder beside, check, then rename to `path`."""
    with sources.staging(path.parent) as beside:
        if not sources.online(SERVER):
            raise sources.Offline
        from medmnist import PneumoniaMNIST  # late: takes seconds to import

        silence = io.StringIO()
        with (
            sources.patience(),
            contextlib.redirect_stdout(silence),
            contextlib.redirect_stderr(silence),
        ):
            try:
                PneumoniaMNIST("train", download=True, root=str(beside))
            except RuntimeError as error:
                # It hides what went wrong, even a stop by hand, behind its own advice.
                raise error.__context__ or error from None
        arrays = _read(beside / FILE)
        if arrays is None:
            raise RuntimeError(f"{FILE}: content")
        os.replace(beside / FILE, path)
    return arrays


def _dataset(arrays: dict[str, np.ndarray]) -> Dataset:
    elsewhere = {
        image.tobytes() for part in PARTS[1:] for image in arrays[f"{part}_images"]
    }
    new = [image.tobytes() not in elsewhere for image in arrays["train_images"]]
    parts = [
        Split(
            torch.from_numpy(arrays[f"{part}_images"]).unsqueeze(1),
            torch.from_numpy(arrays[f"{part}_labels"].astype(np.int64)).flatten(),
        )
        for part in PARTS
    ]
    train, valid, test = parts
    keep = torch.tensor(new)
    return Dataset(
        train=Split(train.x[keep], train.y[keep]),
        valid=valid,
        test=test,
        classes=(_("normal"), _("pneumonia")),
        source=_(
            "PneumoniaMNIST: real chest radiographs of children (Kermany and others, "
            "2018, doi 10.1016/j.cell.2018.02.010): {train:,} to train, {valid:,} to "
            "validate, {test:,} to test; {left_out} of the training images, which are "
            "also in another part, were left out."
        ).format(
            train=int(keep.sum()),
            valid=len(valid.y),
            test=len(test.y),
            left_out=int((~keep).sum()),
        ),
        real=True,
    )
