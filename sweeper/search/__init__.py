"""The door to Optuna."""
