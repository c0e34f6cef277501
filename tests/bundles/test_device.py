from __future__ import annotations

import pytest
import torch

from napari_posterior.bundles.device import describe_device, pick_device
from napari_posterior.errors import InputError


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == "cuda"


def test_auto_takes_apple_silicon_before_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device() == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert pick_device() == "cpu"


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="the device 'cuda' is not there; use 'auto' or 'cpu'"):
        pick_device("cuda")


@pytest.mark.parametrize("name", ["gpu", "", "cpu:x", "xpu"])
def test_a_name_that_is_no_device_here_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"is not a device|is not there"):
        pick_device(name)


@pytest.mark.parametrize(("count", "words"), [(1, "cpu (1 thread)"), (3, "cpu (3 threads)")])
def test_the_threads_of_a_cpu_are_told(monkeypatch, count: int, words: str) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: count)
    assert describe_device("cpu") == words
