"""Diabetes: 442 real patients, ten measurements each, and how their disease went on."""

import numpy as np
import torch

from course_utils.data.dataset import Split, Table
from course_utils.locale import _


def diabetes(seed: int = 0) -> Table:
    """The diabetes study of Efron and others, cut 60/20/20; no internet needed.

    seed: int from 0 to 2**32 - 1, which shuffles the patients before the cut. Two seeds
        share patients: a model is tested on the cut that it was trained on.
    Returns a Table, x float32 (N, 10) in the units of `units`, y float32 (N, 1) from 25
    to 346: 266 / 88 / 88 patients (train / valid / test). Nothing is missing; sex is 1
    or 2, and the source does not say which is which. Raises ValueError for another
    seed, RuntimeError without scikit-learn.

    The source gives no units for the blood serum. They follow from the data: LDL is
    total - HDL - triglycerides / 5, as Friedewald estimates it in mg/dL, for 438 of
    the 442, where the triglycerides are a natural logarithm. So LDL is no measurement
    of its own, and total/HDL (often rounded) is hardly one.

    Efron, B., Hastie, T., Johnstone, I., Tibshirani, R. (2004). Annals of Statistics
    32(2). https://doi.org/10.1214/009053604000000067
    Friedewald, W. T., Levy, R. I., Fredrickson, D. S. (1972). Clinical Chemistry 18(6).
    https://doi.org/10.1093/clinchem/18.6.499
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(
            _(
                "diabetes: seed must be an int from 0 to 2**32 - 1, got {seed!r}."
            ).format(seed=seed)
        )
    x, y = _read()
    # RandomState, since NumPy promises never to change its stream.
    order = np.random.RandomState(seed).permutation(len(y))
    fifth = len(y) // 5
    train, valid, test = np.split(order, [len(y) - 2 * fifth, len(y) - fifth])
    return Table(
        train=Split(x[train], y[train]),
        valid=Split(x[valid], y[valid]),
        test=Split(x[test], y[test]),
        features=(
            _("age"),
            _("sex"),
            _("BMI"),
            _("blood pressure"),
            _("total cholesterol"),
            "LDL",
            "HDL",
            _("total/HDL"),
            _("log triglycerides"),
            _("blood sugar"),
        ),
        units=(
            *(_("years"), "1, 2", "kg/m²", "mmHg", "mg/dL"),
            *("mg/dL", "mg/dL", "", "ln(mg/dL)", "mg/dL"),
        ),
        target=_("disease progression one year after baseline (25 to 346)"),
        source=_(
            "442 real diabetes patients (Efron, Hastie, Johnstone and Tibshirani, "
            "2004, doi 10.1214/009053604000000067), which come with scikit-learn: 266 "
            "to train, 88 to validate, 88 to test; no internet needed."
        ),
        real=True,
    )


def _read() -> tuple[torch.Tensor, torch.Tensor]:
    """x float32 (442, 10) and y float32 (442, 1), in the order of the source."""
    try:
        from sklearn.datasets import load_diabetes  # late: a second to import
    except ImportError as error:
        raise RuntimeError(
            _(
                "The diabetes patients come with scikit-learn, which cannot be "
                "imported here ({error}): run pip install -r requirements.txt."
            ).format(error=error)
        ) from error
    x, y = load_diabetes(return_X_y=True, scaled=False)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(
        y[:, None], dtype=torch.float32
    )
