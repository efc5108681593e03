"""`maskcls compare`: is one setting better than another, by how much, and what differs."""

from collections.abc import Sequence

from maskcls.core.errors import UserError
from maskcls.evaluation.compared import Pair, compare_runs
from maskcls.store.folder import Folder, json_bytes
from maskcls.store.outputs import OutputFile
from maskcls.store.run import Run


def compare(runs: Sequence[str], out: str | None = None) -> list[Pair]:
    """Compare every pair of the runs' settings; out: a JSON file with all figures.

    Raises UserError as evaluation.compared.compare_runs, and for a folder that is not a run.
    """
    if len(runs) < 2:
        raise UserError("name two runs or more.")
    output = None if out is None else OutputFile.at(out)
    pairs = compare_runs([Run.open(Folder.at(run)) for run in runs])
    if output is not None:
        output.write(json_bytes({"pairs": [pair.to_json() for pair in pairs]}))
    return pairs
