"""`maskcls train` without Ray: the same steps, each image decoded and each fold trained right here."""

from pathlib import Path

from maskcls.cluster.ingest import read_images
from maskcls.cluster.plan import Machine, make_plan
from maskcls.config.schema import Config
from maskcls.pixels import cache
from maskcls.pixels.cache import CachedPixels, CachePlace
from maskcls.runs.dataset import Images
from maskcls.runs.prepare import prepare
from maskcls.runs.run import begin, collect, jobs
from maskcls.store.results import Metrics
from maskcls.training.fold import run_fold
from maskcls.training.rank import Alone
from tests.conftest import Heard
from tests.training.fold_factory import Notes


def train(data: Path, run: Path, config: Config, heard: Heard) -> Metrics:
    """Train and collect a run; its metrics."""
    prepared = prepare(str(data), str(run), config, heard)
    context = begin(prepared, heard, lambda: None)
    sets, places = prepared.data_set, context.pixels
    pixels = decoded(sets.train, places.place)
    eval_pixels = None
    if sets.eval_images is not None and places.eval_place is not None:
        eval_pixels = decoded(sets.eval_images, places.eval_place)
    context.run.write_faults(places.faults(pixels, eval_pixels))
    plan = make_plan(config.cluster, context.config.folds.total, Machine(1, 0, is_local=True))
    for job in jobs(context, plan, None):
        run_fold(job, Alone(), Notes())
    return collect(context, pixels, eval_pixels)


def decoded(images: Images, place: CachePlace) -> CachedPixels:
    """The pixels of some images, in the cache."""
    if (there := cache.open_cache(place)) is not None:
        return there
    with cache.building_lock(place, lambda text: None):
        file = cache.start_building(place)
        found = read_images(images.folder, images.paths.tolist(), place)
        cache.finish_building(place, [cache.fill_chunk(file, place, 0, found)])
    opened = cache.open_cache(place)
    assert opened is not None
    return opened
