"""How well a CPU outlines brain tumours after two minutes: workshop 04's recipe.

    python benchmarks/brats_cpu.py      # about 90 minutes

Real patients, each left out once: a threshold of brightness, our networks and MONAI's
learn from the others and draw that one's tumour. Then networks that have seen nothing
but synthetic brains, on the same patients; then training speed beside MONAI. The clock
is the CPU time of the process, on one thread; prediction and rendering are outside.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import brats_methods as methods  # noqa: E402
from brats_methods import Found, Recipe  # noqa: E402

from course_utils.data import brats_folder  # noqa: E402
from course_utils.data.brats_labels import REGIONS, regions  # noqa: E402
from course_utils.data.volumes import MODALITIES, Patient, prepare  # noqa: E402
from course_utils.metrics import bootstrap_mean, dice  # noqa: E402
from course_utils.models import UNet  # noqa: E402

MEASURED = ROOT / "course_utils" / "data" / "measured" / "brats_cpu.json"
HARD = "Brats18_CBICA_ARW_1"  # brightness fails: healthy brain has nearly as much

PHANTOMS = 24  # synthetic patients to learn from beside the real ones
REPEAT = 2  # times that a real patient is seen for each time that a phantom is
OURS = Recipe(methods.ours, seen=4560)  # slices of 2 mm
VOLUMES = Recipe(methods.ours_in_volumes, seen=816, voxel=2)  # of 4 mm
MIXED = {  # learn from real and synthetic patients
    "ours": OURS,
    "ours with attention": replace(OURS, make=methods.ours_with_attention),
    "ours in volumes": VOLUMES,
    "MONAI BasicUNet": replace(OURS, make=methods.monai_basic),
    "MONAI AttentionUnet": replace(OURS, make=methods.monai_attention),
}
REAL_ONLY = "ours, real only"
SIDE, STEPS = 128, 2  # of the pictures whose training is timed; steps a round
# What a method is: it learns from some patients and draws the tumours of others.
Method = Callable[[Sequence[Patient], Sequence[Patient]], Found]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=default_folder())
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=["threshold", *MIXED, REAL_ONLY],
        help="only these rows of the parts",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, help="of each run, instead of its own")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=MEASURED,
        help="keep the figures in this JSON file; what is not run stays as it is there",
    )
    parser.add_argument("--date", help="to write beside the figures")
    options = parser.parse_args(arguments)

    # Two threads that wait for each other burn CPU time: then the clock would tell of
    # the neighbours, not of the recipes.
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, one thread")
    measured = {}
    for part in options.parts:
        measured[part] = {"date": options.date, **versions(), **PARTS[part](options)}
        if options.write:
            measured = write(part, measured[part], options.write)
    print("\n".join(verdict(measured)))


def default_folder() -> Path:
    """The folder of real files that the tests use."""
    real = os.environ.get("COURSE_REALDATA", ROOT.parent / "shared" / "realdata")
    return Path(real)


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("torch", "monai")}


def write(part: str, figures: dict, path: Path) -> dict:
    """Put the figures of a part into the JSON file, and return all that it holds now.

    Methods that were not run stay as they are there. Written beside and then renamed:
    an interrupt leaves the old file as it was.
    """
    known = json.loads(path.read_text()) if path.exists() else {}
    before = known.get(part, {}).get("methods", {})
    if "methods" in figures:
        figures = figures | {"methods": before | figures["methods"]}
    known[part] = figures
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(known, indent=1) + "\n")
    beside.replace(path)
    return known


# --- the parts ------------------------------------------------------------------------


def whole_tumour(options: argparse.Namespace) -> dict:
    """WT from FLAIR and T1, six patients, each left out once."""
    patients, truths = real(options.folder / "brats_expert_wt", ("flair", "t1"))
    rows = {"threshold": lambda seed: methods.threshold_whole}  # no chance in it
    more = partial(phantoms, PHANTOMS, "flair", "t1")
    for name, recipe in MIXED.items():
        rows[name] = learner(recipe, options, outputs=1, more=more)
    rows[REAL_ONLY] = learner(OURS, options, outputs=1)
    return compare("whole tumour", rows, patients, truths, options, outputs=1)


def sub_regions(options: argparse.Namespace) -> dict:
    """WT, TC and ET from FLAIR and T1ce, four patients, each left out once."""
    folder = options.folder / "brats_expert_regions"
    patients, truths = real(folder, ("flair", "t1ce"))
    rows = {"threshold": lambda seed: methods.threshold_regions}
    more = partial(phantoms, PHANTOMS, "flair", "t1ce")
    for name in ("ours", "ours in volumes"):
        rows[name] = learner(MIXED[name], options, outputs=3, more=more)
    return compare("regions", rows, patients, truths, options, outputs=3)


def synthetic_whole(options: argparse.Namespace) -> dict:
    """Networks that have seen nothing but synthetic brains, on the six patients."""
    return synthetic_only("brats_expert_wt", ("flair", "t1"), options, outputs=1)


def synthetic_regions(options: argparse.Namespace) -> dict:
    """Networks that have seen nothing but synthetic brains, on the four patients."""
    folder = "brats_expert_regions"
    return synthetic_only(folder, ("flair", "t1ce"), options, outputs=3)


def synthetic_only(
    folder: str,
    modalities: tuple[str, ...],
    options: argparse.Namespace,
    *,
    outputs: int,
) -> dict:
    patients, truths = real(options.folder / folder, modalities)
    # As many as are seen, real and synthetic ones together, in the other parts.
    train = phantoms(PHANTOMS + 5 * REPEAT, *modalities)
    results = {}
    for name in chosen(("ours", "ours in volumes"), options):
        method = learner(MIXED[name], options, outputs=outputs)
        results[name] = []
        for seed in options.seeds:
            run = scores(method(seed)(train, patients), truths)
            report("synthetic only", name, seed, run)
            results[name].append(run)
    return summary(patients, results, outputs)


def chosen(rows: Iterable[str], options: argparse.Namespace) -> list[str]:
    return [name for name in rows if name in (options.methods or [name])]


def phantoms(n: int, *modalities: str) -> list[Patient]:
    """The first n synthetic patients, with these modalities only."""
    from course_utils.data.synthetic import brains

    channels = [list(MODALITIES).index(modality) for modality in modalities]
    return [replace(p, image=p.image[channels]) for p in brains.patients(n)]


def learner(
    recipe: Recipe,
    options: argparse.Namespace,
    *,
    outputs: int,
    more: Callable[[], list[Patient]] = list,
) -> Callable[[int], Method]:
    """For a seed, the method that the recipe is.

    more: gives patients to learn from besides those that the method is given.
    """

    def seeded(seed: int) -> Method:
        def method(train: Sequence[Patient], tests: Sequence[Patient]) -> Found:
            others = more()
            return methods.network(
                recipe,
                [*train, *others] + [*train] * (REPEAT - 1) * bool(others),
                tests,
                outputs=outputs,
                seed=seed,
                epochs=options.epochs,
            )

        return method

    return seeded


def real(
    folder: Path, modalities: tuple[str, ...]
) -> tuple[list[Patient], list[Tensor]]:
    """The patients of a folder on the 2 mm grid, and bool (3, i, j, k) of each: what
    the expert drew, on the voxels of the file."""
    cases, left_out = brats_folder.find(folder)
    print(*left_out, sep="\n", end="\n" if left_out else "")
    patients, truths = [], []
    for case in cases:
        files = brats_folder.read(case, modalities)
        patients.append(prepare(**files))
        truths.append(regions(torch.from_numpy(files["label"].array)))
    return patients, truths


def compare(
    title: str,
    rows: dict[str, Callable[[int], Method]],
    patients: list[Patient],
    truths: list[Tensor],
    options: argparse.Namespace,
    *,
    outputs: int,
) -> dict:
    """Every method on every patient, learning from all the others."""
    results = {}
    for name in chosen(rows, options):
        results[name] = []
        for seed in options.seeds[: 1 if name == "threshold" else None]:
            run = leave_one_out(rows[name](seed), patients, truths)
            report(title, name, seed, run)
            results[name].append(run)
    return summary(patients, results, outputs)


def leave_one_out(
    method: Method, patients: list[Patient], truths: list[Tensor]
) -> dict:
    """One run: each patient found by what learned from the others, see `scores`."""
    folds = [
        scores(
            method(patients[:i] + patients[i + 1 :], patients[i : i + 1]),
            truths[i : i + 1],
        )
        for i in range(len(patients))
    ]
    return {
        "parameters": folds[0]["parameters"],
        "dice": [row for fold in folds for row in fold["dice"]],
        "seconds": [s for fold in folds for s in fold["seconds"]],
    }


def scores(found: Found, truths: list[Tensor]) -> dict:
    """Dice (P, R) on the voxels of the files, CPU seconds of learning (1,)."""
    rows = [
        dice(mask[None], truth[None, : len(mask)])[0]
        for mask, truth in zip(found.masks, truths, strict=True)
    ]
    return {
        "parameters": found.parameters,
        "dice": [[round(d, 4) for d in row.tolist()] for row in rows],
        "seconds": [round(found.seconds, 1)],
    }


def summary(
    patients: list[Patient], results: dict[str, list[dict]], outputs: int
) -> dict:
    """As written: by method, Dice (seeds, P, R) and seconds (seeds, runs)."""
    return {
        "patients": [patient.name for patient in patients],
        "regions": list(REGIONS[:outputs]),
        "methods": {
            name: {
                "parameters": runs[0]["parameters"],
                "dice": [run["dice"] for run in runs],
                "seconds": [run["seconds"] for run in runs],
            }
            for name, runs in results.items()
        },
    }


def speed(options: argparse.Namespace, rounds: int = 7) -> dict:
    """Training images a CPU second, ours and MONAI's BasicUNet, in turn.

    Both with five levels of 16 to 256 channels, the same loop, batch, loss, optimizer.
    """
    from monai.networks.nets import BasicUNet

    models = {
        "ours": UNet(4, 3, width=16, levels=5),
        "MONAI BasicUNet": BasicUNet(2, 4, 3, features=(16, 32, 64, 128, 256, 16)),
    }
    g = torch.Generator().manual_seed(0)
    x = torch.randn(8, 4, SIDE, SIDE, generator=g)
    y = (torch.rand(8, 3, SIDE, SIDE, generator=g) > 0.5).float()
    rates = {}
    for kind, (layout, low) in {
        "fp32": (torch.contiguous_format, False),
        "fp32 channels_last": (torch.channels_last, False),
        "bf16": (torch.contiguous_format, True),
        "bf16 channels_last": (torch.channels_last, True),
    }.items():
        times = {name: [] for name in models}
        for _round in range(1 if options.epochs else rounds + 1):
            for name, model in models.items():
                model.to(memory_format=layout).train()
                picture = x.contiguous(memory_format=layout)
                times[name].append(train_steps(model, picture, y, low))
        # The first round is a warm-up.
        median = {name: statistics.median(t[1:] or t) for name, t in times.items()}
        rates[kind] = {name: round(STEPS * len(x) / t, 2) for name, t in median.items()}
        print(
            f"speed  {kind:19}",
            *(f"{n} {r:.1f} images/s" for n, r in rates[kind].items()),
        )
    return {"images_per_cpu_second": rates}


def train_steps(model: nn.Module, x: Tensor, y: Tensor, low: bool) -> float:
    """CPU seconds of STEPS steps, in bf16 where `low`."""
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    start = time.process_time()
    for _step in range(STEPS):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            logits = model(x)
        loss = F.binary_cross_entropy_with_logits(logits.float(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.process_time() - start


PARTS = {
    "whole": whole_tumour,
    "regions": sub_regions,
    "synthetic": synthetic_whole,
    "synthetic_regions": synthetic_regions,
    "speed": speed,
}


def report(title: str, name: str, seed: int, run: dict) -> None:
    """A line: what a method reached with one seed."""
    values = torch.tensor(run["dice"])
    mean = "/".join(f"{d:.3f}" for d in values.mean(0).tolist())
    each = " ".join("/".join(f"{d:.2f}" for d in row) for row in values.tolist())
    print(
        f"{title:14} {name:26} seed {seed}  at most {max(run['seconds']):5.1f} CPU-s  "
        f"Dice {mean}  ({each})",
        flush=True,
    )


def verdict(measured: dict) -> list[str]:
    """The last lines: differences with their intervals, then RESULT; nan: not run."""
    lines = []
    names = ("dice", "threshold", "monai", "margin", "speed_ratio", "phantom_only")
    result = dict.fromkeys(names, math.nan)
    whole = measured.get("whole", {"patients": [], "methods": {}})
    scores = {name: by_patient(run) for name, run in whole["methods"].items()}
    means = {name: score.mean().item() for name, score in scores.items()}
    result["dice"] = means.get("ours", math.nan)
    result["threshold"] = means.get("threshold", math.nan)
    result["margin"] = result["dice"] - result["threshold"]
    result["monai"] = max(
        (d for name, d in means.items() if name.startswith("MONAI")), default=math.nan
    )
    for other in sorted(scores.keys() - {"ours"}) if "ours" in scores else ():
        gain = scores["ours"] - scores[other]
        low, high = bootstrap_mean(gain)
        line = (
            f"whole tumour: ours - {other} = {gain.mean():+.3f}, 95 % interval by "
            f"patient {low:+.3f} to {high:+.3f}"
        )
        if HARD in whole["patients"]:
            hard = gain[whole["patients"].index(HARD)]
            line += f"; on the hard patient {hard:+.3f}"
        lines.append(line)
    if only := measured.get("synthetic", {}).get("methods", {}).get("ours"):
        result["phantom_only"] = by_patient(only).mean().item()
    if "speed" in measured:
        plain = measured["speed"]["images_per_cpu_second"]["fp32"]
        result["speed_ratio"] = plain["ours"] / plain["MONAI BasicUNet"]
    line = " ".join(f"{name}={value:.3f}" for name, value in result.items())
    return [*lines, f"RESULT {line}"]


def by_patient(run: dict) -> Tensor:
    """Dice of the whole tumour of each patient, (P,), the mean over seeds."""
    return torch.tensor(run["dice"])[:, :, 0].mean(0)


if __name__ == "__main__":
    main()
