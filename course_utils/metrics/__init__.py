"""Scores of a segmentation by the rules of the BraTS challenge.

Per patient volume and per region, never a mean over slices and never with background.
The rules are those of the challenge's own code, which says what an empty mask scores:

    truth      prediction  Dice  HD95    sensitivity
    empty      empty       1     0 mm    -
    empty      something   0     374 mm  -
    something  empty       0     374 mm  0

Saluja, R. et al. (2023). https://github.com/rachitsaluja/BraTS-2023-Metrics
"""

from course_utils.metrics.lesions import LesionScores, largest_component, lesion_wise
from course_utils.metrics.overlap import dice, sensitivity
from course_utils.metrics.patients import PatientScores, bootstrap_mean, score_patients
from course_utils.metrics.surface import UNDEFINED, hausdorff95

__all__ = [
    "UNDEFINED",
    "LesionScores",
    "PatientScores",
    "bootstrap_mean",
    "dice",
    "hausdorff95",
    "largest_component",
    "lesion_wise",
    "score_patients",
    "sensitivity",
]
