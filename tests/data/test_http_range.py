import io
import time

import numpy as np
import pytest

from course_utils.data import http_range, sources
from course_utils.data.http_range import CHUNK, RangeFault, RemoteFile
from range_server import serving

CONTENT = np.random.RandomState(0).bytes(3 * CHUNK + 1000)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(CONTENT) as running:
        yield running


@pytest.fixture
def pauses(monkeypatch):
    """How long it would have slept."""
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


def read(remote, start, stop):
    return b"".join(remote.stream(start, stop))


def test_the_bytes_asked_for_and_no_others(server):
    came = []
    remote = RemoteFile(server.url, came.append)
    assert read(remote, 5, CHUNK + 7) == CONTENT[5 : CHUNK + 7]
    assert read(remote, len(CONTENT) - 3, len(CONTENT) + 50) == CONTENT[-3:]
    assert read(remote, 10, 10) == b""
    assert remote.size == len(CONTENT)
    assert sum(came) == CHUNK + 2 + 3
    assert server.sent == CHUNK + 2 + 3 + 1  # the first byte tells the size


def test_it_is_a_file_to_seek_in(server):
    file = io.BufferedReader(RemoteFile(server.url), 100)
    file.seek(1000)
    assert file.read(50) == CONTENT[1000:1050]
    file.seek(-25, io.SEEK_CUR)
    assert file.read(50) == CONTENT[1025:1075]
    file.seek(-4, io.SEEK_END)
    assert (file.tell(), file.read(), file.read(1)) == (
        len(CONTENT) - 4, CONTENT[-4:], b""
    )  # fmt: skip


def test_dropped_connections_are_taken_up_where_they_broke(server, pauses):
    remote = RemoteFile(server.url)
    assert remote.size
    server.cut = [1000, CHUNK + 500, 0, 5000]
    assert read(remote, 0, len(CONTENT)) == CONTENT
    first = [start for start, last in server.asked[1:]]
    assert len(first) == 5
    assert first == sorted(first)
    # What came ends the waiting: the pause after a whole chunk is the first one again.
    assert pauses == [1, 1, 2, 4]
    assert server.sent < 1.5 * len(CONTENT)


def test_a_server_that_only_breaks_is_left_after_a_while(server, pauses):
    remote = RemoteFile(server.url)
    assert remote.size
    server.cut = [10] * 9
    with pytest.raises(RangeFault) as error:
        read(remote, 0, 1000)
    assert str(error.value) == "127.0.0.1 refused or broke the connection 5 times"
    assert pauses == [1, 2, 4, 8]


def test_nobody_there(pauses):
    with pytest.raises(RangeFault, match="refused or broke the connection 5 times"):
        _ = RemoteFile("http://127.0.0.1:9/archive.tar").size
    assert pauses == [1, 2, 4, 8]


def test_a_silent_server_counts_as_broken(server, pauses, monkeypatch):
    monkeypatch.setattr(sources, "STALL_SECONDS", 0.05)
    monkeypatch.setattr(http_range, "PAUSES", (1,))
    remote = RemoteFile(server.url)

    class Long(bytes):  # announces more than it holds
        def __len__(self):
            return 2000

    server.content = Long(b"few")
    start = time.monotonic()
    with pytest.raises(RangeFault, match="2 times"):
        read(remote, 0, 1000)
    assert time.monotonic() - start < 3


def test_a_busy_server_is_asked_again(server, pauses):
    server.refuse = [503, 429]
    assert read(RemoteFile(server.url), 7, 9) == CONTENT[7:9]
    assert pauses == [1, 2]


@pytest.mark.parametrize("code, words", [(404, "Not Found"), (403, "Forbidden")])
def test_a_refusal_is_told_at_once(server, pauses, code, words):
    server.refuse = [code]
    with pytest.raises(RangeFault) as error:
        read(RemoteFile(server.url), 0, 10)
    assert str(error.value) == (
        f"127.0.0.1 answers {code} {words} for /folder/archive.tar"
    )
    assert pauses == []


def test_a_server_without_ranges_is_noticed_before_all_has_come(server, pauses):
    server.ranges = False
    server.content = bytes(50_000_000)
    with pytest.raises(RangeFault, match="sends the whole file where a part of it"):
        read(RemoteFile(server.url), 0, 10)
    assert server.sent < 10_000_000  # what fits between two sockets
    assert pauses == []


def test_a_file_that_changes_meanwhile_is_no_longer_read(server):
    remote = RemoteFile(server.url)
    assert read(remote, 0, 5) == CONTENT[:5]
    server.content = CONTENT + b"more"
    with pytest.raises(RangeFault, match=r"archive.tar changed while it was read"):
        read(remote, 5, 10)


@pytest.mark.parametrize(
    "said", ["bytes 3-4/9", "bytes 0-5/9", "bytes 0-4/*", "items 0-4/9", ""], ids=str
)
def test_another_range_is_refused(monkeypatch, said):
    class Reply:
        status_code, headers = 206, {"Content-Range": said}

    with pytest.raises(RangeFault, match="sends another range than was asked for"):
        RemoteFile("http://a/b")._check(Reply, 0, 5)


def test_a_fault_is_said_as_it_stands(tmp_path):
    details = {"call": "f()", "package": "p", "folder": tmp_path, "megabytes": 1}
    reason, remedy = sources.explain(RangeFault("the server is odd"), **details)
    assert reason == "the download failed (the server is odd)"
    assert remedy == "call f() again"
