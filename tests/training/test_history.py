"""The live curve, watched from a real kernel, and the silence everywhere else."""

import os
import queue
import re
import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from course_utils.history import History, draw, is_interactive
from course_utils.training import fit

ROOT = Path(__file__).resolve().parents[2]
SETUP = f"""
import sys, time, torch
sys.path.insert(0, {str(ROOT)!r})
from course_utils.training import fit, evaluate
x, y = torch.randn(64, 1, 8, 8), torch.arange(64) % 3
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))
def slow(x, generator):
    time.sleep(0.01)
    return x
"""


@pytest.fixture
def kernel():
    """A function that runs code in a kernel and returns its messages."""
    env = os.environ | {"PYTHONPATH": "", "JPY_PARENT_PID": "1"}
    env.pop("CI", None)
    manager, client = start_new_kernel(kernel_name="python3", env=env)

    def run(code, on_message=lambda message: None):
        request, messages = client.execute(code), []
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                message = client.get_iopub_msg(timeout=5)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            messages.append(message)
            on_message(message)
            if message["content"].get("execution_state") == "idle":
                return messages
        raise TimeoutError(code)

    run.interrupt = manager.interrupt_kernel
    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def of_type(messages, kind):
    return [m["content"] for m in messages if m["msg_type"] == kind]


def test_curve_grows_in_a_notebook_and_leaves_one_line(kernel):
    assert not of_type(kernel(SETUP), "error")
    messages = kernel("h = fit(model, (x, y), (x, y), epochs=3, batch_size=16)")
    assert not of_type(messages, "error") and not of_type(messages, "stream")
    updates = [m["data"] for m in of_type(messages, "update_display_data")]
    assert ["image/png" in data for data in updates] == [True] * 3 + [False]
    assert "Epoch 3 of 3" in updates[-1]["text/html"]
    shown = of_type(messages, "display_data")
    bars = [m for m in shown if "application/vnd.jupyter.widget-view+json" in m["data"]]
    assert len(bars) == 1  # tqdm's bar
    alts = [
        m["metadata"]["image/png"].get("alt")
        for m in of_type(messages, "update_display_data")[:3]
    ]
    assert all(re.search("validation accuracy .*%", alt) for alt in alts)


def test_the_kernels_interrupt_keeps_what_was_learnt(kernel):
    kernel(SETUP)

    def at_the_second_curve(message, seen=[]):  # noqa: B006
        if message["msg_type"] == "update_display_data":
            seen.append(message)
            if len(seen) == 2:
                kernel.interrupt()

    messages = kernel(
        "h = fit(model, (x, y), (x, y), epochs=900, batch_size=16, augment=slow)\n"
        "same = evaluate(model, (x, y)).accuracy == h.valid_accuracy[h.best_epoch]\n"
        "print(h.interrupted, same, 2 <= len(h.valid_loss) < 900)",
        on_message=at_the_second_curve,
    )
    assert not of_type(messages, "error")
    text = "".join(m["text"] for m in of_type(messages, "stream"))
    assert "Stopped by hand" in text and "True True True" in text


def test_quiet_under_ci(kernel):
    kernel(SETUP + "\nimport os; os.environ['CI'] = '1'")
    messages = kernel("h = fit(model, (x, y), (x, y), epochs=2)")
    assert {m["msg_type"] for m in messages} == {"status", "execute_input"}


def test_quiet_outside_a_notebook(network, train, valid, capfd, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    assert not is_interactive()
    fit(network(), train, valid, epochs=1)
    assert capfd.readouterr() == ("", "")


def test_picture_is_a_png_at_every_length():
    history = History()
    for epoch in range(3):
        history.add(1.0 / (epoch + 1), 0.9 / (epoch + 1), 0.5 + epoch / 10, 100)
        assert draw(history, epochs=3).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "images, accuracies, kept",
    [
        (500, [0.8, 0.9, 0.9, 0.7], 2),  # a tie: the later
        (500, [0.996, 0.992], 1),  # two images fewer right are no difference
        (50_000, [0.996, 0.992], 0),  # two hundred are
        (500, [0.9, 0.6, 0.95], 2),
    ],
)
def test_best_epoch_is_the_last_that_is_as_good_as_the_best(images, accuracies, kept):
    history = History()
    best = [history.add(0.0, 0.0, accuracy, images) for accuracy in accuracies]
    assert history.best_epoch == kept
    assert max(i for i, is_best in enumerate(best) if is_best) == kept


def test_import_stays_light(loaded_by):
    code = "from course_utils import training, augment, models"
    assert loaded_by(code, "matplotlib", "IPython", "torchvision", "sklearn") == []
