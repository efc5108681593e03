"""Averages of the weights, against timm's EMA and torch's SWA."""

from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load, save
from timm.utils import ModelEmaV3
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from maskcls.config.schema import Optim
from maskcls.optim.averaging import (
    Average,
    Ema,
    Swa,
    fresh_statistics,
    has_batch_norms,
    make_average,
)
from tests.optim.model_factory import PIXELS, Tiny, copy_of, plain_step, same

EPOCHS, STEPS = 6, 3  # updates an epoch
BATCHES = [PIXELS[:2], PIXELS[2:4], PIXELS[3:]]


def train(
    model: nn.Module,
    average: Average,
    epochs: range,
    also: Callable[[int], None] = lambda epoch: None,
    each: Callable[[], None] = lambda: None,
) -> None:
    """Plain SGD, which has no memory of its own."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in epochs:
        for _ in range(STEPS):
            plain_step(model, optimizer)
            average.after_update(model)
            each()
        average.after_epoch(model, epoch, EPOCHS)
        also(epoch)


def lent(average: Average, model: nn.Module) -> dict[str, torch.Tensor]:
    """What the model holds while it has the average."""
    with average.swapped_into(model):
        return copy_of(model)


def trained(average: Average) -> Tiny:
    model = Tiny()
    train(model, average, range(EPOCHS))
    return model


def test_settings_choose_the_average() -> None:
    assert make_average(Optim()) is None
    assert isinstance(make_average(Optim(ema=0.9)), Ema)
    assert isinstance(make_average(Optim(swa_epochs=2)), Swa)


def test_ema_is_timms_over_the_whole_state() -> None:
    model, average = Tiny(), Ema(0.8)
    reference = ModelEmaV3(model, decay=0.8)
    updates = iter(range(1, 100))
    train(model, average, range(EPOCHS), each=lambda: reference.update(model, step=next(updates)))
    found = lent(average, model)
    for name, expected in reference.module.state_dict().items():
        torch.testing.assert_close(found[name], expected, rtol=1e-6, atol=1e-7)
    assert not torch.allclose(found["norm.running_mean"], model.norm.running_mean)  # type: ignore[arg-type]


def test_ema_by_hand() -> None:
    model, average = nn.Linear(1, 1, bias=False), Ema(0.5)
    for value in (1.0, 2.0, 4.0):  # 1; 1/2 + 2/2; 1.5/2 + 4/2
        nn.init.constant_(model.weight, value)
        average.after_update(model)
    assert float(lent(average, model)["weight"]) == 2.75


def test_ema_of_coarse_weights_does_not_get_stuck() -> None:
    model, average = nn.Linear(1, 1, bias=False).to(torch.bfloat16), Ema(0.999)
    nn.init.constant_(model.weight, 1.0)
    average.after_update(model)
    nn.init.constant_(model.weight, 2.0)
    for _ in range(1000):  # each moves it by a thousandth, which bfloat16 near 1 cannot hold
        average.after_update(model)
    assert float(average.state()["average.weight"]) == pytest.approx(2 - 0.999**1000, rel=1e-4)


def test_swa_is_torchs_mean_of_the_last_epochs() -> None:
    model, average = Tiny(), Swa(4)
    reference = AveragedModel(model)
    kept: list[dict[str, torch.Tensor]] = []

    def end(epoch: int) -> None:
        if epoch >= 2:
            reference.update_parameters(model)
            kept.append(copy_of(model))

    train(model, average, range(EPOCHS), also=end)
    found = lent(average, model)
    assert len(kept) == 4
    for name, expected in reference.module.state_dict().items():
        torch.testing.assert_close(found[name], expected, rtol=1e-6, atol=1e-7)
    for name, parameter in model.named_parameters():
        mean = torch.stack([state[name] for state in kept]).double().mean(0)
        torch.testing.assert_close(found[name].double(), mean, rtol=1e-5, atol=1e-7)
        assert not torch.equal(found[name], parameter)


def test_swa_begins_with_the_first_of_its_epochs() -> None:
    average, active = Swa(2), []
    train(Tiny(), average, range(EPOCHS), also=lambda epoch: active.append(average.is_active()))
    assert active == [False] * 4 + [True] * 2


def test_ema_begins_with_the_first_update() -> None:
    average = Ema(0.9)
    assert not average.is_active()
    average.after_epoch(Tiny(), 0, 1)
    assert not average.is_active()
    average.after_update(Tiny())
    assert average.is_active()


@pytest.mark.parametrize("average", [Ema(0.9), Swa(3)], ids=["ema", "swa"])
def test_the_models_own_come_back_to_the_bit_whatever_happens_meanwhile(average: Average) -> None:
    model = trained(average)
    before, addresses = copy_of(model), [p.data_ptr() for p in model.parameters()]

    def fail_with_the_average() -> None:
        with average.swapped_into(model):
            assert not same(copy_of(model), before)
            with fresh_statistics(model):
                model(PIXELS)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_with_the_average()
    assert same(copy_of(model), before)
    assert [p.data_ptr() for p in model.parameters()] == addresses


@pytest.mark.parametrize("average", [Ema(0.9), Swa(3)], ids=["ema", "swa"])
def test_memory_format_is_kept(average: Average) -> None:
    model = trained(average)
    stride = model.conv.weight.stride()
    assert stride != model.conv.weight.contiguous().stride()
    with average.swapped_into(model):
        assert model.conv.weight.stride() == stride


def test_nothing_can_be_lent_before_there_is_an_average() -> None:
    with pytest.raises(RuntimeError, match="no average"), Swa(1).swapped_into(Tiny()):
        pass


def test_an_average_of_another_model_is_refused() -> None:
    average = Ema(0.9)
    average.after_update(nn.Linear(1, 1))
    with pytest.raises(RuntimeError, match="another model"):
        average.after_update(Tiny())


@pytest.mark.parametrize("cut", [0, 1, 3, 5])
@pytest.mark.parametrize("make", [lambda: Ema(0.9), lambda: Swa(4)], ids=["ema", "swa"])
def test_going_on_from_a_checkpoint_is_exact(make: Callable[[], Average], cut: int) -> None:
    whole = make()
    expected = lent(whole, trained(whole))

    model, average = Tiny(), make()
    train(model, average, range(cut))
    other, again = Tiny(), make()
    other.load_state_dict(load(save({n: t.contiguous() for n, t in copy_of(model).items()})))
    again.restore(load(save(average.state())) | {"loss_sum": torch.zeros(())})
    assert again.is_active() == average.is_active()
    train(other, again, range(cut, EPOCHS))
    assert same(lent(again, other), expected)


def test_a_restored_average_is_mixed_in_its_parameters_memory_format(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, average = Tiny(), Ema(0.9)
    average.after_update(model)
    again = Ema(0.9)
    again.restore(load(save(average.state())))
    pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
    monkeypatch.setattr(
        torch, "_foreach_lerp_", lambda a, b, share: pairs.extend(zip(a, b, strict=True))
    )
    again.after_update(model)
    assert pairs
    assert all(mean.stride() == weight.stride() for mean, weight in pairs)


def test_a_state_is_a_copy() -> None:
    average = Ema(0.5)
    model = trained(average)
    state = average.state()
    kept = {name: tensor.clone() for name, tensor in state.items()}
    other = Ema(0.5)
    other.restore(state)
    for changing in (average, other):
        nn.init.zeros_(model.head.weight)
        changing.after_update(model)
    assert same(state, kept)


def test_only_swa_needs_fresh_statistics() -> None:
    assert Swa(1).needs_fresh_statistics
    assert not Ema(0.9).needs_fresh_statistics


def test_fresh_statistics_are_those_of_torchs_update_bn() -> None:
    average = Swa(3)
    model = trained(average)
    reference = Tiny()
    reference.load_state_dict(lent(average, model))
    update_bn(BATCHES, reference)
    with average.swapped_into(model):
        with fresh_statistics(model):
            for batch in BATCHES:
                model(batch)
        assert same(copy_of(model), copy_of(reference))


def test_fresh_statistics_keep_no_gradients_and_put_modes_and_momentum_back() -> None:
    model = Tiny()
    model.head.eval()

    def fail_in_the_pass() -> None:
        with fresh_statistics(model):
            assert model.head.training
            assert not model(PIXELS).requires_grad
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_the_pass()
    assert model.norm.momentum == 0.3
    assert model.training
    assert model.norm.training
    assert not model.head.training


def test_batch_norms_are_found() -> None:
    assert has_batch_norms(Tiny())
    assert not has_batch_norms(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)))
