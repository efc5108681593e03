"""What mattered in a search: each setting's share of the scores' variance.

By fANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014), as optuna computes it. Trials that ASHA stopped
have fewer epochs than others, so all are compared after the epochs that each of them has.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from maskcls.search.sampling import as_optuna, quiet_optuna
from maskcls.search.space import Space
from maskcls.search.trials import Trial

_FEWEST = 8


@dataclass(frozen=True)
class Importance:
    """shares: of each setting, 0 to 1, summing to 1; {} when too little is known. epoch: after how
    many epochs the trials were compared. note: how to read it, or why there is nothing.
    """

    epoch: int
    note: str
    shares: dict[str, float] = field(default_factory=dict)


def importance_of(space: Space, trials: Sequence[Trial]) -> Importance:
    """Each setting's importance over all trials with a score."""
    seen = [t for t in trials if t.scores and not t.is_open]
    epoch = min((len(t.scores) for t in seen), default=0)
    values = {t.number: max(t.scores[:epoch]) for t in seen}
    if len(seen) < _FEWEST:
        return Importance(
            epoch, f"{len(seen)} trials with a score are too few to say; {_FEWEST} do."
        )
    if len(set(values.values())) == 1:
        return Importance(epoch, "All trials scored the same.")
    optuna = quiet_optuna()
    study = optuna.create_study(direction="maximize")
    for trial in seen:
        study.add_trial(as_optuna(space, trial, values[trial.number]))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=space.search.seed)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    note = (
        f"Share of the variance of fold 0's macro F1 after {epoch} epoch{'s' if epoch > 1 else ''},"
        f" over {len(seen)} trials (fANOVA). It says where the score moved within this space, not"
        " which value is good: that the plots show."
    )
    return Importance(epoch, note, {name: float(share) for name, share in shares.items()})
