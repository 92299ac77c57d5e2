"""BraTS 2020 from Kaggle, patient by patient, without the other seven gigabytes."""

import os
import shutil
from pathlib import Path

from course_utils.data import sources

HANDLE = "awsaf49/brats20-dataset-training-validation"
SERVER = "https://www.kaggle.com"
INSIDE = "BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData"
COUNT = 369  # patients with a segmentation
WHAT = ("flair", "t1", "t1ce", "t2", "seg")
# The one segmentation that does not bear its patient's name.
MISNAMED = {"BraTS20_Training_355_seg.nii": "W39_1998.09.19_Segm.nii"}


def fetch(n: int, folder: Path) -> Path:
    """Have the files of the first n patients in `folder`, a folder each; returns it.

    n: 1..369. Patients that are there already are not asked for again, so that what was
    cut short goes on where it stopped; each takes some 90 MB. Raises sources.Offline
    where Kaggle does not answer, and what kagglehub raises.
    """
    names = [f"BraTS20_Training_{number:03d}" for number in range(1, n + 1)]
    missing = [name for name in names if not (folder / name).is_dir()]
    if not missing:
        return folder
    if not sources.online(SERVER):
        raise sources.Offline
    import kagglehub  # late: only a download needs it

    for name in missing:
        with sources.staging(folder) as beside, sources.kagglehub_in(beside):
            (beside / name).mkdir()
            for what in WHAT:
                file = f"{name}_{what}.nii"
                file = MISNAMED.get(file, file)
                fetched = kagglehub.dataset_download(
                    HANDLE, path=f"{INSIDE}/{name}/{file}"
                )
                shutil.copyfile(fetched, beside / name / file)
            os.replace(beside / name, folder / name)
    return folder
