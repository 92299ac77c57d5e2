"""The benchmark on a tiny budget: that it runs and is honest, not that it wins."""

import importlib.util
import math
import re
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).resolve().parent.parent / "benchmarks" / "mnist_cpu.py"
RESULT = re.compile(r"RESULT ratio=\S+ accuracy=0\.\d{4} seconds_to_99=\S+")


@pytest.fixture
def benchmark(monkeypatch):
    # It reads the folder of real files into a variable: not into that of other tests.
    monkeypatch.setenv("COURSE_DATA_DIR", "unused")
    spec = importlib.util.spec_from_file_location("mnist_cpu", PATH)
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
