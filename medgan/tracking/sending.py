"""Calls to MLflow that nobody waits for while work is under way."""

import logging
from collections.abc import Callable
from threading import Thread

from medgan.databases import redacted
from medgan.errors import MedganError
from medgan.tracking.opening import STORE_ERRORS
from medgan.tracking.runs import Store

_LOG = logging.getLogger(__name__)


class Sender:
    """Sends to a run in a thread: nobody waits for MLflow on the way, or ends because a server is away.

    opened: makes or finds the run.
    """

    def __init__(self, opened: Callable[[], tuple[Store, str]]) -> None:
        self._opened = opened
        self._run: tuple[Store, str] | None = None
        self._thread = Thread()
        self._error: Exception | None = None

    def send(self, what: Callable[[Store, str], None]) -> None:
        """Skipped while the last call is under way; its error, where the store is away, is kept."""
        if not self._thread.is_alive():
            # A daemon: a training that is told to stop does not wait for it either.
            self._thread = Thread(target=self._work, args=(what,), daemon=True)
            self._thread.start()

    def send_now(self, what: Callable[[Store, str], None], otherwise: str, *, now_or_never: bool = False) -> None:
        """Send after what is under way, and wait for it. otherwise: what to say of it where the store is away.

        One that has just failed to answer is not waited for a second time, unless it is now or never.
        """
        waited = self._thread.is_alive()
        if waited:
            self._thread.join()
        if now_or_never or not (waited and self._error):
            self._work(what)
        if isinstance(self._error, OSError) and self._error.filename:
            # A file of ours, on a full disk, say: nothing is away that might come back by itself.
            reason = f"{self._error.filename}: {self._error.strerror}"
            raise MedganError(f"MLflow's files cannot be written ({reason}); mend it, and the same command goes on")
        if self._error:
            _LOG.warning("MLflow could not be reached (%s); %s", redacted(str(self._error)), otherwise)

    def _work(self, what: Callable[[Store, str], None]) -> None:
        self._error = None
        try:
            self._run = self._run or self._opened()
            what(*self._run)
        except STORE_ERRORS as error:
            self._error = error
