"""How the sets of real pictures are read and chosen; from lines and bytes, nothing is fetched."""

import csv
import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.real_sets import fashion
from tests.real_sets.__main__ import main
from tests.real_sets.emoji import Sign, base_sign, chosen, parse

LINES = """\
# group: Smileys & Emotion

# subgroup: face-affection
263A FE0F                                              ; fully-qualified     # ☺️ E0.6 smiling face
263A                                                   ; unqualified         # ☺ E0.6 smiling face

# group: People & Body
# subgroup: person-role
1F469 1F3FD 200D 1F680 ; fully-qualified     # 👩🏽‍🚀 E4.0 woman astronaut: medium skin tone
1F575 1F3FB 200D 2640  ; minimally-qualified # 🕵🏻‍♀ E4.0 woman detective: light skin tone
# People & Body subtotal:		2986
1F3FB                  ; component           # 🏻 E1.0 light skin tone
""".splitlines()


def test_the_lines_of_emoji_test_txt() -> None:
    assert parse(LINES) == [
        Sign("Smileys & Emotion", "face-affection", (0x263A, 0xFE0F), "smiling face"),
        Sign(
            "People & Body", "person-role", (0x1F469, 0x1F3FD, 0x200D, 0x1F680),
            "woman astronaut: medium skin tone",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "variants",
    [
        "👋 👋🏻 👋🏿",
        "👩🏽‍🚀 👨‍🚀 🧑🏿‍🚀",
        "🕵️ 🕵️‍♀️ 🕵🏻‍♂️",
        "🏃 🏃🏾‍♀️ 🏃‍♂️",
        "🧑 👩🏻 👨",
        "👧 👦🏿 🧒",
        "👸🏻 🤴 🫅🏿",
        "🎅🏽 🤶 🧑‍🎄",
        "👭 👬🏼 👫🏻 👩🏻‍🤝‍👨🏿 🧑‍🤝‍🧑 🧑🏿‍🤝‍🧑🏻",
        "💏 👩‍❤️‍💋‍👨 🧑🏻‍❤️‍💋‍🧑🏿",
        "💑 👨‍❤️‍👨 🧑🏻‍❤️‍🧑🏿",
        "🤝 🤝🏽 🫱🏻‍🫲🏿",
        "👨‍👩‍👧‍👦 👩‍👩‍👦‍👦",
    ],
)
def test_variants_of_a_sign_are_one_group(variants: str) -> None:
    assert len({base_sign(map(ord, sign)) for sign in variants.split()}) == 1


OTHERS = "👋 ✋ 👩‍🚀 👩‍🚒 🧑 🧒 🧓 👶 🧔 👩‍🦰 👫 💏 💑 🤝 👪 👨‍👩‍👦 👨‍👦 🏃 🚶"


def test_other_signs_stay_apart() -> None:
    signs = OTHERS.split()
    assert len({base_sign(map(ord, sign)) for sign in signs}) == len(signs) == 19


def test_classes_have_enough_groups_and_images() -> None:
    def signs(subgroup: str, bases: int, tones: int, group: str = "People & Body") -> list[Sign]:
        return [
            Sign(group, subgroup, (0x1F590 + base, *([0x1F3FA + tone] if tone else [])), "")
            for base in range(bases)
            for tone in range(tones)
        ]

    good = signs("hands", 5, 6)
    few_groups, few_images = signs("hand-prop", 4, 6) * 2, signs("person-symbol", 20, 1)
    assert chosen(few_groups + good + few_images + signs("animal", 9, 6, "Animals")) == good


def test_fashion_is_drawn_by_a_fixed_seed(tmp_path: Path) -> None:
    place = tmp_path / fashion._PLACE
    place.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    labels = (np.arange(60) % 10).astype(np.uint8)
    head = b"\0\0\x08"
    shape = b"".join(n.to_bytes(4, "big") for n in pixels.shape)
    (place / "train-images-idx3-ubyte.gz").write_bytes(
        gzip.compress(head + b"\x03" + shape + pixels.tobytes())
    )
    (place / "train-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(head + b"\x01" + shape[:4] + labels.tobytes())
    )
    for name in ("a", "b"):
        fashion.write(tmp_path, tmp_path / name, count=12)
    text = (tmp_path / "a" / "train.csv").read_text()
    assert text == (tmp_path / "b" / "train.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 12
    for row in rows:
        number = int(row["image"].removesuffix(".png"))
        assert row["label"] == fashion.CLASSES[labels[number]]
        with Image.open(tmp_path / "a" / "images" / row["image"]) as image:
            assert (np.asarray(image) == pixels[number]).all()


def test_another_idx_file_is_refused() -> None:
    with pytest.raises(ValueError, match="not an IDX file"):
        fashion.read_idx(gzip.compress(b"\0\0\x0d\x01\0\0\0\0"))


def test_digits_as_the_command_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["real_sets", "digits", str(tmp_path / "digits")])
    main()
    assert capsys.readouterr().out.endswith("digits: 1,797 images\n")
    assert len(list((tmp_path / "digits" / "train").iterdir())) == 10
    with pytest.raises(SystemExit):
        main()
    assert "is there already" in capsys.readouterr().err
