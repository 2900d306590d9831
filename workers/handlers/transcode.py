"""The kind `transcode`: a video or sound into another format, with ffmpeg.

It looks at the input, measures it if that is asked for, converts it in a child process that dies with the job, and
stores what came out.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from workers import AsyncContext, Input, job
from workers.handlers import hls
from workers.handlers.ffmpeg import ENCODERS, Media
from workers.handlers.loudness import Loudness
from workers.handlers.passes import Pass, probe
from workers.handlers.thumbnails import MOST, take
from workers.handlers.wish import Bitrate, Codec, FormatName, Height, Wish

MEASURED = 20
"""Percent of the bar that measuring takes up."""
ENCODED = 95
"""Percent at which thumbnails begin."""


@job("transcode", timeout=6 * 3600, max_attempts=3)
async def transcode(
    ctx: AsyncContext,
    *,
    input: Annotated[Input, Field(description="The video or sound.")],
    format: Annotated[FormatName, Field(description="The last six are sound alone.")] = "mp4",
    codec: Annotated[Codec | None, Field(description="Of the picture; else the format's usual one.")] = None,
    height: Annotated[Height | None, Field(description="Of the picture; the width follows.")] = None,
    heights: Annotated[list[Height] | None, Field(min_length=1, max_length=6, description="Of an hls.")] = None,
    video_bitrate: Annotated[Bitrate | None, Field(description="Bits a second, or like 800k, 2.5M.")] = None,
    audio_bitrate: Annotated[Bitrate | None, Field(description="Bits a second, or like 128k.")] = None,
    loudness: Annotated[float | None, Field(ge=-70, le=-5, description="LUFS to bring it to (EBU R128).")] = None,
    thumbnails: Annotated[int, Field(ge=0, le=MOST, description="Small pictures of it, evenly spaced.")] = 0,
    start_seconds: Annotated[float, Field(ge=0, description="Leave out what comes before.")] = 0,
    duration_seconds: Annotated[float | None, Field(gt=0, description="At most so much of it.")] = None,
) -> dict[str, Any]:
    """Convert a video or sound into another format."""
    wish = Wish(
        format,
        codec,
        height,
        heights,
        video_bitrate,
        audio_bitrate,
        loudness,
        thumbnails,
        start_seconds,
        duration_seconds,
    )
    wish.refuse_contradictions()
    named = await ctx.open_input(input)
    # Under the name it was uploaded with, `%d` in that name would make ffmpeg look for a series of pictures.
    source = ctx.scratch / "source"
    source.symlink_to(named.resolve())
    media = await probe(ctx, source)
    work = Work(ctx, wish, source, media, wish.expected_seconds(media))
    return await work.perform(hls.MASTER if format == "hls" else f"{named.stem}.{format}")


@dataclass(frozen=True, slots=True)
class Work:
    """One wish, about to be fulfilled."""

    ctx: AsyncContext
    wish: Wish
    source: Path
    media: Media
    seconds: float | None

    async def perform(self, name: str) -> dict[str, Any]:
        """The result; `name` is what the main artifact is called."""
        found = await self._measured()
        begin = 0 if found is None else MEASURED
        encoding = Pass(
            self.ctx, self.source, "encoding", self.seconds, begin, ENCODED if self.wish.thumbnails else 100
        )
        made = await self._encode(encoding, found)
        result: dict[str, Any] = {"format": self.wish.format, "duration_seconds": round(encoding.done_seconds, 3)}
        if found:
            result["loudness_before"] = None if found.silent else found.integrated
        if self.wish.thumbnails:
            taking = Pass(self.ctx, self.source, "taking thumbnails", None, ENCODED)
            start = self.wish.start_seconds
            result["thumbnails"] = await take(taking, self.wish.thumbnails, start, encoding.done_seconds)
        self.ctx.progress(100, "storing")
        for beside in hls.renditions(made.parent) if self.wish.format == "hls" else ():
            await self.ctx.save(beside.name, beside, hls.CONTENT_TYPES[beside.suffix])
        artifact = await self.ctx.save(name, made, self.wish.target.content_type, main=True)
        return result | {"size": artifact.size}

    async def _measured(self) -> Loudness | None:
        if self.wish.loudness is None:
            return None
        measuring = Pass(self.ctx, self.source, "measuring loudness", self.seconds, 0, MEASURED)
        return await Loudness.measure(measuring, self.wish.part)

    async def _encode(self, encoding: Pass, found: Loudness | None) -> Path:
        """The main file that comes of it."""
        wish, media = self.wish, self.media
        sound = self._sound(found) if wish.target.audio and media.has_audio else []
        folder = self.ctx.scratch / "made"
        folder.mkdir()
        if wish.format == "hls":
            options = hls.options(hls.heights(wish.heights, media.height), sound)
            await encoding.run(wish.part, *options, folder=folder)
            return folder / hls.MASTER
        target = folder / f"output.{wish.format}"
        picture = _picture(wish) if wish.target.codecs and media.has_video else ["-vn"]
        heard = ["-map", "0:a:0", *sound] if sound else ["-an"]
        await encoding.run(wish.part, *picture, *heard, "-sn", "-dn", *wish.target.options, str(target))
        return target

    def _sound(self, found: Loudness | None) -> list[str]:
        rate = ["-b:a", str(self.wish.audio_bitrate)] if self.wish.audio_bitrate else []
        options = ["-c:a", self.wish.target.audio, *rate]
        if found is None or found.silent or self.wish.loudness is None:
            return options
        return [*options, *found.to(self.wish.loudness, self.media.sample_rate)]


def _picture(wish: Wish) -> list[str]:
    codec = wish.codec or wish.target.codecs[0]
    encoder = ENCODERS[codec]
    # -2: what keeps the proportions, made even, as most encoders want both.
    size = f"scale=-2:{wish.height - wish.height % 2}" if wish.height else "scale=trunc(iw/2)*2:trunc(ih/2)*2"
    if codec == "gif":
        palette = "split[a][b];[a]palettegen[p];[b][p]paletteuse"
        return ["-map", "0:V:0", *encoder.options, "-vf", f"fps=12,{size}:flags=lanczos,{palette}"]
    tag = ["-tag:v", "hvc1"] if codec == "hevc" and wish.format in ("mp4", "mov") else []
    rate = ["-b:v", str(wish.video_bitrate)] if wish.video_bitrate else encoder.quality
    return ["-map", "0:V:0", *encoder.options, *rate, "-vf", size, "-pix_fmt", "yuv420p", *tag]
