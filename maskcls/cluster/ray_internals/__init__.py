"""All uses of undocumented parts of Ray: each with its benefit, and a public interface as fallback.

A new version of Ray may remove or change any of them. Then, or with MASKCLS_RAY_PUBLIC_ONLY=1, the
fallback is used and a warning logged once: something is slower or less convenient, but still works.

    train.py       DataParallelTrainer (a trainer without a process group), TrainController (to stop a
                   fit), the default callbacks (fewer helper processes)
    tune.py        class_cache.ENV_VARS_TO_PROPAGATE (keeps secrets out of Ray's logs),
                   Trial.error_file
    start.py       ray.init(_temp_dir=...)
    submission.py  packaging._dir_travel (which files a job uploads), JobSubmissionClient._do_request
                   (timeouts)

Undocumented environment variables have no effect where they are not known, and stay where they are used.
In cluster/session.py: RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER (binds to loopback; a test lists the sockets),
RAY_LOG_MONITOR_MANY_FILES_THRESHOLD, RAY_TRAIN_ENABLE_PREEMPTION_WATCHER,
RAY_TRAIN_HEALTH_CHECK_INTERVAL_S. In commands/submit: RAY_JOB_STOP_WAIT_TIME_S. In cluster/tune.py:
TUNE_PRINT_ALL_TRIAL_ERRORS. commands/doctor/ray_works.py looks for the file `ray_current_cluster`.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import TypeVar

SWITCH = "MASKCLS_RAY_PUBLIC_ONLY"
CHANGED = (ImportError, AttributeError, TypeError)
"""What Python raises when a name is missing or is called in another way."""

_log = logging.getLogger(__name__)
_logged: set[str] = set()
_lock = threading.Lock()
_T = TypeVar("_T")


def internal(what: str, find: Callable[[], _T]) -> _T | None:
    """What `find` returns from Ray's internals; None to use the public interface.

    what: names the use in the log. `find` raises one of CHANGED when this version of Ray lacks it; it
    must have no side effect then.
    """
    if os.environ.get(SWITCH) == "1":
        fall_back(what, f"{SWITCH}=1")
        return None
    try:
        return find()
    except CHANGED as error:
        fall_back(what, repr(error))
        return None


def fall_back(what: str, why: str) -> None:
    """Log, once for each use, that the public interface is used."""
    with _lock:  # folds start in threads of their own
        if what in _logged:
            return
        _logged.add(what)
    _log.warning("Ray's public interface instead of %s: %s", what, why)
