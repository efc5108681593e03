"""The model is checked in a process of its own: its answers arrive with their kind."""

from pathlib import Path

import pytest

from maskcls.config.resolve import resolve
from maskcls.config.schema import Config
from maskcls.core.errors import HubUnavailable, UserError, is_transient
from maskcls.runs.preflight import Preflight
from tests.tasks import MASK

pytestmark = pytest.mark.slow  # each imports torch once more


def config(*sets: str) -> Config:
    return resolve("smoke", sets=["model.backbone=test_efficientnet", "image.size=32x32", *sets])


def test_network_and_notes_come_back() -> None:
    network, notes = Preflight(config(), MASK).answer()
    assert network.parameters > 100_000
    assert network.weights_sha256 == {}
    assert notes == []


def test_a_hub_that_is_away_is_worth_another_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(HubUnavailable, match="cannot be loaded from the hub") as raised:
        Preflight(config("model.weights=hub"), MASK).answer()
    assert is_transient(raised.value)


def test_a_wrong_setting_is_not() -> None:
    with pytest.raises(UserError, match=r"optim\.name: there is no") as raised:
        Preflight(config("optim.name=nothing_like_it"), MASK).answer()
    assert not is_transient(raised.value)
