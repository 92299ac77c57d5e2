"""The course's data sets, one public function each, and what they return."""

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

__all__ = [
    "Dataset",
    "Split",
    "Table",
    "cache_folder",
    "diabetes",
    "mnist",
    "preprocess_drawing",
    "stratified_order",
]
