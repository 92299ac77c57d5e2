"""A training run on disk, so that it can go on after a crash or the next day."""

import contextlib
import os
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from course_utils.history import History
from course_utils.locale import _


def save(
    path: str | os.PathLike,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: dict,
    history: History,
    settings: dict,
) -> None:
    """Write the state of a run after a whole epoch.

    best: the state_dict of the best epoch. settings: plain values that a later run must
    share to go on with this one. At any moment the file holds either the old state or
    the new one, whole. Raises OSError where it cannot be written.
    """
    path = Path(path)
    state = {
        "settings": settings | {"network": _shapes(model)},
        "model": model.state_dict(),
        "best": best,
        "optimizer": optimizer.state_dict(),
        "history": asdict(history),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        with open(beside, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave a renamed empty file
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def load(
    path: str | os.PathLike,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: dict,
) -> tuple[dict, History]:
    """Put model and optimizer in the state of a file written by `save`.

    Returns (state_dict of the best epoch, history so far). Raises ValueError for a file
    that cannot be read and for one of another network or of other settings; model and
    optimizer are then as they were.
    """
    again = _("delete it to train from the beginning, or name another file.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        saved = state["settings"]
    except Exception as error:  # a zip, pickle or key error, according to the damage
        raise ValueError(
            _("{path} is not a checkpoint of fit, or is damaged: {again}").format(
                path=path, again=again
            )
        ) from error
    if saved["network"] != _shapes(model):
        raise ValueError(
            _("{path} belongs to a network of other layers: {again}").format(
                path=path, again=again
            )
        )
    for name, value in settings.items():
        if saved.get(name) != value:
            raise ValueError(
                _(
                    "{path} was made with {name}={saved!r}, not {value!r}: {again}"
                ).format(
                    path=path,
                    name=name,
                    saved=saved.get(name),
                    value=value,
                    again=again,
                )
            )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["best"], History(**state["history"])


def _shapes(model: nn.Module) -> dict[str, list[int]]:
    """Name and shape of each weight: enough to tell networks apart."""
    return {name: list(value.shape) for name, value in model.state_dict().items()}
