"""The eleven exercises of workshop 01 (MLP for regression), in the notebook's order.

Each check holds its own reference, written another way than a learner would, the cases
it tries, and the typical mistakes: a wrong version beside the sentence that helps who
wrote it. No sentence shows the solution. The arguments of a check are what the learner
passes after its name.
"""

# isort: off
from course_utils.checks.workshop_01 import forward, activations  # noqa: F401
from course_utils.checks.workshop_01 import derivative, linear, losses  # noqa: F401
from course_utils.checks.workshop_01 import backward, training  # noqa: F401
from course_utils.checks.workshop_01 import scaling, evaluation, ridge  # noqa: F401
