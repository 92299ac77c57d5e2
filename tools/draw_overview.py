"""Draw the picture that opens a workshop, notebooks/images/0N_overview.png.

    python tools/draw_overview.py 01 02     # about 40 s on two cores

01: a curve that a small network learns. 02: a digit on its way through a CNN.
The pictures have no words, so that both languages and the README share them.
"""

import sys
from itertools import chain, pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from course_utils import augment, data, models, plots  # noqa: E402
from course_utils.training import fit  # noqa: E402

IMAGES = ROOT / "notebooks" / "images"
STEPS = (0, 60, 400)  # of training, at which the curve of workshop 01 is shown
DIGIT = 8
STAGES = {0: (4, 4), 1: (5, 5), 4: (8, 8)}  # layer index -> grid of its maps


def perceptron():
    """Noisy points, the network, and its curve as training goes on."""
    torch.manual_seed(0)
    x = torch.linspace(-3, 3, 60)[:, None]
    y = torch.sin(2 * x) + 0.3 * x + 0.15 * torch.randn(x.shape)
    model = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    fig, axes = plt.subplots(
        1, 5, figsize=(9, 1.95), width_ratios=[1, 1.15, 1, 1, 1], layout="none"
    )
    fig.subplots_adjust(left=0.01, right=0.99, bottom=0.06, top=0.94, wspace=0.22)
    for ax in axes:
        ax.set_axis_off()
    draw_layers(axes[1], (1, 5, 1))
    step = 0
    for ax, stop in zip((axes[0], *axes[2:]), (None, *STEPS), strict=True):
        ax.plot(x, y, ".", color=plots.COLORS["train"], markersize=4)
        ax.set(xlim=(-3.2, 3.2), ylim=(-2.1, 2.1))
        if stop is None:
            continue
        while step < stop:
            optimizer.zero_grad()
            ((y - model(x)) ** 2).mean().backward()
            optimizer.step()
            step += 1
        with torch.no_grad():
            ax.plot(x, model(x), color=plots.COLORS["valid"], linewidth=2.4)
    for ax in axes[1:]:
        ax.text(-0.1, 0.5, "›", transform=ax.transAxes, fontsize=20, va="center")
    return fig


def draw_layers(ax, sizes):
    """Neurons as circles, each joined to all of the next layer."""
    layers = [
        [(column, (n - 1) / 2 - i) for i in range(n)] for column, n in enumerate(sizes)
    ]
    for left, right in pairwise(layers):
        for a in left:
            for b in right:
                ax.plot(*zip(a, b, strict=True), color=plots.COLORS["muted"], lw=1)
    for x, y in chain(*layers):
        ax.plot(x, y, "o", markersize=15, color=plots.COLORS["train"])
    ax.set(xlim=(-0.35, 2.35), ylim=(-2.5, 2.5))


def digit():
    """A digit, its maps stage by stage, and the ten probabilities."""
    model, (x, y) = train(data.mnist(source="embedded"))
    return draw(*activations(model, x[y == DIGIT][:1]))


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


def main(names) -> None:
    plots.apply_style()
    torch.manual_seed(0)
    IMAGES.mkdir(exist_ok=True)
    for name in names:
        path = IMAGES / f"{name}_overview.png"
        {"01": perceptron, "02": digit}[name]().savefig(path, dpi=150)
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:] or ["01", "02"])
