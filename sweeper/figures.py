"""The figures of sweeps and trials, as the JSON that `Plotly.react` draws or as pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sweeper import plots
from sweeper.plots.effective_lr import KEY as EFFECTIVE_LR
from sweeper.plots.effective_lr import EffectiveLrOptions
from sweeper.plots.heatmap import HeatMapOptions
from sweeper.plots.stability import StabilityOptions
from sweeper.plots.training import TrainingOptions
from sweeper.plots.transfer import TransferOptions
from sweeper.reading import Reading
from sweeper.report import page as report


@dataclass(frozen=True)
class Figures:
    """Figures of what can be read."""

    reading: Reading

    def transfer(self, sweep_ids: Sequence[str], options: TransferOptions) -> str:
        """The best values against the size of the model, as the JSON that `Plotly.react` draws."""
        return plots.to_json(self._transfer(sweep_ids, options))

    def transfer_page(self, sweep_id: str) -> str:
        """The same of one sweep as an HTML page that needs nothing else."""
        drawn = self._transfer([sweep_id], TransferOptions())
        return plots.html(drawn, title=self.reading.sweep(sweep_id).name)

    def _transfer(self, sweep_ids: Sequence[str], options: TransferOptions) -> Any:
        return plots.FIGURES["transfer"](self.reading.compare(sweep_ids), options=options)

    def sweep(
        self, sweep_id: str, options: StabilityOptions | None = None, tolerance: float = 0.05
    ) -> str:
        """The stability figure of a sweep, as the JSON that `Plotly.react` draws."""
        return plots.to_json(self._sweep(sweep_id, options, tolerance))

    def sweep_page(self, sweep_id: str, options: StabilityOptions | None = None) -> str:
        """The same figure as an HTML page that needs nothing else."""
        return plots.html(self._sweep(sweep_id, options), title=self.reading.sweep(sweep_id).name)

    def report(self, sweep_id: str) -> str:
        """All that is known of a sweep as an HTML page that needs nothing else."""
        view = self.reading.curves(sweep_id)
        return report.render(
            report.Report(
                sweep=view.sweep,
                curves=tuple(zip(view.curves, view.stabilities, strict=True)),
                searched=view.searched,
                figure=plots.element(self._sweep(sweep_id, StabilityOptions())),
                points=self.reading.results(sweep_id),
                trials=self.reading.trials(sweep_id),
            )
        )

    def _sweep(
        self, sweep_id: str, options: StabilityOptions | None, tolerance: float = 0.05
    ) -> Any:
        view = self.reading.curves(sweep_id, tolerance)
        chosen = options or StabilityOptions(title=view.sweep.name)
        if view.sweep.is_search:
            return plots.FIGURES["search"](view.searched, options=chosen)
        return plots.FIGURES["stability"](view.curves, view.stabilities, options=chosen)

    def heat_map(self, sweep_id: str, options: HeatMapOptions | None = None) -> str:
        """The heat maps of a sweep of two axes, as the JSON that `Plotly.react` draws."""
        return plots.to_json(self._heat_map(sweep_id, options))

    def heat_map_page(self, sweep_id: str) -> str:
        """The same heat maps as an HTML page that needs nothing else."""
        title = self.reading.sweep(sweep_id).name
        return plots.html(self._heat_map(sweep_id, HeatMapOptions(title=title)), title=title)

    def _heat_map(self, sweep_id: str, options: HeatMapOptions | None) -> Any:
        return plots.FIGURES["heatmap"](self.reading.curves(sweep_id).heat_maps, options=options)

    def training(self, trial_id: str, options: TrainingOptions | None = None) -> str:
        """The loss curve of a trial, as the JSON that `Plotly.react` draws."""
        chosen = options or TrainingOptions()
        return plots.to_json(
            plots.FIGURES["training"](self.reading.metrics(trial_id), options=chosen)
        )

    def effective_lr(self, trial_id: str, options: EffectiveLrOptions | None = None) -> str:
        """The plotly JSON of a trial's effective learning rates."""
        metrics = self.reading.metrics(trial_id, (EFFECTIVE_LR,))
        return plots.to_json(plots.FIGURES["effective_lr"](metrics, options=options))
