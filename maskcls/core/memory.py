"""Giving freed memory back to the system."""

import ctypes
import gc


def release() -> None:
    """Return what was freed; the C library would keep it for this process otherwise.

    Between the stages of long work on big tables: each stage would else begin on top of the last
    one's peak. Does nothing where the C library is not glibc.
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        return
