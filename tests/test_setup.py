"""course_utils.setup: language, seeds, style, Colab, and a light import."""

import random
import sys
import types

import matplotlib as mpl
import numpy as np
import pytest
import torch

import course_utils
from course_utils import locale, plots


def test_seeds_repeat(capsys):
    draws = []
    for _ in range(2):
        course_utils.setup(lang="en", seed=3)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]
    course_utils.setup(lang="en", seed=4)
    assert torch.rand(1).item() != draws[0][2]


@pytest.mark.parametrize(
    "lang, word, threads",
    [("es", "Semilla: 0", "hilos"), ("en", "Seed: 0", "threads")],
)
def test_report_in_the_language(lang, word, threads, capsys):
    course_utils.setup(lang=lang)
    printed = capsys.readouterr().out
    assert locale.language() == lang
    assert word in printed
    # "threads: 1", which is right in any number.
    assert f", {threads}: {torch.get_num_threads()}. " in printed


@pytest.mark.parametrize(
    "policy, word", [("auto", "downloaded"), ("embedded", "no internet")]
)
def test_report_names_the_data_policy(policy, word, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_DATA", policy)
    course_utils.setup(lang="en")
    assert word in capsys.readouterr().out


def test_style_is_applied(capsys):
    mpl.rcParams["figure.facecolor"] = "black"
    course_utils.setup(lang="en")
    assert mpl.rcParams["figure.facecolor"] == plots.STYLE["figure.facecolor"]


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_refuses_a_bad_seed(seed):
    with pytest.raises(ValueError, match="seed"):
        course_utils.setup(lang="en", seed=seed)


def test_refuses_an_unknown_language():
    with pytest.raises(ValueError, match="fr"):
        course_utils.setup(lang="fr")


def test_switches_on_colab_widgets(monkeypatch, capsys):
    called = []
    output = types.ModuleType("google.colab.output")
    output.enable_custom_widget_manager = lambda: called.append(True)
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    course_utils.setup(lang="en")
    assert called == [True]


def test_import_brings_no_heavy_library(loaded_by):
    heavy = ["torchvision", "matplotlib.pyplot", "ipywidgets", "sklearn"]
    heavy += ["mlxtend", "pandas"]
    assert loaded_by("import course_utils", *heavy) == []
