"""The verbs: a file for each, with its options, the function it runs, and how its result is printed."""

from maskcls.cli.verbs import (
    check,
    compare,
    demo,
    doctor,
    ensemble,
    lr_find,
    note,
    pipeline,
    predict,
    runs,
    score,
    status,
    study,
    submit,
    submitted,
    train,
    tune,
)

VERBS = tuple(
    module.VERB
    for module in (
        demo, doctor, check, train, status, lr_find, tune, study, ensemble, pipeline, predict,
        submit, score, runs, compare, note, submitted,
    )
)  # fmt: skip
"""All verbs, in the order of the help."""
