"""Adaptive sweeps: which values to add to a curve next and why, or why no more are needed."""
