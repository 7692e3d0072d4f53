"""The system's clock: the one home of `datetime.now`."""

from datetime import UTC, datetime


class SystemClock:
    """Port Clock."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251  # this is where the time comes from
