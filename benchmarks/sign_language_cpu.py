"""How well a CPU learns in two minutes to read hands that spell: workshop 03's recipe.

    python benchmarks/sign_language_cpu.py      # about 15 minutes

Three kinds of network, tested on photos none of them has seen: the three convolutions
of many notebooks, ours, and ours trained on rendered hands alone. The clock is the CPU
time of the process, on one thread; testing and rendering are outside of it.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course_utils import augment, data  # noqa: E402
from course_utils.data.synthetic import hands  # noqa: E402
from course_utils.models import sign_resnet  # noqa: E402
from course_utils.training import count_parameters, evaluate, fit  # noqa: E402

SEEN = 100_000  # images that our network sees while it trains, however many differ
RENDERED = 150  # synthetic hands of each letter, no two alike
NAIVE_EPOCHS = 15
CHANGES = augment.Compose(
    augment.RandomAffine(degrees=12, translate=3, scale=0.15, shear=0.1),
    augment.RandomBrightnessContrast(brightness=0.35, contrast=0.4),
    augment.RandomLighting(strength=0.5),
    augment.GaussianNoise(std=0.05),
    augment.RandomErasing(size=8, p=0.5),
)
# What a recipe gives back: the network, what its images need first, CPU seconds.
Trained = tuple[nn.Module, Callable[[Tensor], Tensor], float]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--source",
        default=default_source(),
        help="folder with the two CSV files, or download, or embedded",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, help="train on so many of each set only")
    parser.add_argument("--epochs", type=int, help="of each run, instead of its own")
    options = parser.parse_args(arguments)

    # Two threads that wait for each other burn CPU time: on a busy machine three times
    # as much as one, and then the figures tell of the neighbours, not of the recipes.
    torch.set_num_threads(1)
    signs = data.sign_language(options.source)
    print(signs.source)
    test, photo = signs.test, data.photo_groups(*signs.test)
    print(f"PyTorch {torch.__version__}, one thread; {photo.max() + 1} test photos")

    results = {}
    for name, (recipe, train, valid) in experiments(signs, options.images).items():
        runs = []
        for seed in options.seeds:
            model, prepare, seconds = recipe(train, valid, seed, options.epochs)
            answers = evaluate(model, (prepare(test.x), test.y), device="cpu")
            runs.append((answers.predictions == test.y, seconds))
            print(
                f"{name:13}  {count_parameters(model):7,} parameters  seed {seed}  "
                f"{seconds:6.1f} CPU-s  test {answers.accuracy:.2%}",
                flush=True,
            )
        results[name] = runs
    print("\n".join(verdict(results, photo)))


def default_source() -> str:
    """The folder of real files that the tests use, if it is there; else a download."""
    real = Path(os.environ.get("COURSE_REALDATA", ROOT.parent / "shared" / "realdata"))
    folder = real / "sign_mnist"
    return str(folder) if folder.is_dir() else "download"


def experiments(signs: data.Dataset, images: int | None) -> dict[str, tuple]:
    """Recipe, training and validation images of each network to compare.

    images: train on the first so many of a set only; None: on all.
    """
    # The recipe was chosen, by cross-validation by photo, before this: so the photos
    # kept for validation may be learned from too. `fit` still wants some to watch;
    # having learned them by heart it finds all late epochs good, and keeps the last.
    mine = first(joined(signs.train, signs.valid), images)
    found = {"naive": (naive, mine, signs.valid), "ours": (ours, mine, signs.valid)}
    if signs.real:
        more = first(rendered(), images)
        found["ours"] = (ours, joined(mine, more), signs.valid)
        found["rendered only"] = (ours, more, first(more, 480))
    return found


def rendered() -> data.Split:
    """RENDERED synthetic hands of each letter, all of other people."""
    start = time.process_time()
    y = torch.arange(len(hands.LETTERS)).repeat(RENDERED)
    x = hands.render(y, seed=1)
    print(f"{len(y):,} hands rendered in {time.process_time() - start:.0f} CPU-s")
    return data.Split(x, y)


def joined(*parts: data.Split) -> data.Split:
    return data.Split(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))


def first(split: data.Split, images: int | None) -> data.Split:
    return data.Split(*(part[:images] for part in split))


def ours(
    train: data.Split, valid: data.Split, seed: int, epochs: int | None
) -> Trained:
    """The recipe of workshop 03."""
    start = time.process_time()
    torch.manual_seed(seed)
    model = sign_resnet(width=32)
    fit(
        model,
        (normalize(train.x), train.y),
        (normalize(valid.x), valid.y),
        epochs=epochs or max(1, round(SEEN / len(train.y))),
        lr=0.006,
        batch_size=64,
        label_smoothing=0.1,
        augment=CHANGES,
        seed=seed,
        device="cpu",
    )
    return model, normalize, time.process_time() - start


def normalize(x: Tensor) -> Tensor:
    """Each image by its own mean and deviation: nothing is fitted on the data."""
    x = x.float() / 255
    mean = x.mean((1, 2, 3), keepdim=True)
    std = x.std((1, 2, 3), keepdim=True)
    return (x - mean) / (std + 8 / 255)


def naive(
    train: data.Split, valid: data.Split, seed: int, epochs: int | None
) -> Trained:
    """The network of many public notebooks: pixels over 255, no augmentation, Adam."""
    start = time.process_time()
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1152, 128), nn.ReLU(), nn.Dropout(0.3),
        nn.Linear(128, 24),
    )  # fmt: skip
    fit(
        model,
        (scale(train.x), train.y),
        (scale(valid.x), valid.y),
        epochs=epochs or NAIVE_EPOCHS,
        lr=0.001,
        weight_decay=0.0,
        seed=seed,
        device="cpu",
    )
    return model, scale, time.process_time() - start


def scale(x: Tensor) -> Tensor:
    return x.float() / 255


def verdict(results: dict[str, list[tuple[Tensor, float]]], photo: Tensor) -> list[str]:
    """The last lines: a mean and an interval for each network, then RESULT.

    results: for each network and seed, bool (N,) which images it read right, and CPU
    seconds. photo: int64 (N,), the photo of each image, from 0.
    """
    lines, means = [], {"rendered only": math.nan}
    for name, runs in results.items():
        right = torch.stack([answers for answers, _seconds in runs]).double().mean(0)
        means[name] = right.mean().item()
        low, high = interval_by_photo(right, photo)
        lines.append(
            f"{name:13}  mean of {len(runs)}: {means[name]:.2%}, 95 % interval by "
            f"photo {low:.2%} to {high:.2%}"
        )
    seconds = np.mean([seconds for _answers, seconds in results["ours"]])
    lines.append(
        f"RESULT accuracy={means['ours']:.4f} naive={means['naive']:.4f} "
        f"rendered_only={means['rendered only']:.4f} cpu_seconds={seconds:.1f}"
    )
    return lines


def interval_by_photo(right: Tensor, photo: Tensor) -> tuple[float, float]:
    """95 % percentile bootstrap of the mean of `right` (N,), drawing whole photos.

    The twenty variants of a photo are right or wrong together: drawing images as if
    each were news would give an interval that is far too narrow.
    """
    size = photo.bincount().numpy()
    hits = photo.bincount(weights=right).numpy()
    draws = np.random.RandomState(0).randint(len(size), size=(2000, len(size)))
    accuracy = hits[draws].sum(1) / size[draws].sum(1)
    low, high = np.quantile(accuracy, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
