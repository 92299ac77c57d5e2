import hashlib
import importlib
import sys

import numpy as np
import pytest
import torch

from course_utils import data
from course_utils.locale import set_language

sklearn_datasets = pytest.importorskip("sklearn.datasets")

# `course_utils.data.diabetes` is the function, which hides the module of that name.
module = importlib.import_module("course_utils.data.diabetes")


@pytest.fixture(scope="module")
def table():
    return data.diabetes()


def parts(table):
    return (table.train, table.valid, table.test)


def rows(*splits):
    return np.concatenate([torch.cat(split, 1).numpy() for split in splits])


def test_shapes_and_types(table):
    assert isinstance(table, data.Table)
    for split, n in zip(parts(table), (266, 88, 88), strict=True):
        assert isinstance(split, data.Split)
        assert (split.x.shape, split.y.shape) == ((n, 10), (n, 1))
        assert split.x.dtype == split.y.dtype == torch.float32


def test_every_patient_is_there_once_and_goes_with_the_right_target(table):
    x, y = sklearn_datasets.load_diabetes(return_X_y=True, scaled=False)
    source = {tuple(row) for row in np.float32(np.column_stack([x, y])).tolist()}
    here = rows(*parts(table)).tolist()
    assert len(here) == len(source) == 442
    assert {tuple(row) for row in here} == source


def test_the_figures_of_the_paper(table):
    """Its table 1 begins with these two patients; range and mean are the published."""
    everyone = rows(*parts(table))
    for first in (
        [59, 2, 32.1, 101, 157, 93.2, 38, 4, 4.8598, 87, 151],
        [48, 1, 21.6, 87, 183, 103.2, 70, 3, 3.8918, 69, 75],
    ):
        assert np.isclose(everyone, first, atol=0.005).all(1).sum() == 1
    y = everyone[:, -1]
    assert (y.min(), y.max()) == (25, 346)
    assert y.mean() == pytest.approx(152.13, abs=0.01)
    assert np.isfinite(everyone).all()


def test_the_units_are_those_that_friedewald_needs(table):
    x = rows(*parts(table)).astype(float)
    assert table.features[4:9] == (
        *("total cholesterol", "LDL", "HDL"),
        *("total/HDL", "log triglycerides"),
    )
    total, ldl, hdl, ratio, triglycerides = x[:, 4:9].T
    estimate = total - hdl - np.exp(triglycerides) / 5
    assert (abs(estimate - ldl) < 0.01).sum() == 438
    assert np.corrcoef(ratio, total / hdl)[0, 1] > 0.97
    assert set(x[:, 1]) == {1, 2}


def test_the_cut_is_the_same_on_every_machine_and_in_every_year(table):
    digest = hashlib.md5(rows(table.test).tobytes()).hexdigest()
    assert digest == "982e251e16ae3c48112743e5259d363c"
    assert table.test.y[:5].flatten().tolist() == [72, 107, 54, 158, 152]
    assert table.valid.y[:3].flatten().tolist() == [243, 185, 262]


def test_another_seed_cuts_otherwise(table):
    other = data.diabetes(1)
    assert not torch.equal(other.test.y, table.test.y)
    assert sorted(map(tuple, rows(*parts(other)).tolist())) == sorted(
        map(tuple, rows(*parts(table)).tolist())
    )


def test_parts_do_not_share_memory():
    table = data.diabetes()
    table.train.x.zero_()
    assert (table.valid.x[:, 0] > 0).all()
    assert (data.diabetes().train.x[:, 0] > 0).all()


def test_global_random_numbers_are_left_alone():
    np.random.seed(3)
    wanted = np.random.rand()
    np.random.seed(3)
    data.diabetes(5)
    assert np.random.rand() == wanted


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "0", None, True])
def test_another_kind_of_seed_is_refused(seed):
    with pytest.raises(ValueError, match=r"int from 0 to 2\*\*32 - 1, got ") as error:
        data.diabetes(seed)
    assert repr(seed) in str(error.value)


def test_names_units_and_source(table):
    assert len(table.features) == len(table.units) == 10
    assert len(set(table.features)) == 10
    assert all(len(name) <= 18 for name in table.features)
    assert table.units[2:4] == ("kg/m²", "mmHg")
    assert "25 to 346" in table.target
    assert table.real
    for part in ("442", "scikit-learn", "10.1214/009053604000000067", "266"):
        assert part in table.source


def test_the_language_is_that_of_the_call():
    set_language("es")
    spanish = data.diabetes()
    set_language("en")
    assert spanish.features[:3] == ("edad", "sexo", "IMC")
    assert spanish.features[5:7] == ("LDL", "HDL")
    assert spanish.units[0] == "años"
    assert spanish.target != data.diabetes().target
    assert spanish.source != data.diabetes().source


def test_without_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(RuntimeError, match=r"run pip install -r requirements\.txt"):
        data.diabetes()


def test_importing_stays_light(loaded_by):
    code = "from course_utils import data; data.Table"
    assert loaded_by(code, "sklearn", "scipy", "pandas") == []
