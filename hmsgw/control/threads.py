"""Blocking work beside the reactor, which can't hold the process up when it never ends.

Knows: one daemon thread for each call. Refuses to know: what is done in it. Strategy: Twisted's own pool is joined when
the reactor stops, so a plugin file that never returns would keep the process from ending; a daemon thread does not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

T = TypeVar("T")


def in_daemon_thread(reactor: IReactorFromThreads, call: Callable[[], T]) -> Deferred[T]:
    """What `call` returns or raises. Cancelling the Deferred gives the answer up, not the thread."""
    result: Deferred[T] = Deferred()

    def deliver(outcome: Any) -> None:
        if not result.called:
            result.callback(outcome)

    def work() -> None:
        outcome: Any
        try:
            outcome = call()
        except Exception:
            outcome = Failure()
        except BaseException as error:  # SystemExit of a plugin file must not reach the reactor
            outcome = Failure(RuntimeError(f"it raised {error!r}"))
        reactor.callFromThread(deliver, outcome)

    threading.Thread(target=work, name="hmsgw-load", daemon=True).start()
    return result
