"""Reading an image in the pixel pass: what is kept as a fault, and what must not be; missing faces."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut

from maskcls.cluster import ingest
from maskcls.cluster import nodes as reach
from maskcls.cluster.session import ray_session
from maskcls.config.values import Crop, Size
from maskcls.core.errors import UserError
from maskcls.pixels import cache, faces
from maskcls.pixels import fingerprint as reading
from maskcls.pixels.cache import CachePlace, ChunkStatus, NoFace
from maskcls.pixels.geometry import Geometry
from maskcls.store.paths import Folder
from tests.conftest import Heard

PLACE = CachePlace(Path("cache"), "key", 1, Geometry(Crop(None), Size(8, 8)))


def test_missing_and_broken_images_are_faults(tmp_path: Path) -> None:
    (tmp_path / "html.jpg").write_bytes(b"<html>")
    found = list(ingest.read_images(Folder.at(tmp_path), ["html.jpg", "gone.jpg", ""], PLACE))
    assert found == ["neither a JPEG nor a PNG file", "the file is missing", "the file is missing"]


def test_a_image_that_cannot_be_read_is_tried_again_and_never_kept_as_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def away(self: Folder, name: str) -> bytes:
        tries.append(name)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Folder, "read_bytes", away)
    monkeypatch.setattr(reading, "_PAUSES_S", (0.0, 0.0))
    with pytest.raises(UserError, match=r"a\.jpg: cannot be read \(Input/output error\)"):
        list(ingest.read_images(Folder.at(tmp_path), ["a.jpg"], PLACE))
    assert len(tries) == 3


FACES = Geometry(Crop(margin=0.2), Size(24, 16))
PATHS = ["face.png", "blank.png", "gone.png", "face.png", "blank.png"]


@pytest.fixture
def images(tmp_path: Path) -> Folder:
    """An image with a face and one without."""
    Image.fromarray(astronaut()).save(tmp_path / "face.png")
    Image.new("RGB", (30, 60), (9, 8, 7)).save(tmp_path / "blank.png")
    return Folder.at(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> CachePlace:
    """Where their faces belong; nothing is there yet."""
    return cache.cache_place(tmp_path / "cache", np.zeros((len(PATHS), 16), np.uint8), FACES)


def fill(place: CachePlace, images: Folder) -> ChunkStatus:
    """The pixel pass's one task, without Ray: each column holds one value a row, as it gives them."""
    file = cache.start_building(place)
    paths = file.parent / "paths.arrow"
    ingest.write_paths(paths, pd.Series(PATHS))
    columns = ingest._Fill(str(file), str(paths), place, images.location)({"start": np.array([0])})
    paths.unlink()
    (row,) = pd.DataFrame(columns).to_dict("records")
    return ingest._status(row)


def test_images_without_a_face_are_told_apart_and_have_pixels(
    images: Folder, place: CachePlace
) -> None:
    face, blank, gone = ingest.read_images(images, PATHS[:3], place)
    assert np.array_equal(face, FACES.apply(astronaut()))
    assert isinstance(blank, NoFace)
    assert (blank.pixels == [9, 8, 7]).all()
    assert gone == "the file is missing"


def test_a_chunk_returns_its_rows_without_a_face(images: Folder, place: CachePlace) -> None:
    status = fill(place, images)
    assert status.fallbacks == (1, 4)
    assert status.faults == {2: "the file is missing"}
    assert (status.start, status.stop) == (0, 5)


def test_it_is_told_how_many_images_had_no_face(
    images: Folder, place: CachePlace, heard: Heard
) -> None:
    cache.finish_building(place, [fill(place, images)])
    found = ingest.ensure_pixels(place, images, pd.Series(PATHS), heard)
    assert found.fallbacks == (1, 4)
    told = "no face found in 2 of 4 images (50.0 %); their centre crop is used"
    assert heard.lines == [told]


def test_nothing_is_told_of_faces_that_were_all_found(tmp_path: Path, heard: Heard) -> None:
    place = cache.cache_place(tmp_path, np.zeros((1, 16), np.uint8), FACES)
    file = cache.start_building(place)
    pixels = np.zeros((24, 16, 3), np.uint8)
    cache.finish_building(place, [cache.fill_chunk(file, place, 0, iter([pixels]))])
    assert ingest.ensure_pixels(place, Folder.at(tmp_path), pd.Series(["a"]), heard).fallbacks == ()
    assert heard.lines == []


def test_without_a_detector_nothing_is_begun(
    images: Folder, place: CachePlace, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces, "_PACKAGE", "no_such_package")
    with pytest.raises(UserError, match="needs the detector"):
        ingest.ensure_pixels(place, images, pd.Series(PATHS), heard)
    assert not place.root.exists()
    assert heard.lines == []


@pytest.mark.ray
@pytest.mark.slow
def test_an_unreadable_image_is_told_from_a_task_and_nothing_stays_behind(
    tmp_path: Path, heard: Heard
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "images/a.png")
    (tmp_path / "images/b.png").mkdir()  # reading it fails, for root, too
    place = cache.cache_place(
        tmp_path / "cache", np.zeros((2, 16), np.uint8), Geometry(Crop(None), Size(8, 8))
    )
    images, paths = Folder.at(tmp_path / "images"), pd.Series(["a.png", "b.png"])
    with ray_session(tmp_path / "cache", False, heard) as session:
        with pytest.raises(
            UserError, match=r"b\.png: cannot be read \(Is a directory\); mend that"
        ):
            ingest.ensure_pixels(place, images, paths, heard)
        assert [p.suffix for p in (tmp_path / "cache/pixels").iterdir()] == [".lock"]
        # A machine that went away does not answer, and that is no error of the run's.
        files = [(images, "a.png")]
        task = reach._ask("0" * 56, files)
        session.ray.wait([task], timeout=60)
        assert reach._answer(task) is None
        here = reach._ask(session.ray.get_runtime_context().get_node_id(), files)
        session.ray.wait([here], timeout=60)
        assert reach._answer(here) == reach._digests([(images.location, "a.png")])
