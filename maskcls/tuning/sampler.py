"""The samplers, which propose the settings of a trial. Their only state on disk is the trials' records.

A proposal is a number from 0 to 1 for each setting, or a value of optuna's, which the space converts to
a setting.
"""

from collections.abc import Iterable
from typing import Any, Protocol

from maskcls.core import random_streams
from maskcls.tuning.space import Choice, Space
from maskcls.tuning.trials import Trial


class Sampler(Protocol):
    """Proposes settings, and is given the results."""

    def propose(self, number: int, attempt: int = 0) -> dict[str, Any]:
        """Settings for the trial of this number; attempt: how many proposals were rejected before."""

    def tell(self, trial: Trial) -> None:
        """A trial has ended."""


def make_sampler(space: Space, ended: Iterable[Trial]) -> Sampler:
    """The sampler that the space asks for, with what is known of earlier trials."""
    trials = list(ended)
    if space.search.sampler == "random":
        return _Random(space)
    return _Tpe(space, trials)


class _Random:
    """Independent draws; trial n has the same settings whenever and wherever it is proposed."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def propose(self, number: int, attempt: int = 0) -> dict[str, Any]:
        domains, seed = self._space.domains, self._space.search.seed
        bits = random_streams.tickets(len(domains), "search", seed, number, attempt)
        shares = random_streams.uniform(bits).tolist()
        return {name: d.at(share) for (name, d), share in zip(domains.items(), shares, strict=True)}

    def tell(self, trial: Trial) -> None:
        """Nothing: independent draws use no results."""


class _Tpe:
    """Optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011), by ask and tell."""

    def __init__(self, space: Space, ended: list[Trial]) -> None:
        optuna = quiet_optuna()
        self._space, self._asked, self._refused = space, dict[int, Any](), list[Any]()
        # The seed depends on the number of ended trials: with a fixed one, each start of the command
        # would repeat the draws of the first.
        seed = int(
            random_streams.sequence("search", space.search.seed, len(ended)).generate_state(1)[0]
        )
        # Several trials run at a time: those without a result count as bad, so that proposals differ.
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        for trial in ended:
            if (frozen := as_optuna(space, trial)) is not None:
                self._study.add_trial(frozen)

    def propose(self, number: int, attempt: int = 0) -> dict[str, Any]:
        # Rejected proposals count as bad until another is found, and are ignored afterwards: left open,
        # they would keep the sampler away from good regions.
        if attempt and number in self._asked:
            self._refused.append(self._asked[number])
        elif self._refused:
            self._forget_refused()
        asked = self._study.ask(distributions_of(self._space))
        self._asked[number] = asked
        return {
            name: domain.values[asked.params[name]]
            if isinstance(domain, Choice)
            else asked.params[name]
            for name, domain in self._space.domains.items()
        }

    def _forget_refused(self) -> None:
        for asked in self._refused:
            self._study.tell(asked, state=quiet_optuna().trial.TrialState.FAIL)
        self._refused.clear()

    def tell(self, trial: Trial) -> None:
        optuna = quiet_optuna()
        asked = self._asked.pop(trial.number, None)
        if asked is None:  # proposed by an earlier start: added like the other records
            if (frozen := as_optuna(self._space, trial)) is not None:
                self._study.add_trial(frozen)
        elif trial.scores:
            for epoch, value in enumerate(trial.scores, 1):
                asked.report(value, epoch)
            if trial.state == "finished":
                self._study.tell(asked, trial.best)
            # Without a final value, or optuna would compare a short trial's score with full ones.
            else:
                self._study.tell(asked, state=optuna.trial.TrialState.PRUNED)
        else:
            self._study.tell(asked, state=optuna.trial.TrialState.FAIL)


def quiet_optuna() -> Any:
    """Optuna without its log line for each study and trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def distributions_of(space: Space) -> dict[str, object]:
    """The space in optuna's types; a choice is represented by the index of its value."""
    from optuna import distributions

    found: dict[str, object] = {}
    for name, domain in space.domains.items():
        if isinstance(domain, Choice):
            found[name] = distributions.CategoricalDistribution(range(len(domain.values)))
        elif domain.is_whole:
            low, high, step = int(domain.low), int(domain.high), int(domain.step or 1)
            found[name] = distributions.IntDistribution(low, high, domain.log, step)
        else:
            found[name] = distributions.FloatDistribution(
                domain.low, domain.high, log=domain.log, step=domain.step
            )
    return found


def as_optuna(space: Space, trial: Trial, value: float | None = None) -> Any:
    """A trial as optuna's record, with its best score or the given value; None if it has no score."""
    if not trial.scores:
        return None
    optuna = quiet_optuna()
    params = {
        name: _index(domain, trial.settings[name])
        if isinstance(domain, Choice)
        else trial.settings[name]
        for name, domain in space.domains.items()
    }
    whole = trial.state == "finished" or value is not None
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE if whole else optuna.trial.TrialState.PRUNED,
        params=params,
        distributions=distributions_of(space),
        value=(trial.best if value is None else value) if whole else None,
        intermediate_values=dict(enumerate(trial.scores, 1)),
    )


def _index(domain: Choice, value: Any) -> int:
    return domain.values.index(value)
