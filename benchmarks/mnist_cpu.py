"""How soon a CPU reads digits: workshop 02's recipe beside PyTorch's own example.

    python benchmarks/mnist_cpu.py      # about 8 minutes

Both run here, one after the other, on the real MNIST and the same machine; the clock is
the CPU time of the process, on one thread. Testing is outside the clock of both.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course_utils import data  # noqa: E402
from course_utils.augment import RandomAffine  # noqa: E402
from course_utils.models import digit_cnn  # noqa: E402
from course_utils.training import count_parameters, evaluate, fit  # noqa: E402

TARGET = 0.99
FEW = 40_000  # images that are enough for it, seen once


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--source", choices=("download", "embedded"), default="download"
    )
    parser.add_argument("--images", type=int, help="train on the first so many only")
    parser.add_argument("--epochs", type=int, default=4, help="of our longest run")
    parser.add_argument("--official-epochs", type=int, default=5, help="at most")
    options = parser.parse_args(arguments)

    # Two threads that wait for each other burn CPU time: on a busy machine three times
    # as much as one, and then the figures tell of the neighbours, not of the recipes.
    torch.set_num_threads(1)
    digits = load(options.source)
    train = [part[: options.images] for part in digits.train]
    print(digits.source)
    print(f"PyTorch {torch.__version__}, one thread")

    # A short run and a long one: the learning rate falls to the end of each, so that
    # the long one cannot be read half-way.
    quick, reached = ours([part[:FEW] for part in train], digits, 1)
    _seconds, accuracy = ours(train, digits, options.epochs)
    if reached < TARGET:
        quick = math.nan

    whole = [torch.cat(parts) for parts in zip(train, digits.valid, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        write_idx(Path(folder), whole, digits.test)
        theirs = official(folder, options.official_epochs)
    print("\n".join(verdict(theirs, quick, accuracy)))


def load(source: str) -> data.Dataset:
    """MNIST from the folder of real files if it is there, else cached or downloaded."""
    real = Path(os.environ.get("COURSE_REALDATA", ROOT.parent / "shared" / "realdata"))
    if (real / "mnist").is_dir():
        os.environ.setdefault("COURSE_DATA_DIR", str(real / "mnist"))
    return data.mnist(source)


def ours(train, digits: data.Dataset, epochs: int) -> tuple[float, float]:
    """(CPU seconds, test accuracy) of one run of the recipe of workshop 02."""
    torch.manual_seed(0)
    start = time.process_time()
    pixels = train[0].float() / 255
    mean, std = pixels.mean(), pixels.std()

    def normalise(x):
        return (x.float() / 255 - mean) / std

    model = digit_cnn()
    fit(
        model,
        (normalise(train[0]), train[1]),
        (normalise(digits.valid.x), digits.valid.y),
        epochs=epochs,
        lr=0.01,
        label_smoothing=0.1,
        augment=RandomAffine(degrees=10, translate=2, scale=0.1, shear=0.1),
        device="cpu",
    )
    seconds = time.process_time() - start
    test = (normalise(digits.test.x), digits.test.y)
    accuracy = evaluate(model, test, device="cpu").accuracy
    report("ours", model, epochs, len(train[0]), seconds, accuracy)
    return seconds, accuracy


class Official(nn.Module):
    """The network of github.com/pytorch/examples, mnist/main.py."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU()
        )
        self.classifier = nn.Sequential(
            nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten(),
            nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
        )  # fmt: skip

    def forward(self, x):
        return F.log_softmax(self.classifier(self.features(x)), dim=1)


def official(folder: str, epochs: int) -> list[tuple[float, float]]:
    """(CPU seconds, test accuracy) after each epoch of the example's recipe.

    Its DataLoader, transforms, batch of 64 and order (not shuffled on a CPU) included.
    Ends early once TARGET is reached.
    """
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    prepare = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    train = datasets.MNIST(folder, train=True, transform=prepare)
    test = datasets.MNIST(folder, train=False, transform=prepare)
    torch.manual_seed(1)
    model = Official()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    seconds, results = 0.0, []
    for epoch in range(1, epochs + 1):
        model.train()
        start = time.process_time()
        for x, y in DataLoader(train, batch_size=64):
            optimizer.zero_grad()
            F.nll_loss(model(x), y).backward()
            optimizer.step()
        seconds += time.process_time() - start
        schedule.step()
        model.eval()
        with torch.no_grad():
            right = sum(
                (model(x).argmax(1) == y).sum().item()
                for x, y in DataLoader(test, batch_size=1000)
            )
        results.append((seconds, right / len(test)))
        report("official", model, epoch, len(train), *results[-1])
        if results[-1][1] >= TARGET:
            break
    return results


def write_idx(folder: Path, train, test) -> None:
    """The files that torchvision.datasets.MNIST reads, from (x, y) pairs."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, (x, y) in (("train", train), ("t10k", test)):
        for kind, values in (("images-idx3", x.squeeze(1)), ("labels-idx1", y)):
            header = np.array([0x800 + values.ndim, *values.shape], dtype=">i4")
            content = values.to(torch.uint8).contiguous().numpy()
            path = raw / f"{name}-{kind}-ubyte"
            path.write_bytes(header.tobytes() + content.tobytes())


def report(name, model, epochs, images, seconds, accuracy) -> None:
    print(
        f"{name:8}  {count_parameters(model):9,} parameters  {epochs} epochs  "
        f"{seconds:6.1f} CPU-s  {epochs * images / seconds:6,.0f} images/s  "
        f"test {accuracy:.2%}",
        flush=True,
    )


def verdict(theirs, quick: float, accuracy: float) -> list[str]:
    """The last lines: what the ratio means, then RESULT.

    theirs: (seconds, accuracy) after each epoch of the official recipe. quick: seconds
    of our short run, NaN if it did not reach TARGET. accuracy: of our long run.
    """
    seconds, reached = theirs[-1]
    ratio = seconds / quick
    if math.isnan(quick):
        meaning = f"Our short run did not reach {TARGET:.0%}: there is no ratio."
    elif reached >= TARGET:
        meaning = f"Both reached {TARGET:.0%}: ours {ratio:.1f} times sooner."
    else:
        meaning = (
            f"The official recipe had {reached:.2%} when it was stopped: the ratio is "
            f"a lower bound, >= {ratio:.1f}."
        )
    result = f"RESULT ratio={ratio:.1f} accuracy={accuracy:.4f} "
    return [meaning, f"{result}seconds_to_99={quick:.1f}"]


if __name__ == "__main__":
    main()
