"""A Python client of the service: plain dictionaries in; dictionaries, frames and figures out.

It needs neither Ray nor torch nor a database driver, so a notebook can have it alone.
"""

from sweeper.client.client import ENDED, PAUSED, Client, ResultsForm
from sweeper.client.connection import Json, Retries
from sweeper.client.display import Sweep
from sweeper.client.problems import Refused, TimedOut, Unreachable

__all__ = [
    "ENDED",
    "PAUSED",
    "Client",
    "Json",
    "Refused",
    "ResultsForm",
    "Retries",
    "Sweep",
    "TimedOut",
    "Unreachable",
]
