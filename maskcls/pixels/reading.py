"""Reading a photo's file with patience: storage may be away for a moment."""

import os
import time

from maskcls.core.errors import UserError
from maskcls.store.paths import Folder

_PAUSES_S = (0.2, 1.0)  # between tries


def read_photo(photos: Folder, path: str) -> bytes | None:
    """A photo's bytes; None when there is no such file, or path is "".

    Raises UserError when it is there and cannot be read, after three tries: that may pass, so it must
    not be kept for a fault of the photo.
    """
    if not path:  # info.csv names a photo that is not there
        return None
    for pause_s in (*_PAUSES_S, None):
        try:
            return photos.read_bytes(path)
        except FileNotFoundError:
            return None
        except (OSError, UserError) as e:
            if pause_s is None:
                reason = os.strerror(e.errno) if isinstance(e, OSError) and e.errno else str(e)
                raise UserError(
                    f"{photos.shown}/{path}: cannot be read ({reason});"
                    " mend that, or take the photo away, and run the same command again."
                ) from e
            time.sleep(pause_s)
    return None
