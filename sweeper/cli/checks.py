"""What is wrong with the settings, said before anything is started."""

from sweeper import limits
from sweeper.cli.output import UsageError


def open_once(url: str) -> None:
    """Create or migrate the embedded database; say what is wrong with any before more starts."""
    from sweeper.storage.store import open_store

    _check_plugins()
    _check_limits()
    open_store(url).close()


def _check_plugins() -> None:
    """Say what is wrong with a file of optimizers before anybody asks for one."""
    from trainers import optimizers

    try:
        optimizers.names()
    except ValueError as error:
        raise UsageError(str(error)) from None


def _check_limits() -> None:
    """Say what is wrong with a limit before the web server would."""
    try:
        limits.confirm_above_hours()
    except ValueError as error:
        raise UsageError(str(error)) from None


def grace_s() -> float:
    """How long the dispatcher may take to end; says what is wrong with any of its seconds.

    Else it would be started again and again.
    """
    from sweeper.dispatch.messages import timing_from_environment

    try:
        return timing_from_environment().grace_s
    except ValueError as error:
        raise UsageError(str(error)) from None
