from pathlib import Path

import pytest
import torch

from tests.trainers.builders import tiny_config
from trainers.flops import flops_per_token, training_flops
from trainers.loop import StackRun
from trainers.throughput import Throughput, matrix_product_rate

CPU = torch.device("cpu")


def test_operations_of_a_run_are_counted_by_hand(data_dir: Path) -> None:
    config = tiny_config(data_dir)
    # Two layers of 16 wide with 16 positions, 256 tokens of vocabulary, forward and twice back.
    products = 2 * (4 * 16**2 + 2 * 16 * 64) + 16 * 256
    attention = 2 * 2 * 16 * (16 / 2)  # Both of its products see half of the sequence.
    assert flops_per_token(config.model) == 6 * (products + attention)
    assert training_flops(config) == 12 * 4 * 16 * flops_per_token(config.model)


def test_the_pace_is_that_of_steps_between_two_looks(data_dir: Path) -> None:
    config, now = tiny_config(data_dir), [0.0]
    rate = matrix_product_rate(CPU, "fp32", torch.get_num_threads())
    throughput = Throughput(config, CPU, lambda: now[0])
    assert throughput.of_each_trial() == {}
    for seconds in (1.0, 3.0):
        throughput.begin()
        now[0] += seconds
    throughput.settled()
    now[0] += 100.0  # An evaluation, or a checkpoint.
    throughput.settled()
    pace = throughput.of_each_trial()
    assert pace["tokens_per_s"] == 2 * 4 * 16 / 4.0
    assert pace["flops_per_s"] == pace["tokens_per_s"] * flops_per_token(config.model)
    assert pace["mfu"] == pytest.approx(pace["flops_per_s"] / rate)
    assert throughput.of_each_trial() == {}


def test_the_rate_is_measured_once_and_draws_no_random_numbers() -> None:
    before = torch.get_rng_state()
    matrix_product_rate.cache_clear()
    rates = {matrix_product_rate(CPU, "fp32", 1) for _ in range(3)}
    assert len(rates) == 1
    assert torch.equal(torch.get_rng_state(), before)


def test_shares_of_a_stack_add_up_to_no_more_than_the_device_can_do(data_dir: Path) -> None:
    """Of 512 wide matrices a model of 16 wide reaches a fraction, however busy the machine is."""
    configs = [tiny_config(data_dir, seed=seed) for seed in range(3)]
    run = StackRun(configs, data_dir=data_dir)
    utilisations = []
    while not run.finished:
        metrics = run.advance()
        if metrics is not None and metrics.speed:
            utilisations.append(sum(metrics.speed["mfu"]))
    assert len(utilisations) == 12
    assert sorted(utilisations)[6] < 1
