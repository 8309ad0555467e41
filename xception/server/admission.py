"""What is in the server: photographs and bytes, counted before a body is read."""

from __future__ import annotations

import threading
from types import TracebackType

from .problems import OverloadedError
from .settings import ServerSettings


class Admission:
    """Counts of what all requests hold at once. Requests beyond the limits are refused.

    Args:
        settings: The limits.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings, self._lock = settings, threading.Lock()
        self.photographs = self.held_bytes = self.requests = 0

    def admit(self, expected_bytes: int = 0) -> Ticket:
        """Take in a request of one photograph or more.

        Args:
            expected_bytes: What its body will have, as far as it says.

        Raises:
            OverloadedError: There is no room for it.
        """
        ticket = Ticket(self)
        self.add(ticket, 1, 0, expected_bytes)
        with self._lock:
            self.requests += 1
        return ticket

    def refuse_if_full(self) -> None:
        """Refuse a request of one photograph at the door, before anything else is done for it.

        Raises:
            OverloadedError: There is no room for it.
        """
        self._check_room(1, 0)  # without the lock: `admit` decides

    def add(self, ticket: Ticket, photographs: int, held_bytes: int, expected_bytes: int = 0) -> None:
        """Count more photographs and bytes for a request.

        Raises:
            OverloadedError: There is no room for them.
        """
        with self._lock:
            self._check_room(photographs, held_bytes + expected_bytes)
            self.photographs += photographs
            self.held_bytes += held_bytes
        ticket.photographs += photographs
        ticket.held_bytes += held_bytes

    def _check_room(self, photographs: int, more_bytes: int) -> None:
        settings = self._settings
        if self.photographs + photographs > settings.max_photographs:
            raise OverloadedError(
                f"{self.photographs} photographs are waiting, and at most {settings.max_photographs} "
                "may; try again in a second"
            )
        if self.held_bytes + more_bytes > settings.max_held_bytes:
            raise OverloadedError(
                f"requests hold {self.held_bytes:,} bytes, and at most {settings.max_held_bytes:,} may "
                "be held; try again in a second"
            )

    def remove(self, photographs: int, held_bytes: int) -> None:
        """Count less."""
        with self._lock:
            self.photographs -= photographs
            self.held_bytes -= held_bytes

    def leave(self) -> None:
        """Count one request less."""
        with self._lock:
            self.requests -= 1


class Ticket:
    """What one request holds. It is given back at the end of a `with` block."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.photographs = self.held_bytes = 0

    def add_bytes(self, count: int) -> None:
        """Count bytes that the request has come to hold; a negative number, bytes that it has freed."""
        if count > 0:
            self._admission.add(self, 0, count)
        else:
            self._admission.remove(0, -count)
            self.held_bytes += count

    def set_photographs(self, count: int) -> None:
        """Count the photographs of a body that has been read."""
        if count > self.photographs:
            self._admission.add(self, count - self.photographs, 0)

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.remove(self.photographs, self.held_bytes)
        self._admission.leave()
