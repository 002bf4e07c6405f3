"""The one contract that every database passes."""

from tests.storage.contract_failures import FailureContract
from tests.storage.contract_living import LivingContract
from tests.storage.contract_living_races import LivingRaceContract
from tests.storage.contract_queue import QueueContract
from tests.storage.contract_races import RaceContract
from tests.storage.contract_reading import ReadingContract
from tests.storage.contract_sweeps import SweepContract
from tests.storage.contract_throughput import ThroughputContract


class TestStore(
    SweepContract,
    LivingContract,
    QueueContract,
    FailureContract,
    ReadingContract,
    RaceContract,
    ThroughputContract,
    LivingRaceContract,
):
    """Each method runs on SQLite and on PostgreSQL, with a fresh database."""
