"""The three files of onnxruntime-web: fetched once, checked, and never elsewhere."""

import functools
import hashlib
import http.server
import io
import os
import subprocess
import tarfile
import threading

import pytest

from course_utils.data import sources
from course_utils.demos import runtime_files
from course_utils.locale import set_language

CONTENT = {name: f"// {name}\n".encode() * 50 for name in runtime_files.FILES}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """A cache folder of its own, English, and no npm."""
    set_language("en")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime_files.shutil, "which", lambda name: None)


def tgz(members: dict[str, bytes | tarfile.TarInfo]) -> bytes:
    """An archive as npm makes them, of these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def packed(**others: bytes) -> bytes:
    return tgz({f"package/dist/{name}": c for name, c in CONTENT.items()} | others)


@pytest.fixture
def official(monkeypatch):
    """Our small archive counts as the official one."""
    archive = packed(**{"package/dist/ort.all.mjs": b"not wanted"})
    monkeypatch.setattr(runtime_files, "ARCHIVE", hashlib.sha512(archive).hexdigest())
    digests = {name: hashlib.sha256(c).hexdigest() for name, c in CONTENT.items()}
    monkeypatch.setattr(runtime_files, "FILES", digests)
    return archive


@pytest.fixture
def registry(official, tmp_path, monkeypatch):
    """A server on this machine that has the archive; a list of what it was asked."""
    asked = []
    root = tmp_path / "registry"
    name = f"{runtime_files.PACKAGE}-{runtime_files.VERSION}.tgz"
    where = root / runtime_files.PACKAGE / "-" / name
    where.parent.mkdir(parents=True)
    where.write_bytes(official)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(f"{self.command} {self.path}")

    httpd = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(root))
    )
    threading.Thread(target=httpd.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{httpd.server_port}"
    monkeypatch.setattr(runtime_files, "REGISTRY", url)
    yield where, asked
    httpd.shutdown()
    httpd.server_close()


def contents_of(folder) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*")}


def test_without_npm_the_registry_is_asked_once(registry, capsys):
    _where, asked = registry
    assert not runtime_files.at_hand()
    folder = runtime_files.fetch()
    said = capsys.readouterr().out
    assert said == "Fetching onnxruntime-web 1.30.0 (33 MB), this once...\n"
    assert contents_of(folder) == CONTENT
    assert sum(line.startswith("GET") for line in asked) == 1
    asked.clear()
    assert runtime_files.at_hand() and runtime_files.fetch() == folder
    assert not asked and capsys.readouterr().out == ""


def test_a_damaged_file_is_fetched_again(registry):
    folder = runtime_files.fetch()
    for damage in (b"half", None):
        path = folder / "ort-wasm-simd-threaded.wasm"
        path.unlink() if damage is None else path.write_bytes(damage)
        assert not runtime_files.at_hand()
        assert contents_of(runtime_files.fetch()) == CONTENT


def test_npm_is_asked_first(official, monkeypatch):
    commands = []

    def run(command, cwd, **options):
        commands.append(command)
        name = f"{runtime_files.PACKAGE}-{runtime_files.VERSION}.tgz"
        (cwd / name).write_bytes(official)

    monkeypatch.setattr(runtime_files.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(
        sources, "online", lambda url: pytest.fail("asked the registry")
    )
    assert contents_of(runtime_files.fetch()) == CONTENT
    (command,) = commands
    assert command[:3] == ["/bin/npm", "pack", "onnxruntime-web@1.30.0"]
    assert "--ignore-scripts" in command


@pytest.mark.parametrize("fault", ["fails", "hangs", "other archive", "cannot start"])
def test_where_npm_does_not_help_the_registry_does(registry, monkeypatch, fault):
    def run(command, cwd, timeout, **options):
        if fault == "hangs":
            raise subprocess.TimeoutExpired(command, timeout)
        if fault == "cannot start":
            raise PermissionError
        if fault == "other archive":
            name = f"{runtime_files.PACKAGE}-{runtime_files.VERSION}.tgz"
            (cwd / name).write_bytes(packed())

    monkeypatch.setattr(runtime_files.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    assert contents_of(runtime_files.fetch()) == CONTENT


def test_without_a_network_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(sources, "online", lambda url: False)
    with pytest.raises(RuntimeError) as refused:
        runtime_files.fetch()
    assert str(refused.value) == (
        "onnxruntime-web 1.30.0 is not available: its server does not answer (no "
        "network?); connect and call python -m course_utils.demos fetch again, or fill "
        f"{runtime_files.folder()} by hand as data/README.md says."
    )


def test_an_archive_with_another_checksum_is_not_opened(registry):
    where, _asked = registry
    where.write_bytes(packed(**{"package/evil": b"!"}))
    with pytest.raises(RuntimeError, match=r"^onnxruntime-web 1.30.0 is not available"):
        runtime_files.fetch()
    assert contents_of(runtime_files.folder()) == {}


def test_files_other_than_expected_are_refused(registry, monkeypatch):
    wrong = dict.fromkeys(runtime_files.FILES, "0" * 64)
    monkeypatch.setattr(runtime_files, "FILES", wrong)
    with pytest.raises(RuntimeError, match="checksum"):
        runtime_files.fetch()
    assert contents_of(runtime_files.folder()) == {}


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_only_the_three_files_are_unpacked(tmp_path):
    archive, target = tmp_path / "a.tgz", tmp_path / "here"
    target.mkdir()
    evil = {"../outside": b"!", "/tmp/outside": b"!", "package/../../outside": b"!"}
    archive.write_bytes(packed(**evil))
    runtime_files.unpack(archive, target)
    assert contents_of(target) == CONTENT
    assert sorted(os.listdir(tmp_path)) == ["a.tgz", "here"]


@pytest.mark.parametrize("fault", ["absent", "a link"])
def test_an_archive_without_one_of_them_is_refused(tmp_path, fault):
    members = {f"package/dist/{name}": c for name, c in CONTENT.items()}
    name = "package/dist/ort-wasm-simd-threaded.wasm"
    del members[name]
    if fault == "a link":
        secret = tmp_path / "secret"
        secret.write_bytes(b"secret")
        members[name] = link(name, str(secret))
    archive = tmp_path / "a.tgz"
    archive.write_bytes(tgz(members))
    with pytest.raises(RuntimeError, match="wasm is not in the archive"):
        runtime_files.unpack(archive, tmp_path)
    assert not (tmp_path / "ort-wasm-simd-threaded.wasm").exists()
