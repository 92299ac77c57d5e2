"""Draw notebooks/images/02_overview.png: a digit on its way through the network.

    python tools/draw_overview.py      # about 40 s on two cores

The picture has no words, so that both languages and the README share it.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course_utils import augment, data, models, plots  # noqa: E402
from course_utils.training import fit  # noqa: E402

DIGIT = 8
STAGES = {0: (4, 4), 1: (5, 5), 4: (8, 8)}  # layer index -> grid of its maps


def train(digits):
    """The network of workshop 02, trained by the notebook's own recipe."""
    pixels = digits.train.x.float() / 255
    mean, std = pixels.mean(), pixels.std()
    train, valid = (
        ((part.x.float() / 255 - mean) / std, part.y)
        for part in (digits.train, digits.valid)
    )
    model = models.digit_cnn()
    jitter = augment.RandomAffine(degrees=10, translate=2, scale=0.1, shear=0.1)
    fit(model, train, valid, epochs=25, label_smoothing=0.1, augment=jitter, live=False)
    return model.eval(), valid


def activations(model, x):
    """Input and the maps of each stage for one digit, and the ten probabilities."""
    stages = [x[0]]
    with torch.inference_mode():
        for index, layer in enumerate(model):
            x = layer(x)
            if index in STAGES:
                stages.append(x[0])
    return stages, x.softmax(1)[0]


def draw(stages, probabilities):
    fig = plt.figure(figsize=(9, 1.95), constrained_layout=False)
    lefts, side = [0.01, 0.24, 0.46, 0.68], 0.19
    grids = [(1, 1), *STAGES.values()]
    height = side * 9 / 1.95
    for left, maps, (rows, columns) in zip(lefts, stages, grids, strict=True):
        grid = fig.add_gridspec(
            rows, columns, left=left, right=left + side, bottom=0.5 - height / 2,
            top=0.5 + height / 2, wspace=0.06, hspace=0.06,
        )  # fmt: skip
        for i in range(rows * columns):
            ax = fig.add_subplot(grid[i])
            ax.imshow(maps[i], cmap="gray")
            ax.set_axis_off()
    bars = fig.add_axes([0.915, 0.5 - height / 2, 0.075, height])
    colors = [plots.COLORS["muted"]] * 10
    colors[DIGIT] = plots.COLORS["valid"]
    bars.barh(range(10), probabilities, color=colors)
    bars.set(yticks=range(10), xticks=[], xlim=(0, 1))
    bars.invert_yaxis()
    for left in (*lefts[1:], 0.9):
        fig.text(left - 0.014, 0.5, "›", ha="center", va="center", fontsize=20)
    return fig


def main() -> None:
    plots.apply_style()
    torch.manual_seed(0)
    model, (x, y) = train(data.mnist(source="embedded"))
    stages, probabilities = activations(model, x[y == DIGIT][:1])
    path = ROOT / "notebooks" / "images" / "02_overview.png"
    path.parent.mkdir(exist_ok=True)
    draw(stages, probabilities).savefig(path, dpi=150)
    print(path)


if __name__ == "__main__":
    main()
