"""Two runs that differ in one setting share everything else to the bit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from fold_factory import Killed, Notes, TinyRun
from safetensors.torch import save_file

from maskcls.models.weights import clone_state
from maskcls.training import loop
from maskcls.training.building import Built, build_learner
from maskcls.training.fold import run_fold
from maskcls.training.fold_data import read_fold_data
from maskcls.training.rank import Alone

DROPOUT = "model.dropout=0.5"
CHANGES = (
    "loss.name=focal", "loss.name=f1+cross_entropy", "loss.name=ldam",
    "augment.name=flip", "augment.name=noise", "augment.name=half_face",
    "optim.name=sgd", "optim.lr=0.1", "optim.schedule=cosine", "optim.ema=0.9",
    "optim.clip_norm=1", "head.name=branches", "tta.flip=true", "train.patience=1",
)  # fmt: skip


def built(run: TinyRun) -> Built:
    return build_learner(run.job, read_fold_data(run.job), Alone(), pretrained=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    return TinyRun.write(tmp_path_factory.mktemp("plain"), [DROPOUT])


@pytest.mark.parametrize("change", [*CHANGES, "optim.name=sam", "train.batch_size=5"])
def test_initial_values_of_equal_shape_are_equal(
    plain: TinyRun, tmp_path: Path, change: str
) -> None:
    before = built(plain).learner.network.state_dict()
    after = built(TinyRun.write(tmp_path, [DROPOUT, change])).learner.network.state_dict()
    same = [n for n in before if n in after and before[n].shape == after[n].shape]
    assert [n for n in same if n.startswith("backbone.")] == [
        n for n in before if n.startswith("backbone.")
    ]
    if "head" not in change:
        assert "head.linear.weight" in same
    assert all(torch.equal(before[n], after[n]) for n in same)


State = dict[str, torch.Tensor]


def initial(folder: Path, *sets: str) -> State:
    return built(TinyRun.write(folder, sets)).learner.network.state_dict()


def differing(one: State, two: State, but: str) -> list[str]:
    """Tensors of layers whose tensors all have equal shapes in both, and that are not equal.

    but: a layer whose name begins like this is left out. A layer of another width is another one: the
    range of its biases, too, goes by its width.
    """
    layers: dict[str, list[str]] = {}
    for name in one:
        layers.setdefault(name.rpartition(".")[0], []).append(name)
    same = [
        names
        for layer, names in layers.items()
        if not f"{layer}.".startswith(but) and all(n in two for n in names)
        if all(one[n].shape == two[n].shape for n in names)
    ]
    assert any(names[0].startswith("head.") for names in same)
    return [n for names in same for n in names if not torch.equal(one[n], two[n])]


@pytest.mark.parametrize(
    ("sets", "change", "but"),
    [
        (("head.name=separate",), "head.separate.mask_backbone=test_resnet", "backbone.parts.0."),
        (("head.name=separate",), "head.separate.gender_backbone=test_vit", "backbone.parts.1."),
        (("head.name=separate",), "head.separate.mask_dropout=0.5", "nothing"),
        (("head.name=separate",), "head.age=corn", "nothing"),
        # Backbones of one width, so that the head is the same.
        ((), "model.backbone=test_byobnet", "backbone."),
        (("head.name=branches",), "model.backbone=test_mambaout", "backbone."),
        # Its position embedding is drawn first and goes by the size.
        (("model.backbone=test_vit",), "image.size=64x64", "backbone."),
    ],
)
def test_another_backbone_shifts_no_other_initial_values(
    tmp_path: Path, sets: tuple[str, ...], change: str, but: str
) -> None:
    one = initial(tmp_path / "one", *sets)
    two = initial(tmp_path / "two", *sets, change)
    assert differing(one, two, but) == []
    other = initial(tmp_path / "three", *sets, "train.seed=1")
    assert any(n.startswith("head.") for n in differing(one, other, "nothing"))


def test_no_two_parts_have_equal_initial_values(tmp_path: Path) -> None:
    state = initial(tmp_path, "head.name=separate")
    drawn = [state[f"backbone.parts.{part}.conv_stem.weight"] for part in range(3)]
    branches = ("branches.0", "branches.1", "branches.2.linear")  # mask, gender, age
    drawn += [state[f"head.{branch}.weight"][:2] for branch in branches]
    for number, tensor in enumerate(drawn):
        assert not any(torch.equal(tensor, other) for other in drawn[:number])


def test_weights_of_a_file_replace_the_initial_values_of_their_part_alone(tmp_path: Path) -> None:
    given = clone_state(timm.create_model("test_efficientnet"))
    save_file(given, tmp_path / "gender.safetensors")
    one = initial(tmp_path / "one", "head.name=separate")
    change = f"head.separate.gender_weights={tmp_path}/gender.safetensors"
    two = initial(tmp_path / "two", "head.name=separate", change)
    mine = "backbone.parts.1."
    assert differing(one, two, mine) == []
    assert all(torch.equal(two[n], given[n.removeprefix(mine)]) for n in two if n.startswith(mine))


@pytest.mark.parametrize("change", [*CHANGES, "optim.name=sam", "rows.age_border=58"])
def test_the_order_of_the_rows_is_equal(plain: TinyRun, tmp_path: Path, change: str) -> None:
    for epoch in range(2):
        one = built(plain).plan_epoch(epoch).epoch
        two = built(TinyRun.write(tmp_path, [DROPOUT, change])).plan_epoch(epoch).epoch
        assert one.rows.tolist() == two.rows.tolist()


def test_rows_that_are_left_out_move_no_other(plain: TinyRun, tmp_path: Path) -> None:
    whole = built(plain).plan_epoch(0).epoch.rows
    less = built(TinyRun.write(tmp_path, [DROPOUT, "rows.drop_ages=20-30"])).plan_epoch(0).epoch
    assert 0 < len(less) < len(whole)
    assert [row for row in whole.tolist() if row in set(less.rows.tolist())] == less.rows.tolist()


def _after_first_update(run: TinyRun, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, list[Any]]:
    """Torch's random state when the first update is done, and the rows it was made with."""
    seen: list[Any] = []
    gather = loop._with_partners

    def noted(plan: Any, places: np.ndarray) -> Any:
        seen.append(plan.epoch.rows[places].tolist())
        return gather(plan, places)

    class Stop(Notes):
        def step_done(self, epoch: int, step: int, num_steps: int, images: int) -> None:
            raise Killed

    monkeypatch.setattr(loop, "_with_partners", noted)
    with pytest.raises(Killed):
        run_fold(run.job, Alone(), Stop())
    return torch.get_rng_state().numpy().tobytes(), list(seen)


@pytest.mark.parametrize("change", CHANGES)
def test_dropout_draws_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    one = _after_first_update(TinyRun.write(tmp_path / "one", [DROPOUT]), monkeypatch)
    two = _after_first_update(TinyRun.write(tmp_path / "two", [DROPOUT, change]), monkeypatch)
    assert one == two
    other = _after_first_update(TinyRun.write(tmp_path / "three", ["train.seed=1"]), monkeypatch)
    assert other[0] != one[0]


def test_a_mix_has_the_target_of_its_parts(tmp_path: Path) -> None:
    run = TinyRun.write(tmp_path, ["augment.name=half_face", "augment.half_face.partner=old"])
    made = built(run)
    plan = made.plan_epoch(0)
    assert plan.augmented is not None
    rows = plan.epoch.rows[:6]
    partners = plan.augmented.partners(rows, np.zeros(6, np.int64))
    assert partners is not None
    assert (made.data.labelled.classes[partners] % 3 == 2).all()
    assert set(partners) <= set(made.data.training.rows.tolist())


def test_held_out_rows_are_never_trained_on_nor_partners(tmp_path: Path) -> None:
    for fold in range(2):
        run = TinyRun.write(tmp_path, ["augment.name=cutmix", "rows.sampler=weighted"])
        made = built(TinyRun(run.folder, replace(run.job, fold=fold)))
        held_out = set(made.data.held_out.tolist())
        for epoch in range(3):
            plan = made.plan_epoch(epoch)
            assert plan.augmented is not None
            partners = plan.augmented.partners(plan.epoch.rows, plan.epoch.copies)
            assert partners is not None
            assert not held_out & {*plan.epoch.rows.tolist(), *partners.tolist()}
