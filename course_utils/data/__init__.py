"""The course's data sets, one public function each, and what they return."""

from course_utils.data.brats import brats
from course_utils.data.dataset import (
    Dataset,
    Split,
    Table,
    cache_folder,
    stratified_order,
)
from course_utils.data.diabetes import diabetes
from course_utils.data.drawing import preprocess_drawing
from course_utils.data.mnist import mnist
from course_utils.data.nerve import nerve
from course_utils.data.photo import preprocess_photo
from course_utils.data.photos import photo_groups, split_by_photo
from course_utils.data.pneumonia import pneumonia
from course_utils.data.sign_language import sign_language
from course_utils.data.volumes import Patient, Patients, save_segmentation

__all__ = [
    "Dataset",
    "Patient",
    "Patients",
    "Split",
    "Table",
    "brats",
    "cache_folder",
    "diabetes",
    "mnist",
    "nerve",
    "photo_groups",
    "pneumonia",
    "preprocess_drawing",
    "preprocess_photo",
    "save_segmentation",
    "sign_language",
    "split_by_photo",
    "stratified_order",
]
