import importlib
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

# `course_utils.data.nerve` may be the function, which hides the module of that name.
module = importlib.import_module("course_utils.data.nerve")
nerve = module.nerve
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0]  # red and green, as grey 38 and 75


def write(folder, number, size=(64, 48), grey=None, mask=None):
    """A pair: a flat image, or `grey`, and a mask whose first column is a nerve."""
    width, height = size
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    if grey is None:
        grey = np.full((height, width), 2 * number + 10, np.uint8)
    if mask is None:
        mask = np.zeros((height, width), np.uint8)
        mask[:, : width // 4] = 1
        mask[: height // 2, width // 2 :] = 2
    Image.fromarray(grey).save(folder / "images" / f"{number:04d}.png")
    picture = Image.fromarray(mask)
    picture.putpalette(PALETTE)
    picture.save(folder / "masks" / f"{number:04d}.png")


@pytest.fixture
def folder(tmp_path):
    """20 pairs, with gaps in their numbers."""
    for number in range(0, 60, 3):
        write(tmp_path / "set", number)
    return tmp_path / "set"


def parts(found):
    return found.train, found.valid, found.test


def numbers(split):
    """Which flat images a part holds."""
    return ((split.x.flatten(1).max(1).values.long() - 10) // 2).tolist()


def test_shapes_types_and_classes(folder):
    found = nerve(folder)
    for part, n in zip(parts(found), (12, 4, 4), strict=True):
        assert (part.x.shape, part.x.dtype) == ((n, 1, 96, 128), torch.uint8)
        assert (part.y.shape, part.y.dtype) == ((n, 96, 128), torch.uint8)
        assert part.y.unique().tolist() == [0, 1, 2]
    assert found.classes == ("background", "nerve", "vessel")
    assert found.real
    assert f"from {folder}: 12 images to train, 4 to validate, 4 to" in found.source
    assert "one patient may be in two parts" in found.source


def test_neighbours_stay_together_and_nothing_is_in_two_parts(folder):
    train, valid, test = map(numbers, parts(nerve(folder)))
    assert sorted(train + valid + test) == list(range(0, 60, 3))
    assert valid == [12, 15, 42, 45]
    assert test == [18, 21, 48, 51]
    assert [len(set(part)) for part in (train, valid, test)] == [12, 4, 4]


def test_image_and_mask_of_any_size_fill_the_same_place(tmp_path):
    for number, size in enumerate([(64, 48), (48, 48), (47, 39), (20, 96), (300, 30)]):
        for k in range(2):
            grey = np.full(size[::-1], 200, np.uint8)
            write(tmp_path, 2 * number + k, size, grey, grey // 200)
    found = nerve(tmp_path)
    filled = [(96, 128), (96, 96), (96, 116), (96, 20), (13, 128)]
    x, y = (torch.cat(several) for several in zip(*parts(found), strict=True))
    assert torch.equal(x[:, 0] // 200, y)
    shapes = [(int(m.any(1).sum()), int(m.any(0).sum())) for m in y]
    assert set(shapes) == set(filled)
    for mask, (height, width) in zip(y, shapes, strict=True):
        top, left = (96 - height) // 2, (128 - width) // 2
        assert mask[top : top + height, left : left + width].all()


def test_images_are_averaged_and_masks_are_not(tmp_path):
    stripes = np.zeros((192, 256), np.uint8)
    stripes[:, ::2] = 200
    for number in range(10):
        write(tmp_path, number, grey=stripes, mask=stripes // 100)
        if number % 2:  # a palette is not asked for
            labels = Image.fromarray(stripes // 100)
            labels.save(tmp_path / "masks" / f"{number:04d}.png")
    found = nerve(tmp_path)
    assert (found.train.x == 100).all()
    assert set(found.train.y.unique().tolist()) <= {0, 2}


def test_colour_becomes_grey_and_palettes_stay_labels(tmp_path):
    for number in range(10):
        write(tmp_path, number)
        flat = np.full((48, 64, 3), (100, 100, 101), np.uint8)
        Image.fromarray(flat).save(tmp_path / "images" / f"{number:04d}.png")
    found = nerve(str(tmp_path))
    assert (found.train.x == 100).all()
    assert (found.train.y[:, :, :32] == 1).all()
    assert (found.train.y[:, :48, 64:] == 2).all()


# Where there are none


def test_the_cache_folder_serves_without_a_word(folder, cache, capsys):
    shutil.copytree(folder, cache / "nerve_ultrasound")
    for source in (None, "auto", "download"):
        assert len(nerve(source).train.y) == 12
    assert capsys.readouterr() == ("", "")


def says(capsys):
    said, noise = capsys.readouterr()
    assert said.count("\n") == 1 and noise == ""
    assert said.startswith("The ultrasound of nerves is left out: ")
    return said


def test_without_a_folder_it_says_so_and_goes_on(cache, capsys):
    for source in (None, "download"):
        assert nerve(source) is None
        said = says(capsys)
        assert f"there is no {cache / 'nerve_ultrasound'}" in said
        assert "data/README.md" in said


def test_embedded_has_none_and_says_so(folder, cache, monkeypatch, capsys):
    shutil.copytree(folder, cache / "nerve_ultrasound")
    monkeypatch.setenv("COURSE_DATA", "embedded")
    assert nerve() is None
    assert 'the chosen source is "embedded"' in says(capsys)


def test_an_unknown_source_is_named():
    with pytest.raises(ValueError, match=r"nerve: source is 'real': use one of"):
        nerve("real")


# What is not as it should be: (what to do with a file of the pair 0012, the sentence)


def half(path):
    path.write_bytes(path.read_bytes()[:60])


def as_colour(path):
    Image.open(path).convert("RGB").save(path)


def as_grey(path):
    Image.open(path).convert("L").save(path)


def smaller(path):
    Image.open(path).resize((32, 48)).save(path)


FAULTS = [
    ("masks", lambda path: path.unlink(), "is missing: an image needs a mask of its"),
    ("masks", half, "cannot be read"),
    ("images", half, "cannot be read"),
    ("images", lambda path: path.write_bytes(b"<html>"), "cannot be read"),
    ("masks", as_colour, "is a picture in colours (mode RGB), not a mask of classes"),
    ("masks", as_grey, "has the label 75; known are 0 background, 1 nerve, 2 vessel"),
    ("masks", smaller, "has (32, 48) pixels, its image (64, 48) (width, height)"),
]


@pytest.mark.parametrize("part, fault, words", FAULTS)
def test_a_file_that_is_wrong_is_named(folder, cache, capsys, part, fault, words):
    path = folder / part / "0012.png"
    fault(path)
    with pytest.raises(ValueError) as error:
        nerve(folder)
    assert str(error.value).startswith(f"nerve: {path} ")
    assert words in str(error.value)
    # The same in the cache folder does not stop the lesson.
    shutil.copytree(folder, cache / "nerve_ultrasound")
    assert nerve() is None
    assert words in says(capsys)


def test_too_few_images_are_refused(tmp_path):
    for number in range(9):
        write(tmp_path, number)
    with pytest.raises(ValueError, match="holds 9 images, and 10 are needed"):
        nerve(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="holds 0 images"):
        nerve(tmp_path / "none")


# The real files


@pytest.fixture
def real_nerves(real_folder):
    folder = real_folder.parent / "nerve_ultrasound"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


def test_the_real_files(real_nerves):
    found = nerve(real_nerves)
    assert [len(part.y) for part in parts(found)] == [48, 16, 16]
    for part in parts(found):
        assert part.y.unique().tolist() == [0, 1, 2]
        assert part.x.amax() > 200
        shares = part.y.flatten().bincount() / part.y.numel()
        assert 0.015 < shares[1] < 0.05 and 0.02 < shares[2] < 0.06
    # Both machines are in every part: the first half's images are square.
    square = [(part.x[:, 0, :, :16] == 0).all(2).all(1) for part in parts(found)]
    assert all(8 <= s.sum() < len(s) for s in square)
