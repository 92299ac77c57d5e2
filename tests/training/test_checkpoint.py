import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from course_utils.augment import GaussianNoise
from course_utils.training import fit

ROOT = Path(__file__).resolve().parents[2]
RUN = {"epochs": 6, "batch_size": 32, "seed": 3, "augment": GaussianNoise(0.2)}


class Crash(Exception):
    pass


def crash_after(epochs):
    """An augmentation that breaks the run in the middle of epoch `epochs` + 1."""
    calls = iter(range(10_000))

    def augment(x, generator):
        if next(calls) == epochs * 10 + 5:  # ten batches an epoch
            raise Crash
        return RUN["augment"](x, generator)

    return augment


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("done", [1, 4])
def test_a_resumed_run_ends_as_the_uninterrupted_one(
    tmp_path, network, train, valid, same, capsys, optimizer, done
):
    run = RUN | {"optimizer": optimizer}
    whole = network()
    expected = fit(whole, train, valid, **run)

    path = tmp_path / "new folder" / "run.pt"
    broken = run | {"augment": crash_after(done), "checkpoint": path}
    with pytest.raises(Crash):
        fit(network(), train, valid, **broken)
    torch.manual_seed(99)
    resumed = network(seed=1)  # other initial weights: the file brings its own
    history = fit(resumed, train, valid, **run, checkpoint=path)

    assert f"{done} of 6 epochs are done" in capsys.readouterr().out
    assert same(resumed.state_dict(), whole.state_dict())
    for name in ("train_loss", "valid_loss", "valid_accuracy", "lr", "best_epoch"):
        assert getattr(history, name) == getattr(expected, name), name
    assert history.seconds > 0
    assert [p.name for p in path.parent.iterdir()] == ["run.pt"]


def test_an_interrupted_run_goes_on(tmp_path, network, train, valid, same):
    whole = network()
    fit(whole, train, valid, **RUN)
    path = tmp_path / "run.pt"
    calls = iter(range(10_000))

    def stop(x, generator):
        if next(calls) == 27:
            raise KeyboardInterrupt
        return RUN["augment"](x, generator)

    first = fit(network(), train, valid, **RUN | {"augment": stop}, checkpoint=path)
    model = network()
    second = fit(model, train, valid, **RUN, checkpoint=path)
    assert first.interrupted and len(first.train_loss) == 2
    assert not second.interrupted and len(second.train_loss) == 6
    assert same(model.state_dict(), whole.state_dict())


def test_a_finished_run_is_not_repeated(tmp_path, network, train, valid, same):
    path = tmp_path / "run.pt"
    first, second = network(), network(seed=1)
    a = fit(first, train, valid, **RUN, checkpoint=path)
    b = fit(second, train, valid, **RUN, checkpoint=path)
    assert same(first.state_dict(), second.state_dict())
    assert a == b


def test_a_crash_while_writing_leaves_the_old_file(
    tmp_path, network, train, valid, monkeypatch, same
):
    path = tmp_path / "run.pt"
    written = []
    real_save = torch.save

    def half(state, file):
        if len(written) == 2:
            file.write(b"PK half a checkpoint")
            raise OSError(28, "No space left on device")
        real_save(state, file)
        written.append(True)

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="No space"):
        fit(network(), train, valid, **RUN, checkpoint=path)
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]
    assert len(torch.load(path, weights_only=True)["history"]["train_loss"]) == 2

    monkeypatch.undo()
    whole, resumed = network(), network()
    fit(whole, train, valid, **RUN)
    fit(resumed, train, valid, **RUN, checkpoint=path)
    assert same(resumed.state_dict(), whole.state_dict())


SCRIPT = """
import sys, time, torch
sys.path[:0] = sys.argv[1:3]
from conftest import blobs
from course_utils.training import fit
def slow(x, generator):
    time.sleep(0.02)
    return x
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
fit(model, blobs(330), blobs(90, seed=1), epochs=30, batch_size=32, lr=0.005,
    augment=slow, checkpoint=sys.argv[3])
"""


def test_a_killed_process_goes_on_where_it_was(tmp_path, train, valid, same):
    path = tmp_path / "run.pt"
    folders = [str(Path(__file__).parent), str(ROOT)]  # two conftest.py: this one
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, *folders, str(path)])
    try:
        deadline = time.monotonic() + 120
        while not path.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.5)
    finally:
        process.kill()
        process.wait()
    left = torch.load(path, weights_only=True)
    done = len(left["history"]["train_loss"])
    assert 1 <= done < 30

    def continue_from(path):
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
        run = {"epochs": 30, "batch_size": 32, "lr": 0.005, "checkpoint": path}
        return model, fit(model, train, valid, **run)

    resumed, history = continue_from(path)
    assert len(history.train_loss) == 30
    assert history.train_loss[:done] == left["history"]["train_loss"]
    repeated, _ = continue_from(path)  # finished: only loads
    assert same(resumed.state_dict(), repeated.state_dict())


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 7},
        {"lr": 0.02},
        {"batch_size": 16},
        {"optimizer": "sgd"},
        {"weight_decay": 0.1},
        {"label_smoothing": 0.1},
        {"seed": 4},
    ],
    ids=lambda change: next(iter(change)),
)
def test_refuses_other_settings_by_name(tmp_path, network, train, valid, change):
    path = tmp_path / "run.pt"
    fit(network(), train, valid, **RUN | {"epochs": 1}, checkpoint=path)
    name, value = next(iter(change.items()))
    model = network()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ValueError, match=rf"run\.pt was made with {name}=.*{value!r}"):
        fit(model, train, valid, **RUN | {"epochs": 1} | change, checkpoint=path)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_refuses_other_images(tmp_path, network, train, valid):
    path = tmp_path / "run.pt"
    fit(network(), train, valid, **RUN | {"epochs": 1}, checkpoint=path)
    fewer = (train[0][:200], train[1][:200])
    with pytest.raises(ValueError, match="images=330, not 200"):
        fit(network(), fewer, valid, **RUN | {"epochs": 1}, checkpoint=path)


def test_refuses_another_network(tmp_path, network, train, valid):
    path = tmp_path / "run.pt"
    fit(network(), train, valid, **RUN | {"epochs": 1}, checkpoint=path)
    other = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(ValueError, match="network of other layers: delete it"):
        fit(other, train, valid, **RUN | {"epochs": 1}, checkpoint=path)


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>", None])
def test_refuses_a_file_that_is_no_checkpoint(tmp_path, network, train, valid, content):
    path = tmp_path / "run.pt"
    if content is None:
        torch.save({"weights": torch.zeros(3)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="not a checkpoint of fit, or is damaged"):
        fit(network(), train, valid, **RUN, checkpoint=path)
    assert path.exists()
