import dataclasses
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from course_utils import data
from course_utils.data import dataset


def test_split_unpacks_into_x_and_y():
    x, y = data.Split(torch.zeros(2, 1, 28, 28), torch.zeros(2))
    assert x.shape == (2, 1, 28, 28)
    assert y.shape == (2,)


def test_dataset_cannot_be_changed_and_compares_by_identity():
    part = data.Split(torch.zeros(2, 1, 28, 28), torch.zeros(2))
    one = data.Dataset(part, part, part, ("0",), "made here", False)
    other = data.Dataset(part, part, part, ("0",), "made here", False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.train = part
    assert one != other  # comparing tensors would raise


def test_cache_folder_is_the_one_named(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    assert data.cache_folder() == tmp_path


def test_cache_folder_expands_the_home_folder(monkeypatch):
    monkeypatch.setenv("COURSE_DATA_DIR", "~/digits")
    assert data.cache_folder() == Path.home() / "digits"


def test_cache_folder_is_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COURSE_DATA_DIR", "digits")
    assert data.cache_folder() == tmp_path / "digits"


@pytest.mark.parametrize("blank", ["", "  "])
def test_cache_folder_of_a_checkout(monkeypatch, blank):
    monkeypatch.setenv("COURSE_DATA_DIR", blank)
    assert data.cache_folder() == Path(__file__).resolve().parents[2] / "data"


def test_cache_folder_of_an_installed_package(monkeypatch, tmp_path):
    installed = tmp_path / "site-packages" / "course_utils" / "data" / "dataset.py"
    monkeypatch.setattr(dataset, "__file__", str(installed))
    pooch = types.SimpleNamespace(os_cache=lambda name: tmp_path / "user" / name)
    monkeypatch.setitem(sys.modules, "pooch", pooch)
    assert data.cache_folder() == tmp_path / "user" / "course_utils"


def test_stratified_order_is_a_permutation_with_balanced_prefixes():
    y = np.repeat([0, 1, 2], [100, 300, 600])
    order = data.stratified_order(y, seed=0)
    assert sorted(order) == list(range(1000))
    for n in (10, 137, 500, 999):
        expected = n * np.array([0.1, 0.3, 0.6])
        assert np.abs(np.bincount(y[order[:n]], minlength=3) - expected).max() <= 1


def test_stratified_order_is_shuffled_by_the_seed():
    y = np.tile(np.arange(10), 50)
    order = data.stratified_order(y, seed=0)
    assert (order == data.stratified_order(y, seed=0)).all()
    assert (order != data.stratified_order(y, seed=1)).any()
    # Neither the images of a class nor the classes come in the order of the file.
    assert (np.diff(order[y[order] == 3]) < 0).any()
    assert (y[order[:10]] != y[order[10:20]]).any()
