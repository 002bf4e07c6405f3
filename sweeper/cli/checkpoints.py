"""Where the checkpoints of a service go, as it was asked for."""

from pathlib import Path

from sweeper.cli.output import UsageError


def checked_location(location: str | None) -> str | None:
    """The URL, or the absolute path, once something could be put there; `UsageError` otherwise."""
    if not location:
        return None
    # Ray and torch come along, and are only needed for this.
    from sweeper.dispatch.checkpoint_store import check_location, is_url
    from sweeper.dispatch.objects import StoreUnreachable

    place = location if is_url(location) else str(Path(location).absolute())
    try:
        check_location(place)
    except (OSError, ValueError, StoreUnreachable) as error:
        raise UsageError(f"checkpoints cannot be put to {location}: {error}") from None
    return place
