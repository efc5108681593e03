"""Tasks that tests share."""

from maskcls.core.task import Answers, Part, Task
from maskcls.data.task_file import built_in

MASK = built_in("mask").task()
FRUIT = Task("fruit", (Part("label", ("apple", "banana", "cherry", "date")),))
"""Four classes of one part, without groups."""
SKIN = Task(
    "skin", (Part("target", ("0", "1")),), "auc", ("accuracy", "log_loss"), has_groups=True,
    answers=Answers(("image_name", "target"), "probability:1", "sample_submission.csv"),
)  # fmt: skip
"""Two classes, with groups, ranked by AUC."""

NUM_CLASSES = MASK.num_classes
labels_of = MASK.codes_of
age_group_of = MASK.part("age").code_of
"""Short forms for the mask task, in which most tests are written."""
