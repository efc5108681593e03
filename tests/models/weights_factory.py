"""Weights files, and what loading them gives."""

from pathlib import Path

import pytest
import timm
import torch
from network_factory import SIZE, TINY

from maskcls.config.schema import Model
from maskcls.core.errors import UserError
from maskcls.models import backbone, weights

State = dict[str, torch.Tensor]


def given() -> State:
    """Weights as timm gives them away: backbone and classifier."""
    torch.manual_seed(5)
    return weights.clone_state(timm.create_model(TINY, num_classes=7))


def load(path: Path) -> tuple[State, list[str]]:
    """The backbone's tensors after it was built with a file's weights, and what was reported."""
    notes: list[str] = []
    built, _ = backbone.build(Model(backbone=TINY, weights=str(path)), SIZE, report=notes.append)
    return built.state_dict(), notes


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as raised:
        load(path)
    return str(raised.value)
