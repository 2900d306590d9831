"""Loudness after EBU R128, for `transcode.py`: measured in a pass of its own, so that the next can turn all of it up or
down by one amount. Only where peaks would be cut does ffmpeg fall back to following the sound."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from pydantic_core import from_json

from workers.handlers.passes import Pass

TRUE_PEAK: Final = -1.5
"""dBTP, at most."""
USUAL_RANGE: Final = 11.0
WIDEST_RANGE: Final = 50.0
NARROWEST_RANGE: Final = 0.01
"""LU; ffmpeg takes none for not measured."""


@dataclass(frozen=True, slots=True)
class Loudness:
    """As measured: LUFS, dBTP, LU, LUFS."""

    integrated: float
    true_peak: float
    range: float
    threshold: float

    @classmethod
    async def measure(cls, measuring: Pass, part: list[str]) -> Self:
        """In a pass over the sound alone."""
        filter_ = f"loudnorm=TP={TRUE_PEAK}:print_format=json"
        ended = await measuring.run(part, "-map", "0:a:0", "-af", filter_, "-f", "null", "-", level="info")
        return cls.read(ended.stderr)

    @classmethod
    def read(cls, lines: Sequence[str]) -> Self:
        """Of what the filter prints, the last thing in braces."""
        begin = max(number for number, line in enumerate(lines) if line.endswith("{"))
        end = lines.index("}", begin)
        told = from_json("{" + "".join(lines[begin + 1 : end]) + "}")
        return cls(*(float(told[f"input_{name}"]) for name in ("i", "tp", "lra", "thresh")))

    @property
    def silent(self) -> bool:
        """There is nothing to turn up."""
        return math.isinf(self.integrated)

    def to(self, target: float, sample_rate: int) -> list[str]:
        """The options that bring it there. Following the sound, the filter would leave it at 192 kHz."""
        range_ = min(max(self.range, USUAL_RANGE), WIDEST_RANGE)
        measured = (
            f"measured_I={self.integrated}:measured_TP={self.true_peak}"
            f":measured_LRA={max(self.range, NARROWEST_RANGE)}:measured_thresh={self.threshold}"
        )
        wanted = f"I={target}:TP={TRUE_PEAK}:LRA={range_}"
        return ["-af", f"loudnorm={wanted}:{measured}:linear=true,aresample={sample_rate}"]
