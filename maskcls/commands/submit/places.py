"""The arguments of a job that name a place, and whether the cluster's machines can find it."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from maskcls.core.errors import UserError

_FILES = ("--config", "--space")  # of this machine, where all else names a place of the cluster's


@dataclass(frozen=True)
class Argument:
    """One of a job's arguments that names a place: what its help calls it, and what was given."""

    name: str
    value: str


def refuse_relative(places: Sequence[Argument]) -> None:
    """UserError for a location given as a relative path; files that may travel are left out."""
    for place in places:
        if place.name not in _FILES and _is_relative(place.value):
            raise UserError(
                f"{place.name} {place.value}: a relative path means nothing to a job, which runs in a"
                " folder of Ray's; give s3://BUCKET/... or an absolute path that the cluster reaches."
            )


def refuse_left_behind(places: Sequence[Argument], names: Collection[str]) -> None:
    """UserError for a file given as a relative path that is not among the names that travel."""
    for place in places:
        if place.name not in _FILES or not _is_relative(place.value):
            continue
        # The job starts at the top of what travels, as the command did here.
        if os.path.normpath(place.value) not in names:
            raise UserError(
                f"{place.name} {place.value}: this file does not travel with the job; put it into"
                " the checkout that is submitted, where .gitignore does not name it, or give an"
                " absolute path that the cluster reaches."
            )


def _is_relative(text: str) -> bool:
    # ~ is the home folder there, wherever that is.
    return "://" not in text and not text.startswith(("/", "~"))
