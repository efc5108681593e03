"""What a search leaves: the table, the best settings as a file, and the page."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from maskcls.commands.tuning.table import TrialTable
from maskcls.config.as_file import as_file
from maskcls.config.resolve import from_json
from maskcls.core.errors import RunFailed
from maskcls.search.page import page
from maskcls.search.space import Space
from maskcls.search.trials import Trial, ranked


def write_results(table: TrialTable, space: Space, content: Mapping[str, Any]) -> list[Trial]:
    """Write trials.json, best.toml and search.html; the trials, best first.

    content: of search.json. Raises RunFailed when no trial was trained on all folds.
    """
    table.write_rest()
    trials = ranked(table.trials.values())
    if not trials or trials[0].out_of_fold is None:
        lost = next((f"trial {t.number} was {t.note}" for t in trials if t.is_lost), None)
        failed = next((t.error for t in trials if t.error), "none reached its last epoch")
        raise RunFailed(f"{table.root}: no trial was trained to its end: {lost or failed}")
    table.root.write_json("trials.json", [asdict(trial) for trial in trials])
    head = (
        f"The best of {len(trials)} trials, trial {trials[0].number}: out-of-fold macro F1"
        f" {trials[0].out_of_fold['macro_f1']:.4f}"
    )
    best = from_json(table.folder_of(trials[0]).read_json("config.json"))
    table.root.write_bytes("best.toml", as_file(best, head).encode())
    table.root.write_bytes("search.html", page(space, trials, content).encode())
    return trials
