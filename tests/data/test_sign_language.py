import errno
import functools
import hashlib
import importlib
import os
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from course_utils import data
from course_utils.data import sources

# `course_utils.data.sign_language` is the function, which hides the module.
module = importlib.import_module("course_utils.data.sign_language")
parametrize = pytest.mark.parametrize

TRAIN, TEST = "sign_mnist_train.csv", "sign_mnist_test.csv"


def parts(signs):
    return (signs.train, signs.valid, signs.test)


def sizes(signs):
    return [len(part.y) for part in parts(signs)]


def images_of(split):
    return {image.numpy().tobytes() for image in split.x}


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def rows(content):
    return content.decode().splitlines()


def joined(lines):
    return "\n".join([*lines, ""]).encode()


@pytest.fixture
def folder(tmp_path, sign_files):
    return write(tmp_path / "mine", sign_files)


@pytest.fixture
def rendering(monkeypatch):
    """A stand-in for the rendered hands, quick; `rendering.calls` counts them."""
    stand_in = types.SimpleNamespace(calls=0)

    def collection(*, seed):
        stand_in.calls += 1
        y = torch.arange(24).repeat_interleave(240)
        photo = torch.arange(720).repeat_interleave(8)
        person = torch.where(photo % 30 < 20, photo % 8, 8 + photo % 4)
        x = torch.zeros(5760, 1, 28, 28, dtype=torch.uint8)
        # So that a test can read which image it has before it: photo, person, variant.
        x[:, 0, 0, 0], x[:, 0, 0, 1] = photo // 256, photo % 256
        x[:, 0, 0, 2], x[:, 0, 0, 3] = person, torch.arange(5760) % 8
        return x, y, photo, person

    package = types.ModuleType("course_utils.data.synthetic")
    package.hands = types.SimpleNamespace(collection=collection)
    monkeypatch.setitem(sys.modules, package.__name__, package)
    return stand_in


@pytest.fixture
def kaggle(sign_files, monkeypatch):
    """A stand-in for kagglehub, whose small files count as the official ones.

    kaggle.files is what it fetches, kaggle.error what happens half-way.
    """
    package = types.ModuleType("kagglehub")
    package.files, package.error, package.asked = dict(sign_files), None, 0

    def dataset_download(handle):
        package.asked += 1
        folder = Path(os.environ["KAGGLEHUB_CACHE"]) / "datasets" / handle / "1"
        half = {TRAIN: package.files[TRAIN][:1000]}
        write(folder, half if package.error else package.files)
        if package.error:
            raise package.error
        return str(folder)

    package.dataset_download = dataset_download
    official = {
        name: (len(content), hashlib.sha256(content).hexdigest())
        for name, content in sign_files.items()
    }
    monkeypatch.setattr(module, "FILES", official)
    monkeypatch.setitem(sys.modules, "kagglehub", package)
    monkeypatch.setattr(sources, "online", lambda url: True)
    return package


def assert_falls_back(capsys, *words):
    """`auto` says all the words in one sentence, and goes on; `download` raises."""
    hands = data.sign_language()
    said = capsys.readouterr().out
    assert not hands.real
    assert said.count("\n") == 1
    assert said.startswith("Sign-Language-MNIST is not available: ")
    assert "we go on with rendered hands, no real photos; to have those, " in said
    with pytest.raises(RuntimeError) as error:
        data.sign_language("download")
    for word in words:
        assert word in said
        assert word in str(error.value)
    assert capsys.readouterr().out == ""


# The files


def test_a_folder_of_files(folder, capsys):
    signs = data.sign_language(folder)
    for part in parts(signs):
        assert (part.x.shape[1:], part.x.dtype) == ((1, 28, 28), torch.uint8)
        assert (part.y.dtype, part.y.dim()) == (torch.int64, 1)
    assert signs.classes == tuple("ABCDEFGHIKLMNOPQRSTUVWXY")
    assert signs.real
    assert capsys.readouterr().out == ""


def test_labels_are_places_in_the_alphabet_and_go_with_their_images(folder, signs):
    x, labels, _ = signs
    letter = {
        image.tobytes(): "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[label]
        for image, label in zip(x, labels, strict=True)
    }
    loaded = data.sign_language(folder)
    assert len(letter) == sum(sizes(loaded)) == 720
    for part in parts(loaded):
        for image, y in zip(part.x, part.y, strict=True):
            assert letter[image.numpy().tobytes()] == loaded.classes[y]


def test_validation_is_cut_by_photo_and_test_is_the_file(folder, signs):
    x, _, photo = signs
    photo_of = {image.tobytes(): p for image, p in zip(x, photo, strict=True)}
    loaded = data.sign_language(folder)
    photos = [{photo_of[image] for image in images_of(part)} for part in parts(loaded)]
    assert not photos[0] & photos[1] and not (photos[0] | photos[1]) & photos[2]
    # Of the 7 photos of a letter that are not for the test, a fifth is 1.
    assert [len(p) for p in photos] == [24 * 6, 24 * 1, 24 * 3]
    assert sizes(loaded) == [24 * 6 * 3, 24 * 1 * 3, 24 * 3 * 3]
    assert (loaded.valid.y.bincount() == 3).all()
    assert np.array_equal(loaded.test.x[:, 0], x[photo % 10 >= 7])


def test_a_folder_by_its_name_and_from_home(folder, monkeypatch):
    assert sizes(data.sign_language(str(folder))) == [432, 72, 216]
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("USERPROFILE", str(folder.parent))
    assert sizes(data.sign_language("~/mine")) == [432, 72, 216]
    assert sizes(data.sign_language(Path("~/mine"))) == [432, 72, 216]


def test_a_folder_named_like_a_source_does_not_hide_the_source(
    tmp_path, cache, rendering, monkeypatch
):
    (tmp_path / "embedded").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not data.sign_language("embedded").real


def test_the_source_tells_official_files_from_others(folder, sign_files, kaggle):
    official = data.sign_language(folder).source
    assert official.startswith("Sign-Language-MNIST: real photos of hands (Kaggle,")
    assert "432 images to train, 72 of other photos to validate, 216 to" in official
    (folder / TEST).write_bytes(joined(rows(sign_files[TEST])[:-1]))
    other = data.sign_language(folder).source
    assert f"Photos of hands from {folder}, which are not the official" in other
    assert "215 to test" in other
    assert "Mind" not in official + other


def test_photos_in_both_files_are_counted(folder, sign_files):
    train, test = rows(sign_files[TRAIN]), rows(sign_files[TEST])
    (folder / TRAIN).write_bytes(joined([*train, *test[1:11]]))
    source = data.sign_language(folder).source
    copies = int(source.split("Mind that ")[1].split(" of the test images")[0])
    assert 10 <= copies <= 30  # the ten themselves and their variants


def test_line_ends_quoted_names_and_a_byte_order_mark_do_no_harm(folder, sign_files):
    wanted = data.sign_language(folder).train
    names, *lines = rows(sign_files[TRAIN])
    quoted = ",".join(f'"{name}"' for name in names.split(","))
    text = "\r\n".join([quoted, *lines[:9], "", *lines[9:]])  # no end to the last line
    (folder / TRAIN).write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = data.sign_language(folder).train
    assert torch.equal(found.x, wanted.x) and torch.equal(found.y, wanted.y)


def cell(line, column, text):
    """A change of one cell; lines and columns are counted from 1."""

    def change(lines):
        cells = lines[line - 1].split(",")
        cells[column - 1] = text
        return [*lines[: line - 1], ",".join(cells), *lines[line:]]

    return change


def renumbered(lines):
    """The letters numbered from 0 to 23, as some copies have them."""
    pairs = (line.split(",", 1) for line in lines[1:])
    return [lines[0], *(f"{int(y) - (int(y) > 9)},{rest}" for y, rest in pairs)]


def without(label):
    return lambda lines: [line for line in lines if not line.startswith(f"{label},")]


FAULTS = {
    "0..23": (renumbered, r", line \d+: label 9 would be J.*from 0 to 23"),
    "0..23, no 9": (
        lambda lines: without(9)(renumbered(lines)),
        "has no label 24, the letter Y: it seems to number the letters from 0 to 23",
    ),
    "no Y": (without(24), "has no label 24, the letter Y"),
    "J": (cell(5, 1, "9"), ", line 5: label 9 would be J, which is no still hand"),
    "Z": (cell(7, 1, "25"), ", line 7: label 25 is unknown: there are 0 to 24"),
    "a label in words": (cell(3, 1, "A"), ", line 3: label is 'A', not a whole number"),
    "a bright pixel": (cell(4, 3, "256"), ", line 4: pixel2 is '256', not a whole"),
    "a dark pixel": (cell(4, 785, "-1"), ", line 4: pixel784 is '-1', not a whole"),
    "half a pixel": (cell(2, 2, "7.5"), ", line 2: pixel1 is '7.5', not a whole"),
    "no pixel": (cell(2, 2, ""), ", line 2: pixel1 is '', not a whole"),
    "a name": (cell(1, 2, "pixel2"), "line 1: expected the names label, pixel1..pix"),
    "no names": (lambda lines: lines[1:], "line 1: expected the names.*begins with '"),
    "a short line": (
        lambda lines: [*lines[:5], lines[5].rpartition(",")[0], *lines[6:]],
        r", line 6: expected 785 columns \(label, pixel1..pixel784\), found 784\. ",
    ),
    "a column too many": (
        lambda lines: [f"{line},0" for line in lines],
        "line 1: expected 785 columns .*found 786; it begins with 'label,pixel1",
    ),
    "an index": (
        lambda lines: [f"{i},{line}" for i, line in enumerate(lines)],
        "line 1: expected 785 columns .*found 786",
    ),
    "names only": (lambda lines: lines[:1], "has a header and no images"),
}


@parametrize("change, words", FAULTS.values(), ids=FAULTS)
@parametrize("name", [TRAIN, TEST])
def test_a_file_that_is_not_right_is_refused(folder, sign_files, name, change, words):
    (folder / name).write_bytes(joined(change(rows(sign_files[name]))))
    with pytest.raises(ValueError, match=words) as error:
        data.sign_language(folder)
    sentence = str(error.value)
    assert sentence.startswith(str(folder / name))
    assert sentence.endswith("call data.sign_language() to have them downloaded.")


BYTES = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "a web page": (
        b"<!DOCTYPE html>\n<title>Sign in</title>",
        "line 1: expected 785 columns .* found 1; it begins with '<!DOCTYPE html>': a "
        "web page, probably a login screen",
    ),
    "an archive": (b"PK\x03\x04\x14\x00\xff", "line 1: expected 785 .*begins with 'PK"),
    "zeros": (b"\x00" * 5000, "line 1: expected 785 columns"),
}


@parametrize("content, words", BYTES.values(), ids=BYTES)
def test_something_else_is_refused(folder, content, words):
    (folder / TEST).write_bytes(content)
    with pytest.raises(ValueError, match=words):
        data.sign_language(folder)


@parametrize("cut", [1, 100, 1000, 1500])
def test_a_file_that_breaks_off_is_refused(folder, sign_files, cut):
    whole = sign_files[TRAIN]
    (folder / TRAIN).write_bytes(whole[: len(whole) - 800 - cut])
    with pytest.raises(ValueError, match=r"line 505: .*; the file ends there, so it"):
        data.sign_language(folder)


def test_a_missing_file_and_a_missing_folder_are_named(folder, tmp_path):
    (folder / TEST).unlink()
    with pytest.raises(ValueError, match=f"there is no {TEST} in .*must hold {TRAIN}"):
        data.sign_language(folder)
    with pytest.raises(ValueError, match=f"no {TRAIN} in .*nowhere"):
        data.sign_language(tmp_path / "nowhere")


def test_a_file_that_cannot_be_read_is_named(folder, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ValueError, match=f"{TRAIN} cannot be read .Permission denied"):
        data.sign_language(folder)


def test_the_real_files(real_signs, cache):
    signs = data.sign_language(real_signs)
    # 240 and 104 photos, of which the pixels tell apart these many.
    groups = [data.photo_groups(*part) for part in parts(signs)]
    assert [len(g.unique()) for g in groups] == [192, 49, 103]
    assert sizes(signs) == [3937, 1052, 2183]
    train_and_valid = torch.cat([signs.train.x, signs.valid.x])
    labels = torch.cat([signs.train.y, signs.valid.y])
    together = data.photo_groups(train_and_valid, labels)
    assert not set(together[:3937].tolist()) & set(together[3937:].tolist())
    for part in parts(signs):
        assert part.x.flatten(1).amin(1).max() == 0
        assert part.x.flatten(1).amax(1).min() == 255
        assert (part.y.bincount() > 0).all() and part.y.max() == 23
    assert "Mind" not in signs.source  # no photo of the test in train
    digest = hashlib.md5(signs.valid.y.numpy().tobytes()).hexdigest()
    assert digest == "3087ec48a82243b495b0f554143c5baf"


# Which source


def test_the_cache_is_used_without_a_question(sign_files, cache, monkeypatch, capsys):
    write(cache / "sign_mnist", sign_files)
    monkeypatch.setattr(sources, "online", lambda url: pytest.fail("asks the network"))
    for source in ("auto", "download", None):
        assert sizes(data.sign_language(source)) == [432, 72, 216]
    assert capsys.readouterr().out == ""


def test_the_variable_chooses(sign_files, cache, rendering, monkeypatch):
    write(cache / "sign_mnist", sign_files)
    monkeypatch.setenv("COURSE_DATA", "embedded")
    assert not data.sign_language().real
    assert data.sign_language("auto").real


@parametrize("source", ["real", "", " ", "Embedded", "/no/such/folder", 5, ["auto"]])
def test_an_unknown_source_is_named(source):
    with pytest.raises(ValueError, match="sign_language: source is ") as error:
        data.sign_language(source)
    assert repr(source) in str(error.value)
    assert '"embedded", or a folder that holds the files' in str(error.value)


def test_the_variable_names_no_folder(folder, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(folder))
    with pytest.raises(ValueError, match=r'COURSE_DATA is .*"embedded"\.$'):
        data.sign_language()


# A download


def test_a_download_is_kept_and_used_again(kaggle, cache, monkeypatch, capsys):
    assert sizes(data.sign_language()) == [432, 72, 216]
    assert files_in(cache) == [TEST, TRAIN]
    assert "KAGGLEHUB_CACHE" not in os.environ
    monkeypatch.setenv("KAGGLEHUB_CACHE", "theirs")
    assert data.sign_language().source.startswith("Sign-Language-MNIST: real")
    assert kaggle.asked == 1
    (cache / "sign_mnist" / TEST).unlink()
    assert sizes(data.sign_language("download")) == [432, 72, 216]
    assert kaggle.asked == 2
    assert os.environ["KAGGLEHUB_CACHE"] == "theirs"
    assert capsys.readouterr().out == ""


def test_kagglehub_heeds_the_variable_that_we_set(monkeypatch):
    config = pytest.importorskip("kagglehub.config")
    monkeypatch.setenv("KAGGLEHUB_CACHE", "ours")
    assert config.get_cache_folder() == "ours"


def test_a_folder_that_kaggle_mounts_is_copied(kaggle, cache, sign_files, tmp_path):
    mounted = write(tmp_path / "input", sign_files)
    kaggle.dataset_download = lambda handle: str(mounted)
    data.sign_language("download")
    assert files_in(cache) == files_in(mounted) == [TEST, TRAIN]


def test_no_network(kaggle, cache, rendering, monkeypatch, capsys):
    monkeypatch.setattr(sources, "online", lambda url: False)
    assert_falls_back(
        capsys, "does not answer", "call data.sign_language() again", "README"
    )
    assert kaggle.asked == 0
    assert not list((cache / "sign_mnist").iterdir())


@parametrize(
    "error, words",
    [
        (
            ConnectionError("cut\nreset by peer."),
            ["the download failed (reset by peer"],
        ),
        (OSError(errno.ENOSPC, "No space left"), ["is full", "free 400 MB"]),
        (OSError(errno.EROFS, "Read-only"), ["cannot be written (Read-only)"]),
    ],
)
def test_half_a_download_leaves_nothing(kaggle, cache, rendering, capsys, error, words):
    kaggle.error = error
    assert_falls_back(capsys, *words)
    assert not list((cache / "sign_mnist").iterdir())
    assert "KAGGLEHUB_CACHE" not in os.environ
    kaggle.error = None
    assert data.sign_language().real


def test_stop_during_a_download_leaves_nothing(kaggle, cache):
    kaggle.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        data.sign_language()
    assert files_in(cache) == []
    assert "KAGGLEHUB_CACHE" not in os.environ


def test_other_files_than_the_official_are_not_kept(kaggle, cache, rendering, capsys):
    kaggle.files[TEST] = kaggle.files[TEST].replace(b",17,", b",18,", 1)
    assert_falls_back(capsys, f"the download failed ({TEST}: checksum)")
    assert not list((cache / "sign_mnist").iterdir())


def test_a_file_that_kaggle_no_longer_has(kaggle, cache, rendering, capsys):
    del kaggle.files[TEST]
    assert_falls_back(capsys, "the download failed", TEST, "cannot be read")


def test_without_kagglehub(kaggle, cache, rendering, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    assert_falls_back(capsys, "kagglehub cannot be imported", "pip install -r")


def test_a_wrong_file_in_the_cache_is_named_or_replaced(
    kaggle, cache, rendering, sign_files, monkeypatch, capsys
):
    kept = write(cache / "sign_mnist", sign_files)
    (kept / TRAIN).write_bytes(sign_files[TRAIN][:-1000])
    fault = f"{kept / TRAIN}, line 505: expected 785 columns"
    with monkeypatch.context() as patch:
        patch.setattr(sources, "online", lambda url: False)
        assert_falls_back(capsys, fault, "it was cut off and its server does not")
    assert data.sign_language().real
    said = capsys.readouterr().out
    assert said.startswith(fault)
    assert said.endswith("; the official files have been downloaded in its place.\n")
    assert (kept / TRAIN).read_bytes() == sign_files[TRAIN]
    assert data.sign_language().real
    assert capsys.readouterr().out == ""


# The rendered hands


def test_rendered_hands(cache, rendering):
    hands = data.sign_language("embedded")
    assert sizes(hands) == [3072, 768, 1920]
    for part, each in zip(parts(hands), (128, 32, 80), strict=True):
        assert (part.x.shape[1:], part.x.dtype) == ((1, 28, 28), torch.uint8)
        assert part.y.dtype == torch.int64
        assert (part.y.bincount() == each).all()
        assert (part.y[:240].bincount() - 10).abs().max() <= 1  # any beginning
    assert not hands.real
    assert hands.classes == data.sign_language("embedded").classes
    assert hands.source.startswith("Rendered hands, synthetic: 3,072 images to train")
    assert "no real photo among them" in hands.source


def test_the_renderer_gives_what_we_take(cache, monkeypatch):
    from course_utils.data.synthetic import hands
    from course_utils.data.synthetic.hand_model import LETTERS

    few = functools.partial(hands.collection, photos=6, variants=2)
    monkeypatch.setattr(hands, "collection", few)
    first, kept = data.sign_language("embedded"), data.sign_language("embedded")
    assert first.classes == tuple(LETTERS)
    assert min(sizes(first)) >= 24
    assert sum(sizes(first)) == 24 * 6 * 2
    for a, b in zip(parts(first), parts(kept), strict=True):
        assert a.x.shape[1:] == (1, 28, 28)
        assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y)
        assert (a.y.bincount() == len(a.y) / 24).all()


def test_rendered_parts_share_no_photo_and_test_shows_other_people(cache, rendering):
    hands = data.sign_language("embedded")
    mark = [part.x[:, 0, 0, :4].long() for part in parts(hands)]
    photo = [set((256 * m[:, 0] + m[:, 1]).tolist()) for m in mark]
    people = [set(m[:, 2].tolist()) for m in mark]
    assert [len(p) for p in photo] == [24 * 16, 24 * 4, 24 * 10]
    assert len(set.union(*photo)) == 720
    assert people[2] == {8, 9, 10, 11}
    assert people[0] == people[1] == set(range(8))
    for part, m in zip(parts(hands), mark, strict=True):
        assert torch.equal(part.y, (256 * m[:, 0] + m[:, 1]) // 30)


def test_rendered_hands_are_kept_and_used_again(cache, rendering, capsys):
    first = data.sign_language("embedded")
    assert files_in(cache) == ["rendered_hands-v1.npz"]
    again = data.sign_language("embedded")
    assert rendering.calls == 1
    for a, b in zip(parts(first), parts(again), strict=True):
        assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y)
    assert capsys.readouterr().out == ""


def flip(content):
    damaged = bytearray(content)
    damaged[len(content) // 3] ^= 1
    return bytes(damaged)


@parametrize("damage", [lambda c: c[:3000], lambda c: b"", lambda c: b"<html>", flip])
def test_damaged_kept_hands_are_rendered_again(cache, rendering, damage):
    data.sign_language("embedded")
    kept = cache / "rendered_hands-v1.npz"
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert sizes(data.sign_language("embedded")) == [3072, 768, 1920]
    assert rendering.calls == 2
    assert len(kept.read_bytes()) == len(whole)


def test_kept_hands_of_another_kind_are_rendered_again(cache, rendering):
    cache.mkdir()
    kept = cache / "rendered_hands-v1.npz"
    for arrays in ({"x": np.zeros(3)}, dict.fromkeys(("x", "y", "photo", "person"), 1)):
        np.savez(kept, **arrays)
        assert sizes(data.sign_language("embedded")) == [3072, 768, 1920]
    assert rendering.calls == 2


@parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_disk_that_takes_nothing_only_costs_the_keeping(
    cache, rendering, monkeypatch, code
):
    def refuse(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    for where, name in ((Path, "mkdir"), (np, "savez_compressed")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, refuse)
            assert sizes(data.sign_language("embedded")) == [3072, 768, 1920]
        assert files_in(cache) == []


def test_a_notebook_beside_that_renders_too_does_no_harm(cache, rendering, monkeypatch):
    save = np.savez_compressed

    def while_another_one_finishes(path, **arrays):
        save(path, **arrays)
        save(cache / "rendered_hands-v1.npz", **arrays)

    monkeypatch.setattr(np, "savez_compressed", while_another_one_finishes)
    data.sign_language("embedded")
    assert files_in(cache) == ["rendered_hands-v1.npz"]
    data.sign_language("embedded")
    assert rendering.calls == 1
