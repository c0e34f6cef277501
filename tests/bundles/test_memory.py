"""What a call holds is counted; what is free is asked of the system."""

from __future__ import annotations

import pytest
import torch

from napari_posterior.bundles import memory
from napari_posterior.bundles.memory import free_bytes, peak_bytes

MEGA = 2**20


def test_the_peak_of_a_call_is_what_its_tensors_hold_together_at_the_worst_moment():
    def call() -> None:
        first = torch.zeros(MEGA, dtype=torch.uint8)
        second = torch.cat([first, first])  # 3 MiB are held
        del first
        third = second[: MEGA // 2].clone()  # 2.5 MiB
        assert third.view(2, -1).sum() == 0  # a view holds nothing of its own

    assert peak_bytes(call) == pytest.approx(3 * MEGA, rel=0.001)


def test_memory_that_is_used_again_is_not_counted_twice():
    def call() -> None:
        values = torch.zeros(MEGA, dtype=torch.uint8)
        for _ in range(5):
            values = values + 1

    assert peak_bytes(call) == pytest.approx(2 * MEGA, rel=0.001)


def test_the_free_memory_of_this_machine_is_between_nothing_and_a_petabyte():
    assert 2**20 < free_bytes("cpu") < 2**50


def test_a_container_with_a_limit_has_less_free_memory(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text(f"{100 * MEGA}\n")
    (tmp_path / "memory.current").write_text(f"{60 * MEGA}\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert free_bytes("cpu") == 40 * MEGA
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes("cpu") > 40 * MEGA
