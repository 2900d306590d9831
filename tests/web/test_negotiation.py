import pytest

from app.web.negotiation import preferred

OFFERS = ("text/event-stream", "application/json", "text/plain")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "text/event-stream"),
        ("*/*", "text/event-stream"),
        ("application/json", "application/json"),
        ("TEXT/plain; charset=utf-8", "text/plain"),
        ("text/*", "text/event-stream"),
        ("text/*;q=0.5, application/json", "application/json"),
        ("text/event-stream;q=0, text/*", "text/plain"),
        ("*/*;q=0.1, text/plain;q=0.2", "text/plain"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/event-stream"),
        ("image/png", None),
        ("text/event-stream;q=0", None),
        ("*/*;q=0.000", None),
        ("nonsense", None),
        ("application/json;q=high", "application/json"),
    ],
)
def test_the_form_ranked_highest_is_chosen(accept: str, chosen: str | None) -> None:
    assert preferred(accept, OFFERS) == chosen
