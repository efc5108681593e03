"""Competitions whose labels are in folders and file names, in miniature."""

from pathlib import Path

from tests.layouts.drawn import Data, Expected


def plant_seedlings(folder: Path) -> Expected:
    """A folder a class, with blanks in names; micro F1, which with one label an image is accuracy."""
    data = Data(folder)
    species = ("Black-grass", "Charlock", "Common wheat", "Sugar beet")
    for n in range(36):
        data.picture(f"train/{species[n % 4]}/{n:03x}f3a2b1c.png", n % 4, 18 + n % 5, 20)
    tests = tuple(f"{n:03x}9aa45dbe.png" for n in range(6))
    for n, one in enumerate(tests):
        data.picture(f"test/{one}", n % 4, 20, 20)
    data.sample(["file", "species"], tests, "Sugar beet")
    data.task("""
[task]
images = "train"
metric = "accuracy"
also   = ["macro_f1"]
[[part]]
name = "species"
from = "folder"
[eval]
images = "test"
[answers]
columns = ["file", "species"]
like    = "sample_submission.csv"
""")
    return Expected(species, 36, None, "accuracy", ("file", "species"), tests, "value")


def paddy(folder: Path) -> Expected:
    """A folder a class, and a table of the same with variety and age."""
    data, labels = Data(folder), ("blast", "hispa", "normal", "tungro")
    ids = [f"{100330 + n}.jpg" for n in range(36)]
    for n, one in enumerate(ids):
        data.picture(f"train_images/{labels[n % 4]}/{one}", n % 4, 18, 24)
    rows = ([one, labels[n % 4], "ADT45", 45] for n, one in enumerate(ids))
    data.table("train.csv", ["image_id", "label", "variety", "age"], rows)
    tests = tuple(f"{200001 + n}.jpg" for n in range(6))
    for n, one in enumerate(tests):
        data.picture(f"test_images/{one}", n % 4, 18, 24)
    data.sample(["image_id", "label"], tests, "")
    data.task("""
[task]
images = "train_images"
metric = "accuracy"
[[part]]
name = "label"
from = "folder"
[eval]
images = "test_images"
[answers]
columns = ["image_id", "label"]
like    = "sample_submission.csv"
""")
    return Expected(labels, 36, None, "accuracy", ("image_id", "label"), tests, "value")


def alaska2(folder: Path) -> Expected:
    """Four folders with one image in four versions, which are a group: the file's name."""
    data = Data(folder)
    kinds = ("Cover", "JMiPOD", "JUNIWARD", "UERD")
    for n in range(1, 11):
        for k, kind in enumerate(kinds):
            data.picture(f"{kind}/{n:05d}.jpg", min(k, 1), 24, 24)
    tests = tuple(f"{n:04d}.jpg" for n in range(1, 9))
    for n, one in enumerate(tests):
        data.picture(f"Test/{one}", n % 2, 24, 24)
    data.sample(["Id", "Label"], tests, 0)
    data.task("""
[task]
images = ""
group  = "stem"
metric = "auc"
[[part]]
name   = "hidden"
from   = "folder"
values = ["no", "yes"]
of     = { Cover = "no", JMiPOD = "yes", JUNIWARD = "yes", UERD = "yes" }
[eval]
images = "Test"
[answers]
columns = ["Id", "Label"]
values  = "probability:yes"
like    = "sample_submission.csv"
""")
    return Expected(("no", "yes"), 40, 10, "auc", ("Id", "Label"), tests, "probability")


def dogs_vs_cats(folder: Path) -> Expected:
    """The label in the file's name; the sample in the order of numbers, not of names."""
    data = Data(folder)
    for n in range(14):
        for k, kind in enumerate(("cat", "dog")):
            data.picture(f"train/{kind}.{n}.jpg", k, 24, 19)
    rows = tuple(str(n) for n in range(1, 13))
    for n in range(1, 13):
        data.picture(f"test/{n}.jpg", n % 2, 24, 19)
    data.sample(["id", "label"], rows, 0.5)
    data.task("""
[task]
images = "train"
metric = "log_loss"
[[part]]
name = "animal"
from = 'path:^(cat|dog)\\.'
[eval]
images = "test"
[answers]
columns = ["id", "label"]
values  = "probability:dog"
like    = "sample_submission.csv"
""")
    return Expected(("cat", "dog"), 28, None, "log_loss", ("id", "label"), rows, "probability")
