"""Who is answered by the page that a watcher serves, and who is not."""

from __future__ import annotations

import pytest

from gitcoord.core.web_requests import HEADERS, Request, page_policy, refusal

HOST = "127.0.0.1:4321"
TOKEN = "1f" * 16
SHOWN = (f"Bearer {TOKEN}",)
RIGHT = Request("GET", "/report", (HOST,), authorizations=SHOWN)


@pytest.mark.parametrize(
    "request_",
    [
        RIGHT,
        RIGHT._replace(method="HEAD"),
        RIGHT._replace(origins=(f"http://{HOST}",), sites=("same-origin",)),
        Request("GET", "/", (HOST,), sites=("none",)),
    ],
)
def test_the_page_and_its_own_questions_are_answered(request_: Request) -> None:
    assert refusal(request_, HOST, TOKEN) is None


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"hosts": ()}, 403),
        ({"hosts": ("evil.example:4321",)}, 403),
        ({"hosts": ("127.0.0.1",)}, 403),
        ({"hosts": ("localhost:4321",)}, 403),
        ({"hosts": (HOST, "evil.example")}, 403),
        ({"origins": ("null",)}, 403),
        ({"origins": ("http://evil.example",)}, 403),
        ({"origins": (f"https://{HOST}",)}, 403),
        ({"origins": ("http://127.0.0.1:4322",)}, 403),
        ({"sites": ("cross-site",)}, 403),
        ({"sites": ("same-site",)}, 403),
        ({"method": "POST"}, 405),
        ({"method": "OPTIONS"}, 405),
        ({"target": "/report?token=" + TOKEN}, 404),
        ({"target": "/report/"}, 404),
        ({"target": "//report"}, 404),
        ({"target": f"http://{HOST}/report"}, 404),
        ({"target": "/../report"}, 404),
        ({"authorizations": ()}, 401),
        ({"authorizations": (TOKEN,)}, 401),
        ({"authorizations": (f"Bearer {TOKEN[:-1]}",)}, 401),
        ({"authorizations": (f"Bearer {TOKEN}é\udcff",)}, 401),
        ({"authorizations": (*SHOWN, *SHOWN)}, 401),
    ],
)
def test_everybody_else_is_refused(change: dict[str, object], status: int) -> None:
    refused = refusal(RIGHT._replace(**change), HOST, TOKEN)  # type: ignore[arg-type]
    assert refused is not None
    assert refused.status == status


def test_answers_are_kept_nowhere_and_only_the_page_may_run_anything() -> None:
    assert HEADERS["Cache-Control"] == "no-store"
    assert HEADERS["Referrer-Policy"] == "no-referrer"
    assert page_policy("/report") == "default-src 'none'; frame-ancestors 'none'"
    policy = page_policy("/")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
