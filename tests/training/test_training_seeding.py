"""Torch's random stream: seeded by name and numbers, saved and restored."""

import torch

from maskcls.training import seeding

CPU = torch.device("cpu")


def test_seeding_depends_on_the_stream_and_the_numbers() -> None:
    draws = []
    for stream, numbers in (("epoch", (0, 0)), ("epoch", (0, 1)), ("initial values", (0, 0))):
        seeding.seed_torch(stream, *numbers)  # type: ignore[arg-type]
        draws.append(torch.rand(4).tolist())
    seeding.seed_torch("epoch", 0, 0)
    assert torch.rand(4).tolist() == draws[0]
    assert draws[0] != draws[1] != draws[2] != draws[0]


def test_random_state_comes_back() -> None:
    seeding.seed_torch("epoch", 1)
    torch.randn(3)
    state = seeding.save_state(CPU)
    after = torch.randn(5)
    seeding.restore_state(state, CPU)
    assert torch.equal(torch.randn(5), after)


def test_each_part_of_a_network_has_a_stream_of_its_own() -> None:
    draws = []
    for part, fold in (("head", 0), ("backbone 0", 0), ("head", 1), ("head", 0)):
        seeding.seed_part(part, seed=5, fold=fold)
        draws.append(torch.rand(4).tolist())
    assert draws[0] == draws[3]
    assert draws[0] != draws[1] != draws[2] != draws[0]
