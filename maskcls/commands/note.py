"""`maskcls note`: what a user wants to remember of a run."""

from collections.abc import Sequence

from maskcls.core.errors import UserError
from maskcls.store.folder import Folder
from maskcls.store.notes import Note
from maskcls.store.record import now
from maskcls.store.run import Run


def note(run: str, text: str = "", tags: Sequence[str] = ()) -> Note:
    """Add a note to a run, also while it is trained; UserError for a folder that is not a run."""
    text, tags = text.strip(), [" ".join(tag.split()) for tag in tags]
    if not text and not tags:
        raise UserError("give a text, or a tag with --tag T.")
    if not all(tags):
        raise UserError("--tag: a tag has no letters; give one, such as --tag baseline.")
    added = Note(now(), text, tuple(tags))
    Run.open(Folder.at(run)).add_note(added)
    return added
