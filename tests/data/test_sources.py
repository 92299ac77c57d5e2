import errno
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from course_utils.data import sources

FOLDER = Path("/data/set")
DETAILS = {
    "call": "data.things()",
    "package": "thingpack",
    "folder": FOLDER,
    "megabytes": 30,
}


def obtain(download, **changes):
    settings = {
        "source": "auto",
        "name": "THINGS",
        "otherwise": "we go on without; to have them",
        **DETAILS,
        **changes,
    }
    return sources.obtain(download, **settings)


def fails(error):
    """A download that does nothing but fail."""

    def download():
        raise error

    return download


# The choice


def test_the_argument_goes_before_the_variable(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", " Embedded ")
    assert sources.choose("things", None) == "embedded"
    assert sources.choose("things", "download") == "download"
    monkeypatch.setenv("COURSE_DATA", " ")
    assert sources.choose("things", None) == "auto"
    monkeypatch.delenv("COURSE_DATA")
    assert sources.choose("things", None) == "auto"


def test_another_choice_is_named(monkeypatch):
    known = '"auto", "download", "embedded"'
    with pytest.raises(ValueError) as error:
        sources.choose("things", "real")
    assert str(error.value) == f"things: source is 'real': use one of {known}."
    with pytest.raises(ValueError) as error:
        sources.choose("things", 3, folders=True)
    assert str(error.value) == (
        f"things: source is 3: use one of {known}, or a folder that holds the files."
    )
    monkeypatch.setenv("COURSE_DATA", "reel")
    with pytest.raises(ValueError) as error:
        sources.choose("things", None, folders=True)
    assert str(error.value) == f"things: COURSE_DATA is 'reel': use one of {known}."


# The server


def test_a_folder_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for name in ("mine", "embedded"):
        (tmp_path / name).mkdir()
    assert sources.as_folder("mine") == Path("mine")
    assert sources.as_folder("~/mine") == tmp_path / "mine"
    assert sources.as_folder(Path("~/not there")) == tmp_path / "not there"
    for source in ("embedded", "not there", "", " ", None, 3):
        assert sources.as_folder(source) is None


def test_kagglehub_keeps_its_files_where_it_is_told_for_a_while(monkeypatch, tmp_path):
    monkeypatch.delenv("KAGGLEHUB_CACHE", raising=False)
    with sources.kagglehub_in(tmp_path):
        assert os.environ["KAGGLEHUB_CACHE"] == str(tmp_path)
    assert "KAGGLEHUB_CACHE" not in os.environ
    monkeypatch.setenv("KAGGLEHUB_CACHE", "theirs")
    with pytest.raises(KeyboardInterrupt), sources.kagglehub_in(tmp_path):
        raise KeyboardInterrupt
    assert os.environ["KAGGLEHUB_CACHE"] == "theirs"


def test_what_happens_instead_may_depend_on_what_has_come(capsys):
    come = []

    def download():
        come.append(1)
        raise sources.Offline

    otherwise = lambda: f"we go on with {len(come)}; to have more"  # noqa: E731
    assert obtain(download, otherwise=otherwise) is None
    assert "; we go on with 1; to have more, connect" in capsys.readouterr().out


def test_a_server_that_says_nothing_is_left_after_a_while(monkeypatch):
    monkeypatch.setattr(sources, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        start = time.monotonic()
        assert not sources.online(url)
        assert time.monotonic() - start < 3
    assert not sources.online(url)  # now nobody listens


def test_a_name_that_is_looked_up_for_ever_is_left_too(monkeypatch):
    monkeypatch.setattr(sources, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(5))
    start = time.monotonic()
    assert not sources.online("http://somewhere/")
    assert time.monotonic() - start < 3


def test_a_server_that_refuses_is_online():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 403 Forbidden\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        assert sources.online(f"http://127.0.0.1:{listener.getsockname()[1]}/")


def test_patience_ends_with_its_block():
    socket.setdefaulttimeout(77)
    try:
        with pytest.raises(KeyError), sources.patience():
            assert socket.getdefaulttimeout() == sources.STALL_SECONDS
            raise KeyError
        assert socket.getdefaulttimeout() == 77
    finally:
        socket.setdefaulttimeout(None)


def test_a_staging_folder_is_inside_and_goes_with_what_was_not_moved(tmp_path):
    folder = tmp_path / "new" / "set"
    with pytest.raises(KeyError), sources.staging(folder) as beside:
        assert beside.parent == folder
        assert beside.name.startswith(".download-")
        (beside / "half").write_text("x")
        (beside / "whole").write_text("x")
        os.replace(beside / "whole", folder / "whole")
        raise KeyError
    assert [path.name for path in folder.iterdir()] == ["whole"]


# What to say


def test_what_was_downloaded_comes_back_in_silence(capsys):
    assert obtain(lambda: [1, 2]) == [1, 2]
    assert capsys.readouterr().out == ""


def test_a_damaged_file_is_told_of_when_it_has_been_replaced(capsys):
    assert obtain(lambda: 5, damaged=FOLDER / "a.npz") == 5
    assert capsys.readouterr().out == (
        f"{FOLDER / 'a.npz'} was damaged; THINGS has been downloaded again.\n"
    )


AGAIN = "call data.things() again"
SAYS = [
    (
        sources.Offline(),
        "its server does not answer (no network?)",
        f"connect and {AGAIN}, or fill {FOLDER} by hand as data/README.md says",
    ),
    (
        ImportError("no such thing"),
        "thingpack cannot be imported (no such thing)",
        f"run pip install -r requirements.txt and {AGAIN}",
    ),
    (
        OSError(errno.ENOSPC, "No space"),
        f"the disk of {FOLDER} is full",
        "free 30 MB, or name another folder in the variable COURSE_DATA_DIR, and "
        + AGAIN,
    ),
    (
        PermissionError(errno.EACCES, "Permission denied"),
        f"{FOLDER} cannot be written (Permission denied)",
        f"name another folder in the variable COURSE_DATA_DIR and {AGAIN}",
    ),
    (RuntimeError("a\nlist\nbroke off. \n"), "the download failed (broke off)", AGAIN),
    (KeyError(), "the download failed (KeyError)", AGAIN),
]


@pytest.mark.parametrize("error, reason, remedy", SAYS)
def test_one_sentence_says_what_happened_and_what_to_do(capsys, error, reason, remedy):
    assert obtain(fails(error)) is None
    assert capsys.readouterr().out == (
        f"THINGS is not available: {reason}; we go on without; to have them, "
        f"{remedy}.\n"
    )
    with pytest.raises(RuntimeError) as raised:
        obtain(fails(error), source="download")
    assert str(raised.value) == f"THINGS is not available: {reason}; {remedy}."
    assert raised.value.__cause__ is error
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "fault", [{"damaged": FOLDER / "a"}, {"fault": f"{FOLDER / 'a'} is damaged"}]
)
def test_what_is_wrong_with_the_file_at_hand_comes_first(capsys, fault):
    assert obtain(fails(sources.Offline()), **fault) is None
    said = capsys.readouterr().out
    assert f": {FOLDER / 'a'} is damaged and its server does not answer" in said


def test_another_variable_may_name_the_folder(capsys):
    obtain(fails(OSError(errno.EROFS, "Read-only")), variable="TORCH_HOME")
    assert "in the variable TORCH_HOME and" in capsys.readouterr().out


def test_a_stop_by_hand_is_a_stop():
    with pytest.raises(KeyboardInterrupt):
        obtain(fails(KeyboardInterrupt()))
