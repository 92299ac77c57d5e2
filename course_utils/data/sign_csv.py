"""A CSV file of Sign-Language-MNIST: read in a second, or refused in a sentence."""

import io
import warnings
from pathlib import Path

import numpy as np
import torch

from course_utils.data.dataset import Split
from course_utils.locale import _

NAMES = [b"label", *(b"pixel%d" % i for i in range(1, 785))]
J, Y = 9, 24  # places in the alphabet, which is what the files call labels


class CsvFault(ValueError):
    """What is wrong with a file, as a clause that begins with its path."""


def content_of(path: Path) -> bytes:
    """The bytes of a file. Raises CsvFault."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CsvFault(
            _("{path} cannot be read ({error})").format(path=path, error=error.strerror)
        ) from error


def parse(path: Path, content: bytes) -> Split:
    """The images and letters of a CSV file: label,pixel1..pixel784, a row an image.

    path: for the error. content: the file's bytes; labels 0 to 24 without 9, places in
    the alphabet, 24 among them; pixels 0 to 255.
    Returns x uint8 (N, 1, 28, 28) and y int64 (N,), 0 to 23. Raises CsvFault.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # no images at all is only a warning
            table = np.loadtxt(
                io.BytesIO(content),
                delimiter=",",
                skiprows=1,
                dtype=np.uint8,
                comments=None,
                ndmin=2,
            )
    except (ValueError, UserWarning):
        raise CsvFault(_first_fault(path, content)) from None
    labels = set(np.unique(table[:, 0]).tolist())
    expected = table.shape[1] == len(NAMES) and _names(content[:20_000]) == NAMES
    if not expected or J in labels or max(labels) != Y:
        raise CsvFault(_first_fault(path, content))
    x = torch.from_numpy(table[:, 1:].reshape(-1, 1, 28, 28).copy())
    y = torch.from_numpy(table[:, 0].astype(np.int64))
    return Split(x, y - (y > J).long())


def _names(content: bytes) -> list[bytes]:
    """The names in the first line, which some programs write between quotes."""
    first = content.removeprefix(b"\xef\xbb\xbf").splitlines()[:1] or [b""]
    return [name.strip(b'" ') for name in first[0].split(b",")]


def _first_fault(path: Path, content: bytes) -> str:
    """What is wrong with a file, and where first, as a clause."""
    if not content.strip():
        return _("{path} is empty").format(path=path)
    lines = content.splitlines()
    where = _("{path}, line {number}: {found}")
    if found := _fault_of_names(_names(content)):
        found += _beginning(lines[0])
        return where.format(path=path, number=1, found=found)
    for number, line in enumerate(lines[1:], start=2):
        if line.strip() and (found := _fault_of_row(line.split(b","))):
            if number == len(lines) and not content.endswith((b"\n", b"\r")):
                found += _("; the file ends there, so it was cut off")
            return where.format(path=path, number=number, found=found)
    if not any(map(bytes.strip, lines[1:])):
        return _("{path} has a header and no images").format(path=path)
    return _(
        "{path} has no label 24, the letter Y: it seems to number the letters from 0 "
        "to 23, where the official files count J and have 0 to 24 without 9"
    ).format(path=path)


def _fault_of_names(names: list[bytes]) -> str | None:
    if len(names) != len(NAMES):
        return _wrong_columns(len(names))
    if names != NAMES:
        return _("expected the names label, pixel1..pixel784")
    return None


def _beginning(line: bytes) -> str:
    """What the first line of a file says, as the end of a clause."""
    start = line[:40].decode("utf-8", "replace").strip()
    clause = _("; it begins with {start!r}").format(start=start)
    if start.lower().startswith(("<!doctype", "<html", "<?xml")):
        clause += _(": a web page, probably a login screen")
    return clause


def _fault_of_row(cells: list[bytes]) -> str | None:
    if len(cells) != len(NAMES):
        return _wrong_columns(len(cells))
    for name, cell in zip(NAMES, cells, strict=True):
        if not cell.strip().isdigit() or int(cell) > 255:
            return _("{name} is {cell!r}, not a whole number from 0 to 255").format(
                name=name.decode(), cell=cell.decode("utf-8", "replace")
            )
    label = int(cells[0])
    if label == J:
        return _(
            "label 9 would be J, which is no still hand: the file seems to number the "
            "letters from 0 to 23, where the official files have 0 to 24 without 9"
        )
    if label > Y:
        return _("label {label} is unknown: there are 0 to 24, without 9").format(
            label=label
        )
    return None


def _wrong_columns(count: int) -> str:
    return _("expected 785 columns (label, pixel1..pixel784), found {count}").format(
        count=count
    )
