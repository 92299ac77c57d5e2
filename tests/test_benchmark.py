"""The benchmarks on a tiny budget: that they run and are honest, not that they win."""

import importlib.util
import math
import re
from pathlib import Path

import pytest
import torch

from course_utils import data

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
RESULT = re.compile(r"RESULT ratio=\S+ accuracy=0\.\d{4} seconds_to_99=\S+")


@pytest.fixture
def benchmark(monkeypatch):
    # It reads the folder of real files into a variable: not into that of other tests.
    monkeypatch.setenv("COURSE_DATA_DIR", "unused")
    return load("mnist_cpu")


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TINY = ["--source=embedded", "--images=640", "--epochs=2", "--official-epochs=2"]


def test_runs_and_ends_in_one_result_line(benchmark, capsys):
    benchmark.main(TINY)
    lines = capsys.readouterr().out.splitlines()
    assert RESULT.fullmatch(lines[-1])
    assert "ratio=nan" in lines[-1] and "seconds_to_99=nan" in lines[-1]
    assert "did not reach 99%" in lines[-2]
    runs = [line.split()[0] for line in lines if "CPU-s" in line]
    assert runs == ["ours", "ours", "official", "official"]
    assert "61,306 parameters  1 epochs" in lines[2]
    assert "61,306 parameters  2 epochs" in lines[3]
    assert "1,199,882 parameters" in lines[-3]  # as the official example has


def test_stops_where_the_target_is_reached(benchmark, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "TARGET", 0.11)
    benchmark.main([*TINY, "--epochs=1"])
    lines = capsys.readouterr().out.splitlines()
    assert sum("official  " in line for line in lines) == 1
    ratio = float(re.search(r"ratio=([\d.]+)", lines[-1])[1])
    short, _long, official = (
        float(re.search(r"([\d.]+) CPU-s", line)[1])
        for line in lines
        if "CPU-s" in line
    )
    assert ratio == pytest.approx(official / short, rel=0.3)  # printed to one decimal
    assert "Both reached" in lines[-2]


@pytest.mark.parametrize(
    ("theirs", "quick", "meaning", "result"),
    [
        ([(50.0, 0.98), (150.0, 0.991)], 10.0, "15.0 times sooner", "ratio=15.0"),
        ([(50.0, 0.98), (150.0, 0.985)], 10.0, "lower bound, >= 15.0", "ratio=15.0"),
        ([(50.0, 0.995)], math.nan, "there is no ratio", "ratio=nan"),
    ],
)
def test_verdict(benchmark, theirs, quick, meaning, result):
    lines = benchmark.verdict(theirs, quick, 0.9955)
    assert meaning in lines[0]
    assert RESULT.fullmatch(lines[1]) and result in lines[1]
    assert "accuracy=0.9955" in lines[1]


def test_torchvision_reads_what_we_write(benchmark, tmp_path):
    from torchvision.datasets import MNIST

    x = torch.randint(0, 256, (7, 1, 28, 28), dtype=torch.uint8)
    y = torch.arange(7)
    benchmark.write_idx(tmp_path, (x, y), (x[:3], y[:3]))
    train, test = MNIST(tmp_path, train=True), MNIST(tmp_path, train=False)
    assert torch.equal(train.data, x[:, 0]) and torch.equal(train.targets, y)
    assert torch.equal(test.data, x[:3, 0]) and len(test) == 3


def test_unknown_source(benchmark, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--source", "somewhere"])
    assert "invalid choice" in capsys.readouterr().err


# --- sign_language_cpu.py ---


@pytest.fixture
def signs(monkeypatch):
    """The benchmark, with noise in place of hands: nothing to render or download."""

    def sign_language(source):
        parts = [split(n, seed=n) for n in (130, 20, 50)]
        return data.Dataset(*parts, tuple("AB"), f"noise, {source}", source == "folder")

    def split(n, seed):
        return data.Split(noise(torch.arange(n), seed=seed), torch.arange(n) % 24)

    def noise(letters, *, seed):
        g = torch.Generator().manual_seed(1000 + seed)
        shape = (len(letters), 1, 28, 28)
        return torch.randint(0, 256, shape, generator=g, dtype=torch.uint8)

    module = load("sign_language_cpu")
    monkeypatch.setattr(module.data, "sign_language", sign_language)
    monkeypatch.setattr(module.hands, "render", noise)
    monkeypatch.setattr(module, "RENDERED", 10)
    return module


SIGNS_RESULT = re.compile(
    r"RESULT accuracy=[01]\.\d{4} naive=[01]\.\d{4} rendered_only=\S+ "
    r"cpu_seconds=\d+\.\d"
)


def test_signs_run_and_end_in_one_result_line(signs, capsys):
    signs.main(["--source=folder", "--epochs=1", "--images=64", "--seeds", "0", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "noise, folder" and "50 test photos" in lines[1]
    runs = [line[:13].strip() for line in lines if "CPU-s  " in line]
    assert runs == ["naive"] * 2 + ["ours"] * 2 + ["rendered only"] * 2
    assert SIGNS_RESULT.fullmatch(lines[-1]) and "nan" not in lines[-1]


def test_signs_embedded_have_no_figure_of_their_own_beside_them(signs, capsys):
    signs.main(["--source=embedded", "--epochs=1", "--images=64", "--seeds", "0"])
    lines = capsys.readouterr().out.splitlines()
    assert SIGNS_RESULT.fullmatch(lines[-1])
    assert "rendered_only=nan" in lines[-1]


def test_signs_never_train_on_the_test_photos(signs):
    photos = signs.data.sign_language("folder")
    sets = signs.experiments(photos, images=None)
    images = {name: {bytes(x.numpy()) for x in s[1].x} for name, s in sets.items()}
    for seen in images.values():
        assert not any(bytes(x.numpy()) in seen for x in photos.test.x)
    assert len(images["naive"]) == 150  # train and validation
    assert len(images["ours"]) == 390  # and all that is rendered
    assert images["rendered only"] == images["ours"] - images["naive"]


def test_signs_normalise_each_image_by_itself(signs):
    x = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    z = signs.normalize(x)
    assert z.mean((1, 2, 3)).abs().max() < 1e-5
    assert torch.equal(z[1:2], signs.normalize(x[1:2]))
    assert torch.equal(signs.normalize(torch.full_like(x, 7)), torch.zeros(x.shape))


def test_signs_interval_knows_that_a_photo_is_one_piece_of_news(signs):
    photo = torch.arange(50).repeat_interleave(20)
    right = (photo < 40).double()
    low, high = signs.interval_by_photo(right, photo)
    # Standard error of 40 of 50: 0.057; of 800 of 1,000 images it would be 0.013.
    assert low == pytest.approx(0.8 - 1.96 * 0.057, abs=0.03)
    assert high == pytest.approx(0.8 + 1.96 * 0.057, abs=0.03)


def test_signs_verdict_takes_means_over_seeds(signs):
    half, whole = torch.tensor([True, False] * 2), torch.ones(4, dtype=torch.bool)
    runs = {"naive": [(half, 1.0)], "ours": [(half, 100.0), (whole, 110.0)]}
    lines = signs.verdict(runs, torch.tensor([0, 0, 1, 1]))
    assert "mean of 2: 75.00%" in lines[1]
    assert lines[-1] == (
        "RESULT accuracy=0.7500 naive=0.5000 rendered_only=nan cpu_seconds=105.0"
    )
