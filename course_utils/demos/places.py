"""Where the pages' sources and the trained networks lie, in a clone and after pip."""

import sysconfig
from pathlib import Path

from course_utils.locale import _

INSTALLED = Path("share") / "deep-learning-medical-images" / "demos"


def demos_folder() -> Path:
    """The folder `demos`: beside the package in a clone, else where pip has put it.

    Raises RuntimeError, in one sentence, where there is none.
    """
    beside = Path(__file__).resolve().parents[2]
    if (beside / "pyproject.toml").is_file() and (beside / "demos").is_dir():
        return beside / "demos"
    schemes = sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")
    for scheme in schemes:
        folder = Path(sysconfig.get_path("data", scheme)) / INSTALLED
        if folder.is_dir():
            return folder
    raise RuntimeError(
        _(
            "The folder demos is neither beside course_utils, in {beside}, nor among "
            "what pip installed: clone the course, or install it again."
        ).format(beside=beside)
    )
