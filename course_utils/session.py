"""What every notebook does first: language, seeds, plot style, one line of report."""

import importlib
import os
import platform
import random

import numpy as np
import torch

from course_utils.locale import _, set_language


def setup(lang: str = "es", seed: int = 0) -> None:
    """Prepare a notebook and print what it runs on.

    lang: "es" or "en", the language of widgets, checks and plots.
    seed: non-negative int, seeds Python, NumPy and PyTorch.
    Raises ValueError for an unknown language or a seed that is not a non-negative int.
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ValueError(
            _("setup: seed must be a non-negative int, got {seed!r}.").format(seed=seed)
        )
    set_language(lang)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)

    from course_utils import plots  # late: matplotlib takes a second to import

    plots.apply_style()
    _enable_colab_widgets()
    print(report(seed))


def report(seed: int) -> str:
    """One paragraph: versions, device, threads, seed, and where data comes from."""
    from course_utils.training import pick_device

    device = pick_device("auto")
    name = torch.cuda.get_device_name() if device.type == "cuda" else device.type
    policy = os.environ.get("COURSE_DATA", "auto")
    return _(
        "Python {python}, PyTorch {torch}. Device: {device}, threads: {threads}. "
        "Seed: {seed}. Data: {policy}."
    ).format(
        python=platform.python_version(),
        torch=torch.__version__.partition("+")[0],
        device=name,
        threads=torch.get_num_threads(),
        seed=seed,
        policy={
            "auto": _("cached, else downloaded, else embedded"),
            "download": _("downloaded"),
            "embedded": _("embedded, no internet needed"),
        }.get(policy, policy),
    )


def _enable_colab_widgets() -> None:
    """Colab shows third-party widgets only once its widget manager is switched on."""
    try:
        output = importlib.import_module("google.colab.output")
    except ImportError:
        return
    output.enable_custom_widget_manager()
