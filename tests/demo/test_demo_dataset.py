import csv
import re
from pathlib import Path

import numpy as np
import pytest
from contact_sheet import contact_sheet
from PIL import Image

from maskcls.core.errors import UserError
from maskcls.core.mask import GENDERS, MASK_OF_SHOT, SHOTS, class_of
from maskcls.demo import dataset
from maskcls.demo.dataset import DemoData, write_demo_data
from maskcls.demo.drawing import draw_image
from maskcls.demo.people import cast
from tests.tasks import MASK


def _write_small(folder: Path, people: int = 40, processes: int = 1) -> DemoData:
    return write_demo_data(
        folder, people=people, eval_people=8, seed=3, height=64, width=48, processes=processes
    )


def _bytes_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoData:
    return _write_small(tmp_path_factory.mktemp("data") / "demo")


def test_layout_of_train(demo: DemoData) -> None:
    text = (demo.folder / "train" / "train.csv").read_bytes()
    assert text.startswith(b"id,gender,race,age,path\n000001,")
    assert b"\r" not in text
    rows = _rows(demo.folder / "train" / "train.csv")
    images = demo.folder / "train" / "images"
    assert len(rows) == 40
    assert {row["path"] for row in rows} == {path.name for path in images.iterdir()}
    classes = set()
    for row in rows:
        assert row["path"] == f"{row['id']}_{row['gender']}_{row['race']}_{row['age']}"
        assert row["race"] == "Drawn"
        shots = list((images / row["path"]).iterdir())
        assert sorted(path.stem for path in shots) == sorted(SHOTS)
        gender, group = GENDERS.index(row["gender"]), MASK.part("age").code_of(int(row["age"]))
        classes |= {class_of(MASK_OF_SHOT[path.stem], gender, group) for path in shots}
    assert classes == set(range(18))
    assert demo.num_images == 280 == sum(1 for path in images.rglob("*") if path.is_file())


def test_a_few_images_are_not_jpg(demo: DemoData) -> None:
    images = demo.folder / "train" / "images"
    suffixes = [{path.suffix for path in folder.iterdir()} for folder in images.iterdir()]
    for expected in ({".png"}, {".jpeg"}, {".jpg", ".jpeg"}):
        assert suffixes.count(expected) == 2
    assert suffixes.count({".jpg"}) == 34
    for path in images.rglob("*.*"):
        with Image.open(path) as image:
            assert image.format == ("PNG" if path.suffix == ".png" else "JPEG")


def test_layout_of_eval_and_truth(demo: DemoData) -> None:
    info, truth = _rows(demo.folder / "eval" / "info.csv"), _rows(demo.truth)
    assert list(info[0]) == list(truth[0]) == ["ImageID", "ans"]
    names = [row["ImageID"] for row in info]
    assert names == [row["ImageID"] for row in truth]
    assert names != sorted(names)
    assert all(re.fullmatch(r"[0-9a-f]{40}\.jpg", name) for name in names)
    assert set(names) == {path.name for path in (demo.folder / "eval" / "images").iterdir()}
    assert len(set(names)) == demo.num_eval_images == 56
    assert {row["ans"] for row in info} == {"0"}
    answers = [int(row["ans"]) for row in truth]
    assert set(answers) == set(range(18))
    assert [sum(a // 6 == mask for a in answers) for mask in range(3)] == [40, 8, 8]


def test_the_truth_is_in_the_pictures(demo: DemoData) -> None:
    """Drawing eval person 0's images again finds them under the right answers."""
    person = cast(1, 3, dataset._FIRST_EVAL_PERSON)[0]
    truth = {row["ImageID"]: int(row["ans"]) for row in _rows(demo.truth)}
    gender = GENDERS.index(person.gender)
    for shot in SHOTS:
        drawn = np.asarray(draw_image(person, shot, 64, 48), dtype=np.float64)
        distances = {}
        for name in truth:
            with Image.open(demo.folder / "eval" / "images" / name) as image:
                distances[name] = np.abs(np.asarray(image, dtype=np.float64) - drawn).mean()
        nearest = min(distances, key=distances.__getitem__)
        assert truth[nearest] == class_of(MASK_OF_SHOT[shot], gender, person.age_group)


def test_images_open_as_rgb_of_the_usual_size(tmp_path: Path) -> None:
    write_demo_data(tmp_path, people=6, eval_people=1, processes=1)
    images = [path for path in tmp_path.rglob("*") if path.suffix in (".jpg", ".jpeg", ".png")]
    assert len(images) == 49
    for path in images:
        with Image.open(path) as image:
            image.load()
            assert (image.mode, image.size) == ("RGB", (384, 512))


def test_bytes_do_not_depend_on_processes(tmp_path: Path, demo: DemoData) -> None:
    again = _write_small(tmp_path / "again", processes=2)
    assert _bytes_of(again.folder) == _bytes_of(demo.folder)


def test_a_complete_demo_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _write_small(tmp_path / "demo", people=6)
    monkeypatch.setattr(dataset, "_draw_all", lambda work, processes: pytest.fail("drew again"))
    assert _write_small(tmp_path / "demo", people=6) == first
    with pytest.raises(UserError, match="people 6 instead of 7"):
        _write_small(tmp_path / "demo", people=7)


def test_an_interrupted_demo_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _write_small(tmp_path / "whole", people=6)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "_write_tables", stop)
        with pytest.raises(KeyboardInterrupt):
            _write_small(tmp_path / "demo", people=6)
    assert not (tmp_path / "demo" / "demo.json").exists()
    assert _bytes_of(_write_small(tmp_path / "demo", people=6).folder) == _bytes_of(whole.folder)


def test_other_peoples_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="is not empty and not a demo"):
        _write_small(tmp_path)
    (tmp_path / "demo.json").write_text('{"generator": "someone"}', encoding="utf-8")
    with pytest.raises(UserError, match="is not empty and not a demo"):
        _write_small(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        _write_small(tmp_path / "thesis.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.json", "thesis.txt"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("people", 5),
        ("eval_people", 0),
        ("seed", -1),
        ("height", 8),
        ("width", 8),
        ("processes", 0),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(UserError, match=f"demo: {name} is {value}; it must be"):
        write_demo_data(tmp_path / "demo", **{name: value})
    assert not (tmp_path / "demo").exists()


def test_a_sheet_of_a_folder(demo: DemoData, tmp_path: Path) -> None:
    sheet = contact_sheet(demo.folder, image_height=64, image_width=48)
    assert sheet.width > 6 * 48
    with pytest.raises(UserError, match=r"has no train/train\.csv"):
        contact_sheet(tmp_path)
