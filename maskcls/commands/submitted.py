"""`maskcls submitted`: record what the leaderboard said of a submission."""

import math

from maskcls.core.errors import UserError
from maskcls.store.provenance import Submission, add_answer


def submitted(file: str, public: float | None, private: float | None = None) -> Submission:
    """Add the values to FILE.provenance.json; what is there stays.

    Raises UserError without a value, for one that is not finite, and as store.provenance.add_answer.
    """
    values = [value for value in (public, private) if value is not None]
    if not values or not all(map(math.isfinite, values)):
        raise UserError("give what came back as a number, such as --public 0.6738")
    return add_answer(file, public, private)
