"""The kind `transcode`: a video or sound into another format, with ffmpeg.

It looks at the input, converts it in a child process that dies with the job, and stores what came out.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from workers import AsyncContext, Failed, Input, job
from workers.handlers.ffmpeg import ENCODERS, FORMATS, SAFELY, Format, Media, Meter, executable, last_words

FormatName: TypeAlias = Literal["mp4", "webm", "mkv", "mov", "gif", "mp3", "m4a", "aac", "opus", "flac", "wav"]
Codec: TypeAlias = Literal["h264", "hevc", "vp8", "vp9", "av1"]
Bitrate: TypeAlias = (
    Annotated[int, Field(ge=1_000, le=1_000_000_000)] | Annotated[str, Field(pattern=r"^[1-9]\d{0,5}(\.\d{1,3})?[kM]$")]
)

QUIETLY = ("-nostdin", "-hide_banner")
REPORTING = ("-nostats", "-loglevel", "error", "-stats_period", "0.25", "-progress", "pipe:1")


@dataclass(frozen=True, slots=True)
class Wish:
    """The params, as the handler gets them."""

    format: FormatName
    codec: Codec | None
    height: int | None
    video_bitrate: Bitrate | None
    audio_bitrate: Bitrate | None
    start_seconds: float
    duration_seconds: float | None

    @property
    def target(self) -> Format:
        return FORMATS[self.format]


@job("transcode", timeout=6 * 3600, max_attempts=3)
async def transcode(
    ctx: AsyncContext,
    *,
    input: Annotated[Input, Field(description="The video or sound.")],
    format: Annotated[FormatName, Field(description="The last six are sound alone.")] = "mp4",
    codec: Annotated[Codec | None, Field(description="Of the picture; else the format's usual one.")] = None,
    height: Annotated[int | None, Field(ge=16, le=4320, description="Of the picture; the width follows.")] = None,
    video_bitrate: Annotated[Bitrate | None, Field(description="Bits a second, or like 800k, 2.5M.")] = None,
    audio_bitrate: Annotated[Bitrate | None, Field(description="Bits a second, or like 128k.")] = None,
    start_seconds: Annotated[float, Field(ge=0, description="Leave out what comes before.")] = 0,
    duration_seconds: Annotated[float | None, Field(gt=0, description="At most so much of it.")] = None,
) -> dict[str, Any]:
    """Convert a video or sound into another format."""
    wish = Wish(format, codec, height, video_bitrate, audio_bitrate, start_seconds, duration_seconds)
    refuse_contradictions(wish)
    named = await ctx.open_input(input)
    # Under the name it was uploaded with, `%d` in that name would make ffmpeg look for a series of pictures.
    source = named.resolve()
    media = await probe(ctx, source)
    expected = expected_seconds(wish, media)
    target = ctx.scratch / f"output.{format}"
    converted = await convert(ctx, arguments(wish, media, source, target), source, expected)
    ctx.progress(100, "storing")
    name = target.name if named == source else f"{named.stem}.{format}"
    artifact = await ctx.save(name, target, wish.target.content_type, main=True)
    return {"format": format, "duration_seconds": round(converted, 3), "size": artifact.size}


async def probe(ctx: AsyncContext, source: Path) -> Media:
    """What the input holds. Raises Failed when that is nothing ffmpeg can read."""
    media = Media()
    looked = await ctx.run([executable(), *QUIETLY, *SAFELY, "-i", source], media.read, merge_stderr=True)
    if not media.has_video and not media.has_audio:
        raise Failed(f"The input cannot be read: {last_words(looked.stdout, str(source))}", code="unreadable_input")
    return media


async def convert(ctx: AsyncContext, argv: list[str], source: Path, expected: float | None) -> float:
    """The seconds converted. Raises Failed with ffmpeg's own words."""

    def tell(done: float, speed: float) -> None:
        if not expected:
            ctx.progress(0, f"{done:.0f} s done")
            return
        eta = (expected - done) / speed if speed and done < expected else None
        ctx.progress(100 * done / expected, f"encoding, {speed:.1f}× speed" if speed else "encoding", eta)

    meter = Meter(tell)
    ended = await ctx.run(argv, meter.read)
    if ended.code < 0:
        raise RuntimeError(f"ffmpeg was killed by signal {-ended.code}")
    if ended.code:
        raise Failed(f"ffmpeg failed: {last_words(ended.stderr, str(source))}", code="ffmpeg_failed")
    return meter.done_seconds


def refuse_contradictions(wish: Wish) -> None:
    """What no schema says. Raises Failed."""
    target = wish.target
    if not target.codecs and (wish.codec or wish.height or wish.video_bitrate):
        raise Failed(f"{wish.format} has no picture: leave out codec, height and video_bitrate", code="rejected")
    if wish.codec and wish.codec not in target.codecs:
        raise Failed(f"{wish.format} takes the codecs {', '.join(target.codecs)}, not {wish.codec}", code="rejected")
    if wish.audio_bitrate and (not target.audio or target.lossless_audio):
        raise Failed(f"{wish.format} has no audio_bitrate", code="rejected")


def expected_seconds(wish: Wish, media: Media) -> float | None:
    """How long the output will be; None when ffmpeg cannot tell. Raises Failed when nothing would be left."""
    if not wish.target.audio and not media.has_video:
        raise Failed(f"The input has no picture to make a {wish.format} of", code="rejected")
    if not wish.target.codecs and not media.has_audio:
        raise Failed(f"The input has no sound to make a {wish.format} of", code="rejected")
    if media.duration_seconds is None:
        return wish.duration_seconds
    left = media.duration_seconds - wish.start_seconds
    if left <= 0:
        raise Failed(f"The input ends after {media.duration_seconds:g} seconds", code="rejected")
    return min(left, wish.duration_seconds or left)


def arguments(wish: Wish, media: Media, source: Path, target: Path) -> list[str]:
    """ffmpeg's command line."""
    part = ["-ss", f"{wish.start_seconds:.3f}"] if wish.start_seconds else []
    part += ["-t", f"{wish.duration_seconds:.3f}"] if wish.duration_seconds else []
    picture = _picture(wish) if wish.target.codecs and media.has_video else ["-vn"]
    sound = _sound(wish) if wish.target.audio and media.has_audio else ["-an"]
    reading = [executable(), *QUIETLY, *REPORTING, "-y", *SAFELY, *part, "-i", str(source)]
    return [*reading, *picture, *sound, "-sn", "-dn", *wish.target.options, str(target)]


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


def _sound(wish: Wish) -> list[str]:
    rate = ["-b:a", str(wish.audio_bitrate)] if wish.audio_bitrate else []
    return ["-map", "0:a:0", "-c:a", wish.target.audio, *rate]
