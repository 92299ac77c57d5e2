"""One house style for figures, and the few figures that several notebooks draw.

Every function takes `alt`, the sentence that states the finding for a reader who does
not see the picture; it is stored with the image.
"""

import io
import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image, display
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from course_utils.locale import _

# Okabe and Ito's palette: told apart by colour-blind readers, and by lightness in grey.
COLORS = {
    "train": "#0072B2",
    "valid": "#D98200",
    "test": "#009E73",
    "accent": "#CC79A7",
    "muted": "#6E6E6E",
}
# One inside another; told apart by lightness, too.
REGION_COLORS = {"WT": "#56B4E9", "TC": "#D55E00", "ET": "#F0E442"}
CYCLE = ["#0072B2", "#D98200", "#009E73", "#CC79A7", "#56B4E9", "#7A5200"]
STYLE = {
    "figure.dpi": 96,
    "figure.facecolor": "white",  # opaque: stays readable on a dark theme
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.prop_cycle": mpl.cycler(color=CYCLE),
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}
PIXEL_RATIO = 1.5  # stored sharper than shown, for screens of high density


def apply_style() -> None:
    """Make the house style matplotlib's default in this session."""
    mpl.rcParams.update(STYLE)


def show(fig: Figure, alt: str) -> None:
    """Display a figure as a PNG that carries its alternative text, and close it.

    alt: the finding in a sentence, 20 characters or more; else raises ValueError.
    """
    if len(alt) < 20:
        raise ValueError(
            _("show: alt must state what the figure shows, got {alt!r}.").format(
                alt=alt
            )
        )
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=96 * PIXEL_RATIO)
    width, height = (round(96 * side) for side in fig.get_size_inches())
    plt.close(fig)
    image = Image(buffer.getvalue(), format="png", width=width, height=height, alt=alt)
    display(image)


def images(
    pictures,
    titles: Sequence[str] | None = None,
    *,
    alt: str,
    columns: int = 10,
    size: float = 0.85,
    cmap: str = "gray",
    limits: tuple[float, float] | None = None,
) -> None:
    """A grid of small pictures.

    pictures: (N, H, W) or (N, 1, H, W) tensor or array, or a sequence of (H, W).
    titles: one short text a picture. columns: pictures a row.
    size: inches a picture. limits: (low, high) grey levels, default each picture's own.
    """
    pictures = [np.asarray(p).squeeze() for p in pictures]
    if not pictures:
        raise ValueError(_("images: there is no picture to show."))
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(
            _("images: {pictures} pictures but {titles} titles.").format(
                pictures=len(pictures), titles=len(titles)
            )
        )
    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    title_height = 0.2 * (1 + max(t.count("\n") for t in titles)) if titles else 0.04
    fig, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * size, rows * (size + title_height)),
        squeeze=False,
    )
    low, high = limits or (None, None)
    for i, ax in enumerate(axes.flat):
        ax.set_axis_off()
        if i < len(pictures):
            ax.imshow(pictures[i], cmap=cmap, vmin=low, vmax=high)
            if titles:
                ax.set_title(titles[i], fontsize=8, loc="center", pad=2)
    show(fig, alt)


def matrix(
    ax,
    values,
    *,
    title: str = "",
    cmap: str | None = "gray",
    limits: tuple[float, float] | None = None,
    box: tuple[float, float, float, float] | None = None,
) -> None:
    """Draw a small matrix as coloured cells with their numbers, into the given axes.

    values: (H, W); NaN cells stay empty. box: (row, column, height, width) outlined.
    """
    values = np.asarray(values, dtype=float)
    low, high = limits or (np.nanmin(values), np.nanmax(values))
    ax.imshow(values, cmap=cmap, vmin=low, vmax=high, alpha=0.75)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = cmap == "gray" and (value - low) < 0.5 * (high - low)
            ax.text(
                column,
                row,
                f"{value:g}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if dark else "black",
            )
    ax.set_xticks(np.arange(values.shape[1] + 1) - 0.5, labels=[])
    ax.set_yticks(np.arange(values.shape[0] + 1) - 0.5, labels=[])
    ax.grid(color="#BBBBBB", linewidth=0.6)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(title)
    if box:
        row, column, height, width = box
        ax.add_patch(
            plt.Rectangle(
                (column - 0.5, row - 0.5),
                width,
                height,
                fill=False,
                linewidth=2.5,
                edgecolor=COLORS["valid"],
            )
        )


def in_colors(
    series: Mapping[str, object], colors: Sequence[str] = CYCLE
) -> list[tuple[str, object, str]]:
    """Each name, its values and a colour of its own.

    Raises ValueError for more names than colours: two alike would mislead.
    """
    if len(series) > len(colors):
        raise ValueError(
            _(
                "There are {count} series for {most} colours: draw fewer, or a figure "
                "more."
            ).format(count=len(series), most=len(colors))
        )
    return [(*item, color) for item, color in zip(series.items(), colors, strict=False)]


def lines(
    x,
    series: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    alt: str,
    title: str = "",
    percent: bool = False,
    log: bool = False,
) -> None:
    """Lines over a common x, each named at its right end instead of in a legend.

    series: name -> values as long as x; a region of REGION_COLORS has its own colour.
    percent: y values 0..1 shown as percentages.
    log: a logarithmic y axis, for positive values.
    Raises ValueError for more series than there are colours.
    """
    colored = in_colors(series)
    fig, ax = plt.subplots(figsize=(5.6, 3.0))
    if log:
        ax.set_yscale("log")
    ends = []
    for name, values, color in colored:
        # Of many points, markers would hide the line and a broad line its own turns.
        look = {"marker": "o", "markersize": 3} if len(x) <= 50 else {"linewidth": 1}
        if name in REGION_COLORS:  # made for dark pictures: on white they need an edge
            look["path_effects"] = [withStroke(linewidth=3.4, foreground="#404040")]
            ax.plot(x, values, color=REGION_COLORS[name], **look)
            color = "black"
        else:
            ax.plot(x, values, color=color, **look)
        ends.append((values[-1], name, color))
    _label_ends(ax, x[-1], ends)
    if all(float(value).is_integer() for value in x):  # there is no epoch 1.25
        ax.xaxis.set_major_locator(
            mpl.ticker.MaxNLocator(integer=True, steps=[1, 2, 5, 10])
        )
    low, high = ax.get_ylim()
    if percent:
        ax.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
    elif log and high < 100 * low:  # 0.04 where matplotlib would write 4 × 10⁻²
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_locator(mpl.ticker.LogLocator(subs=(2, 5)))
        ax.yaxis.set_minor_formatter("{x:g}")
    ax.set(xlabel=x_label, ylabel=y_label, title=title)
    show(fig, alt)


def _label_ends(ax, x, ends) -> None:
    """Write the names beside the last points, pushed apart where they would overlap."""
    ax.autoscale_view()  # lazy in matplotlib: the pixels below would be of other limits
    # In pixels, where names have the same height on a linear and on a log axis.
    gap, previous = ax.bbox.height / 14, -math.inf
    for value, name, color in sorted(ends):
        y = max(ax.transData.transform((x, value))[1], previous + gap)
        ax.annotate(
            name,
            (x, ax.transData.inverted().transform((0, y))[1]),
            (6, 0),
            textcoords="offset points",
            va="center",
            color=color,
            annotation_clip=False,  # a name pushed above the axes is still a name
        )
        previous = y


def history(history, *, alt: str) -> None:
    """Loss and accuracy by epoch; the epoch whose weights were kept is marked.

    history: course_utils.training.History.
    """
    fig = plt.figure(figsize=(7.2, 2.7))
    draw_history(fig, history, epochs=len(history.train_loss))
    show(fig, alt)


def draw_history(fig: Figure, history, *, epochs: int) -> None:
    """The two panels of `history`, drawn into a figure, for a run of `epochs`."""
    done = np.arange(1, len(history.train_loss) + 1)
    left, right = fig.subplots(1, 2)
    left.plot(done, history.train_loss, color=COLORS["train"], label=_("train"))
    left.plot(done, history.valid_loss, color=COLORS["valid"], label=_("validation"))
    left.set(title=_("Loss"), ylim=(0, None))
    left.legend(fontsize=8)
    right.plot(done, history.valid_accuracy, color=COLORS["valid"])
    best = history.best_epoch
    right.plot(done[best], history.valid_accuracy[best], "o", color=COLORS["valid"])
    right.set(title=_("Validation accuracy"))
    right.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    left.set(xlabel=_("epoch"))
    right.set(xlabel=_("epoch (kept: {n})").format(n=best + 1))
    for ax in (left, right):
        ax.set(xlim=(1, max(epochs, 2) + 0.2))
        ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))


def confusion(counts, classes: Sequence[str], *, alt: str) -> None:
    """Confusion matrix: rows are true classes, columns predicted ones.

    counts: (K, K) integers. The diagonal is left pale so that mistakes stand out.
    """
    counts = np.asarray(counts)
    mistakes = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    side = max(4.2, 0.27 * len(counts))
    fig, ax = plt.subplots(figsize=(side, side - 0.2))
    ax.imshow(mistakes, cmap="Oranges", vmin=0, vmax=max(1, mistakes.max() * 1.4))
    for (row, column), n in np.ndenumerate(counts):
        if n:
            color = COLORS["muted"] if row == column else "black"
            ax.text(column, row, n, ha="center", va="center", fontsize=8, color=color)
    ax.set_xticks(range(len(classes)), classes)
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel=_("the network said"), ylabel=_("true class"))
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    show(fig, alt)


def reliability(bins: Mapping[str, tuple], *, alt: str) -> None:
    """Reliability diagram: how often a network is right when it is so sure.

    bins: name -> (confidence, accuracy, count), each (B,), as explain.reliability
        returns them; the area of a dot is the share of images in its bin. Two names at
        most: before and after.
    """
    fig, ax = plt.subplots(figsize=(4.4, 3.8))
    ax.plot([0, 1], [0, 1], color=COLORS["muted"], linewidth=1, linestyle="--")
    # Neither is a part of the data: the colours of train and test would mislead.
    for name, values, color in in_colors(bins, CYCLE[3:]):
        confidence, accuracy, count = (np.asarray(v, dtype=float) for v in values)
        full = count > 0
        size = 25 + 500 * count[full] / count.sum()
        ax.plot(confidence[full], accuracy[full], color=color, linewidth=1)
        ax.scatter(confidence[full], accuracy[full], size, color=color, alpha=0.6,
                   label=name)  # fmt: skip
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
    ax.legend(loc="lower right", markerscale=0.6)
    ax.set(xlim=(0, 1.03), ylim=(0, 1.03))
    ax.set(xlabel=_("confidence: probability of its answer"), ylabel=_("right answers"))
    show(fig, alt)


def roc(specificity, sensitivity, *, alt: str, chosen: Mapping[str, tuple]) -> None:
    """ROC curve, with thresholds marked on it.

    specificity, sensitivity: (T,), 0..1, of falling thresholds.
    chosen: name -> (specificity, sensitivity) of a threshold to mark.
    """
    fig, ax = plt.subplots(figsize=(4.4, 3.8))
    false_alarms = 1 - np.asarray(specificity)
    ax.plot([0, 1], [0, 1], color=COLORS["muted"], linewidth=1, linestyle="--")
    ax.plot(false_alarms, sensitivity, color=COLORS["test"], drawstyle="steps-post")
    for name, (x, y), color in in_colors(chosen, CYCLE[3:]):
        ax.plot(1 - x, y, "o", color=color, markersize=8, label=name)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
    ax.legend(loc="lower right")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    ax.set(xlabel=_("false alarms (1 - specificity)"), ylabel=_("sensitivity"))
    show(fig, alt)
