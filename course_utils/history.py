"""What a training run leaves behind, and its curve while it is running."""

import io
import math
import os
import sys
from dataclasses import dataclass, field

from course_utils.locale import _


@dataclass
class History:
    """The course of one training run.

    train_loss, valid_loss, valid_accuracy: one number an epoch. The training loss is
        the mean over the batches as the network saw them (augmented, labels smoothed),
        the validation loss the plain cross-entropy; the accuracy is 0..1.
    lr: the learning rate of every step.
    seconds: wall time, summed over the pieces of a run that was resumed.
    best_epoch: the epoch whose weights were kept, counted from 0: the last one whose
        accuracy was within two standard errors of the best.
    interrupted: True where the learner stopped the run by hand.
    """

    train_loss: list[float] = field(default_factory=list)
    valid_loss: list[float] = field(default_factory=list)
    valid_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: float = 0.0
    best_epoch: int = 0
    interrupted: bool = False

    def add(
        self, train_loss: float, valid_loss: float, accuracy: float, images: int
    ) -> bool:
        """Record an epoch; True if its weights are the ones to keep so far.

        images: how many the accuracy was measured on. An accuracy within two standard
        errors of the best is as good as the best; of such epochs the later one is kept,
        since the learning rate has fallen further. On 500 images three more right are
        luck, and the early epoch that has them may be worse everywhere else.
        """
        self.train_loss.append(train_loss)
        self.valid_loss.append(valid_loss)
        self.valid_accuracy.append(accuracy)
        best = max(self.valid_accuracy)
        if accuracy < best - 2 * math.sqrt(best * (1 - best) / images):
            return False
        self.best_epoch = len(self.valid_accuracy) - 1
        return True


def is_interactive() -> bool:
    """Whether somebody is watching: a notebook's kernel, and not under CI."""
    if os.environ.get("CI"):
        return False
    # Where IPython was never imported, nobody can be in a notebook.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


class Progress:
    """A progress bar over the steps of a run, and its curve, redrawn every epoch.

    Both disappear at the end, when one line says which epoch was kept. Where `live` is
    false it does nothing. Use as a context manager.
    """

    def __init__(self, history: History, epochs: int, steps: int, live: bool):
        """epochs: of the run. steps: of the run. history: may hold epochs already."""
        self.history, self.epochs, self.steps, self.live = history, epochs, steps, live

    def __enter__(self) -> "Progress":
        if self.live:
            from IPython.display import HTML, display
            from tqdm.auto import tqdm

            done = len(self.history.lr)
            self._bar = tqdm(total=self.steps, initial=done, leave=False)
            self._curve = display(HTML(""), display_id=True)
        return self

    def step(self) -> None:
        """One batch more."""
        if self.live:
            self._bar.update()

    def epoch(self) -> None:
        """One epoch more: draw the curve up to here."""
        if self.live and self._curve:
            from IPython.display import Image

            self._curve.update(
                Image(draw(self.history, self.epochs), alt=self.sentence(), width=460)
            )

    def __exit__(self, *exception) -> None:
        if self.live:
            self._bar.close()
            if self._curve and self.history.valid_loss:
                from IPython.display import HTML

                self._curve.update(HTML(f"<small>{self.sentence()}</small>"))

    def sentence(self) -> str:
        """How far it came, for the alt text and for the line that stays."""
        best = self.history.best_epoch
        return _(
            "Epoch {n} of {epochs}; best so far: epoch {best}, validation accuracy "
            "{accuracy:.2%}."
        ).format(
            n=len(self.history.valid_loss),
            epochs=self.epochs,
            best=best + 1,
            accuracy=self.history.valid_accuracy[best],
        )


def draw(history: History, epochs: int) -> bytes:
    """PNG of both losses and the validation accuracy over a run of `epochs` epochs."""
    from matplotlib.figure import Figure  # not pyplot: nothing else may show it

    from course_utils.plots import draw_history

    fig = Figure(figsize=(6.4, 2.4), dpi=144, layout="constrained")
    draw_history(fig, history, epochs=epochs)
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png")
    return buffer.getvalue()
