"""A file on a server, read in parts: HTTP ranges, patiently.

A range asks a server for some bytes of a file only. Most servers can; one that cannot
sends everything, which is noticed here before it is read.
"""

import io
import os
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from course_utils.data import sources
from course_utils.locale import _

CHUNK = 1 << 16  # bytes that are passed on together; a broken line loses fewer
PAUSES = 1, 2, 4, 8  # seconds before asking again, as long as hardly anything comes
BUSY = 429, 500, 502, 503, 504  # answers that may be others in a moment


class RangeFault(ConnectionError):
    """What is wrong with a server or its file, as a clause in the language in use.

    A ConnectionError without a number: `sources.explain` says it as it stands.
    """


class RemoteFile(io.RawIOBase):
    """A file on a server, to read and to seek in.

    url: of the file. progress: called with the number of bytes, as they come.
    Nothing is asked of the server before `size` or a method needs it. All raise
    RangeFault where the server ignores ranges, refuses, changes the file, or breaks the
    connection five times in a row without sending a chunk.
    """

    def __init__(self, url: str, progress: Callable[[int], object] | None = None):
        self.url, self.progress = url, progress
        self._host = urlsplit(url).hostname
        self._place, self._size, self._session = 0, None, None

    @property
    def size(self) -> int:
        """Of the file, in bytes, as the server says in its first answer."""
        if self._size is None:
            list(self._stream(0, 1))
        return self._size

    def stream(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in chunks of at most 64 kB."""
        for chunk in self._stream(start, min(stop, self.size)):
            if self.progress:
                self.progress(len(chunk))
            yield chunk

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._place
        elif whence == os.SEEK_END:
            offset += self.size
        self._place = offset
        return offset

    def readinto(self, buffer) -> int:
        content = b"".join(self.stream(self._place, self._place + len(buffer)))
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def _stream(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes, over as many connections as it takes."""
        import requests  # late: only a download needs it

        tries = 0
        while start < stop:
            before = start
            try:
                with self._ask(start, stop) as reply:
                    for chunk in reply.iter_content(CHUNK):
                        start += len(chunk)
                        yield chunk
            except requests.RequestException:
                pass  # of whatever kind: what counts is how much has come
            if start >= stop:
                return
            if start - before >= CHUNK:
                tries = 0
            if tries == len(PAUSES):
                raise RangeFault(
                    _("{host} refused or broke the connection {count} times").format(
                        host=self._host, count=tries + 1
                    )
                )
            time.sleep(PAUSES[tries])
            tries += 1

    def _ask(self, start: int, stop: int):
        """The answer to a range, its headers checked, its body unread."""
        import requests

        if self._session is None:  # one connection serves many ranges
            self._session = requests.Session()
        reply = self._session.get(
            self.url,
            headers={
                "Range": f"bytes={start}-{stop - 1}",
                "Accept-Encoding": "identity",
            },
            stream=True,
            timeout=(sources.CONNECT_SECONDS, sources.STALL_SECONDS),
        )
        try:
            if reply.status_code in BUSY:
                raise requests.ConnectionError
            self._check(reply, start, stop)
        except BaseException:
            reply.close()
            raise
        return reply

    def _check(self, reply, start: int, stop: int) -> None:
        """That the answer is the range asked for, and of the file that it was."""
        if reply.status_code == 200:
            raise RangeFault(
                _(
                    "{host} sends the whole file where a part of it was asked for; or "
                    "this network sends a page of its own, to log in for example"
                ).format(host=self._host)
            )
        if reply.status_code != 206:
            raise RangeFault(
                _("{host} answers {code} {reason} for {path}").format(
                    host=self._host,
                    code=reply.status_code,
                    reason=reply.reason,
                    path=urlsplit(self.url).path,
                )
            )
        said = reply.headers.get("Content-Range", "")
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", said)
        first, last, size = map(int, found.groups()) if found else (0, 0, 0)
        if not (found and first == start <= last < stop):
            raise RangeFault(
                _("{host} sends another range than was asked for ({range!r})").format(
                    host=self._host, range=said
                )
            )
        if self._size not in (None, size):
            raise RangeFault(_("{url} changed while it was read").format(url=self.url))
        self._size = size
