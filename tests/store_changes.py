"""What workers, callers and intruders try to write in `tests/test_store_machine.py`: alone, in series, out of order."""

from typing import Final

from hypothesis import strategies as st

from app.events import json_text
from app.store import Change
from tests.ground import INTERRUPTED, completed, failed, log, progress, retry


def artifact(name: str, size: int) -> Change:
    shown = {"name": name, "size": size, "content_type": "text/plain", "sha256": "0"}
    return Change("artifact", json_text(shown), json_text(shown | {"key": name}))


VERIFIED: Final = Change("log", '{"level":"debug","line":"v"}', "verified")
NOTES: Final = (
    log("a"),
    log("b"),
    progress(1),
    progress(2),
    Change("metric", "{}"),
    artifact("a", 1),
    artifact("b", 2),
    VERIFIED,
)
ENDS: Final = (
    completed({"x": 1}),
    Change("completed", "{}", '{"large":true}'),
    failed(),
    Change("cancelled", '{"by":"worker","stage":"processing"}'),
)
SURRENDERED: Final = Change("pending", '{"reason":"interrupted"}', "surrendered")
WAITS: Final = tuple(
    Change("waiting", '{"for":"callback","deadline":"@"}', argument)
    for argument in ("1000", "60000 1000", "600000 0 1000", "600000 0 1000", "60000 1000 500", "refused", "refused")
)
REFUSED: Final = WAITS[-1]
LOOKED_FOR: Final = Change("waiting", '{"for":"callback","deadline":"@"}', "600000 0 1000")
FOUND: Final = Change("pending", "{}", 'answered {"found":\n1}')
PAUSES: Final = (retry(0), retry(1_000), INTERRUPTED, SURRENDERED, *WAITS, FOUND)
STRANGE: Final = (
    Change("processing", "{}"),
    Change("cancel_requested", '{"by":"a"}'),
    Change("pending", "{}", "soon"),
    Change("artifact", "{}", "{}"),
)

notes: Final = st.lists(st.sampled_from(NOTES), max_size=3)
turns: Final = st.sampled_from((*ENDS, *PAUSES, *PAUSES))
parts: Final = notes | st.tuples(notes, turns).map(lambda part: [*part[0], part[1]])
series: Final = st.lists(st.sampled_from((*NOTES, *ENDS, *PAUSES, *STRANGE)), max_size=2)
anything: Final = series | st.tuples(series, turns).map(lambda pair: [*pair[0], pair[1]])
