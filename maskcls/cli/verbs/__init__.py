"""The verbs: a file for each, with its options, the function it runs, and how its result is printed."""

from maskcls.cli.verbs import (
    check,
    demo,
    doctor,
    ensemble,
    lr_find,
    pipeline,
    predict,
    score,
    status,
    submit,
    train,
    tune,
)

VERBS = tuple(
    module.VERB
    for module in (
        demo, doctor, check, train, status, lr_find, tune, ensemble, pipeline, predict, submit, score,
    )
)  # fmt: skip
"""All verbs, in the order of the help."""
