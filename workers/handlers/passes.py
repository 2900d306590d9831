"""One pass of ffmpeg over an input, with its part of the bar: `transcode.py` makes one or several of them."""

from dataclasses import dataclass
from pathlib import Path

from workers import AsyncContext, Exit, Failed
from workers.handlers.ffmpeg import SAFELY, Media, Meter, executable, last_words

QUIETLY = ("-nostdin", "-hide_banner")
REPORTING = ("-nostats", "-stats_period", "0.25", "-progress", "pipe:1")


@dataclass(slots=True)
class Pass:
    """`seconds` is how much it is to work through, None when nobody knows; the span is percent of the whole bar."""

    ctx: AsyncContext
    source: Path
    doing: str
    seconds: float | None
    begin: float = 0
    end: float = 100
    done_seconds: float = 0

    async def run(self, part: list[str], *options: str, folder: Path | None = None, level: str = "error") -> Exit:
        """ffmpeg over a part of the input, with options for what is made of it. Raises Failed with its own words."""
        reading = [executable(), *QUIETLY, *REPORTING, "-loglevel", level, "-y", *SAFELY, *part, "-i", str(self.source)]
        ended = await self.ctx.run([*reading, *options], Meter(self._tell).read, cwd=folder)
        if ended.code < 0:
            raise RuntimeError(f"ffmpeg was killed by signal {-ended.code}")
        if ended.code:
            raise Failed(f"ffmpeg failed: {last_words(ended.stderr, str(self.source))}", code="ffmpeg_failed")
        return ended

    def _tell(self, done: float, speed: float) -> None:
        self.done_seconds = done
        if not self.seconds:
            self.ctx.progress(self.begin, f"{self.doing}, {done:.0f} s done")
            return
        share = min(done / self.seconds, 1)
        last = self.end > 90  # before that, the speed says nothing of what is still to come
        eta = (self.seconds - done) / speed if last and speed and done < self.seconds else None
        message = f"{self.doing}, {speed:.1f}× speed" if speed else self.doing
        self.ctx.progress(self.begin + (self.end - self.begin) * share, message, eta)


async def probe(ctx: AsyncContext, source: Path) -> Media:
    """What the input holds. Raises Failed when that is nothing ffmpeg can read."""
    media = Media()
    looked = await ctx.run([executable(), *QUIETLY, *SAFELY, "-i", source], media.read, merge_stderr=True)
    if not media.has_video and not media.has_audio:
        raise Failed(f"The input cannot be read: {last_words(looked.stdout, str(source))}", code="unreadable_input")
    return media
