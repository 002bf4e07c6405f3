"""The domain of the service: sweeps, trials, storage, dispatch, analysis."""
