"""Draw the picture that opens a workshop, notebooks/images/0N_overview.png.

    python tools/draw_overview.py 01 02 03 04     # about 3 minutes on two cores

01: a curve that a small network learns. 02: a digit on its way through a CNN.
03: a rendered hand, residual blocks, the probabilities, and what the network looked at.
04: a slice of a synthetic patient, a U with its skips, and the regions it finds there.
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

from course_utils import (  # noqa: E402
    augment,
    brain_plots,
    data,
    explain,
    models,
    plots,
    segmentation,
)
from course_utils.training import fit  # noqa: E402

IMAGES = ROOT / "notebooks" / "images"
STEPS = (0, 60, 400)  # of training, at which the curve of workshop 01 is shown
DIGIT = 8
LETTER = "Y"
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


def sign():
    """A hand, blocks with their shortcuts, the letters, and a class-activation map."""
    signs = data.sign_language("embedded")
    train, valid = ((per_image(part.x), part.y) for part in (signs.train, signs.valid))
    model = models.sign_resnet(16)
    jitter = augment.Compose(
        augment.RandomAffine(degrees=12, translate=3, scale=0.15, shear=0.1),
        augment.RandomBrightnessContrast(0.3, 0.3),
    )
    fit(model, train, valid, epochs=20, augment=jitter, live=False)
    x = valid[0][valid[1] == signs.classes.index(LETTER)]
    with torch.inference_mode():
        probabilities = model.eval()(x).softmax(1)
    # Not the surest one: the letters that it hesitates between are to be seen.
    chosen = (probabilities[:, signs.classes.index(LETTER)] - 0.75).abs().argmin()
    x, p = x[chosen][None], probabilities[chosen]
    fig, axes = plt.subplots(
        1, 4, figsize=(9, 1.95), width_ratios=[1, 2.2, 0.55, 1], layout="none"
    )
    fig.subplots_adjust(left=0.01, right=0.99, bottom=0.03, top=0.97, wspace=0.14)
    axes[0].imshow(x[0, 0], cmap="gray")
    draw_blocks(axes[1], blocks=4)
    colors = [plots.COLORS["muted"]] * len(p)
    colors[int(p.argmax())] = plots.COLORS["valid"]
    axes[2].barh(range(len(p)), p, color=colors)
    axes[2].axvline(0, color=plots.COLORS["muted"], lw=1)
    axes[2].invert_yaxis()
    axes[3].imshow(x[0, 0], cmap="gray")
    seen = explain.class_map(model, x, model.block3)[0]
    side = (-0.5, 27.5, 27.5, -0.5)
    axes[3].imshow(
        seen, cmap="Oranges", alpha=0.55, extent=side, interpolation="bilinear"
    )
    for ax in axes:
        ax.set_axis_off()
    for ax in axes[1:]:
        ax.text(-0.06, 0.5, "›", transform=ax.transAxes, fontsize=20, va="center",
                ha="center")  # fmt: skip
    return fig


def per_image(x):
    """Each image by its own mean and deviation, as workshop 03 does."""
    x = x.float() / 255
    mean, std = x.mean((1, 2, 3), keepdim=True), x.std((1, 2, 3), keepdim=True)
    return (x - mean) / (std + 8 / 255)


def draw_blocks(ax, blocks):
    """Boxes in a row, an arc over each: the shortcut past it."""
    blue, orange = plots.COLORS["train"], plots.COLORS["valid"]
    ax.plot([-0.6, blocks - 0.4], [0, 0], color=plots.COLORS["muted"], lw=2)
    for i in range(blocks):
        box = plt.Rectangle((i - 0.24, -0.3), 0.48, 0.6, color=blue, zorder=2)
        ax.add_patch(box)
        turn = torch.linspace(0, torch.pi, 50)
        arc = i - 0.42 * turn.cos(), 0.95 * turn.sin()
        ax.plot(*arc, color=orange, lw=3)
        ax.plot(i + 0.42, 0, "o", color=orange, markersize=9, zorder=3)
    ax.set(xlim=(-0.6, blocks - 0.4), ylim=(-0.8, 1.2))


def tumour():
    """A slice, a U with its skips, and the three regions that the network finds."""
    patients = data.brats("embedded")
    model = models.UNet(4, 3)
    segmentation.fit_segmentation(
        model, segmentation.slices(patients.train)[:2], loss=dice_and_entropy, epochs=9,
        batch_size=8, augment=augment.SegmentationAugment(), live=False,
    )  # fmt: skip
    # The slice that shows most of all three labels: the three colours are to be seen.
    patient, z = max(
        ((p, z) for p in patients.test for z in range(len(p.label))),
        key=lambda pz: min(int((pz[0].label[pz[1]] == k).sum()) for k in (1, 2, 3)),
    )
    found = segmentation.predict(model, patient)[:, z] > 0.5
    fig, axes = plt.subplots(
        1, 3, figsize=(9, 1.95), width_ratios=[1, 3.2, 1], layout="none"
    )
    fig.subplots_adjust(left=0.01, right=0.99, bottom=0.03, top=0.97, wspace=0.1)
    flair = patient.image[0, z]
    for ax, regions in ((axes[0], found[:0]), (axes[2], found)):
        ax.imshow(brain_plots.paint(flair, regions), interpolation="bilinear")
    draw_u(axes[1])
    for ax in axes:
        ax.set_axis_off()
    for ax in axes[1:]:
        ax.text(-0.03, 0.5, "›", transform=ax.transAxes, fontsize=20, va="center",
                ha="center")  # fmt: skip
    return fig


def dice_and_entropy(logits, y):
    """Soft Dice over the batch, and binary cross-entropy: the loss of workshop 04."""
    p, axes = logits.sigmoid(), (0, 2, 3)
    overlap = (2 * (p * y).sum(axes) + 1) / (p.sum(axes) + y.sum(axes) + 1)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, y)
    return entropy + 1 - overlap.mean()


def draw_u(ax):
    """Four levels down and up again; from each of the way down a skip goes across."""
    blue, orange = plots.COLORS["train"], plots.COLORS["valid"]
    sizes = [1.0, 0.72, 0.5, 0.34, 0.5, 0.72, 1.0]
    levels = [0, 1, 2, 3, 2, 1, 0]
    heights = [-0.8 * level for level in levels]
    ax.plot(range(7), heights, color=plots.COLORS["muted"], lw=2, zorder=1)
    for i in range(3):
        arrow = {"arrowstyle": "-|>", "color": orange, "lw": 2.4}
        ax.annotate(
            "", (5.76 - i, heights[i]), (i + 0.24, heights[i]), arrowprops=arrow
        )
    for i, (size, height) in enumerate(zip(sizes, heights, strict=True)):
        corner = i - 0.2, height - 0.35 * size
        ax.add_patch(plt.Rectangle(corner, 0.4, 0.7 * size, color=blue, zorder=2))
    ax.set(xlim=(-0.5, 6.5), ylim=(-3.0, 0.6))


def main(names) -> None:
    plots.apply_style()
    torch.manual_seed(0)
    IMAGES.mkdir(exist_ok=True)
    for name in names:
        path = IMAGES / f"{name}_overview.png"
        DRAWN[name]().savefig(path, dpi=150)
        print(path)


DRAWN = {"01": perceptron, "02": digit, "03": sign, "04": tumour}

if __name__ == "__main__":
    main(sys.argv[1:] or list(DRAWN))
