"""How the shipped networks were trained and measured: the recipes of the workshops.

`python -m course_utils.demos train digits` runs one of them. Each looks at its test
data once, at the end.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import augment, data, metrics
from course_utils.data import kept, sources
from course_utils.data.brats_labels import REGIONS, regions
from course_utils.demos import cards, networks
from course_utils.demos.languages import in_both
from course_utils.guards import need
from course_utils.segmentation import fit_segmentation, slices
from course_utils.training import Evaluation, count_parameters, evaluate, fit

SEED = 0
DIGIT_EPOCHS = 25
SIGN_IMAGES = 100_000  # that the network sees, however often each
TUMOUR_EPOCHS = 12


class Trained(NamedTuple):
    """A network, and what its card says of its data and of its test.

    facts: data, source, data_sha256, real, parts, classes, scores, tested, unit; also
    mean and std where its images are normalised by those.
    """

    model: nn.Module
    facts: dict


def train(name: str, folder: str | Path | None = None) -> Path:
    """Train network `name`, test it, and write its weights and its card.

    name: "digits", "signs" or "tumour". folder: to write NAME.pt, NAME.json, NAME.md
        and NAME.es.md in; None: demos/weights.
    One thread and the same seed each time: one machine with one version of PyTorch
    repeats it bit for bit. Returns the path of the weights. Raises ValueError for
    another name.
    """
    need("train", "name", name, name in RECIPES, " | ".join(RECIPES))
    target = Path(folder).expanduser() if folder else networks.shipped(name).parent
    start = time.process_time()
    with kept.one_thread(), torch.random.fork_rng():
        torch.manual_seed(SEED)
        trained = RECIPES[name]()
    seconds = round(time.process_time() - start)
    with sources.staging(target) as beside:
        _write(name, trained, seconds, beside)
        for path in beside.iterdir():
            os.replace(path, target / path.name)
    return target / f"{name}.pt"


def _write(name: str, trained: Trained, seconds: int, folder: Path) -> None:
    weights = folder / f"{name}.pt"
    torch.save(trained.model.state_dict(), weights)
    card = {
        "name": name,
        "parameters": count_parameters(trained.model),
        **trained.facts,
        "command": f"python -m course_utils.demos train {name}",
        "seed": SEED,
        "cpu_seconds": seconds,
        "torch": torch.__version__.partition("+")[0],
        "date": date.today().isoformat(),
        "bytes": weights.stat().st_size,
        "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }
    text = json.dumps(card, ensure_ascii=False, indent=1)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    for file, words in cards.in_words(card).items():
        (folder / file).write_text(words, encoding="utf-8")


def digits() -> Trained:
    """Workshop 02's network and recipe."""
    found = data.mnist("embedded")
    pixels = found.train.x.float() / 255
    mean, std = pixels.mean().item(), pixels.std().item()
    train, valid, test = (
        ((part.x.float() / 255 - mean) / std, part.y)
        for part in (found.train, found.valid, found.test)
    )
    model = networks.new("digits")
    jitter = augment.RandomAffine(degrees=10, translate=2, scale=0.1, shear=0.1)
    fit(
        model,
        train,
        valid,
        epochs=DIGIT_EPOCHS,
        lr=0.01,
        label_smoothing=0.1,
        augment=jitter,
        seed=SEED,
        device="cpu",
    )
    facts = _facts(data.mnist, found) | {"mean": mean, "std": std, "unit": "images"}
    return Trained(model, facts | _accuracy(evaluate(model, test, device="cpu")))


def signs() -> Trained:
    """Workshop 03's network and recipe, narrower: its file is under 1 MB."""
    found = data.sign_language("embedded")
    train, valid, test = (
        (networks.normalize_signs(part.x), part.y)
        for part in (found.train, found.valid, found.test)
    )
    model = networks.new("signs")
    changes = augment.Compose(
        augment.RandomAffine(degrees=12, translate=3, scale=0.15, shear=0.1),
        augment.RandomBrightnessContrast(0.3, 0.3),
        augment.RandomLighting(0.5),
        augment.GaussianNoise(0.05),
    )
    fit(
        model,
        train,
        valid,
        epochs=round(SIGN_IMAGES / len(train[1])),
        batch_size=64,
        label_smoothing=0.1,
        augment=changes,
        seed=SEED,
        device="cpu",
    )
    photo = data.photo_groups(*found.test)
    facts = _facts(data.sign_language, found)
    facts |= {"unit": "images", "photos": len(photo.unique())}
    scored = evaluate(model, test, groups=photo, device="cpu")
    return Trained(model, facts | _accuracy(scored))


def tumour() -> Trained:
    """Workshop 04's 2-D U-Net and recipe, narrower and for longer."""
    found = data.brats("embedded")
    every = slices(found.train)
    sick = every.y[:, 0].flatten(1).any(1)
    kept = sick | (torch.arange(len(sick)) % 3 == 0)  # without tumour, one in three
    model = networks.new("tumour")
    fit_segmentation(
        model,
        (every.x[kept], every.y[kept]),
        loss=dice_bce,
        epochs=TUMOUR_EPOCHS,
        batch_size=8,
        augment=augment.SegmentationAugment(degrees=15, scale=0.12, translate=0.06),
        seed=SEED,
        device="cpu",
    )
    dice = dice_by_patient(model, found.test)
    scores = {}
    for region, values in zip(REGIONS, dice.T, strict=True):
        low, high = metrics.bootstrap_mean(values)
        scores[f"Dice {region}"] = [values.mean().item(), low, high]
    parts = {part: getattr(found, part) for part in ("train", "valid", "test")}
    tensors = (t for ps in parts.values() for p in ps for t in (p.image, p.label))
    facts = {
        "data": 'data.brats("embedded")',
        "source": in_both(lambda: data.brats("embedded").source),
        "data_sha256": _digest(tensors),
        "real": found.real,
        "parts": {part: len(patients) for part, patients in parts.items()},
        "classes": list(REGIONS),
        "scores": scores,
        "tested": len(found.test),
        "unit": "patients",
    }
    return Trained(model, facts)


RECIPES = {"digits": digits, "signs": signs, "tumour": tumour}


def dice_bce(logits: Tensor, y: Tensor) -> Tensor:
    """1 - soft Dice, its mean over the regions of a batch, plus cross-entropy."""
    p, axes = logits.sigmoid(), (0, 2, 3)
    overlap = (2 * (p * y).sum(axes) + 2) / (p.sum(axes) + y.sum(axes) + 2)
    return 1 - overlap.mean() + F.binary_cross_entropy_with_logits(logits, y)


def dice_by_patient(model: nn.Module, patients: Iterable) -> Tensor:
    """Dice of WT, TC and ET in each patient's whole volume, float32 (P, 3)."""
    pairs = [(regions(networks.segment(model, p)), regions(p.label)) for p in patients]
    return torch.cat([metrics.dice(ours[None], true[None]) for ours, true in pairs])


def _facts(load: Callable[[str], data.Dataset], found: data.Dataset) -> dict:
    parts = {part: getattr(found, part) for part in ("train", "valid", "test")}
    return {
        "data": f'data.{load.__name__}("embedded")',
        "source": in_both(lambda: load("embedded").source),
        "data_sha256": _digest(t for split in parts.values() for t in split),
        "real": found.real,
        "parts": {part: len(split.y) for part, split in parts.items()},
        "classes": list(found.classes),
    }


def _accuracy(scored: Evaluation) -> dict:
    return {
        "scores": {"accuracy": [scored.accuracy, *scored.interval]},
        "tested": len(scored.predictions),
    }


def _digest(tensors: Iterable[Tensor]) -> str:
    """SHA-256 of the numbers of all tensors, one after the other."""
    sha = hashlib.sha256()
    for tensor in tensors:
        sha.update(tensor.contiguous().numpy().tobytes())
    return sha.hexdigest()
