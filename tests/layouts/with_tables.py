"""Competitions whose labels are in a CSV, in miniature."""

from pathlib import Path

from tests.layouts.drawn import Data, Expected


def aerial_cactus(folder: Path) -> Expected:
    """Ids with extension; a probability; the most images have the class 1."""
    data, ids = Data(folder), [f"{n:04d}be2cfeaba1c0361d39e2b0002575.jpg" for n in range(32)]
    labels = [int(n % 4 > 0) for n in range(24)]
    for one, label in zip(ids[:24], labels, strict=True):
        data.picture(f"train/{one}", label, 16, 16)
    for one in ids[24:]:
        data.picture(f"test/{one}", 1, 16, 16)
    data.table("train.csv", ["id", "has_cactus"], zip(ids, labels, strict=False))
    data.sample(["id", "has_cactus"], ids[24:], 0.5)
    data.task("""
[task]
images = "train"
table  = "train.csv"
image  = "id"
metric = "auc"
[[part]]
name   = "cactus"
from   = "has_cactus"
values = ["0", "1"]
[eval]
images = "test"
[answers]
columns = ["id", "has_cactus"]
values  = "probability:1"
like    = "sample_submission.csv"
""")
    header = ("id", "has_cactus")
    return Expected(("0", "1"), 24, None, "auc", header, tuple(ids[24:]), "probability")


def aptos2019(folder: Path) -> Expected:
    """Ids without extension; grades, of which the answer is the number."""
    data, ids = Data(folder), [f"{n:03d}c98d8a1b4" for n in range(48)]
    labels = [n % 5 for n in range(40)]
    for one, label in zip(ids[:40], labels, strict=True):
        data.picture(f"train_images/{one}.png", label, 24, 18)
    for one in ids[40:]:
        data.picture(f"test_images/{one}.png", 2, 24, 18)
    data.table("train.csv", ["id_code", "diagnosis"], zip(ids, labels, strict=False))
    data.table("test.csv", ["id_code"], ([one] for one in ids[40:]))
    data.sample(["id_code", "diagnosis"], ids[40:], 0)
    data.task("""
[task]
images = "train_images"
table  = "train.csv"
image  = "id_code"
suffix = ".png"
metric = "quadratic_kappa"
[[part]]
name   = "diagnosis"
from   = "diagnosis"
values = ["0", "1", "2", "3", "4"]
[eval]
images = "test_images"
table  = "test.csv"
image  = "id_code"
[answers]
columns = ["id_code", "diagnosis"]
like    = "sample_submission.csv"
""")
    classes, header = ("0", "1", "2", "3", "4"), ("id_code", "diagnosis")
    return Expected(classes, 40, None, "quadratic_kappa", header, tuple(ids[40:]), "value")


def cassava(folder: Path) -> Expected:
    """Numbers as labels, their names in a JSON file that nobody needs."""
    data, ids = Data(folder), [f"{1000015157 + 201 * n}.jpg" for n in range(46)]
    labels = [n % 5 for n in range(40)]
    for one, label in zip(ids[:40], labels, strict=True):
        data.picture(f"train_images/{one}", label, 24, 18)
    for one in ids[40:]:
        data.picture(f"test_images/{one}", 3, 24, 18)
    data.table("train.csv", ["image_id", "label"], zip(ids, labels, strict=False))
    data.sample(["image_id", "label"], ids[40:], 4)
    (folder / "label_num_to_disease_map.json").write_text('{"0": "Cassava Bacterial Blight (CBB)"}')
    data.task("""
[task]
images = "train_images"
table  = "train.csv"
image  = "image_id"
metric = "accuracy"
[[part]]
name = "label"
from = "label"
[eval]
images = "test_images"
[answers]
columns = ["image_id", "label"]
like    = "sample_submission.csv"
""")
    classes, header = ("0", "1", "2", "3", "4"), ("image_id", "label")
    return Expected(classes, 40, None, "accuracy", header, tuple(ids[40:]), "value")


def dog_breed(folder: Path) -> Expected:
    """labels.csv; a probability a class, with the sample's columns in another order than the classes."""
    data, ids = Data(folder), [f"{n:02d}0bec180eb18c7604dcecc8fe0dba" for n in range(38)]
    breeds = ("affenpinscher", "borzoi", "pug", "whippet")
    for n, one in enumerate(ids):
        data.picture(f"{'train' if n < 32 else 'test'}/{one}.jpg", n % 4, 24, 20)
    data.table(
        "labels.csv", ["id", "breed"], ((one, breeds[n % 4]) for n, one in enumerate(ids[:32]))
    )
    header = ("id", "pug", "affenpinscher", "whippet", "borzoi")
    data.sample(header, ids[32:], *[0.25] * 4)
    data.task("""
[task]
images = "train"
table  = "labels.csv"
image  = "id"
suffix = ".jpg"
metric = "log_loss"
[[part]]
name = "breed"
from = "breed"
[eval]
images = "test"
[answers]
columns = ["id"]
values  = "probabilities"
like    = "sample_submission.csv"
""")
    return Expected(breeds, 32, None, "log_loss", header, tuple(ids[32:]), "probabilities")


def invasive_species(folder: Path) -> Expected:
    """Names are numbers, the same in train/ and test/."""
    data = Data(folder)
    for n in range(1, 25):
        data.picture(f"train/{n}.jpg", n % 2, 24, 18)
    for n in range(1, 8):
        data.picture(f"test/{n}.jpg", n % 2, 24, 18)
    data.table("train_labels.csv", ["name", "invasive"], ((n, n % 2) for n in range(1, 25)))
    rows = tuple(str(n) for n in range(1, 8))
    data.sample(["name", "invasive"], rows, 0.5)
    data.task("""
[task]
images = "train"
table  = "train_labels.csv"
image  = "name"
suffix = ".jpg"
metric = "auc"
[[part]]
name   = "invasive"
from   = "invasive"
values = ["0", "1"]
[eval]
images = "test"
table  = "sample_submission.csv"
image  = "name"
[answers]
columns = ["name", "invasive"]
values  = "probability:1"
""")
    return Expected(("0", "1"), 24, None, "auc", ("name", "invasive"), rows, "probability")


def iwildcam_2019(folder: Path) -> Expected:
    """Cameras as groups, of unequal sizes; class numbers with gaps, sorted as numbers."""
    data = Data(folder)
    header = [
        "category_id", "date_captured", "file_name", "frame_num", "id", "location", "rights_holder",
        "seq_id", "seq_num_frames", "width", "height",
    ]  # fmt: skip
    categories, rows, tests = (0, 1, 3, 11), [], []
    for n in range(40):
        location = (2, 10, 33, 7, 51, 10, 2, 10, 96, 130)[n % 10]
        one = f"58857ccf-23d2-11e8-a6a3-{n:012x}"
        k = (n // 10 + n % 10) % 4 if n < 36 else 0
        data.picture(f"train_images/{one}.jpg", k, 24, 18)
        rows.append([categories[k], "2011-05-13 23:43:18", f"{one}.jpg", 1, one, location,
                     "Justin Brown", f"6f084ccc{n // 3:x}", 3, 1024, 747])  # fmt: skip
    for n in range(6):
        one = f"b005e5b2-2c0b-11e9-bcad-{n:012x}"
        data.picture(f"test_images/{one}.jpg", n % 4, 24, 18)
        tests.append(["2013-10-12 05:24:50", f"{one}.jpg", 1, one, 4, "Erin Boydston", "a91e", 3,
                      1024, 747])  # fmt: skip
    data.table("train.csv", header, rows)
    data.table("test.csv", header[1:], tests)
    ids = tuple(str(row[3]) for row in tests)
    data.sample(["Id", "Predicted"], ids, 0)
    data.task("""
[task]
images = "train_images"
table  = "train.csv"
image  = "file_name"
group  = "location"
metric = "macro_f1"
[[part]]
name = "category"
from = "category_id"
[eval]
images = "test_images"
table  = "test.csv"
image  = "id"
suffix = ".jpg"
group  = "location"
[answers]
columns = ["Id", "Predicted"]
like    = "sample_submission.csv"
""")
    classes = ("0", "1", "3", "11")
    return Expected(classes, 40, 7, "macro_f1", ("Id", "Predicted"), ids, "value")


def leaf(folder: Path) -> Expected:
    """One folder for the images of both tables; columns of features, which are not used."""
    data = Data(folder)
    species = ("Acer_Opalus", "Pterocarya_Stenoptera", "Quercus_Hartwissiana", "Tilia_Tomentosa")
    features = [f"{kind}{n}" for kind in ("margin", "shape", "texture") for n in (1, 2)]
    # As there, train and test alternate in one sequence of numbers.
    test = [n for n in range(1, 43) if n % 4 == 0]
    train = [n for n in range(1, 43) if n % 4]
    k_of = {n: (n // 4 + n) % 4 for n in range(1, 43)}
    for n, k in k_of.items():
        data.picture(f"images/{n}.jpg", k, 24, 20)
    data.table(
        "train.csv",
        ["id", "species", *features],
        ([n, species[k_of[n]], *[0.01] * 6] for n in train),
    )
    data.table("test.csv", ["id", *features], ([n, *[0.01] * 6] for n in test))
    rows = tuple(map(str, test))
    data.sample(["id", *species], rows, *[0.25] * 4)
    data.task("""
[task]
images = "images"
table  = "train.csv"
image  = "id"
suffix = ".jpg"
metric = "log_loss"
[[part]]
name = "species"
from = "species"
[eval]
images = "images"
table  = "test.csv"
image  = "id"
[answers]
columns = ["id"]
values  = "probabilities"
like    = "sample_submission.csv"
""")
    header = ("id", *species)
    return Expected(species, len(train), None, "log_loss", header, rows, "probabilities")


def siim_isic(folder: Path) -> Expected:
    """Patients as groups; a sample submission in another order than the table of the test images."""
    data = Data(folder)
    header = [
        "image_name", "patient_id", "sex", "age_approx", "anatom_site_general_challenge",
        "diagnosis", "benign_malignant", "target",
    ]  # fmt: skip
    rows = []
    for n in range(36):
        one, target = f"ISIC_{2637011 + 37 * n:07d}", int(n % 6 == 0)
        data.picture(f"jpeg/train/{one}.jpg", target, 24, 16)
        about = ["unknown", "benign"] if not target else ["melanoma", "malignant"]
        rows.append([one, f"IP_{n // 3:07d}", "male", 45.0, "head/neck", *about, target])
    tests = [f"ISIC_{52060 + n:07d}" for n in range(8)]
    for one in tests:
        data.picture(f"jpeg/test/{one}.jpg", 0, 24, 16)
    data.table("train.csv", header, rows)
    data.table(
        "test.csv", header[:5], ([one, "IP_3579794", "male", 70.0, "torso"] for one in tests)
    )
    data.sample(["image_name", "target"], tests[::-1], 0)
    data.task("""
[task]
images = "jpeg/train"
table  = "train.csv"
image  = "image_name"
suffix = ".jpg"
group  = "patient_id"
metric = "auc"
also   = ["accuracy", "log_loss"]
[[part]]
name   = "target"
from   = "target"
values = ["0", "1"]
[eval]
images = "jpeg/test"
table  = "test.csv"
image  = "image_name"
group  = "patient_id"
[answers]
columns = ["image_name", "target"]
values  = "probability:1"
like    = "sample_submission.csv"
""")
    header_out = ("image_name", "target")
    return Expected(("0", "1"), 36, 12, "auc", header_out, tuple(tests[::-1]), "probability")


def plant_pathology_2020(folder: Path) -> Expected:
    """The label as four columns of which one is 1; train and test in one folder."""
    data, names = Data(folder), ("healthy", "multiple_diseases", "rust", "scab")
    for n in range(32):
        data.picture(f"images/Train_{n}.jpg", n % 4, 24, 16)
    for n in range(7):
        data.picture(f"images/Test_{n}.jpg", n % 4, 24, 16)
    data.table(
        "train.csv", ["image_id", *names],
        ([f"Train_{n}", *(int(k == n % 4) for k in range(4))] for n in range(32)),
    )  # fmt: skip
    tests = tuple(f"Test_{n}" for n in range(7))
    data.table("test.csv", ["image_id"], ([one] for one in tests))
    data.sample(["image_id", *names], tests, *[0.25] * 4)
    data.task("""
[task]
images = "images"
table  = "train.csv"
image  = "image_id"
suffix = ".jpg"
metric = "auc"
[[part]]
name = "disease"
from = ["healthy", "multiple_diseases", "rust", "scab"]
[eval]
images = "images"
table  = "test.csv"
image  = "image_id"
[answers]
columns = ["image_id"]
values  = "probabilities"
like    = "sample_submission.csv"
""")
    return Expected(names, 32, None, "auc", ("image_id", *names), tests, "probabilities")


def histopathologic(folder: Path) -> Expected:
    """TIFF."""
    data, ids = Data(folder), [f"{n:02d}8a2d9b5a1c4e7f" for n in range(34)]
    for n, one in enumerate(ids):
        data.picture(f"{'train' if n < 28 else 'test'}/{one}.tif", int(n % 5 < 2), 24, 24)
    rows = ((one, int(n % 5 < 2)) for n, one in enumerate(ids[:28]))
    data.table("train_labels.csv", ["id", "label"], rows)
    data.sample(["id", "label"], ids[28:], 0)
    data.task("""
[task]
images = "train"
table  = "train_labels.csv"
image  = "id"
suffix = ".tif"
metric = "auc"
[[part]]
name   = "label"
from   = "label"
values = ["0", "1"]
[eval]
images = "test"
[answers]
columns = ["id", "label"]
values  = "probability:1"
like    = "sample_submission.csv"
""")
    return Expected(("0", "1"), 28, None, "auc", ("id", "label"), tuple(ids[28:]), "probability")
