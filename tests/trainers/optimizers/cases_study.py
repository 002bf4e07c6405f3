"""Rows of the study's optimizers; see `cases.py`."""

from tests.trainers.optimizers.case import Case

STUDY: dict[str, Case] = {}
