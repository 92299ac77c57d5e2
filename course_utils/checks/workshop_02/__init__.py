"""The nine exercises of workshop 02 (CNN on MNIST), in the notebook's order.

Each check holds its own reference, written another way than a learner would, the cases
it tries, and the typical mistakes: a wrong version beside the sentence that helps who
wrote it. No sentence shows the solution. The arguments of a check are what the learner
passes after its name.
"""

# isort: off
from course_utils.checks.workshop_02 import convolution, pooling  # noqa: F401
from course_utils.checks.workshop_02 import counting, network  # noqa: F401
from course_utils.checks.workshop_02 import recall, centring, small  # noqa: F401
