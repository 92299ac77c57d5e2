"""The ten exercises of workshop 04 (U-Net on BraTS), in the notebook's order.

Each check holds its own reference, written another way than a learner would, the cases
it tries, and the typical mistakes: a wrong version beside the sentence that helps who
wrote it. No sentence shows the solution. The arguments of a check are what the learner
passes after its name.
"""

# isort: off
from course_utils.checks.workshop_04 import label_map, dice, iou  # noqa: F401
from course_utils.checks.workshop_04 import tversky, up_block  # noqa: F401
from course_utils.checks.workshop_04 import attention_gate  # noqa: F401
from course_utils.checks.workshop_04 import split_by_patient  # noqa: F401
from course_utils.checks.workshop_04 import small_enhancing, patch_starts  # noqa: F401
from course_utils.checks.workshop_04 import small_unet  # noqa: F401
