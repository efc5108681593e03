"""How much of an image a crop keeps: what a centre crop cuts away is otherwise never seen."""

from collections.abc import Mapping

from maskcls.config.values import Crop, Size
from maskcls.pixels.geometry import Geometry


def share_kept(crop: Crop, size: Size, height: int, width: int) -> float | None:
    """Share of an image's area that a crop keeps, 0 to 1; None for a face crop, which depends on it.

    size: of the output; height, width: of the upright image [px].
    """
    if crop.margin is not None:
        return None
    box = Geometry(crop, size).center(height, width)
    if box is None:
        return 1.0
    return min(box.height, height) * min(box.width, width) / (height * width)


def kept_sentence(crop: Crop, size: Size, sizes: Mapping[Size, int]) -> str | None:
    """The share that a crop keeps of images of these sizes, in one sentence without its full stop.

    size: of the output; sizes: number of images of each size [px]. None for a face crop, or without
    images.
    """
    # The number, then the size, so that the sentence is the same for any order of the images.
    found = sorted(
        (share, at.height, at.width, num)
        for at, num in sizes.items()
        if num and (share := share_kept(crop, size, at.height, at.width)) is not None
    )
    if not found:
        return None
    least, most, name = found[0], found[-1], f"image.crop={crop}"
    if least[0] == 1:
        return f"{name} keeps all of every image"
    if len(found) == 1:
        return f"{name} keeps {_percent(least[0])} of every image ({_shown(least)})"
    num_images = sum(num for *_, num in found)
    mean = sum(share * num for share, *_, num in found) / num_images
    if _percent(least[0]) == _percent(most[0]):
        return f"{name} keeps {_percent(mean)} of every image"
    return (
        f"{name} keeps {_percent(mean)} of an image on average: from {_percent(least[0])}"
        f" ({_shown(least)}) to {_percent(most[0])} ({_shown(most)})"
    )


def _shown(found: tuple[float, int, int, int]) -> str:
    _, height, width, num = found
    return f"{num:,} of {height}x{width}"


def _percent(share: float) -> str:
    """Two digits, but never 100 % of what was cropped."""
    percent = 100 * share
    text = f"{percent:.0f}" if percent >= 10 else f"{percent:.2g}"
    return "99.9 %" if text == "100" and share < 1 else f"{text} %"
