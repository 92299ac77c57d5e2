"""What takes long to compute, and is kept in the cache folder as an npz file."""

import contextlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from course_utils.data import sources

# What reading a damaged file may raise; zipfile checks the sum of every array it reads.
DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def read(path: Path, kinds: dict[str, type]) -> list[np.ndarray] | None:
    """The arrays of these names and types; None if they are not there, or damaged."""
    try:
        with np.load(path) as file:
            arrays = [file[name] for name in kinds]
    except DAMAGED:
        return None
    good = [a.dtype for a in arrays] == [np.dtype(kind) for kind in kinds.values()]
    return arrays if good else None


def write(path: Path, arrays: dict[str, np.ndarray], compress: bool = False) -> None:
    """Keep the arrays under their names, all or none.

    A disk that is full or read-only only costs computing them again.
    """
    save = np.savez_compressed if compress else np.savez
    with contextlib.suppress(OSError), sources.staging(path.parent) as beside:
        save(beside / path.name, **arrays)
        os.replace(beside / path.name, path)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread, afterwards on as many as before.

    Many small steps gain nothing from a second thread, and where something else is
    running they wait for it: a quarter of a minute becomes minutes.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
