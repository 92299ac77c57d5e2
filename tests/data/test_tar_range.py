import errno
import io
import json
import os
import tarfile
import time

import numpy as np
import pytest

from course_utils.data import http_range, tar_range
from course_utils.data.http_range import RangeFault, RemoteFile
from course_utils.data.tar_range import Member, RangeTar
from range_server import serving

LONG = "d/" + 60 * "long/" + "name"  # of over 100 characters


def contents():
    """Files by name, in the archive's order: some large, then many small ones."""
    rng = np.random.RandomState(0)
    files = {}
    for k in (449, 7, 12, 3):
        files[f"set/images/._{k}"] = rng.bytes(300)
        files[f"set/images/{k}"] = rng.bytes(50_000 + k)
    files[LONG] = rng.bytes(3000)
    for k in (449, 7, 12, 3):
        files[f"set/labels/{k}"] = rng.bytes(900 + k)
    return files


def packed(files, form=tarfile.GNU_FORMAT):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        folder = tarfile.TarInfo("set/")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


FILES = contents()
ARCHIVE = packed(FILES)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with serving(ARCHIVE) as running:
        yield running


@pytest.fixture
def index(tmp_path):
    return tmp_path / "kept" / "members.json"


def assert_true(members):
    """Each member is where the archive has it."""
    for name, offset, size in members:
        assert ARCHIVE[offset : offset + size] == FILES[name]


# Where the files are


@pytest.mark.parametrize(
    "form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
)
def test_all_files_of_every_kind_of_tar(server, form):
    files = dict(FILES)
    if form == tarfile.USTAR_FORMAT:
        del files[LONG]
    server.content = packed(files, form)
    members = RangeTar(server.url).members()
    with tarfile.open(fileobj=io.BytesIO(server.content)) as tar:
        truth = [(m.name, m.offset_data, m.size) for m in tar if m.isreg()]
    assert members == truth
    assert [member.name for member in members] == list(files)


def test_the_first_of_a_pattern_cost_their_headers_only(server, index):
    archive = RangeTar(server.url, index)
    first = archive.members(r"set/images/\d+", 2)
    assert [member.name for member in first] == ["set/images/449", "set/images/7"]
    assert_true(first)
    assert max(last for _first, last in server.asked) < 70_000
    assert server.sent < 30_000


def test_a_walk_goes_on_where_the_last_one_ended(server, index):
    before = RangeTar(server.url, index).members(r"set/images/\d+", 2)
    server.asked.clear()
    archive = RangeTar(server.url, index)
    assert archive.members(r"set/images/\d+", 2) == before
    assert server.asked == []
    after = archive.members(r"set/images/\d+")
    assert after[:2] == before and len(after) == 4
    assert_true(after)
    # The first request asks for a byte, to know that it is still the same archive.
    assert min(first for first, _last in server.asked[1:]) > 50_000
    assert archive.members() == RangeTar(server.url).members()


def test_files_that_lie_together_at_the_end_cost_one_request(
    server, index, monkeypatch
):
    monkeypatch.setattr(tar_range, "TAIL_PIECE", 20 * 1024)
    names = [f"set/labels/{k}" for k in (3, 449)]
    found = RangeTar(server.url, index).find(names)
    assert [member.name for member in found] == names
    assert_true(found)
    assert len(server.asked) == 2  # for the size, and for the end
    assert server.asked[1][0] > len(ARCHIVE) - 21 * 1024
    server.asked.clear()
    assert RangeTar(server.url, index).find(names) == found
    assert server.asked == []


def test_the_end_is_searched_piece_by_piece(server, monkeypatch):
    monkeypatch.setattr(tar_range, "TAIL_PIECE", 1024)
    monkeypatch.setattr(tar_range, "TAIL_PIECES", 99)
    names = [f"set/labels/{k}" for k in (12, 3)]
    archive = RangeTar(server.url)
    assert_true(archive.find(names))
    assert "set/labels/449" not in archive.known


def test_what_is_not_at_the_end_is_found_all_the_same(server, monkeypatch):
    monkeypatch.setattr(tar_range, "TAIL_PIECE", 1024)
    monkeypatch.setattr(tar_range, "TAIL_PIECES", 2)
    names = ["set/images/449", LONG]
    archive = RangeTar(server.url)
    assert_true(archive.find(names))
    assert "set/labels/12" not in archive.known


def test_bytes_that_look_like_a_header_are_none(server):
    mark = bytearray(512)
    mark[257:262] = b"ustar"
    server.content = packed({"a": bytes(mark), "b": b"x"})
    archive = RangeTar(server.url)
    assert [member.name for member in archive.find(["b"])] == ["b"]
    assert set(archive.known) == {"a", "b"}


def test_a_file_that_is_not_there_is_named(server):
    with pytest.raises(RangeFault, match=r"there is no set/labels/5 in http://127"):
        RangeTar(server.url).find(["set/labels/5", "set/labels/3"])


@pytest.mark.parametrize("content", [b"<!DOCTYPE html>" * 100, b"page", b""])
def test_no_tar(server, content):
    server.content = content
    with pytest.raises(RangeFault, match=r"is not a tar|answers 416"):
        RangeTar(server.url).members()


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/x", "C:\\x", "a\\..\\x", "c:x", "./../x"]
)
def test_a_name_that_leads_out_is_refused(server, name):
    server.content = packed({"good": b"1", name: b"2"})
    for look in (RangeTar.members, lambda tar: tar.find(["good"])):
        with pytest.raises(RangeFault, match="unsafe name"):
            look(RangeTar(server.url))


def test_a_leading_dot_is_dropped_and_links_are_no_files(server):
    file = io.BytesIO(packed({"./a/b": b"1"}))
    with tarfile.open(fileobj=file, mode="a") as tar:
        link = tarfile.TarInfo("a/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    server.content = file.getvalue()
    assert [member.name for member in RangeTar(server.url).members()] == ["a/b"]


# The index


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"members"', '"others"'),
        lambda text: text.replace("http://127.0.0.1", "http://127.0.0.2"),
        lambda text: text.replace('"size": ', '"size": "x", "was": '),
    ],
)
def test_an_index_that_is_not_ours_is_made_again(server, index, damage):
    found = RangeTar(server.url, index).members("set/.*", 3)
    index.write_text(damage(index.read_text()))
    assert RangeTar(server.url, index).known == {}
    assert RangeTar(server.url, index).members("set/.*", 3) == found
    assert json.loads(index.read_text())["size"] == len(ARCHIVE)
    assert [path.name for path in index.parent.iterdir()] == [index.name]


def test_the_index_of_another_archive_is_deleted(server, index, tmp_path):
    member = RangeTar(server.url, index).members("set/.*", 1)[0]
    server.content = packed({"new": b"1"})
    with pytest.raises(RangeFault, match=r"no longer the archive that .*json"):
        RangeTar(server.url, index).fetch(member, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert [member.name for member in RangeTar(server.url, index).members()] == ["new"]


# Fetching


@pytest.fixture
def image(server):
    """A file of 50,449 bytes, and the archive, of which the requests are forgotten."""
    archive = RangeTar(server.url)
    [member] = archive.find(["set/images/449"])
    server.asked.clear()
    server.sent = 0
    return archive, member


def test_a_file_is_written_whole_and_tells_its_progress(server, image, tmp_path):
    archive, member = image
    came = []
    archive.progress = came.append
    path = tmp_path / "new" / "folder" / "449"
    archive.fetch(member, path)
    assert path.read_bytes() == FILES[member.name]
    assert sum(came) == member.size
    assert server.sent == member.size
    assert [p.name for p in path.parent.iterdir()] == ["449"]


def test_what_an_interrupted_run_left_is_not_asked_for_again(server, image, tmp_path):
    archive, member = image
    path, part = tmp_path / "449", tmp_path / "449.part"

    class Stop(Exception):
        pass

    def stop(count):
        if count:
            raise Stop

    archive.progress = stop
    with pytest.raises(Stop):
        archive.fetch(member, path)
    assert not path.exists()
    part.write_bytes(FILES[member.name][:20_000])
    server.sent, came = 0, []
    archive.progress = came.append
    archive.fetch(member, path)
    assert path.read_bytes() == FILES[member.name]
    assert server.sent == member.size - 20_000
    assert came[0] == 20_000 and sum(came) == member.size
    assert not part.exists()


def test_a_part_with_everything_in_it_only_gets_its_name(server, image, tmp_path):
    archive, member = image
    (tmp_path / "449.part").write_bytes(FILES[member.name])
    archive.fetch(member, tmp_path / "449")
    assert (tmp_path / "449").read_bytes() == FILES[member.name]
    assert server.sent == 0


def test_a_part_that_is_too_long_is_begun_anew(image, tmp_path):
    archive, member = image
    (tmp_path / "449.part").write_bytes(bytes(member.size + 1))
    archive.fetch(member, tmp_path / "449")
    assert (tmp_path / "449").read_bytes() == FILES[member.name]


def test_dropped_connections_lose_nothing(server, image, tmp_path):
    archive, member = image
    server.cut = [10_000, 0, 7]
    archive.fetch(member, tmp_path / "449")
    assert (tmp_path / "449").read_bytes() == FILES[member.name]
    first = member.offset
    begins = [start - first for start, _last in server.asked]
    assert begins[0] == 0 and begins[1] <= 10_000 and len(begins) == 4


def test_what_came_before_the_server_gave_up_is_kept(
    server, image, tmp_path, monkeypatch
):
    archive, member = image
    monkeypatch.setattr(http_range, "CHUNK", 4000)
    server.cut = [10_000, 0, 0, 0, 0, 0]
    with pytest.raises(RangeFault, match="5 times"):
        archive.fetch(member, tmp_path / "449")
    assert [path.name for path in tmp_path.iterdir()] == ["449.part"]
    kept = (tmp_path / "449.part").read_bytes()
    assert len(kept) == 8000 and FILES[member.name].startswith(kept)


def test_an_empty_file(server, tmp_path):
    server.content = packed({"empty": b"", "b": b"1"})
    archive = RangeTar(server.url)
    archive.fetch(archive.find(["empty"])[0], tmp_path / "empty")
    assert (tmp_path / "empty").read_bytes() == b""


def test_two_programs_that_write_the_same_file_are_noticed(
    image, tmp_path, monkeypatch
):
    archive, member = image
    stream = RemoteFile.stream

    def beside(self, start, stop):
        yield from stream(self, start, stop)
        with open(tmp_path / "449.part", "ab") as file:
            file.write(b"more")

    monkeypatch.setattr(RemoteFile, "stream", beside)
    with pytest.raises(RangeFault, match="another size than the archive says"):
        archive.fetch(member, tmp_path / "449")
    assert list(tmp_path.iterdir()) == []


def test_a_member_beyond_the_end_is_not_written(image, tmp_path):
    archive, _member = image
    wrong = Member("x", len(ARCHIVE) - 10, 20)
    with pytest.raises(RangeFault, match="another size"):
        archive.fetch(wrong, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_full_disk(image, tmp_path, monkeypatch):
    archive, member = image

    def refuse(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tar_range, "open", refuse, raising=False)
    with pytest.raises(OSError) as error:
        archive.fetch(member, tmp_path / "449")
    assert error.value.errno == errno.ENOSPC
