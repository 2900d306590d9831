import re
from textwrap import dedent

import workers
from workers.definition import MARK
from workers.handler import Handler


def test_the_handler_in_the_docstring_is_one() -> None:
    assert workers.__doc__
    example = re.search(r"(?:^    .*\n|^\n)+", workers.__doc__, re.MULTILINE)
    assert example
    room: dict[str, object] = {"__name__": "example"}
    exec(dedent(example[0]), room)
    thumbnail = room["thumbnail"]
    assert callable(thumbnail)
    handler = Handler(thumbnail, getattr(thumbnail, MARK))
    assert handler.description == "Make a small picture of a video's first frame."
    assert handler.signature.schema["properties"]["input"]["format"] == "tidings-input"


def test_every_word_is_there() -> None:
    assert all(hasattr(workers, word) for word in workers.__all__)
