"""Patients with a brain tumour, all computed: no real patient is in them.

A template brain is bent into somebody's (anatomy), a tumour grows in it (tumour), and a
scanner takes its four pictures (mr_signal). Nothing is downloaded.
"""

import itertools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_utils.data import kept
from course_utils.data.dataset import cache_folder
from course_utils.data.synthetic import anatomy, mr_signal, tumour
from course_utils.data.synthetic.fields import GRID, Stream
from course_utils.data.volumes import Patient
from course_utils.guards import need, whole

PATIENTS = 24
LOW_GRADE = (5, 12, 19)  # of every 24: their tumours do not enhance
VERSION = 1  # of the file in the cache: another picture, another number
KEPT = {"brain": np.uint8, "label": np.uint8, "image": np.float16}
LEAST = 5.0  # ml, of a whole tumour
KEYS = "int, 0..2**32 - 1"  # that a random stream takes


def render(seed: int, number: int = 0) -> Patient:
    """One synthetic patient, four modalities (FLAIR, T1, T1ce, T2), 2 mm.

    seed, number: ints, 0..2**32 - 1; the same pair gives the same patient. `number` is
        the patient's place in `patients`. Numbers 5, 12 and 19 of every 24 have a
        tumour of low grade: its core does not enhance, so label 3 is missing. Everybody
        else has the labels 1, 2 and 3.
    Returns a Patient: image float32 (4, 80, 96, 80), z-scored inside the brain; label
    uint8; affine to the space of MNI152, in which it was grown.
    Raises ValueError for other numbers, ImportError without nilearn.
    """
    for name, value in (("seed", seed), ("number", number)):
        good = whole(value, 0) and value < 2**32
        need("render", name, value, good, KEYS)
    enhances = number % PATIENTS not in LOW_GRADE
    for attempt in itertools.count():  # few tumours are too small to be a lesson
        stream = Stream(seed, number, attempt)
        person = anatomy.bend(stream)
        lesions = tumour.plan(stream, person)
        brain = anatomy.warp(stream, person + tumour.push(lesions))
        growth = tumour.grow(stream, brain, lesions, enhances=enhances)
        if _large_enough(growth.label, enhances):
            break
    image = mr_signal.scan(stream, brain, growth)
    # As the cache keeps it.
    image = image.half().float()
    return _patient(number, image, growth.label, brain.inside > 0.5)


def _large_enough(label: Tensor, enhances: bool) -> bool:
    voxels = label.flatten().bincount(minlength=4)
    core, _oedema, enhancing = (voxels[1:] * anatomy.SPACING**3 / 1000).tolist()  # ml
    whole_tumour = voxels[1:].sum().item() * anatomy.SPACING**3 / 1000
    return whole_tumour > LEAST and core > 0.1 and (enhancing > 0.5 or not enhances)


def patients(n: int = PATIENTS, seed: int = 0) -> list[Patient]:
    """The first n synthetic patients, "phantom-00" on: kept in the cache folder.

    n: int >= 1. seed: int, 0..2**32 - 1. Patient k is the same whatever n, see render.
    Raises ValueError for other numbers, ImportError without nilearn.
    """
    need("patients", "n", n, whole(n, 1), "int >= 1")
    need("patients", "seed", seed, whole(seed, 0) and seed < 2**32, KEYS)
    known = _kept(seed)
    if len(known) >= n:
        return known[:n]
    with kept.one_thread():
        known += [render(seed, number) for number in range(len(known), n)]
    _keep(known, seed)
    return known


def _path(seed: int) -> Path:
    return cache_folder() / f"phantom_brains-v{VERSION}-{seed}.npz"


def _keep(known: list[Patient], seed: int) -> None:
    """Write them to the cache; of the images only what is inside the brain."""
    arrays = {
        "brain": torch.stack([patient.brain for patient in known]).numpy(),
        "label": torch.stack([patient.label for patient in known]).numpy(),
        "image": torch.cat([patient.image[:, patient.brain] for patient in known], 1)
        .half()
        .numpy(),
    }
    arrays["brain"] = np.packbits(arrays["brain"])
    kept.write(_path(seed), arrays)


def _kept(seed: int) -> list[Patient]:
    """The patients that an earlier call kept: none without a file, or if damaged."""
    arrays = kept.read(_path(seed), KEPT)
    if arrays is None:
        return []
    brain, label, image = arrays
    try:
        brain = np.unpackbits(brain, count=label.size).reshape(label.shape)
        brain, label = torch.from_numpy(brain).bool(), torch.from_numpy(label)
        sizes = brain.sum((1, 2, 3)).tolist()
        images = torch.from_numpy(image).float().split(sizes, dim=1)
    except (ValueError, RuntimeError):  # arrays that do not belong together
        return []
    return [
        _patient(number, torch.zeros(4, *GRID).masked_scatter(b, i), part, b)
        for number, (i, part, b) in enumerate(zip(images, label, brain, strict=True))
    ]


def _patient(number: int, image: Tensor, label: Tensor, brain: Tensor) -> Patient:
    affine = anatomy.affine()
    return Patient(
        name=f"phantom-{number:02d}",
        image=image,
        label=label,
        brain=brain,
        affine=affine,
        native_shape=GRID[::-1],
        native_affine=affine.copy(),
    )
