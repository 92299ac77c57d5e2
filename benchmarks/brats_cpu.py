"""How well a CPU outlines brain tumours after two minutes: workshop 04's recipe.

    python benchmarks/brats_cpu.py      # about 70 minutes, one thread

Real patients, each left out once: a brightness threshold, our networks and MONAI's
learn from the others and draw that one's tumour. Then networks that have seen nothing
but synthetic brains, on the same patients; then training speed beside MONAI.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
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
HARD = "Brats18_CBICA_ARW_1"  # where brightness fails: its oedema is faint

PHANTOMS = 24  # synthetic patients that learn with the real ones
REPEAT = 2  # times that a real patient is seen for each time that a phantom is
SEEN = {"2-D": 2280, "3-D": 408}  # slices, volumes: some 50 CPU-seconds each
NETWORKS = {
    "ours": methods.ours,
    "MONAI BasicUNet": methods.monai_basic,
    "MONAI AttentionUnet": methods.monai_attention,
}
# What a method is: it learns from some patients and draws the tumours of others; by
# name, of the method as a whole ("mean") and of its parts.
Method = Callable[[Sequence[Patient], Sequence[Patient]], dict[str, Found]]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=default_folder())
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, help="of each run, instead of its own")
    parser.add_argument(
        "--write",
        type=Path,
        nargs="?",
        const=MEASURED,
        help="keep the figures in this JSON file; parts not run stay as they are there",
    )
    parser.add_argument("--date", help="to write beside the figures")
    options = parser.parse_args(arguments)

    # Two threads that wait for each other burn CPU time: then the clock would tell of
    # the neighbours, not of the recipes.
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, one thread")
    measured = {}
    if options.write and options.write.exists():
        measured = json.loads(options.write.read_text())
    for part in options.parts:
        measured[part] = {"date": options.date, **PARTS[part](options)}
        if options.write:
            write(measured | versions(), options.write)
    print("\n".join(verdict(measured)))


def default_folder() -> Path:
    """The folder of real files that the tests use."""
    real = os.environ.get("COURSE_REALDATA", ROOT.parent / "shared" / "realdata")
    return Path(real)


def versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("torch", "monai")}


def write(measured: dict, path: Path) -> None:
    """JSON, beside and then renamed: an interrupt leaves the old file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(measured, indent=1) + "\n")
    beside.replace(path)


# --- the parts ------------------------------------------------------------------------


def whole_tumour(options: argparse.Namespace) -> dict:
    """WT from FLAIR and T1, six patients, each left out once."""
    patients, truths = real(options.folder / "brats_expert_wt", ("flair", "t1"))
    more = phantoms(PHANTOMS, "flair", "t1")
    rows = {"threshold": alone(methods.threshold_whole)}
    for name, make in NETWORKS.items():
        rows[name] = learner(make, options, outputs=1, more=more)
    rows["ours, real only"] = learner(methods.ours, options, outputs=1)
    return compare("whole tumour", rows, patients, truths, options.seeds)


def sub_regions(options: argparse.Namespace) -> dict:
    """WT, TC and ET from FLAIR and T1ce, four patients, each left out once."""
    folder = options.folder / "brats_expert_regions"
    patients, truths = real(folder, ("flair", "t1ce"))
    more = phantoms(PHANTOMS, "flair", "t1ce")
    rows = {
        "threshold": alone(methods.threshold_regions),
        "ours": learner(methods.ours, options, outputs=3, more=more),
    }
    return compare("regions", rows, patients, truths, options.seeds)


def phantoms_only(options: argparse.Namespace) -> dict:
    """Our networks, having seen nothing but synthetic brains, on all ten patients."""
    found = {}
    for folder, modalities, outputs in (
        ("brats_expert_wt", ("flair", "t1"), 1),
        ("brats_expert_regions", ("flair", "t1ce"), 3),
    ):
        patients, truths = real(options.folder / folder, modalities)
        # As many as there are pictures of real and synthetic ones in the other parts.
        train = phantoms(PHANTOMS + 5 * REPEAT, *modalities)
        method = learner(methods.ours, options, outputs=outputs)
        runs = []
        for seed in options.seeds:
            runs.append(scores(method(seed)(train, patients), truths))
            report("synthetic only", folder, seed, runs[-1])
        found[folder] = summary(patients, {"ours": runs})
    return found


def phantoms(n: int, *modalities: str) -> list[Patient]:
    """The first n synthetic patients, with these modalities only."""
    from course_utils.data.synthetic import brains

    channels = [list(MODALITIES).index(modality) for modality in modalities]
    return [replace(p, image=p.image[channels]) for p in brains.patients(n)]


def learner(
    make: Callable,
    options: argparse.Namespace,
    *,
    outputs: int,
    more: Sequence[Patient] = (),
) -> Callable[[int], Method]:
    """For a seed, the method that learns slices and volumes and takes the mean.

    more: patients to learn from besides those that the method is given.
    """

    def seeded(seed: int) -> Method:
        recipes = {
            "2-D": Recipe(make(2), SEEN["2-D"]),
            "3-D": Recipe(make(3), SEEN["3-D"], voxel=2),
        }

        def method(
            train: Sequence[Patient], tests: Sequence[Patient]
        ) -> dict[str, Found]:
            return methods.networks(
                recipes,
                [*train, *more] + [*train] * (REPEAT - 1) * bool(more),
                tests,
                outputs=outputs,
                seed=seed,
                epochs=options.epochs,
            )

        return method

    return seeded


def alone(threshold: Callable) -> Callable[[int], Method]:
    """A method without parts, and without chance."""
    return lambda seed: lambda train, tests: {"mean": threshold(train, tests)}


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
    seeds: Sequence[int],
) -> dict:
    """Every method on every patient, learning from all the others."""
    results = {}
    for name, method in rows.items():
        results[name] = []
        for seed in seeds if name != "threshold" else seeds[:1]:
            run = leave_one_out(method(seed), patients, truths)
            report(title, name, seed, run)
            results[name].append(run)
    return summary(patients, results)


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
        part: {
            "parameters": folds[0][part]["parameters"],
            "dice": [row for fold in folds for row in fold[part]["dice"]],
            "seconds": [s for fold in folds for s in fold[part]["seconds"]],
        }
        for part in folds[0]
    }


def scores(answers: dict[str, Found], truths: list[Tensor]) -> dict:
    """By part: Dice (P, R) on the voxels of the files, CPU seconds of learning (1,)."""
    return {
        part: {
            "parameters": found.parameters,
            "dice": [
                [
                    round(d, 4)
                    for d in dice(mask[None], truth[None, : len(mask)])[0].tolist()
                ]
                for mask, truth in zip(found.masks, truths, strict=True)
            ],
            "seconds": [round(found.seconds, 1)],
        }
        for part, found in answers.items()
    }


def summary(patients: list[Patient], results: dict[str, list[dict]]) -> dict:
    """As written: by method and part, Dice (seeds, P, R) and seconds (seeds, runs)."""
    first = next(iter(results.values()))[0]["mean"]
    return {
        "patients": [patient.name for patient in patients],
        "regions": list(REGIONS[: len(first["dice"][0])]),
        "methods": {
            name: {
                part: {
                    "parameters": runs[0][part]["parameters"],
                    "dice": [run[part]["dice"] for run in runs],
                    "seconds": [run[part]["seconds"] for run in runs],
                }
                for part in runs[0]
            }
            for name, runs in results.items()
        },
    }


def speed(options: argparse.Namespace, rounds: int = 7, steps: int = 2) -> dict:
    """Training images a CPU second, ours and MONAI's BasicUNet, in turn.

    Both with five levels of 16 to 256 channels, the same loop, batch, loss, optimizer.
    """
    from monai.networks.nets import BasicUNet

    models = {
        "ours": UNet(4, 3, width=16, levels=5),
        "MONAI BasicUNet": BasicUNet(2, 4, 3, features=(16, 32, 64, 128, 256, 16)),
    }
    g = torch.Generator().manual_seed(0)
    x = torch.randn(8, 4, 128, 128, generator=g)
    y = (torch.rand(8, 3, 128, 128, generator=g) > 0.5).float()
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
                times[name].append(train_steps(model, picture, y, steps, low))
        # The first round is a warm-up.
        median = {name: statistics.median(t[1:] or t) for name, t in times.items()}
        rates[kind] = {name: round(steps * len(x) / t, 2) for name, t in median.items()}
        print(
            f"speed  {kind:19}",
            *(f"{n} {r:.1f} images/s" for n, r in rates[kind].items()),
        )
    return {"images_per_cpu_second": rates}


def train_steps(model: nn.Module, x: Tensor, y: Tensor, steps: int, low: bool) -> float:
    """CPU seconds of so many steps, in bf16 where `low`."""
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    start = time.process_time()
    for _step in range(steps):
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
    "phantoms": phantoms_only,
    "speed": speed,
}


def report(title: str, name: str, seed: int, run: dict) -> None:
    """A line for each part of a method: what it reached with one seed."""
    for part, found in run.items():
        values = torch.tensor(found["dice"])
        mean = "/".join(f"{d:.3f}" for d in values.mean(0).tolist())
        each = " ".join("/".join(f"{d:.2f}" for d in row) for row in values.tolist())
        print(
            f"{title:14} {name:20} {part:4} seed {seed}  at most "
            f"{max(found['seconds']):5.1f} CPU-s  Dice {mean}  ({each})",
            flush=True,
        )


def verdict(measured: dict) -> list[str]:
    """The last lines: differences with their intervals, then RESULT; nan: not run."""
    lines = []
    result = dict.fromkeys(
        ("dice", "threshold", "monai", "margin", "speed_ratio", "phantom_only"),
        math.nan,
    )
    if "whole" in measured:
        whole = measured["whole"]
        scores = {name: by_patient(run) for name, run in whole["methods"].items()}
        means = {name: score.mean().item() for name, score in scores.items()}
        best = max((n for n in means if n.startswith("MONAI")), key=means.get)
        for other in ("threshold", best):
            gain = scores["ours"] - scores[other]
            low, high = bootstrap_mean(gain)
            lines.append(
                f"whole tumour: ours - {other} = {gain.mean():+.3f}, 95 % interval by "
                f"patient {low:+.3f} to {high:+.3f}"
            )
            if HARD in whole["patients"]:
                hard = gain[whole["patients"].index(HARD)]
                lines[-1] += f"; on the hard patient {hard:+.3f}"
        result["dice"], result["threshold"] = means["ours"], means["threshold"]
        result["monai"] = means[best]
        result["margin"] = means["ours"] - means["threshold"]
    if "phantoms" in measured:
        result["phantom_only"] = (
            by_patient(measured["phantoms"]["brats_expert_wt"]).mean().item()
        )
    if "speed" in measured:
        plain = measured["speed"]["images_per_cpu_second"]["fp32"]
        result["speed_ratio"] = plain["ours"] / plain["MONAI BasicUNet"]
    return [*lines, "RESULT " + " ".join(f"{k}={v:.3f}" for k, v in result.items())]


def by_patient(run: dict) -> Tensor:
    """Dice of the whole tumour of each patient, (P,), the mean over seeds."""
    return torch.tensor(run["mean"]["dice"])[:, :, 0].mean(0)


if __name__ == "__main__":
    main()
