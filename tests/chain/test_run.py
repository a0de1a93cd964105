"""The chain of a route: order, refusals, waits, and plugins that mean harm or are merely wrong."""

from __future__ import annotations

import gc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, Response
from hmsgw.chain.run import Chain
from hmsgw.chain.step import RequestStep, ResponseStep
from hmsgw.config.model import Where
from hmsgw.reasons import PLUGIN_ERROR
from hmsgw.testing import FakeRequest, FakeResponse


class ChainCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.decisions: list[tuple[str, str]] = []
        self.trace: list[str] = []

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [], "a timer was left behind")

    def chain(self, *calls: Any, responses: tuple[Any, ...] = (), shadow: bool = False) -> Chain:
        def count(plugin: str, decision: str) -> None:
            self.decisions.append((plugin, decision))

        def made(kind: Any, steps: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(
                kind(
                    call,
                    f"p{n}",
                    Where("routes.yaml", n + 1, 1),
                    deadline_s=5.0,
                    shadow=shadow,
                    count_decision=count,
                )
                for n, call in enumerate(steps)
            )

        return Chain(self.clock, (), made(RequestStep, calls), made(ResponseStep, responses))

    def leaves(self, word: str) -> Any:
        """A step that passes and leaves `word` in the trace."""

        def run(req: Any, resp: Any = None) -> None:
            self.trace.append(word)

        return run

    def logged(self, count: int = 1, *kinds: type[BaseException]) -> None:
        self.assertEqual(len(self.flushLoggedErrors(*kinds)), count)

    def assertBroken(self, verdict: Any) -> None:
        self.assertEqual((verdict.status, verdict.word, verdict.reason), (500, "plugin-error", PLUGIN_ERROR))


class Answering:
    """Keeps what took the answer's place."""

    def __init__(self) -> None:
        self.verdicts: list[Any] = []

    def replace_answer(self, verdict: Any) -> FakeResponse:
        self.verdicts.append(verdict)
        return FakeResponse(verdict.status)


class PassingTests(ChainCase):
    def test_no_steps(self) -> None:
        """An empty chain lets everything pass, both ways."""
        chain = self.chain()
        self.assertIsNone(chain.run(FakeRequest()))
        self.assertIsNone(chain.respond(FakeRequest(), FakeResponse(), Answering()))
        self.assertFalse(chain.has_response_steps)

    def test_order(self) -> None:
        """Request steps run in the order of the list, each once."""
        self.assertIsNone(self.chain(self.leaves("a"), self.leaves("b"), self.leaves("c")).run(FakeRequest()))
        self.assertEqual(self.trace, ["a", "b", "c"])

    def test_coroutine_that_never_waits(self) -> None:
        """A coroutine that ends at once costs no Deferred and gives its end at once."""

        async def run(req: Any) -> None:
            self.trace.append("coroutine")

        self.assertIsNone(self.chain(run, self.leaves("next")).run(FakeRequest()))
        self.assertEqual(self.trace, ["coroutine", "next"])

    def test_fired_deferreds(self) -> None:
        """A Deferred that has its result, returned or awaited, does not make the request wait."""

        async def run(req: Any) -> Response:
            return Response(await succeed(204))

        chain = self.chain(lambda req: succeed(None), run)
        self.assertEqual(chain.run(FakeRequest()).status, 204)

    def test_method_that_returns_a_coroutine(self) -> None:
        """A plain function may hand back a coroutine."""

        async def inner(req: Any) -> None:
            raise HTTPError(401)

        self.assertEqual(self.chain(lambda req: inner(req)).run(FakeRequest()).word, "unauthenticated")


class RefusingTests(ChainCase):
    def test_refusal_ends_the_way_in(self) -> None:
        """After a refusal no further request step runs, and the verdict names the plugin."""

        def no(req: Any) -> None:
            raise HTTPError(403, "no", {"X-Why": "because"})

        verdict = self.chain(self.leaves("a"), no, self.leaves("never")).run(FakeRequest())
        self.assertEqual((verdict.status, verdict.word, verdict.detail, verdict.plugin), (403, "forbidden", "no", "p1"))
        self.assertEqual(verdict.fields, [(b"x-why", b"X-Why", b"because")])
        self.assertIsNone(verdict.body)
        self.assertEqual(self.trace, ["a"])

    def test_answer(self) -> None:
        """A Response ends the way in with its own body and no reason."""
        verdict = self.chain(lambda req: Response(200, {"X-A": "b"}, "hello")).run(FakeRequest())
        self.assertEqual((verdict.status, verdict.body, verdict.reason, verdict.word), (200, b"hello", None, ""))

    def test_refusal_after_a_wait(self) -> None:
        """A step behind one that waited refuses as it would at once."""
        gate: Deferred[None] = Deferred()

        def no(req: Any) -> None:
            raise HTTPError(429)

        outcome = self.chain(lambda req: gate, no).run(FakeRequest())
        self.assertNoResult(outcome)
        gate.callback(None)
        self.assertEqual(self.successResultOf(outcome).word, "rate-limited")


class BrokenPluginTests(ChainCase):
    def test_raises(self) -> None:
        """Any exception is 500 plugin-error, with its traceback and the plugin's name in the log, and never escapes."""
        for error in (ZeroDivisionError("x"), SystemExit(1), KeyboardInterrupt(), GeneratorExit(), StopIteration(),
                      CancelledError(), MemoryError(), RecursionError(), BaseException()):  # fmt: skip

            def run(req: Any, error: BaseException = error) -> None:
                raise error

            self.assertBroken(self.chain(run, self.leaves("never")).run(FakeRequest()))
            self.logged(1)
        self.assertEqual(self.trace, [])

    def test_raises_in_a_coroutine(self) -> None:
        """The same from a coroutine, before and after it waited, and from a Deferred."""
        for error in (ZeroDivisionError("x"), SystemExit(1), KeyboardInterrupt()):
            gate: Deferred[None] = Deferred()

            async def at_once(req: Any, error: BaseException = error) -> None:
                raise error

            async def later(req: Any, error: BaseException = error, gate: Deferred[None] = gate) -> None:
                await gate
                raise error

            def failed(req: Any, error: BaseException = error) -> Deferred[None]:
                deferred: Deferred[None] = Deferred()
                deferred.errback(Failure(error))
                return deferred

            self.assertBroken(self.chain(at_once).run(FakeRequest()))
            self.assertBroken(self.chain(failed).run(FakeRequest()))
            outcome = self.chain(later).run(FakeRequest())
            gate.callback(None)
            self.assertBroken(self.successResultOf(outcome))
            self.logged(3)

    def test_garbage(self) -> None:
        """A step that returns anything but None and Response is told apart from one that lets pass."""
        gate: Deferred[object] = Deferred()

        async def coroutine(req: Any) -> object:
            return 200

        def generator(req: Any) -> Any:
            yield

        for run in (lambda req: True, lambda req: "ok", lambda req: {}, lambda req: 0, coroutine, generator,
                    lambda req: succeed(False), lambda req: FakeResponse()):  # fmt: skip
            self.assertBroken(self.chain(run).run(FakeRequest()))
            self.logged(1, TypeError)
        outcome = self.chain(lambda req: gate).run(FakeRequest())
        gate.callback("late garbage")
        self.assertBroken(self.successResultOf(outcome))
        self.logged(1, TypeError)

    def test_unsendable_fields(self) -> None:
        """A line break in a field of an HTTPError never reaches a wire."""

        def run(req: Any) -> None:
            raise HTTPError(403, "no", {"X-A": "b\r\nSet-Cookie: c=d"})

        self.assertBroken(self.chain(run).run(FakeRequest()))
        self.logged(1, ValueError)
        self.assertBroken(self.chain(lambda req: Response(200, {"X-A": "b\nX: y"})).run(FakeRequest()))
        self.logged(1, ValueError)

    def test_status_written_later(self) -> None:
        """A status that was changed behind the constructor's back is the plugin's error."""

        def run(req: Any) -> Response:
            response = Response(200)
            response.status = 700
            return response

        self.assertBroken(self.chain(run).run(FakeRequest()))
        self.logged(1, ValueError)

    def test_awaits_what_is_no_deferred(self) -> None:
        """A coroutine that awaits something of another world is told what may be awaited, and is closed."""
        closed = []

        class Alien:
            def __await__(self) -> Any:
                yield "alien"

        async def run(req: Any) -> None:
            try:
                await Alien()
            finally:
                closed.append(True)

        self.assertBroken(self.chain(run).run(FakeRequest()))
        self.assertEqual(closed, [True])
        self.logged(1, TypeError)


class WaitingTests(ChainCase):
    def test_waits_twice(self) -> None:
        """A coroutine may wait as often as it likes, and the next step runs after it."""
        gates: list[Deferred[str]] = [Deferred(), Deferred()]

        async def run(req: Any) -> None:
            for gate in gates:
                self.trace.append(await gate)

        outcome = self.chain(run, self.leaves("next")).run(FakeRequest())
        gates[0].callback("one")
        self.assertEqual(self.trace, ["one"])
        gates[1].callback("two")
        self.assertIsNone(self.successResultOf(outcome))
        self.assertEqual(self.trace, ["one", "two", "next"])

    def test_two_steps_wait(self) -> None:
        """Each step that waits has its own deadline."""
        gates: list[Deferred[None]] = [Deferred(), Deferred()]
        outcome = self.chain(lambda req: gates[0], lambda req: gates[1]).run(FakeRequest())
        self.clock.advance(4)
        gates[0].callback(None)
        self.clock.advance(4)
        self.assertNoResult(outcome)
        gates[1].callback(None)
        self.assertIsNone(self.successResultOf(outcome))

    def test_never_fires(self) -> None:
        """A Deferred that never fires is cancelled at the deadline: 500 plugin-error."""
        gate: Deferred[None] = Deferred()
        outcome = self.chain(lambda req: gate, self.leaves("never")).run(FakeRequest())
        self.clock.advance(4.9)
        self.assertNoResult(outcome)
        self.clock.advance(0.1)
        self.assertBroken(self.successResultOf(outcome))
        self.assertTrue(gate.called)
        self.assertEqual(self.trace, [])
        self.logged()

    def test_deadline_names_the_line(self) -> None:
        """The log says at which line a coroutine hung."""

        async def run(req: Any) -> None:
            await Deferred()

        self.chain(run).run(FakeRequest())
        self.clock.advance(5)
        (failure,) = self.flushLoggedErrors()
        self.assertIn(f"waiting at {__file__}:", str(failure.value))

    def test_client_gone(self) -> None:
        """Cancelling the chain's Deferred cancels what the step awaits, runs its `finally`, and stops there."""
        gate: Deferred[None] = Deferred()

        async def run(req: Any) -> None:
            try:
                await gate
            finally:
                self.trace.append("cleaned up")

        outcome = self.chain(run, self.leaves("never")).run(FakeRequest())
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.assertEqual(self.trace, ["cleaned up"])

    def test_swallows_the_cancellation(self) -> None:
        """A plugin that goes on after its cancellation is closed after another deadline."""
        gates: list[Deferred[None]] = [Deferred(), Deferred()]

        async def run(req: Any) -> None:
            try:
                for gate in gates:
                    try:
                        await gate
                    except CancelledError:
                        self.trace.append("ignored")
            finally:
                self.trace.append("closed")

        outcome = self.chain(run).run(FakeRequest())
        outcome.cancel()
        self.failureResultOf(outcome, CancelledError)
        self.assertEqual(self.trace, ["ignored"])
        self.clock.advance(5)
        self.assertEqual(self.trace, ["ignored", "closed"])

    def test_own_cancellation_is_an_error(self) -> None:
        """A plugin whose own wait is cancelled by somebody else has failed, and the request is not let pass."""
        gate: Deferred[None] = Deferred()
        outcome = self.chain(lambda req: gate).run(FakeRequest())
        gate.cancel()
        self.assertBroken(self.successResultOf(outcome))
        self.logged(1, CancelledError)

    def test_canceller_that_raises(self) -> None:
        """A canceller that raises costs a line in the log and nothing else."""

        def canceller(deferred: Any) -> None:
            raise ZeroDivisionError

        outcome = self.chain(lambda req: Deferred(canceller)).run(FakeRequest())
        self.clock.advance(5)
        self.assertBroken(self.successResultOf(outcome))
        self.logged(2)

    def test_late_failure(self) -> None:
        """A failure after the deadline is logged and answers nobody a second time."""
        gates: list[Deferred[None]] = [Deferred(), Deferred()]

        async def run(req: Any) -> None:
            try:
                await gates[0]
            finally:
                await gates[1]

        outcome = self.chain(run).run(FakeRequest())
        self.clock.advance(5)
        self.assertBroken(self.successResultOf(outcome))
        self.logged()
        gates[1].errback(ZeroDivisionError())
        self.logged(1, ZeroDivisionError)

    def test_waits_for_the_client(self) -> None:
        """While a plugin waits for the client's body its deadline starts again: the body has deadlines of its own."""
        gate: Deferred[None] = Deferred()
        req = FakeRequest()
        req.awaits_body = True
        outcome = self.chain(lambda req: gate).run(req)
        self.clock.advance(5)
        self.clock.advance(5)
        self.assertNoResult(outcome)
        req.awaits_body = False
        self.clock.advance(5)
        self.assertBroken(self.successResultOf(outcome))
        self.logged()

    def test_nothing_is_left(self) -> None:
        """A finished wait leaves no coroutine, request or timer behind."""
        gate: Deferred[None] = Deferred()

        class Noted(FakeRequest):
            pass

        outcome = self.chain(lambda req: gate).run(Noted())
        gate.callback(None)
        self.successResultOf(outcome)
        gc.collect()
        self.assertEqual([thing for thing in gc.get_objects() if isinstance(thing, Noted)], [])


class ShadowTests(ChainCase):
    def test_refusal_is_only_recorded(self) -> None:
        """In shadow mode a refusal is counted, and the request goes on to the next step."""

        def no(req: Any) -> None:
            raise HTTPError(403)

        self.assertIsNone(self.chain(no, self.leaves("next"), shadow=True).run(FakeRequest()))
        self.assertEqual((self.trace, self.decisions), (["next"], [("p0", "shadow")]))

    def test_answer_error_and_deadline(self) -> None:
        """So are an answer, a failure and a passed deadline; the failure still is in the log."""
        steps = (lambda req: Response(), lambda req: 1 / 0, lambda req: Deferred(), self.leaves("end"))
        outcome = self.chain(*steps, shadow=True).run(FakeRequest())
        self.clock.advance(5)
        self.assertIsNone(self.successResultOf(outcome))
        self.assertEqual(self.trace, ["end"])
        self.assertEqual(
            self.decisions,
            [("p0", "shadow"), ("p1", "error"), ("p1", "shadow"), ("p2", "error"), ("p2", "shadow")],
        )
        self.logged(2)


class RespondingTests(ChainCase):
    def test_changes_the_head(self) -> None:
        """Response steps change the head in place, plain ones and coroutines alike."""

        async def add(req: Any, resp: Any) -> None:
            resp.headers["X-Served-By"] = "US-GPO"

        resp = FakeResponse()
        chain = self.chain(responses=(add, self.leaves("next")))
        self.assertIsNone(chain.respond(FakeRequest(), resp, Answering()))
        self.assertEqual((resp.headers["x-served-by"], self.trace), ("US-GPO", ["next"]))
        self.assertTrue(chain.has_response_steps)

    def test_failure(self) -> None:
        """A response step that fails, or sets a field that can't be sent, gives a 500 in the answer's place, which the
        steps behind it get."""

        def crlf(req: Any, resp: Any) -> None:
            resp.headers["X-A"] = "a\r\nb: c"

        def note(req: Any, resp: Any) -> None:
            self.trace.append(resp.status)

        for call in (crlf, lambda req, resp: 1 / 0, lambda req, resp: "x", lambda req, resp: Response()):
            answering = Answering()
            self.assertIsNone(self.chain(responses=(call, note)).respond(FakeRequest(), FakeResponse(), answering))
            self.assertBroken(*answering.verdicts)
            self.logged()
        self.assertEqual(self.trace, [500] * 4)

    def test_refuses_the_answer(self) -> None:
        """A response step may put an HTTPError in the answer's place."""

        def no(req: Any, resp: Any) -> None:
            raise HTTPError(502, "not for you")

        answering = Answering()
        self.assertIsNone(self.chain(responses=(no,)).respond(FakeRequest(), FakeResponse(), answering))
        self.assertEqual([(502, "plugin")], [(verdict.status, verdict.word) for verdict in answering.verdicts])

    def test_waits(self) -> None:
        """A response step may wait, within its deadline."""
        gate: Deferred[None] = Deferred()
        chain = self.chain(responses=(lambda req, resp: gate, self.leaves("next")))
        outcome = chain.respond(FakeRequest(), FakeResponse(), Answering())
        gate.callback(None)
        self.assertIsNone(self.successResultOf(outcome))
        answering = Answering()
        late = self.chain(responses=(lambda req, resp: Deferred(), self.leaves("behind")))
        outcome = late.respond(FakeRequest(), FakeResponse(), answering)
        self.clock.advance(5)
        self.assertIsNone(self.successResultOf(outcome))
        self.assertBroken(*answering.verdicts)
        self.assertEqual(self.trace, ["next", "behind"])
        self.logged()


_KINDS = st.lists(
    st.tuples(st.sampled_from(["plain", "coroutine", "deferred", "waits", "waits twice"]),
              st.sampled_from(["passes", "refuses", "answers", "breaks"])),
    max_size=6,
)  # fmt: skip


class ModelTests(SynchronousTestCase):
    @given(_KINDS)
    def test_any_mixture(self, steps: list[tuple[str, str]]) -> None:
        """However its steps are written, a chain ends as the first step that does not pass says."""
        clock, ran = Clock(), []

        def end(n: int, how: str) -> Response | None:
            ran.append(n)
            if how == "refuses":
                raise HTTPError(418, str(n))
            if how == "breaks":
                raise ZeroDivisionError
            return Response(203, None, str(n)) if how == "answers" else None

        def step(n: int, kind: str, how: str) -> Any:
            async def coroutine(req: Any) -> Response | None:
                for _ in range(["coroutine", "waits", "waits twice"].index(kind)):
                    gate: Deferred[None] = Deferred()
                    clock.callLater(1, gate.callback, None)
                    await gate
                return end(n, how)

            def deferred(req: Any) -> Deferred[Response | None]:
                gate: Deferred[None] = Deferred()
                clock.callLater(1, gate.callback, None)
                return gate.addCallback(lambda _: end(n, how))

            if kind == "plain":
                return lambda req: end(n, how)
            return deferred if kind == "deferred" else coroutine

        calls = tuple(
            RequestStep(step(n, kind, how), str(n), Where("f", n, 1), deadline_s=5, shadow=False,
                        count_decision=lambda *_: None)
            for n, (kind, how) in enumerate(steps)
        )  # fmt: skip
        outcome = Chain(clock, (), calls, ()).run(FakeRequest())
        if isinstance(outcome, Deferred):
            clock.pump([1] * 13)
            outcome = self.successResultOf(outcome)
        self.flushLoggedErrors(ZeroDivisionError)
        stop = next((n for n, (_, how) in enumerate(steps) if how != "passes"), None)
        self.assertEqual(ran, list(range(len(steps) if stop is None else stop + 1)))
        if stop is None:
            self.assertIsNone(outcome)
        else:
            statuses = {"refuses": 418, "breaks": 500, "answers": 203}
            self.assertEqual((outcome.status, outcome.plugin), (statuses[steps[stop][1]], str(stop)))
        self.assertEqual(clock.getDelayedCalls(), [])
