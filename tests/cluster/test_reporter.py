"""Values that a worker exports: the tag of its run, and the share of time that its GPU is idle."""

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from maskcls.cluster.reporter import GpuMeter, tag_of


def gpu(percentages: Iterator[float], monkeypatch: pytest.MonkeyPatch) -> GpuMeter:
    """A meter in a process whose torch reports these percentages of busy time."""
    torch = SimpleNamespace(cuda=SimpleNamespace(utilization=lambda: next(percentages)))
    monkeypatch.setitem(sys.modules, "torch", torch)  # type: ignore[arg-type]
    return GpuMeter("cuda")


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("/data/runs/first", "/data/runs/first"),
        ("s3://bucket/run, second=1", "s3://bucket/run, second=1"),
        ("/runs/모델", "/runs/%EB%AA%A8%EB%8D%B8"),
    ],
)
def test_a_tag_is_the_name_in_ascii(name: str, tag: str) -> None:
    assert tag_of(name) == tag
    assert tag_of(name).isascii()


def test_the_idle_share_is_the_mean_of_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = gpu(iter([100.0, 0.0, 50.0, 50.0]), monkeypatch)
    assert [meter.sample() for _ in range(4)] == [0.0, 0.5, 0.5, 0.5]


def test_without_a_gpu_or_torch_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GpuMeter("cpu").sample() is None
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert GpuMeter("cuda").sample() is None


def test_a_gpu_that_cannot_be_sampled_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fail() -> Iterator[float]:
        asked.append(1)
        raise RuntimeError("NVML: not supported")
        yield 0.0

    meter = gpu(fail(), monkeypatch)
    assert [meter.sample(), meter.sample()] == [None, None]
    assert len(asked) == 1
