"""`maskcls ensemble`: combine the eval logits of all folds of all runs into a submission."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from maskcls.commands.answering import Answering
from maskcls.core.errors import Exit
from maskcls.core.progress import Progress
from maskcls.evaluation import ensembling
from maskcls.evaluation.decided import Asked
from maskcls.evaluation.ensembling import Rule
from maskcls.evaluation.members import fold_weights, read_members
from maskcls.evaluation.pooled import Combining
from maskcls.evaluation.selected import Select, choose_members, refuse_selection
from maskcls.statistics.choice import Decide
from maskcls.store.folder import Folder
from maskcls.store.outputs import OutputFile
from maskcls.store.provenance import write_beside
from maskcls.store.run import Run


@dataclass(frozen=True)
class Ensembled:
    """Exit code, location of the submission, and its provenance."""

    exit_code: Exit
    out: str
    provenance: dict[str, Any]


def ensemble(
    runs: Sequence[str],
    out: str,
    progress: Progress,
    allow_missing_folds: bool = False,
    rule: Rule = "logits",
    weights: Sequence[float] | None = None,
    by_group: bool = False,
    decide: Decide = "auto",
    prior: str = "none",
    select: Select = "none",
) -> Ensembled:
    """Combine folds and runs; write the submission and OUT.provenance.json next to it.

    runs: locations of run folders of one task, any backbones and heads, the same eval images. rule: how
    members are combined. weights: of each run, divided equally among its folds; None gives each fold of
    each run the same weight. by_group: a row for each group of eval images, their mean. decide: "tuned"
    for class weights that maximise the metric, fitted on the held-out images, "auto" where they are
    surely better than "argmax". prior: "estimated" or a file of class shares, where those of the eval
    images are not the training images'. select: how runs and weights are chosen, see
    evaluation/selected.py.
    The submission has the form of the first run's task, and the rows of its sample submission, else all
    eval images in their order. An image that no member could decode gets the most frequent class of the
    training images, or their classes' shares as probabilities. Raises UserError when a fold is missing
    and that is not allowed.
    """
    # First: a location that cannot be written is refused before the work.
    output = OutputFile.at(out)
    rule = ensembling.rule_named(rule)
    refuse_selection(select, weights, len(runs))
    given = read_members([Run.open(Folder.at(run)) for run in runs], allow_missing_folds)
    fold_weights(given, weights)  # wrong ones are refused before the comparison
    chosen = choose_members(given, rule, weights, select, by_group)
    members, own = chosen.members, chosen.weights
    how = Combining(rule, None if own is None else list(own), by_group)
    work = Answering(members, how, Asked(decide, prior), progress, chosen.optimism)
    output.fill(work.fill)
    provenance = work.provenance(chosen.weights) | chosen.about
    write_beside(output, provenance)
    work.warn_of_lost()
    missing = any(m.about.missing_folds for m in members)
    code = Exit.DEGRADED if work.is_degraded or missing else Exit.GOOD
    return Ensembled(code, out, provenance)
