"""The small networks that the demonstrations use: what they are, and how to load one.

Their weights lie in demos/weights, each with a model card: a JSON file, read here, and
the same in words. `course_utils.demos.recipes` is what trained them.
"""

import hashlib
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import models
from course_utils.data.volumes import Patient
from course_utils.demos.places import demos_folder
from course_utils.guards import need
from course_utils.locale import _
from course_utils.segmentation import predict


class Network(NamedTuple):
    """One of the three. build: from a width to a network with random weights.

    width: of the one that is shipped. stem: the first kernel has width / stem outputs.
    """

    build: Callable[[int], nn.Module]
    width: int
    stem: int


NETWORKS = {
    "digits": Network(models.digit_cnn, 16, 1),
    "signs": Network(models.sign_resnet, 24, 2),
    "tumour": Network(lambda width: models.UNet(4, 3, width), 8, 1),
}
# What workshop 02 normalises digits by, (ink / 255 - mean) / std: those of all MNIST.
MNIST = {"mean": 0.1307, "std": 0.3081}
WIDEST = 128  # of a network to be loaded from somebody's file


def shipped(name: str) -> Path:
    """Where the weights of network `name` lie that come with the course, if they do.

    name: "digits", "signs" or "tumour". Raises ValueError for another.
    """
    need("networks", "name", name, name in NETWORKS, " | ".join(NETWORKS))
    return demos_folder() / "weights" / f"{name}.pt"


def new(name: str) -> nn.Module:
    """Network `name` with random weights, of the width that is shipped."""
    network = NETWORKS[name]
    return network.build(network.width)


def card(name: str, weights: Path | None = None) -> dict:
    """The model card of the weights in a file, as `recipes.train` wrote it beside them.

    weights: the file; None: that which comes with the course.
    Returns an empty dict where there is no card, or it is about another file.
    """
    weights = weights or shipped(name)
    try:
        found = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
        sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return {}
    same = isinstance(found, dict) and found.get("sha256") == sha256
    return found if same and found.get("name") == name else {}


def load(name: str, weights: str | Path | None = None) -> nn.Module:
    """Network `name` with trained weights, on the CPU, in evaluation mode.

    name: "digits", (N, 1, 28, 28) to logits (N, 10); "signs", (N, 1, 28, 28) to logits
        (N, 24); "tumour", (N, 4, H, W), FLAIR, T1, T1ce and T2 z-scored, to logits of
        WT, TC and ET (N, 3, H, W), sides multiples of 8.
    weights: a file that holds a state_dict, or one under the key "weights", as workshop
        03 saves it; of any width. The layers' names may be others, as in a network that
        a notebook built, where shapes and order are the same.
        None: the file that comes with the course.
    Raises ValueError, in one sentence, for a file that is none of this; no code in it
    is ever run.
    """
    path = shipped(name) if weights is None else Path(weights).expanduser()
    state = _read(path)
    network = NETWORKS[name]
    first = next((value for value in state.values() if value.ndim > 1), None)
    width = 0 if first is None else len(first) * network.stem
    model = network.build(width if 2 <= width <= WIDEST else network.width)
    wanted = model.state_dict()
    if [value.shape for value in state.values()] != [v.shape for v in wanted.values()]:
        raise ValueError(
            _("{path} holds the weights of another network, not of {name}.").format(
                path=path, name=name
            )
        )
    if not all(value.isfinite().all() for value in state.values()):
        raise ValueError(
            _("{path} holds weights that are not finite: train it anew.").format(
                path=path
            )
        )
    model.load_state_dict(dict(zip(wanted, state.values(), strict=True)))
    return model.eval()


def _read(path: Path) -> dict[str, Tensor]:
    """The state_dict in a file, or a ValueError that says what is wrong with it."""
    again = _("save it by torch.save(model.state_dict(), path).")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pickle that torch did not write
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(
            _("There is no file {path}: name one with trained weights.").format(
                path=path
            )
        ) from None
    except Exception as error:  # a zip, pickle or key error, according to the damage
        sentence = _("{path} cannot be read as weights, or is damaged: {again}")
        if isinstance(error, pickle.UnpicklingError) and zipfile.is_zipfile(path):
            sentence = _(
                "{path} holds Python objects, which could run anything, and was not "
                "opened: {again}"
            )
        raise ValueError(sentence.format(path=path, again=again)) from error
    if isinstance(state, dict) and isinstance(state.get("weights"), dict):
        state = state["weights"]
    tensors = isinstance(state, dict) and state
    if not tensors or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(
            _("{path} holds no state_dict: {again}").format(path=path, again=again)
        )
    return state


# --- what goes in, and what is made of what comes out ---------------------------------


def normalize_signs(x: Tensor) -> Tensor:
    """uint8 hands (N, 1, 28, 28) to float32, each with mean 0 and deviation about 1."""
    x = x.float() / 255
    mean, std = x.mean((1, 2, 3), keepdim=True), x.std((1, 2, 3), keepdim=True)
    return (x - mean) / (std + 8 / 255)  # the 8: not to amplify a flat photo


def segment(model: nn.Module, patient: Patient) -> Tensor:
    """The course's labels, uint8 (D, H, W), that the network gives one patient.

    Probabilities above one half, averaged with those of the patient's mirror image;
    TC counts only inside WT, and ET only inside TC.
    """
    wt, tc, et = predict(model, patient, flips=True, device="cpu") > 0.5
    label = 2 * wt.to(torch.uint8)
    label[wt & tc], label[wt & tc & et] = 1, 3
    return label
