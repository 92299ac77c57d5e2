"""Helpers of the course: what would distract from the lesson, and nothing else."""

from course_utils.session import setup

__all__ = ["setup"]
__version__ = "0.1.0"
