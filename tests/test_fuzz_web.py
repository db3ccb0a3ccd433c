"""Whatever comes to the web endpoint gets a short answer and a close, and nobody in."""

import os

from helpers import logged, told
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webclient import WEB, Web, basic

EXAMPLES = 150 * int(os.environ.get("SSHECHO_FUZZ_EXAMPLES", "1"))
STATUSES = {200, 400, 401, 403, 404, 405, 413, 421}
LONGEST = 10_000
"""Bytes of an answer: the page of an empty house and the metrics of one have fewer."""

methods = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS", b"get", b"PRI"])
paths = st.sampled_from([b"/", b"/end", b"/metrics", b"/healthz", b"*", b"//", b"/?", b"/end?id=%"])
versions = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b""])
names = st.sampled_from(
    [
        b"Host",
        b"Authorization",
        b"Origin",
        b"Sec-Fetch-Site",
        b"Content-Type",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Expect",
        b"Connection",
        b"Cookie",
        b"Range",
        b"If-Modified-Since",
    ]
)
values = st.one_of(
    st.binary(max_size=30),
    st.just(b"\x80"),
    st.sampled_from(
        [
            f"localhost:{WEB}".encode(),
            basic("ann:guess").encode(),
            basic("\u00fc:").encode(),
            b"null",
            b"chunked",
            b"identity",
            b"0",
            b"5",
            b"-1",
            b"9" * 400,
            b"100-continue",
            b"upgrade",
            b"multipart/form-data; boundary=x",
            b"application/x-www-form-urlencoded",
            b"a=b; c",
            b"bytes=0-1",
        ]
    ),
)
headers = st.lists(st.tuples(names, values).map(b": ".join), max_size=6)
ours = st.just(f"Host: localhost:{WEB}".encode())


@st.composite
def requests(draw):
    """Make up a request, or something like one."""
    first = b" ".join([draw(methods), draw(st.one_of(paths, st.binary(max_size=20)))])
    lines = [first + b" " + draw(versions), *draw(st.lists(ours, max_size=1)), *draw(headers)]
    return b"\r\n".join([*lines, b"", draw(st.binary(max_size=50))])


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="SSHECHO_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.one_of(requests(), st.binary(max_size=200)), st.integers(1, 400))
def test_whatever_comes(data, cut):
    """No request breaks anything, is answered at length, or logs anybody in."""
    web = Web()
    with logged() as events:
        asking = web.connect().send(data[:cut])
        if not asking.closed and data[cut:]:
            asking.send(data[cut:])
        web.reactor.advance(0)
        written = asking.transport.value()
        asking.lose()
    assert not [event for event in events if "log_failure" in event]
    assert not told(events, "login.ok")
    assert len(written) < LONGEST
    if written and not written.startswith(b"HTTP/1.1 100 "):
        assert int(written.split(b" ", 2)[1]) in STATUSES
    assert not web.factories[WEB].open
    assert not web.gate.visits
