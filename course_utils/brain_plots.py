"""Figures of workshop 04: slices with the regions on them, and scores by patient.

As in `plots`, every function takes `alt`, the sentence that states the finding.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F

from course_utils.locale import _
from course_utils.plots import COLORS, REGION_COLORS, in_colors, show


class Overlay(NamedTuple):
    """One slice of `overlays`.

    image: (H, W), any units. title: short. regions: bool (R, H, W), filled, R <= 3 of
    WT, TC, ET in this order. truth: the same, outlined.
    """

    image: object
    title: str
    regions: object = None
    truth: object = None


def overlays(
    panels: Sequence[Overlay], *, alt: str, columns: int = 4, size: float = 1.75
) -> None:
    """A grid of slices: regions filled, the truth outlined, each region its colour.

    columns: slices a row. size: width of a slice in inches.
    """
    panels = [Overlay(*panel) for panel in panels]
    if not panels:
        raise ValueError(_("overlays: there is no slice to show."))
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    height, width = np.asarray(panels[0].image).shape
    lines = 1 + max(panel.title.count("\n") for panel in panels)
    fig, axes = plt.subplots(
        rows,
        columns,
        figsize=(columns * size, rows * (size * height / width + 0.17 * lines) + 0.25),
        squeeze=False,
    )
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, panel in zip(axes.flat, panels, strict=False):
        _draw_overlay(ax, panel)
    shown = {
        name: color
        for i, (name, color) in enumerate(REGION_COLORS.items())
        if any(_holds(part, i) for p in panels for part in (p.regions, p.truth))
    }
    if shown:
        patches = [mpl.patches.Patch(color=color) for color in shown.values()]
        fig.legend(
            patches,
            shown,
            ncols=len(shown),
            loc="outside lower center",
            fontsize=8,
            handlelength=1,
        )
    show(fig, alt)


def _holds(regions, i: int) -> bool:
    return regions is not None and i < len(regions) and bool(regions[i].any())


def _draw_overlay(ax, panel: Overlay) -> None:
    nothing = np.zeros((0, *np.shape(panel.image)), dtype=bool)
    regions = nothing if panel.regions is None else panel.regions
    ax.imshow(paint(panel.image, regions), interpolation="bilinear")
    if panel.truth is not None:
        for mask, color in zip(panel.truth, REGION_COLORS.values(), strict=False):
            mask = np.asarray(mask, dtype=float)
            if mask.any():
                ax.contour(mask, levels=[0.5], colors=[color], linewidths=1.2)
    ax.set_title(panel.title, fontsize=8, loc="center", pad=2)


def paint(image, regions, *, opacity: float = 0.5) -> np.ndarray:
    """A slice in grey with each region in its colour: uint8 (H, W, 3).

    image: (H, W), any units. regions: bool (R, H, W), R <= 3 of WT, TC, ET in this
    order; the inner ones cover the outer ones.
    """
    rgb = _grey(image)
    for mask, color in zip(regions, REGION_COLORS.values(), strict=False):
        mask = np.asarray(mask, dtype=bool)
        tint = 255 * np.array(mpl.colors.to_rgb(color))
        # Of the grey below, not of the outer region: each colour stays its own.
        rgb[mask] = (1 - opacity) * _grey(image)[mask] + opacity * tint
    return rgb.astype(np.uint8)


def heat(image, values) -> np.ndarray:
    """A slice in grey under a map of 0..1, from clear to orange: uint8 (H, W, 3).

    image: (H, W), any units. values: (h, w), enlarged to the size of the slice; what
    lies outside 0..1 counts as 0 or 1.
    """
    rgb = _grey(image)
    values = torch.as_tensor(values).float()[None, None]
    values = F.interpolate(values, size=rgb.shape[:2], mode="bilinear")
    strength = 0.85 * values[0, 0].clamp(0, 1).numpy()[..., None]
    tint = 255 * np.array(mpl.colors.to_rgb(COLORS["valid"]))
    return ((1 - strength) * rgb + strength * tint).astype(np.uint8)


def _grey(image) -> np.ndarray:
    """float (H, W, 3), 0..255: the brain from black to white, what is exactly 0 black.

    Outside the brain images are 0, which inside is a middling grey.
    """
    image = np.asarray(image, dtype=float)
    inside = image != 0
    # Robust limits: one bright vessel must not leave the rest in the dark.
    low, high = np.percentile(image[inside], [1, 99.5]) if inside.any() else (0, 0)
    grey = np.clip((image - low) / max(high - low, 1e-6), 0, 1) * inside
    return np.repeat(255 * grey[..., None], 3, axis=2)


def pictures(shades: Sequence, titles: Sequence[str], *, alt: str) -> None:
    """Coloured slices side by side. shades: uint8 (H, W, 3), as `paint` gives them."""
    height, width = np.shape(shades[0])[:2]
    size = min(2.4, 7.2 / len(shades))
    fig, axes = plt.subplots(
        1, len(shades), figsize=(size * len(shades), size * height / width + 0.25)
    )
    for ax, shade, title in zip(np.atleast_1d(axes), shades, titles, strict=True):
        ax.imshow(shade, interpolation="bilinear")
        ax.set_axis_off()
        ax.set_title(title, fontsize=8, loc="center", pad=2)
    show(fig, alt)


def patient_scores(
    scores: Mapping[str, object],
    regions: Sequence[str],
    *,
    y_label: str,
    alt: str,
) -> None:
    """A dot a patient and a bar at the mean, for each region and method.

    scores: method -> (P, R); NaN (undefined for that patient) is left out.
    regions: R names.
    Raises ValueError for more methods than there are colours.
    """
    colored = in_colors(scores)
    fig, ax = plt.subplots(figsize=(min(7.2, 1.6 + 1.9 * len(regions)), 3.0))
    step = 0.8 / len(scores)
    for m, (method, values, color) in enumerate(colored):
        values = np.asarray(values, dtype=float)
        for r in range(len(regions)):
            column = values[:, r]
            kept = np.isfinite(column)
            middle = r + (m - (len(scores) - 1) / 2) * step
            # Side by side in order: equal scores do not hide one another.
            half = 0.25 * step if kept.sum() > 1 else 0
            spread = np.linspace(-half, half, kept.sum())
            place = np.sort(column[kept])
            label = method if r == 0 else None
            ax.plot(middle + spread, place, "o", color=color, markersize=4, label=label)
            if kept.any():
                ends = middle - 0.4 * step, middle + 0.4 * step
                ax.hlines(place.mean(), *ends, color=color)
    ax.set_xticks(range(len(regions)), regions)
    ax.set(ylabel=y_label)
    ax.margins(y=0.12)
    if len(scores) > 1:  # above, in rows of three: beside, it would squeeze the axes
        fig.legend(fontsize=8, ncols=3, loc="outside upper left", borderpad=0)
    show(fig, alt)
