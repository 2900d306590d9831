"""What somebody wants of `transcode.py`: its params, and which of them contradict each other or the input."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from workers import Failed
from workers.handlers.ffmpeg import FORMATS, Format, Media

FormatName: TypeAlias = Literal["mp4", "webm", "mkv", "mov", "gif", "hls", "mp3", "m4a", "aac", "opus", "flac", "wav"]
Codec: TypeAlias = Literal["h264", "hevc", "vp8", "vp9", "av1"]
Bitrate: TypeAlias = (
    Annotated[int, Field(ge=1_000, le=1_000_000_000)] | Annotated[str, Field(pattern=r"^[1-9]\d{0,5}(\.\d{1,3})?[kM]$")]
)
Height: TypeAlias = Annotated[int, Field(ge=16, le=4320)]


@dataclass(frozen=True, slots=True)
class Wish:
    """The params, as the handler gets them."""

    format: FormatName
    codec: Codec | None
    height: int | None
    heights: list[int] | None
    video_bitrate: Bitrate | None
    audio_bitrate: Bitrate | None
    loudness: float | None
    thumbnails: int
    start_seconds: float
    duration_seconds: float | None

    @property
    def target(self) -> Format:
        return FORMATS[self.format]

    @property
    def part(self) -> list[str]:
        """Before an input: which part of it is wanted."""
        start = ["-ss", f"{self.start_seconds:.3f}"] if self.start_seconds else []
        return [*start, "-t", f"{self.duration_seconds:.3f}"] if self.duration_seconds else start

    def refuse_contradictions(self) -> None:
        """What no schema says. Raises Failed."""
        _refuse(_contradictions(self))

    def expected_seconds(self, media: Media) -> float | None:
        """How long the output will be; None when ffmpeg cannot tell. Raises Failed when it cannot be made of that."""
        _refuse(_impossibilities(self, media))
        if media.duration_seconds is None:
            return self.duration_seconds
        left = media.duration_seconds - self.start_seconds
        if left <= 0:
            raise Failed(f"The input ends after {media.duration_seconds:g} seconds", code="rejected")
        return min(left, self.duration_seconds or left)


def _contradictions(wish: Wish) -> Iterator[str]:
    name, target = wish.format, wish.target
    if not target.codecs and (wish.codec or wish.height or wish.heights or wish.video_bitrate or wish.thumbnails):
        yield f"{name} has no picture: leave out codec, height, heights, video_bitrate and thumbnails"
    if wish.codec and wish.codec not in target.codecs:
        yield f"{name} takes the codecs {', '.join(target.codecs)}, not {wish.codec}"
    if wish.audio_bitrate and (not target.audio or target.lossless_audio):
        yield f"{name} has no audio_bitrate"
    if wish.loudness is not None and not target.audio:
        yield f"{name} has no sound: leave out loudness"
    if name == "hls" and (wish.height or wish.video_bitrate):
        yield "hls has a rendition for each of its heights: leave out height and video_bitrate"
    if name != "hls" and wish.heights:
        yield f"{name} has one height: say height, not heights"


def _impossibilities(wish: Wish, media: Media) -> Iterator[str]:
    name, target = wish.format, wish.target
    if not media.has_video and (not target.audio or name == "hls"):
        yield f"The input has no picture to make a {name} of"
    if not media.has_video and wish.thumbnails:
        yield "The input has no picture to make thumbnails of"
    if not media.has_audio and not target.codecs:
        yield f"The input has no sound to make a {name} of"
    if not media.has_audio and wish.loudness is not None:
        yield "The input has no sound whose loudness could be changed"


def _refuse(reasons: Iterator[str]) -> None:
    for reason in reasons:
        raise Failed(reason, code="rejected")
