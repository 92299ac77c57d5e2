"""The course's data sets, one public function each, and what they return."""

from course_utils.data.dataset import Dataset, Split, cache_folder, stratified_order
from course_utils.data.drawing import preprocess_drawing
from course_utils.data.mnist import mnist

__all__ = [
    "Dataset",
    "Split",
    "cache_folder",
    "mnist",
    "preprocess_drawing",
    "stratified_order",
]
