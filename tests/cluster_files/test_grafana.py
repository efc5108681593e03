"""The Grafana dashboard shows the metrics that there are, and all of them."""

import json
import re
from pathlib import Path

from maskcls.cluster.reporter import NAMES, SCORE, TAGS

FILE = Path(__file__).parents[2] / "docs/grafana/maskcls.json"


def test_every_metric_has_a_panel_and_every_panel_a_metric() -> None:
    board = json.loads(FILE.read_text())
    shown = set()
    for panel in board["panels"]:
        (target,) = panel["targets"]
        (name,) = re.findall(r"ray_(\w+)\{", target["expr"])
        tags = "run, fold, metric" if name == SCORE else "run, fold"
        assert target["expr"] == f'max by ({tags}) (ray_{name}{{run=~"$run"}})'
        shown.add(name)
    assert shown == set(NAMES)


def test_the_tags_are_the_metrics_own() -> None:
    text = FILE.read_text()
    used = set(re.findall(r"\{\{(\w+)\}\}", text))
    for tags in re.findall(r"by \(([\w, ]+)\)", text):
        used |= set(tags.split(", "))
    assert used == {*TAGS, "metric"}
    (names,) = re.findall(r"label_values\((\w+), (\w+)\)", text)
    assert names == ("ray_maskcls_epoch", "run")


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for p in json.loads(FILE.read_text())["panels"]
        for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
        for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
