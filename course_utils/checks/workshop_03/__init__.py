"""The nine exercises of workshop 03 (CNN on sign language), in the notebook's order.

Each check holds its own reference, written another way than a learner would, the cases
it tries, and the typical mistakes: a wrong version beside the sentence that helps who
wrote it. No sentence shows the solution. The arguments of a check are what the learner
passes after its name.
"""

# isort: off
from course_utils.checks.workshop_03 import letters, photos  # noqa: F401
from course_utils.checks.workshop_03 import augmentation, residual  # noqa: F401
from course_utils.checks.workshop_03 import calibration, class_maps  # noqa: F401
from course_utils.checks.workshop_03 import diagnosis, small  # noqa: F401
