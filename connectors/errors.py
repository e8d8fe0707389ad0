"""The error tree of connectors, by what the caller must do."""

from __future__ import annotations

from datetime import datetime


class ConnectorError(Exception):
    """Any failure of a whole call to a vendor. The message never holds a secret."""


class Retryable(ConnectorError):
    """Nothing happened at the vendor; the same call may be made again after ``after`` seconds.

    ``limit`` names the limit that is used up, where the vendor says so: nobody may call against it until then.
    """

    def __init__(self, message: str, after: float | None = None, limit: str = "") -> None:
        super().__init__(message)
        self.after = after
        self.limit = limit


class Unavailable(Retryable):
    """The vendor failed so often in a row that it is not called for a while."""


class DailyLimit(Retryable):
    """The account's calls for the day are used up; nothing more until ``until`` (UTC), ``after`` seconds from now."""

    def __init__(self, message: str, until: datetime, after: float | None = None) -> None:
        super().__init__(message, after, "day")
        self.until = until


class OutcomeUnknown(ConnectorError):
    """A write may or may not have happened: look it up by our own number before anything is sent again."""


class AuthExpired(ConnectorError):
    """The vendor refused our credentials: a person must reconnect this connection."""


class Forbidden(ConnectorError):
    """Our credentials are good but may not do this: a person must grant what is missing; other calls go on."""


class Refused(ConnectorError):
    """The vendor understood the whole call and will never accept it as it is: our request is at fault."""


class Unsupported(ConnectorError):
    """The vendor cannot say this exactly, so it is not said at all."""


class Malformed(ConnectorError):
    """A webhook without a signature in the vendor's form: answer 400, keep nothing."""


class Forged(ConnectorError):
    """A webhook that the vendor did not sign, or not now: answer 401, keep nothing."""


class Stopping(Exception):
    """This process was asked to end: what was about to be done is left for the next run, and nothing was sent."""
