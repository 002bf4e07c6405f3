"""What is measured, each module with its figures: `python -m benchmarks.sweep`."""
