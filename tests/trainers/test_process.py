"""A process that trains one stack after the other."""

import torch

from trainers.runs import reset_process


def test_what_a_run_has_changed_is_as_it_was_for_the_next_one() -> None:
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("high")
    torch.use_deterministic_algorithms(True)
    torch.rand(1)
    reset_process(1)
    assert torch.get_default_dtype() is torch.float32
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.rand(1) == torch.rand(1, generator=torch.Generator().manual_seed(0))
    assert torch.get_num_threads() == 1
