import importlib
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from course_utils import data
from course_utils.data import sources

# `course_utils.data.pneumonia` is the function, which hides the module of that name.
module = importlib.import_module("course_utils.data.pneumonia")


@pytest.fixture(scope="module")
def arrays():
    """A small file's content; of train, images 0 and 3 are also in valid, 5 in test."""
    rng = np.random.RandomState(0)
    content = {}
    for part, n in (("train", 40), ("val", 10), ("test", 12)):
        content[f"{part}_images"] = rng.randint(0, 256, (n, 28, 28)).astype(np.uint8)
        content[f"{part}_labels"] = (np.arange(n) % 3 > 0).astype(np.uint8)[:, None]
    images = content["train_images"]
    images[3] = images[0]
    content["val_images"][4] = images[0]
    content["test_images"][9] = images[5]
    return content


@pytest.fixture
def path(cache):
    """Where the file belongs, in a folder that is not yet there."""
    return cache / "medmnist" / "pneumoniamnist.npz"


@pytest.fixture
def kept(path, arrays):
    path.parent.mkdir(parents=True)
    np.savez(path, **arrays)
    return path


@pytest.fixture
def medmnist(monkeypatch, arrays):
    """A stand-in for the package, which writes the file and is as noisy and as silent
    about its errors as the real one. `medmnist.error` is what happens to it."""
    package = types.ModuleType("medmnist")
    package.error = None

    def download(split, *, download, root):
        print("Downloading")
        print("100%", file=sys.stderr)
        try:
            if package.error:
                (Path(root) / "pneumoniamnist.npz").write_bytes(b"half")
                raise package.error
            np.savez(Path(root) / "pneumoniamnist.npz", **package.arrays)
        except:  # noqa: E722  as theirs
            advice = "\n  Automatic download failed!\n  4. Put it there\n  "
            raise RuntimeError(advice)  # noqa: B904  as theirs

    package.PneumoniaMNIST = download
    package.arrays = arrays
    monkeypatch.setitem(sys.modules, "medmnist", package)
    monkeypatch.setattr(sources, "online", lambda url: True)
    return package


def assert_goes_without(capsys, *words):
    """`auto` says all the words in one sentence and returns None; `download` raises."""
    assert data.pneumonia() is None
    said, noise = capsys.readouterr()
    assert said.count("\n") == 1
    assert noise == ""
    assert said.startswith("PneumoniaMNIST is not available: ")
    assert "we go on without its radiographs; to have them, " in said
    with pytest.raises(RuntimeError) as error:
        data.pneumonia("download")
    for word in words:
        assert word in said
        assert word in str(error.value)
    assert capsys.readouterr().out == ""


def test_shapes_types_and_classes(kept, capsys):
    lungs = data.pneumonia()
    for split, n in ((lungs.train, 37), (lungs.valid, 10), (lungs.test, 12)):
        assert (split.x.shape, split.x.dtype) == ((n, 1, 28, 28), torch.uint8)
        assert (split.y.shape, split.y.dtype) == ((n,), torch.int64)
    assert lungs.classes == ("normal", "pneumonia")
    assert lungs.real
    assert capsys.readouterr().out == ""


def test_images_of_another_part_leave_train_and_no_label_moves(kept, arrays):
    lungs = data.pneumonia()
    stay = [i for i in range(40) if i not in (0, 3, 5)]
    assert np.array_equal(lungs.train.x[:, 0], arrays["train_images"][stay])
    assert np.array_equal(lungs.train.y, arrays["train_labels"][stay, 0])
    assert np.array_equal(lungs.valid.x[:, 0], arrays["val_images"])
    assert np.array_equal(lungs.test.y, arrays["test_labels"][:, 0])
    assert "37 to train, 10 to validate, 12 to test; 3 of the training" in lungs.source


def test_the_real_file(real_pneumonia, path):
    path.parent.mkdir(parents=True)
    path.write_bytes(real_pneumonia.read_bytes())
    lungs = data.pneumonia()
    # 8 images of valid are in train too, two of them twice.
    assert [len(part.y) for part in (lungs.train, lungs.valid, lungs.test)] == [
        4698, 524, 624
    ]  # fmt: skip
    assert lungs.test.y.bincount().tolist() == [234, 390]
    assert "10 of the training images" in lungs.source
    parts = (lungs.train, lungs.valid, lungs.test)
    images = [{image.numpy().tobytes() for image in part.x} for part in parts]
    assert not images[0] & images[1] and not images[0] & images[2]


def test_a_download_is_kept_and_used_again(medmnist, path, capsys, monkeypatch):
    assert len(data.pneumonia().train.y) == 37
    monkeypatch.setitem(sys.modules, "medmnist", None)
    assert len(data.pneumonia().train.y) == 37
    assert capsys.readouterr() == ("", "")
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_no_network(medmnist, path, monkeypatch, capsys):
    monkeypatch.setattr(sources, "online", lambda url: False)
    assert_goes_without(capsys, "does not answer", "connect and call data.pneumonia()")
    assert list(path.parent.iterdir()) == []


def test_a_broken_download_says_what_broke(medmnist, path, capsys):
    medmnist.error = ConnectionResetError("reset by peer")
    assert_goes_without(capsys, "the download failed (reset by peer)")
    assert list(path.parent.iterdir()) == []


def test_a_download_of_something_else_is_refused(medmnist, path, capsys):
    medmnist.arrays = {"train_images": np.zeros(3)}
    assert_goes_without(capsys, "the download failed (pneumoniamnist.npz: content)")
    assert list(path.parent.iterdir()) == []


def test_stop_during_a_download_is_a_stop(medmnist, path):
    medmnist.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        data.pneumonia()
    assert list(path.parent.iterdir()) == []


def test_without_medmnist(medmnist, path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "medmnist", None)
    assert_goes_without(capsys, "medmnist cannot be imported", "pip install -r")


def flip(content):
    damaged = bytearray(content)
    damaged[10_000] ^= 1
    return bytes(damaged)


DAMAGES = {
    "half": lambda content: content[: len(content) // 2],
    "one bit": flip,
    "empty": lambda content: b"",
    "a web page": lambda content: b"<!DOCTYPE html><title>Wi-Fi</title>",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named_or_fetched_again(
    kept, medmnist, monkeypatch, capsys, damage
):
    kept.write_bytes(damage(kept.read_bytes()))
    with monkeypatch.context() as patch:
        patch.setattr(sources, "online", lambda url: False)
        assert_goes_without(capsys, f"{kept} is damaged and its server does not")
    assert len(data.pneumonia().train.y) == 37
    said = capsys.readouterr().out
    assert said == f"{kept} was damaged; PneumoniaMNIST has been downloaded again.\n"
    assert data.pneumonia() is not None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "name, change",
    [
        ("val_labels", lambda y: y[:, 0]),
        ("val_labels", lambda y: y + 1),
        ("train_images", lambda x: x[:, :27]),
        ("train_images", lambda x: x.astype(float)),
        ("test_images", lambda x: x[:-1]),
    ],
)
def test_a_file_of_another_kind_is_not_used(kept, arrays, monkeypatch, name, change):
    np.savez(kept, **{**arrays, name: change(arrays[name])})
    monkeypatch.setattr(sources, "online", lambda url: False)
    with pytest.raises(RuntimeError, match="is damaged"):
        data.pneumonia("download")


def test_embedded_has_none_and_says_so(kept, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATA", "embedded")
    assert data.pneumonia() is None
    said = capsys.readouterr().out
    assert said.startswith("PneumoniaMNIST is left out: ")
    assert said.count("\n") == 1


def test_an_unknown_source_is_named():
    with pytest.raises(ValueError, match="pneumonia: source is 'real': use one of"):
        data.pneumonia("real")


def test_importing_stays_light(loaded_by):
    code = "from course_utils import data, pretrained; data.pneumonia"
    heavy = ["medmnist", "kagglehub", "torchvision", "scipy", "pandas"]
    assert loaded_by(code, *heavy) == []
