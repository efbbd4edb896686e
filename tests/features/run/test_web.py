"""The report over real HTTP: who gets it, when it is new, and what else is refused."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitcoord.core.errors import UnavailableError
from gitcoord.features.run import web as serving
from gitcoord.features.run.web import MAX_REQUESTS, Web
from gitcoord.features.work import claims
from gitcoord.features.workspace import Workspace
from tests.support.builders import tasks
from tests.support.world import found

Answer = tuple[int, dict[str, str], str]


@pytest.fixture
def work(repo: Path) -> Workspace:
    return found(repo, tasks("a", "b"), "x", worktrees=False)


@pytest.fixture
def web(repo: Path, work: Workspace) -> Iterator[Web]:
    with serving.serving(repo, "ledger") as found_:
        yield found_


def ask(web: Web, target: str, method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    try:
        connection.request(method, target, headers=named)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    finally:
        connection.close()


def test_the_bearer_of_the_token_gets_the_report_and_is_told_when_it_is_new(
    web: Web, work: Workspace
) -> None:
    shown = {"Authorization": f"Bearer {web.token}"}
    status, headers, text = ask(web, "/report", **shown)
    assert status == 200
    assert text.startswith("<main>")
    assert "Do a" in text
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Python" not in headers["Server"]
    waiting: list[Answer] = []
    seen = {"If_None_Match": headers["ETag"]}
    waiter = threading.Thread(
        target=lambda: waiting.append(ask(web, "/report", **shown, **seen)), daemon=True
    )
    waiter.start()
    claims.claim(work, "x", "a", checkout=False)
    web.changed()
    waiter.join(60)
    ((status, again, text),) = waiting
    assert status == 200
    assert again["ETag"] != headers["ETag"]
    assert "<b>running</b>: Do a" in text


def test_who_waits_in_vain_is_told_so(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "ANSWER_WITHIN_S", 0.0)
    shown = {"Authorization": f"Bearer {web.token}"}
    _, headers, _ = ask(web, "/report", **shown)
    status, _, text = ask(web, "/report", **shown, If_None_Match=headers["ETag"])
    assert (status, text) == (304, "")


def test_the_page_knows_nothing_and_may_ask_its_own_server_alone(web: Web) -> None:
    status, headers, text = ask(web, "/")
    assert status == 200
    assert "Do a" not in text
    assert web.token not in text
    assert "connect-src 'self'" in headers["Content-Security-Policy"]
    assert ask(web, "/", "HEAD")[2] == ""


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Authorization": "Bearer guessed"}, 401),
    ],
)
def test_who_comes_from_elsewhere_gets_nothing(
    web: Web, headers: dict[str, str], status: int
) -> None:
    asked = {"Authorization": f"Bearer {web.token}", **headers}
    got, told, text = ask(web, "/report", **asked)
    assert got == status
    assert "Do a" not in text
    assert web.token not in text
    assert not any(name.startswith("Access-Control") for name in told)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_nothing_can_be_changed(web: Web, work: Workspace, method: str) -> None:
    before = work.ledger.tip()
    status, headers, _ = ask(web, "/report", method, Authorization=f"Bearer {web.token}")
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"
    assert work.ledger.tip() == before


def test_a_token_in_a_query_is_none(web: Web) -> None:
    assert ask(web, f"/report?token={web.token}")[0] == 404
    assert ask(web, f"/?{web.token}")[0] == 404


@pytest.mark.parametrize("raw", [b"\x00\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n"])
def test_what_is_no_request_is_answered_shortly_or_not_at_all(web: Web, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=60) as connection:
        connection.sendall(raw)
        told = b"".join(iter(lambda: connection.recv(4096), b""))
    assert b"Do a" not in told
    assert b"<html" not in told.lower()
    assert ask(web, "/")[0] == 200


def test_so_many_requests_at_a_time_and_no_more(web: Web) -> None:
    """Who holds lines open gets no further thread; the others are served again after them."""
    held = [
        socket.create_connection(("127.0.0.1", web.port), timeout=60) for _ in range(MAX_REQUESTS)
    ]
    with socket.create_connection(("127.0.0.1", web.port), timeout=60) as one_more:
        assert one_more.recv(1) == b""
    for connection in held:
        connection.close()
    for _ in range(100):
        try:
            assert ask(web, "/")[0] == 200
            return
        except OSError:
            continue
    pytest.fail("nobody is served any more")


def test_it_is_served_to_this_machine_alone_and_ends_with_the_block(
    repo: Path, work: Workspace
) -> None:
    with serving.serving(repo, "ledger") as web:
        port = web.port
        assert web.url == f"http://127.0.0.1:{port}/#{web.token}"
        with (
            pytest.raises(UnavailableError, match=f"port {port} of 127.0.0.1"),
            serving.serving(repo, "ledger", port),
        ):
            pass
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=60)


def test_why_there_is_no_report_is_told_to_the_bearer(web: Web, repo: Path) -> None:
    (repo / ".git" / "refs" / "heads" / "gitcoord" / "ledger").unlink()
    web.changed()
    status, _, text = ask(web, "/report", Authorization=f"Bearer {web.token}")
    assert status == 503
    assert "ledger" in text
