"""What the app answers to a browser: nothing from outside, and only to this machine."""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

HOSTS = ("127.0.0.1", "localhost")

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""A content security policy under which a browser loads nothing from another host."""

_OUTSIDE = re.compile(
    rb"<(?:meta|link)\b[^>]*https?://[^>]*>|<script\b[^>]*\bsrc=[\"']https?://[^>]*>\s*</script>",
    re.IGNORECASE,
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def without_outside(page: bytes) -> bytes:
    """A page without the tags in its head that name another host."""
    return _OUTSIDE.sub(b"", page)


class Guard:
    """An ASGI middleware: refuses other host names, adds the policy, cleans the page itself."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _host(scope) not in HOSTS:
            await _refuse(send)
            return
        await self.app(scope, receive, Answering(send, scope.get("path") == "/"))


class Answering:
    """Sends an answer on with the policy; the page is held back until it is whole, and cleaned."""

    def __init__(self, send: Send, page: bool) -> None:
        self._send, self._page = send, page
        self._start: Message = {}
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
            if not self._page:
                await self._send(self._start)
        elif not self._page or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish()

    async def _finish(self) -> None:
        body = without_outside(self._body)
        kept = [each for each in self._start["headers"] if each[0].lower() != b"content-length"]
        length = (b"content-length", str(len(body)).encode())
        await self._send({**self._start, "headers": [*kept, length]})
        await self._send({"type": "http.response.body", "body": body})


_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


def _host(scope: Message) -> str:
    found = dict(scope.get("headers", [])).get(b"host", b"").decode("latin-1")
    return found.rsplit(":", 1)[0]


async def _refuse(send: Send) -> None:
    words = b"this app answers to 127.0.0.1 and localhost only"
    await send({"type": "http.response.start", "status": 421, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": words})
