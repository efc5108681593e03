"""Reading an image in the pixel pass: what is kept as a fault, and what must not be; missing faces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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
from maskcls.core.errors import StorageError, UserError
from maskcls.pixels import cache, faces
from maskcls.pixels import fingerprint as reading
from maskcls.pixels.cache import CachedPixels, CachePlace, ChunkStatus, NoFace
from maskcls.pixels.geometry import Geometry
from maskcls.store.folder import Folder
from tests.conftest import Heard

PLACE = CachePlace(Path("cache"), "key", 1, Geometry(Crop(None), Size(8, 8)))


def test_missing_and_broken_images_are_faults(tmp_path: Path) -> None:
    (tmp_path / "html.jpg").write_bytes(b"<html>")
    found = list(ingest.read_images(Folder.at(tmp_path), ["html.jpg", "gone.jpg", ""], PLACE))
    html = "not a JPEG, PNG, WebP, BMP or TIFF file"
    assert found == [html, "the file is missing", "the file is missing"]


def test_an_image_that_cannot_be_read_is_tried_again_and_never_kept_as_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def away(self: Folder, name: str) -> bytes:
        tries.append(name)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Folder, "read_chunks", away)
    monkeypatch.setattr(reading, "_PAUSES_S", (0.0, 0.0, 0.0))
    with pytest.raises(StorageError, match=r"a\.jpg: cannot be read \(Input/output error\)"):
        list(ingest.read_images(Folder.at(tmp_path), ["a.jpg"], PLACE))
    assert len(tries) == 4


SMALL = Geometry(Crop(None), Size(2, 2))
NUM_IMAGES = 2 * cache.CHUNK_ROWS + 5
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


def test_images_without_a_face_are_reported_apart_and_have_pixels(
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


def test_it_is_reported_how_many_images_had_no_face(
    images: Folder, place: CachePlace, heard: Heard
) -> None:
    cache.finish_building(place, [fill(place, images)])
    found = ingest.ensure_pixels(place, images, pd.Series(PATHS), heard)
    assert found.fallbacks == (1, 4)
    reported = "no face found in 2 of 4 images (50.0 %); their centre crop is used"
    assert heard.lines == [reported]


def test_nothing_is_reported_of_faces_that_were_all_found(tmp_path: Path, heard: Heard) -> None:
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


@pytest.mark.parametrize("error", [UserError("mend that"), StorageError("try again")])
def test_a_tasks_error_comes_out_as_what_it_is_and_its_other_chunks_are_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: UserError
) -> None:
    reads = []

    def away(images: Folder, path: str) -> bytes:
        reads.append(path)
        raise error

    monkeypatch.setattr(ingest, "read_image", away)
    place = cache.cache_place(tmp_path, np.zeros((NUM_IMAGES, 16), np.uint8), SMALL)
    file = cache.start_building(place)
    ingest.write_paths(tmp_path / "paths", pd.Series(["a.png"] * NUM_IMAGES))
    task = ingest._Fill(str(file), str(tmp_path / "paths"), place, str(tmp_path))
    for start in (0, 256):
        (row,) = pd.DataFrame(task({"start": np.array([start])})).to_dict("records")
        with pytest.raises(UserError) as caught:
            ingest._status(row)
        assert type(caught.value) is type(error)
        assert str(caught.value) == str(error)
    assert reads == ["a.png"]
    assert not place.journal.exists()


@dataclass
class Pass:
    """A pass of three chunks whose tasks run in this process, one after another."""

    root: Path
    filled: list[int] = field(default_factory=list)
    stop_at: int | None = None
    error: BaseException | None = None

    @property
    def images(self) -> Folder:
        return Folder.at(self.root / "images")

    def place(self, name: str = "cache") -> CachePlace:
        return cache.cache_place(self.root / name, np.zeros((NUM_IMAGES, 16), np.uint8), SMALL)

    def run(self, progress: Heard, name: str = "cache") -> CachedPixels:
        paths = pd.Series([f"{row % 3}.png" for row in range(NUM_IMAGES)])
        return ingest.ensure_pixels(self.place(name), self.images, paths, progress)

    def fill(
        self, file: Path, starts: Sequence[int], place: CachePlace, images: Folder,
        paths: "pd.Series[str]", node: str | None,
    ) -> Iterator[ChunkStatus]:  # fmt: skip
        ingest.write_paths(file.parent / "paths.arrow", paths)
        task = ingest._Fill(str(file), str(file.parent / "paths.arrow"), place, images.location)
        for start in starts:
            if start == self.stop_at and self.error is not None:
                raise self.error
            (row,) = pd.DataFrame(task({"start": np.array([start])})).to_dict("records")
            self.filled.append(start)
            if start + cache.CHUNK_ROWS != self.stop_at:  # else it is finished and not yet seen
                yield ingest._status(row)
        if self.error is not None:
            raise self.error


@pytest.fixture
def three_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pass:
    (tmp_path / "images").mkdir()
    for shade in range(2):  # 2.png is missing
        Image.new("RGB", (4, 4), (shade, 80, 200)).save(tmp_path / f"images/{shade}.png")
    found = Pass(tmp_path)
    monkeypatch.setattr(ingest, "_fill", found.fill)
    return found


@pytest.mark.parametrize("error", [StorageError("away"), KeyboardInterrupt(), SystemExit(1)])
def test_what_was_decoded_before_storage_went_away_or_a_kill_is_kept(
    three_chunks: Pass, heard: Heard, error: BaseException
) -> None:
    three_chunks.stop_at, three_chunks.error = 512, error
    with pytest.raises(type(error)):
        three_chunks.run(heard)
    three_chunks.error = None
    assert three_chunks.filled == [0, 256]
    three_chunks.filled.clear()
    three_chunks.stop_at = None
    resumed = three_chunks.run(heard)
    assert three_chunks.filled == [512]
    said = "decoding 517 images (512 of them were decoded by an earlier start)"
    assert any(line.startswith(said) for line in heard.lines)
    assert len(resumed.faults) == NUM_IMAGES // 3
    three_chunks.run(heard, "in one go")
    one_go, place = three_chunks.place("in one go").folder, three_chunks.place().folder
    for name in ("pixels.u8", "manifest.json"):
        assert (place / name).read_bytes() == (one_go / name).read_bytes()
    assert sorted(p.name for p in place.iterdir()) == ["manifest.json", "pixels.u8"]


def test_when_all_chunks_are_finished_nothing_is_decoded(three_chunks: Pass, heard: Heard) -> None:
    three_chunks.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        three_chunks.run(heard)
    three_chunks.error = None
    three_chunks.filled.clear()
    three_chunks.run(heard)
    assert three_chunks.filled == []
    folder = three_chunks.place().folder
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "pixels.u8"]


@pytest.mark.parametrize("error", [UserError("mend that"), ZeroDivisionError("a bug")])
def test_after_other_errors_nothing_stays_behind(
    three_chunks: Pass, heard: Heard, error: Exception
) -> None:
    three_chunks.stop_at, three_chunks.error = 512, error
    with pytest.raises(type(error)):
        three_chunks.run(heard)
    assert [p.suffix for p in (three_chunks.root / "cache/pixels").iterdir()] == [".lock"]


@pytest.mark.ray
@pytest.mark.slow
def test_an_unreadable_image_is_reported_from_a_task_and_nothing_stays_behind(
    tmp_path: Path, heard: Heard, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "images/a.png")
    (tmp_path / "images/b.png").mkdir()  # reading it fails, for root, too
    place = cache.cache_place(
        tmp_path / "cache", np.zeros((2, 16), np.uint8), Geometry(Crop(None), Size(8, 8))
    )
    images, paths = Folder.at(tmp_path / "images"), pd.Series(["a.png", "b.png"])
    with ray_session(tmp_path / "cache", False, heard) as session:
        with pytest.raises(UserError) as caught:
            ingest.ensure_pixels(place, images, paths, heard)
        assert str(caught.value) == (
            f"{images.shown}/b.png: cannot be read (Is a directory); fix that, or remove the image,"
            " and run the same command again."
        )
        assert "Traceback" not in "".join(capfd.readouterr())
        assert [p.suffix for p in (tmp_path / "cache/pixels").iterdir()] == [".lock"]
        # A machine that went away does not answer, and that is no error of the run's.
        files = [(images, "a.png")]
        task = reach._ask("0" * 56, files)
        session.ray.wait([task], timeout=60)
        assert reach._answer(task) is None
        here = reach._ask(session.ray.get_runtime_context().get_node_id(), files)
        session.ray.wait([here], timeout=60)
        assert reach._answer(here) == reach._digests([(images.location, "a.png")])
