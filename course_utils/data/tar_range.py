"""Single files out of a tar on a server: some MB of it, not the whole.

A tar is a row of files, each behind a header of 512 bytes that says how long it is. So
whoever reads one header knows where the next is, without the bytes between.
"""

import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from course_utils.data import sources
from course_utils.data.http_range import RangeFault, RemoteFile
from course_utils.locale import _

BLOCK = 512  # bytes: headers begin at multiples of it
READ_AHEAD = 8192  # bytes asked for where a header is expected: often two are near
TAIL_PIECE, TAIL_PIECES = 1 << 22, 8  # bytes, and how many of them are searched
PLAIN = tarfile.REGTYPE, tarfile.AREGTYPE  # a file with content, in a header's words


class Member(NamedTuple):
    """A file in the archive. offset: of its first byte in the archive; size: bytes."""

    name: str
    offset: int
    size: int


class RangeTar:
    """An uncompressed tar on a server that answers ranges.

    url: of the tar. index: a JSON file that keeps the places of its files between two
    runs; none, a damaged one and one of another url count as empty.
    progress: an attribute, called with the number of bytes, as they come.

    The server is asked where a method needs it. Then they raise RangeFault, for what
    RemoteFile says and for an archive that is no tar or another than the index knows
    (which is deleted); and OSError where the disk is full or cannot be written.
    """

    def __init__(self, url: str, index: Path | None = None):
        self.url, self._index = url, index
        self.progress: Callable[[int], object] = lambda count: None
        self._walked = 0  # where the first header is that has not been read
        self._members: dict[str, Member] = {}  # by name, as far as walked
        self._tail: dict[str, Member] = {}  # found at the end, ahead of the walk
        self._size = None  # of the archive of which the index tells
        self._load()

    @property
    def known(self) -> dict[str, Member]:
        """By name, the files of which the place is known without asking the server.

        Those from the beginning of the archive come first, in its order.
        """
        return self._members | self._tail

    def members(self, pattern: str = ".*", most: int | None = None) -> list[Member]:
        """The first `most` files whose whole name matches, in the archive's order.

        pattern: a regular expression. most: None takes all, and then every header is
        read: a request for each file longer than 8 kB.
        """
        matching = [m for m in self._members.values() if re.fullmatch(pattern, m.name)]
        if most is None or len(matching) < most:
            for member in self._walk():
                if re.fullmatch(pattern, member.name):
                    matching.append(member)
                    if len(matching) == most:
                        break
            self._save()
        return matching[:most]

    def find(self, names: Iterable[str]) -> list[Member]:
        """The files of these names, in this order.

        They are looked for at the end of the archive, in up to 32 MB of it, by the mark
        that every header bears: small files that lie together there would else cost a
        request each. What is not there is looked for from the beginning on.
        """
        names = list(names)
        missing = set(names) - self.known.keys()
        if missing:
            missing -= self._search_tail(missing)
            if missing:
                for member in self._walk():
                    missing.discard(member.name)
                    if not missing:
                        break
            self._save()
        if missing:
            raise RangeFault(
                _("there is no {name} in {url}").format(name=min(missing), url=self.url)
            )
        return [self.known[name] for name in names]

    def fetch(self, member: Member, path: Path) -> None:
        """Write a file of the archive to `path`, which exists only once it is whole.

        It grows beside it, as `path` with .part at the end; what an earlier run left
        there is not asked for again, and counts as progress.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        done = part.stat().st_size if part.is_file() else 0
        if done > member.size:
            done = 0
        self.progress(done)
        with open(part, "ab" if done else "wb") as file:
            stop = member.offset + member.size
            for chunk in self._remote.stream(member.offset + done, stop):
                file.write(chunk)
        if part.stat().st_size != member.size:  # two programs wrote to it, say
            part.unlink()
            raise RangeFault(
                _("{file} has another size than the archive says").format(file=part)
            )
        os.replace(part, path)

    @cached_property
    def _remote(self) -> RemoteFile:
        remote = RemoteFile(self.url, lambda count: self.progress(count))
        if self._size not in (None, remote.size):
            self._index.unlink(missing_ok=True)
            raise RangeFault(
                _(
                    "{url} is no longer the archive that {index} describes; that file "
                    "has been deleted"
                ).format(url=self.url, index=self._index)
            )
        self._size = remote.size
        return remote

    def _walk(self) -> Iterator[Member]:
        """The files from where the last walk ended, kept as they come."""
        headers = io.BufferedReader(self._remote, READ_AHEAD)
        headers.seek(self._walked)
        try:
            with tarfile.open(fileobj=headers, mode="r:") as tar:
                while info := tar.next():
                    self._walked = tar.offset
                    if info.type in PLAIN:
                        member = _member(info, info.offset_data)
                        self._members[member.name] = member
                        yield member
        except tarfile.TarError as error:
            raise RangeFault(
                _("{url} is not a tar, or is cut off ({error})").format(
                    url=self.url, error=error
                )
            ) from error
        finally:
            headers.detach()  # or it would close the remote file

    def _search_tail(self, names: set[str]) -> set[str]:
        """Look for headers backwards from the end; returns those of `names` found.

        A name of over 100 characters is not in the header itself: not found here.
        """
        stop = self._remote.size // BLOCK * BLOCK
        for _piece in range(TAIL_PIECES):
            start = max(stop - TAIL_PIECE, 0)
            content = b"".join(self._remote.stream(start, stop))
            for place in range(0, len(content), BLOCK):
                block = content[place : place + BLOCK]
                if block[257:262] != b"ustar":
                    continue
                try:
                    info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
                except tarfile.TarError:
                    continue  # bytes of some file, which only look like the mark
                if info.type in PLAIN:
                    member = _member(info, start + place + BLOCK)
                    self._tail[member.name] = member
            if start == 0 or names <= self._tail.keys():
                break
            stop = start
        return names & self._tail.keys()

    def _load(self) -> None:
        try:
            kept = json.loads(self._index.read_text(encoding="utf-8"))
            if kept["url"] == self.url:
                members, tail = (
                    {name: Member(str(name), int(offset), int(size))
                     for name, offset, size in kept[part]}
                    for part in ("members", "tail")
                )  # fmt: skip
                self._size, self._walked = int(kept["size"]), int(kept["walked"])
                self._members, self._tail = members, tail
        except (AttributeError, OSError, ValueError, KeyError, TypeError):
            pass  # none, or not of our writing: the server knows

    def _save(self) -> None:
        if self._index is None:
            return
        kept = {
            "url": self.url,
            "size": self._size,
            "walked": self._walked,
            "members": list(self._members.values()),
            "tail": list(self._tail.values()),
        }
        with sources.staging(self._index.parent) as beside:
            draft = beside / self._index.name
            draft.write_text(json.dumps(kept), encoding="utf-8")
            os.replace(draft, self._index)


def _member(info: tarfile.TarInfo, offset: int) -> Member:
    """A header as a Member; a name that leads out of a folder is refused."""
    name = info.name.removeprefix("./")
    if name.startswith("/") or ".." in name.split("/") or re.search(r"[\\:]", name):
        raise RangeFault(
            _("the archive holds a file of the unsafe name {name!r}").format(name=name)
        )
    return Member(name, offset, info.size)
