"""A WebSocket over HTTP/1.1 as the client has it, walked over fake wires."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError
from hmsgw.config.model import Deadlines, Limits, Route
from tests.walks.walk import OK, Walk, chain_of
from tests.walks.websocket import AWAY, FIELDS, KEY, OPENING, frame, opened, switched, unmasked

HELLO, WORLD = frame(b"hello", masked=True), frame(b"world")


class OpeningTests(SynchronousTestCase):
    """Until there is a WebSocket."""

    def test_opens(self) -> None:
        """The handshake goes on with what is of the hop written anew; so does the answer; then bytes flow."""
        walk = Walk()
        walk.client_sends(OPENING)
        line, fields, rest = walk.upstream_head()
        self.assertEqual((b"GET /chat HTTP/1.1", b""), (line, rest))
        self.assertEqual(
            ([b"Upgrade"], [b"websocket"], [KEY], [b"13"], None, [b"192.0.2.7"]),
            (
                fields[b"connection"], fields[b"upgrade"], fields[b"sec-websocket-key"],
                fields[b"sec-websocket-version"], fields.get(b"transfer-encoding"), fields[b"x-forwarded-for"],
            ),
        )  # fmt: skip
        walk.upstream_sends(switched(KEY, b"Sec-WebSocket-Protocol: chat", b"X-A: 1"))
        head = walk.client_sees()
        start, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        self.assertEqual(b"HTTP/1.1 101 Switching Protocols", start)
        names = sorted(line.partition(b":")[0].lower() for line in lines)
        self.assertEqual([b"connection", b"sec-websocket-accept", b"sec-websocket-protocol", b"upgrade", b"x-a"], names)
        walk.client_sends(HELLO)
        self.assertEqual(HELLO, walk.upstream_sees())
        walk.upstream_sends(WORLD * 3)
        self.assertEqual(WORLD * 3, walk.client_sees())
        self.assertEqual([], walk.records)
        walk.upstream.lost()
        self.assertEqual(("closed", [("GET", "/chat", 101, "")]), (walk.client.closed, walk.records))
        self.assertEqual((len(HELLO), len(WORLD) * 3), (walk.finished[0].bytes_in, walk.finished[0].bytes_out))

    def test_other_upgrades(self) -> None:
        """What is offered besides, and what offers WebSocket in no valid way, is dropped as ever."""
        for more in (b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n"):
            walk = Walk()
            walk.get(b"/a", more)
            _, fields, _ = walk.upstream_head()
            self.assertNotIn(b"upgrade", fields)
            self.assertNotIn(b"connection", fields)
            walk.upstream_sends(switched())
            self.assertIn(b" 502 ", walk.client_sees())

    def test_bad(self) -> None:
        """Each fault by its name; nothing goes up."""
        for opening, status, word in (
            (OPENING.replace(b": 13", b": 8"), 426, b"Sec-WebSocket-Version: 13\r\n"),
            (OPENING.replace(KEY, b"x"), 400, b"bad-request"),
            (OPENING.replace(b"GET", b"POST"), 400, b"Connection: close"),
            (OPENING[:-2] + b"Content-Length: 3\r\n\r\nabc", 400, b"Connection: close"),
        ):
            walk = Walk()
            walk.client_sends(opening)
            answer = walk.client_sees()
            self.assertEqual(([], status), (walk.upstreams, walk.records[0][2]), opening)
            self.assertIn(word, answer)

    def test_version_426(self) -> None:
        """A 426 says in Upgrade what it wants; the connection goes on."""
        walk = Walk()
        walk.client_sends(OPENING.replace(b": 13", b": 8"))
        answer = walk.client_sees()
        self.assertIn(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", answer)
        walk.client_sends(OPENING)
        self.assertEqual(1, len(walk.upstreams))

    def test_old_client(self) -> None:
        """HTTP/1.0: its Upgrade is passed over (RFC 9110 section 7.8)."""
        walk = Walk()
        walk.client_sends(OPENING.replace(b"HTTP/1.1", b"HTTP/1.0"))
        _, fields, _ = walk.upstream_head()
        self.assertNotIn(b"upgrade", fields)

    def test_chain(self) -> None:
        """Plugins run on the opening: a refusal never reaches the upstream, and the connection goes on."""
        seen = []

        def refuse(req: object) -> None:
            seen.append((req.method, req.headers["sec-websocket-version"]))  # type: ignore[attr-defined]
            raise HTTPError(401)

        walk = Walk(chain_of(refuse))
        walk.client_sends(OPENING)
        answer = walk.client_sees()
        self.assertIn(b" 401 ", answer)
        self.assertNotIn(b"Connection: close", answer)
        self.assertEqual(([("GET", "13")], [], None), (seen, walk.upstreams, walk.client.closed))

    def test_methods(self) -> None:
        """A route's methods are asked for GET."""
        for methods, status in ((("GET",), 0), (("POST",), 405)):
            walk = Walk(routes=[Route(path="/*", service="svc", name="/*", methods=methods)])
            walk.client_sends(OPENING)
            self.assertEqual(status, walk.records[0][2] if walk.records else 0)

    def test_response_steps(self) -> None:
        """They change the 101's fields, and may refuse; its status they can't change."""

        def mark(req: object, resp: object) -> None:
            resp.headers["X-Mark"] = str(resp.status)  # type: ignore[attr-defined]

        walk = Walk(chain_of(respond=(mark,)))
        walk.client_sends(OPENING)
        walk.upstream_sends(switched())
        answer = walk.client_sees()
        self.assertIn(b"X-Mark: 101\r\n", answer)
        self.assertIn(b"Upgrade: websocket\r\n", answer)
        walk.client_sends(HELLO)
        walk.upstream_sees()

        def refuse(req: object, resp: object) -> None:
            raise HTTPError(403)

        def spoil(req: object, resp: object) -> None:
            resp.status = 200  # type: ignore[attr-defined]

        for step, status in ((refuse, b" 403 "), (spoil, b" 500 ")):
            walk = Walk(chain_of(respond=(step,)))
            walk.client_sends(OPENING)
            walk.upstream_sends(switched() + WORLD)
            self.assertIn(status, walk.client_sees())
            self.assertEqual("aborted" if step is None else walk.upstream.closed, walk.upstream.closed)
            self.assertIsNotNone(walk.upstream.closed)
        self.flushLoggedErrors()

    def test_response_step_waits(self) -> None:
        """What either side says meanwhile comes behind the answer, in order, also when the upstream has gone by then."""
        for goes in (False, True):
            waiting: Deferred[None] = Deferred()

            def wait(req: object, resp: object, waiting: Deferred[None] = waiting) -> Deferred[None]:
                return waiting

            walk = Walk(chain_of(respond=(wait,)))
            walk.client_sends(OPENING + HELLO)
            walk.upstream_sees()
            walk.upstream_sends(switched() + WORLD)
            self.assertEqual((b"", b""), (walk.client_sees(), walk.upstream_sees()))
            if goes:
                walk.upstream.lost()
            waiting.callback(None)
            answer = walk.client_sees()
            self.assertTrue(answer.startswith(b"HTTP/1.1 101 ") and answer.endswith(b"\r\n\r\n" + WORLD), answer)
            if goes:
                self.assertEqual(("closed", [("GET", "/chat", 101, "")]), (walk.client.closed, walk.records))
            else:
                self.assertEqual((HELLO, True), (walk.upstream_sees(), walk.upstream.reading))

    def test_waiting_step_refuses(self) -> None:
        """Behind a wait as without one: nothing that was said goes anywhere, and the connection closes behind it."""
        waiting: Deferred[None] = Deferred()

        def wait(req: object, resp: object) -> Deferred[None]:
            return waiting

        walk = Walk(chain_of(respond=(wait,)))
        walk.client_sends(OPENING + HELLO)
        walk.upstream_sees()
        walk.upstream_sends(switched() + WORLD)
        waiting.errback(HTTPError(403))
        answer = walk.client_sees()
        self.assertIn(b" 403 ", answer)
        self.assertNotIn(b"world", answer)
        self.assertEqual((b"", True), (walk.upstream_sees(), walk.client.half_closed))
        self.assertIsNotNone(walk.upstream.closed)

    def test_plugin_spoils_the_handshake(self) -> None:
        """A plugin that takes the key away or makes it a POST: 500, and nothing is sent."""

        def unkey(req: object) -> None:
            del req.headers["Sec-WebSocket-Key"]  # type: ignore[attr-defined]

        def post(req: object) -> None:
            req.method = "POST"  # type: ignore[attr-defined]

        for step in (unkey, post):
            walk = Walk(chain_of(step))
            walk.client_sends(OPENING)
            self.assertEqual((b"", 500), (walk.upstream_sees(), walk.records[0][2]))
        self.flushLoggedErrors()

    def test_connection_names_the_handshake(self) -> None:
        """`Connection` can't take the key and the version away on their way."""
        walk = Walk()
        named = b"Connection: Upgrade, Sec-WebSocket-Key, sec-websocket-version, X-A"
        walk.client_sends(OPENING.replace(b"Connection: Upgrade", named))
        _, fields, _ = walk.upstream_head()
        self.assertEqual(([KEY], [b"13"]), (fields[b"sec-websocket-key"], fields[b"sec-websocket-version"]))
        walk.upstream_sends(switched())
        self.assertIn(b" 101 ", walk.client_sees())

    def test_plugin_asks_for_the_body(self) -> None:
        """There is none, and nobody waits."""
        seen = []

        async def ask(req: object) -> None:
            seen.append(await req.body())  # type: ignore[attr-defined]

        walk = Walk(chain_of(ask))
        walk.client_sends(OPENING)
        walk.upstream_sends(switched())
        self.assertEqual([b""], seen)
        self.assertIn(b" 101 ", walk.client_sees())


class AheadTests(SynchronousTestCase):
    """What a client says before it has its answer."""

    def test_after_the_yes(self) -> None:
        """With the head, or later: it goes up behind the yes, in order, and not before."""
        walk = Walk()
        walk.client_sends(OPENING + HELLO)
        walk.client_sends(HELLO[:3])
        self.assertTrue(walk.upstream_sees().endswith(b"\r\n\r\n"))
        walk.upstream_sends(switched())
        self.assertEqual(HELLO + HELLO[:3], walk.upstream_sees())
        walk.client_sends(HELLO[3:])
        self.assertEqual(HELLO[3:], walk.upstream_sees())

    def test_after_a_no(self) -> None:
        """It is never read as a request: the connection closes, with the answer and whatever its form."""
        for no in (OK, b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"):
            for at_once in (True, False):
                walk = Walk()
                smuggled = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
                walk.client_sends(OPENING + smuggled if at_once else OPENING)
                if not at_once:
                    walk.client_sends(smuggled)
                self.assertEqual(1, walk.upstream_sees().count(b"GET "))
                walk.upstream_sends(no)
                if b"chunked" in no:
                    walk.upstream_sends(b"0\r\n\r\n")
                elif no is not OK:
                    walk.upstream.lost()
                walk.client_sends(smuggled)
                self.assertEqual((1, 1), (len(walk.records), len(walk.upstreams)))
                self.assertEqual(b"", walk.upstream_sees())
                self.assertTrue(walk.client.half_closed)

    def test_bounded(self) -> None:
        """What is held is bounded, then the client is not read; the yes sets it free."""
        walk = Walk(limits=Limits(head=1024))
        walk.client_sends(OPENING)
        walk.client_sends(frame(bytes(2000), masked=True))
        self.assertFalse(walk.client.reading)
        walk.upstream_sends(switched())
        self.assertTrue(walk.client.reading)
        walk.upstream_sees()

    def test_no_keeps_the_connection(self) -> None:
        """A client that has said nothing more gets an ordinary answer, and may ask again."""
        walk = Walk()
        walk.client_sends(OPENING)
        walk.upstream_sends(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nUpgrade: x\r\n\r\n")
        self.assertIn(b" 426 ", walk.client_sees())
        self.assertEqual("closed", walk.upstream.closed)
        walk.get(b"/b")
        self.assertIn(b"GET /b ", walk.upstream_sees())


class TunnelTests(SynchronousTestCase):
    """`EdgeTunnel`."""

    def test_counts(self) -> None:
        """It is a connection like any other, under its own name."""
        walk = opened()
        door = walk.door
        self.assertEqual((0, 1, 1, 1), (door.gauge.n, door.websocket_gauge.n, door.crowd.n, len(door.open)))
        walk.client.lost()
        self.assertEqual((0, 0, 0, 0), (door.gauge.n, door.websocket_gauge.n, door.crowd.n, len(door.open)))

    def test_back_pressure(self) -> None:
        """A side that takes no more pauses the other."""
        walk = opened()
        walk.client.producer.pauseProducing()
        self.assertFalse(walk.upstream.reading)
        walk.client.producer.resumeProducing()
        self.assertTrue(walk.upstream.reading)
        walk.upstream.producer.pauseProducing()
        self.assertFalse(walk.client.reading)
        walk.upstream.producer.resumeProducing()
        self.assertTrue(walk.client.reading)

    def test_takes_turns(self) -> None:
        """Behind a large read of either side the others are seen to before it is read again; then it is, unless there is
        another reason not to."""
        walk = opened()
        later: list[Any] = []
        walk.door.soon = later.append
        large = frame(bytes(65535), masked=True) + HELLO
        for full in (False, True):
            walk.client_sends(large)
            walk.client_sends(HELLO)
            self.assertEqual((False, 1), (walk.client.reading, len(later)))
            if full:
                walk.upstream.producer.pauseProducing()
            later.pop()()
            self.assertEqual(not full, walk.client.reading)
            walk.upstream.producer.resumeProducing()
            self.assertTrue(walk.client.reading)
            walk.upstream_sends(large)
            walk.upstream_sends(HELLO)
            self.assertEqual((False, 1), (walk.upstream.reading, len(later)))
            if full:
                walk.client.producer.pauseProducing()
            later.pop()()
            self.assertEqual(not full, walk.upstream.reading)
            walk.client.producer.resumeProducing()
            self.assertTrue(walk.upstream.reading)
        self.assertEqual((large + HELLO) * 2, walk.upstream_sees())
        self.assertEqual((large + HELLO) * 2, walk.client_sees())
        walk.client_sends(large)
        walk.upstream_sends(large)
        walk.client.lost()
        for call in later:
            call()

    def test_does_not_read(self) -> None:
        """A client that takes nothing for `body_progress` is given up; one that takes something is not."""
        walk = opened(deadlines=Deadlines(body_progress=5.0))
        walk.client.producer.pauseProducing()
        walk.passes(4)
        walk.client.unsent = 10
        walk.passes(4)
        self.assertIsNone(walk.client.closed)
        walk.passes(6)
        self.assertEqual("aborted", walk.client.closed)
        self.assertIsNotNone(walk.upstream.closed)

    def test_client_closes(self) -> None:
        """As it may; a reset is a client that is gone. What it said last is still sent."""
        for clean, word in ((True, ""), (False, "client-gone")):
            walk = opened()
            walk.client_sends(HELLO)
            walk.client.lost(clean)
            self.assertEqual((HELLO, "closed"), (walk.upstream_sees(), walk.upstream.closed))
            self.assertEqual([("GET", "/chat", 101, word)], walk.records)

    def test_drain(self) -> None:
        """Both hear 1001, at once if no frame is under way; then whoever closes first closes the other."""
        walk = opened()
        walk.door.drain()
        self.assertEqual(AWAY, walk.client_sees())
        self.assertEqual(AWAY, unmasked(walk.upstream_sees()))
        walk.client_sends(HELLO)
        walk.upstream_sends(WORLD)
        self.assertEqual((b"", b""), (walk.client_sees(), walk.upstream_sees()))
        self.assertIsNone(walk.client.closed)
        walk.upstream.lost()
        self.assertEqual(("closed", [("GET", "/chat", 101, "draining")]), (walk.client.closed, walk.records))

    def test_opened_while_draining(self) -> None:
        """It is said as soon as it can be."""
        walk = Walk()
        walk.client_sends(OPENING)
        walk.door.drain()
        walk.upstream_sees()
        walk.upstream_sends(switched())
        self.assertTrue(walk.client_sees().endswith(b"\r\n\r\n" + AWAY))
        self.assertEqual(AWAY, unmasked(walk.upstream_sees()))

    def test_stop(self) -> None:
        """The time is over: what is left closes."""
        walk = opened()
        walk.upstream_sends(WORLD[:3])
        walk.door.drain()
        self.assertEqual(WORLD[:3], walk.client_sees())
        walk.door.stop_all()
        self.assertEqual(("closed", "closed", 101), (walk.client.closed, walk.upstream.closed, walk.records[0][2]))
        self.assertEqual(0, walk.door.crowd.n)

    def test_abort(self) -> None:
        """Nothing is waited for any more."""
        walk = opened()
        walk.door.abort_all()
        self.assertEqual(("aborted", "client-gone"), (walk.client.closed, walk.records[0][3]))

    def test_expect(self) -> None:
        """100 before 101 (RFC 9110 section 7.8)."""
        walk = Walk()
        walk.get(b"/a", FIELDS + b"Expect: 100-continue\r\n")
        walk.upstream_sends(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(b"HTTP/1.1 100 Continue\r\n\r\n", walk.client_sees())
        walk.upstream_sends(switched())
        self.assertIn(b" 101 ", walk.client_sees())
