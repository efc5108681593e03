"""SAM against its definition: the gradient of the loss at w + rho * g / |g|, applied at w."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.func import functional_call, grad

from maskcls.config.schema import Optim
from maskcls.optim import factory
from maskcls.optim.sam import Sam
from maskcls.store.folder import json_bytes
from maskcls.training import optimizer_state
from tests.optim.model_factory import Tiny, copy_of, loss_of, plain_step, same

Named = dict[str, torch.Tensor]


def sam_step(model: nn.Module, optimizer: Sam, loss: Callable[[], torch.Tensor]) -> None:
    loss().backward()  # type: ignore[no-untyped-call]
    optimizer.ascend()
    optimizer.zero_grad()
    loss().backward()  # type: ignore[no-untyped-call]
    optimizer.descend()
    optimizer.zero_grad()


def mlp() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3)).double()


def test_on_a_quadratic_it_is_the_formula() -> None:
    torch.manual_seed(1)
    root = torch.randn(4, 4, dtype=torch.float64)
    matrix = root @ root.T  # loss w A w / 2, gradient A w
    w = torch.randn(4, dtype=torch.float64)
    weight = nn.Parameter(w.clone())
    optimizer = Sam(torch.optim.SGD([weight], lr=0.01), rho=0.3)
    for _ in range(5):
        g = matrix @ w
        w = w - 0.01 * (matrix @ (w + 0.3 * g / g.norm()))
        sam_step(nn.Module(), optimizer, lambda: weight @ matrix @ weight / 2)
        torch.testing.assert_close(weight.detach(), w, rtol=1e-12, atol=1e-12)


def test_the_norm_is_over_all_parameters_of_all_groups() -> None:
    model = mlp()
    x, y = torch.randn(6, 5, dtype=torch.float64), torch.randn(6, 3, dtype=torch.float64)
    own = {name: p.detach().clone() for name, p in model.named_parameters()}

    def loss(weights: Named) -> torch.Tensor:
        return nn.functional.mse_loss(functional_call(model, weights, (x,)), y)

    first: Named = grad(loss)(own)
    norm = torch.sqrt(sum((g**2).sum() for g in first.values()))  # type: ignore[arg-type]
    second: Named = grad(loss)({n: own[n] + 0.5 * first[n] / norm for n in own})

    groups = [{"params": [p]} for p in model.parameters()]
    optimizer = Sam(torch.optim.SGD(groups, lr=0.1), rho=0.5)
    sam_step(model, optimizer, lambda: nn.functional.mse_loss(model(x), y))
    for name, p in model.named_parameters():
        expected = own[name] - 0.1 * second[name]
        torch.testing.assert_close(p.detach(), expected, rtol=1e-12, atol=1e-12)


def test_the_perturbation_is_rho_long() -> None:
    model = Tiny()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = factory.build(model, Optim(name="sam", sam_rho=0.25))
    assert isinstance(optimizer, Sam)
    loss_of(model).backward()  # type: ignore[no-untyped-call]
    optimizer.ascend()
    moved = [p.detach() - b for p, b in zip(model.parameters(), before, strict=True)]
    length = torch.sqrt(sum((m**2).sum() for m in moved))  # type: ignore[arg-type]
    assert float(length) == pytest.approx(0.25, rel=1e-5)


def test_weights_come_back_to_the_bit() -> None:
    model = Tiny()
    before = [p.detach().clone() for p in model.parameters()]
    base = torch.optim.SGD(model.parameters(), lr=0.0)
    optimizer = Sam(base, rho=0.7)
    sam_step(model, optimizer, lambda: loss_of(model))
    for p, own in zip(model.parameters(), before, strict=True):
        assert torch.equal(p, own)
        assert p.stride() == own.stride()


@pytest.mark.parametrize("base", ["adam", "sgd", "adamp"])
def test_without_a_radius_it_is_its_base(base: str) -> None:
    one, other = Tiny(), Tiny()
    for model in (one, other):
        model.norm.eval()  # two passes would move its statistics twice
    sam = factory.build(one, Optim(name="sam", sam_base=base, sam_rho=1e-30, weight_decay=0.1))
    plain = factory.build(other, Optim(name=base, weight_decay=0.1))
    assert isinstance(sam, Sam)
    for _ in range(3):
        sam_step(one, sam, lambda: loss_of(one))
        plain_step(other, plain)
    assert same(copy_of(one), copy_of(other))


def test_a_gradient_of_zero_moves_nothing() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer = Sam(torch.optim.SGD([weight], lr=0.1), rho=0.5)
    weight.grad = torch.zeros(3)
    optimizer.ascend()
    assert torch.equal(weight, torch.ones(3))


def test_parameters_without_a_gradient_stay() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = Sam(torch.optim.Adam([used, unused], lr=0.1), rho=0.5)
    sam_step(nn.Module(), optimizer, lambda: (used**2).sum())
    assert torch.equal(unused, torch.ones(2))
    assert not torch.equal(used, torch.ones(2))


@pytest.mark.parametrize("base", ["adam", "sgd", "lamb", "muon"])
def test_going_on_from_a_checkpoint_is_exact(base: str) -> None:
    optim = Optim(name="sam", sam_base=base, weight_decay=0.01)

    def learner() -> tuple[Tiny, Sam]:
        model = Tiny()
        optimizer = factory.build(model, optim)
        assert isinstance(optimizer, Sam)
        return model, optimizer

    def train(model: Tiny, optimizer: Sam) -> None:
        for rate in (0.01, 0.005, 0.001):
            factory.set_rate(optimizer, rate)
            sam_step(model, optimizer, lambda: loss_of(model))

    model, optimizer = learner()
    train(model, optimizer)
    tensors, plain = optimizer_state.take(optimizer)
    half_way = copy_of(model)
    train(model, optimizer)

    other, again = learner()
    other.load_state_dict(half_way)
    read: dict[str, Any] = json.loads(json_bytes(plain))
    optimizer_state.put_back(again, load(save(tensors)), read)
    train(other, again)
    assert same(copy_of(model), copy_of(other))


def test_one_step_is_refused() -> None:
    optimizer = factory.build(Tiny(), Optim(name="sam"))
    with pytest.raises(RuntimeError, match=r"ascend\(\) .* descend\(\)"):
        optimizer.step()


def test_the_two_steps_come_in_turn() -> None:
    model = Tiny()
    optimizer = factory.build(model, Optim(name="sam"))
    assert isinstance(optimizer, Sam)
    with pytest.raises(RuntimeError, match="without"):
        optimizer.descend()
    loss_of(model).backward()  # type: ignore[no-untyped-call]
    optimizer.ascend()
    with pytest.raises(RuntimeError, match="again"):
        optimizer.ascend()
    with pytest.raises(RuntimeError, match="perturbed"):
        optimizer_state.take(optimizer)
