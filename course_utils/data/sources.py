"""What data sets share: the choice of a source, and what to say of a silent server."""

import contextlib
import errno
import os
import socket
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from course_utils.locale import _

SOURCES = ("auto", "download", "embedded")
CONNECT_SECONDS = 5  # until we believe that there is no network
STALL_SECONDS = 10  # without a byte, until a download counts as broken

Found = TypeVar("Found")


class Offline(Exception):
    """The server of a data set did not answer."""


def choose(function: str, source: str | None, *, folders: bool = False) -> str:
    """One of SOURCES, or a ValueError that names what was asked for and where.

    function: who asks, for the error. source: None means the variable COURSE_DATA, or
    "auto" where it is not set. folders: the error says that a folder would do as well.
    """
    asked = "source"
    if source is None:
        # A Windows `set COURSE_DATA=embedded ` keeps the space at the end.
        source = os.environ.get("COURSE_DATA", "").strip().lower() or "auto"
        asked = "COURSE_DATA"
        folders = False
    if source in SOURCES:
        return source
    sentence = _("{function}: {asked} is {value!r}: use one of {known}.")
    if folders:
        sentence = _(
            "{function}: {asked} is {value!r}: use one of {known}, or a folder that "
            "holds the files."
        )
    known = ", ".join(f'"{name}"' for name in SOURCES)
    raise ValueError(
        sentence.format(function=function, asked=asked, value=source, known=known)
    )


def as_folder(source: str | Path | None) -> Path | None:
    """The folder that `source` asks for; None where it is not one.

    A Path is one whether it is there or not, a text where there is such a folder.
    """
    if isinstance(source, Path):
        return source.expanduser()
    if not isinstance(source, str) or source in SOURCES or not source.strip():
        return None
    folder = os.path.expanduser(source)
    return Path(folder) if os.path.isdir(folder) else None


def online(url: str) -> bool:
    """Whether the server answers anything at all within CONNECT_SECONDS.

    Looking up a name has no timeout of its own: a thread does it, which we can leave.
    """
    answers = []

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")
        with contextlib.suppress(Exception):  # whatever fails, we are not online
            with contextlib.suppress(urllib.error.HTTPError):  # "forbidden" is online
                urllib.request.urlopen(request, timeout=CONNECT_SECONDS).close()
            answers.append(True)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    return bool(answers)


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Inside, a socket that gets no byte for STALL_SECONDS counts as broken.

    For torchvision and torch.hub, which set no timeout of their own.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """A folder inside `folder` to write in, for renaming what is whole; gone after."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=folder, prefix=".download-", ignore_cleanup_errors=True
    ) as beside:
        yield Path(beside)


@contextlib.contextmanager
def kagglehub_in(folder: Path) -> Iterator[None]:
    """Inside, kagglehub keeps what it downloads here: its own cache is never emptied.

    On Kaggle and Colab it downloads nothing and names a folder that they mount.
    """
    before = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(folder)
    try:
        yield
    finally:
        del os.environ["KAGGLEHUB_CACHE"]
        if before is not None:
            os.environ["KAGGLEHUB_CACHE"] = before


def obtain(
    download: Callable[[], Found],
    *,
    source: str,
    name: str,
    otherwise: str | Callable[[], str],
    damaged: Path | None = None,
    fault: str | None = None,
    **details,
) -> Found | None:
    """What `download()` returns; or None, after one printed sentence that says why not.

    source: where it is "download", that sentence is raised as a RuntimeError instead.
    name: of the data set. otherwise: what happens now, as a clause that "to have them,"
    may end, or a function that gives it, asked after the failure. damaged: the file at
    hand that is; fault: or what is wrong with it, as a clause. details: for `explain`.
    """
    if damaged:
        fault = _("{file} is damaged").format(file=damaged)
    try:
        found = download()
    except Exception as error:  # whatever it is, the lesson goes on
        reason, remedy = explain(error, **details)
        if fault:
            reason = _("{fault} and {reason}").format(fault=fault, reason=reason)
        if source == "download":
            raise RuntimeError(
                _("{name} is not available: {reason}; {remedy}.").format(
                    name=name, reason=reason, remedy=remedy
                )
            ) from error
        otherwise = otherwise() if callable(otherwise) else otherwise
        print(
            _("{name} is not available: {reason}; {otherwise}, {remedy}.").format(
                name=name, reason=reason, otherwise=otherwise, remedy=remedy
            )
        )
        return None
    if damaged:
        print(
            _("{file} was damaged; {name} has been downloaded again.").format(
                file=damaged, name=name
            )
        )
    return found


def explain(
    error: Exception,
    *,
    call: str,
    package: str,
    folder: Path,
    megabytes: int,
    variable: str = "COURSE_DATA_DIR",
) -> tuple[str, str]:
    """(what happened, what to do), each a clause in the language in use.

    call: what to call again. package: what downloads. folder: where to, needing so many
    megabytes; variable: the one that names another.
    """
    again = _("call {call} again").format(call=call)
    if isinstance(error, Offline):
        return _("its server does not answer (no network?)"), _(
            "connect and {again}, or fill {folder} by hand as data/README.md says"
        ).format(again=again, folder=folder)
    if isinstance(error, ImportError):
        return _("{package} cannot be imported ({error})").format(
            package=package, error=error
        ), _("run pip install -r requirements.txt and {again}").format(again=again)
    # By name: Windows does not define all of them.
    code = errno.errorcode.get(getattr(error, "errno", None))
    if code in ("ENOSPC", "EDQUOT"):
        return _("the disk of {folder} is full").format(folder=folder), _(
            "free {megabytes} MB, or name another folder in the variable {variable}, "
            "and {again}"
        ).format(megabytes=megabytes, variable=variable, again=again)
    if code in ("EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "EISDIR", "ENOENT"):
        return _("{folder} cannot be written ({error})").format(
            folder=folder, error=error.strerror
        ), _("name another folder in the variable {variable} and {again}").format(
            variable=variable, again=again
        )
    # The last line: torchvision's message begins with a list of addresses.
    detail = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return _("the download failed ({error})").format(error=detail.rstrip(".")), again
