"""What `transcode.py` knows of ffmpeg: where it is, what its formats need, and how to read what it prints."""

import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import imageio_ffmpeg  # type: ignore[import-untyped]  # it has no types

SAFELY: Final = (
    "-protocol_whitelist",
    "file,pipe",
    "-format_whitelist",
    "mov,matroska,avi,flv,mpeg,mpegts,mpegvideo,asf,mxf,dv,rm,h264,hevc,ivf,gif,"
    "ogg,wav,w64,aiff,au,caf,mp3,aac,ac3,eac3,dts,flac,amr,ape,wv,tta",
)
"""Before an input: kinds of files that hold their media themselves. A playlist would have ffmpeg open what it names."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """Options of a video codec; `quality` stands in where no bitrate is asked for, and would overrule one."""

    options: tuple[str, ...]
    quality: tuple[str, ...] = ()


ENCODERS: Final = {
    "h264": Encoder(("-c:v", "libx264", "-preset", "fast"), ("-crf", "23")),
    "hevc": Encoder(("-c:v", "libx265", "-preset", "fast", "-x265-params", "log-level=error"), ("-crf", "28")),
    "vp8": Encoder(("-c:v", "libvpx", "-deadline", "good", "-cpu-used", "4"), ("-crf", "10", "-b:v", "1M")),
    "vp9": Encoder(
        ("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "4", "-row-mt", "1"), ("-crf", "33", "-b:v", "0")
    ),
    "av1": Encoder(("-c:v", "libsvtav1", "-preset", "8"), ("-crf", "35")),
    "gif": Encoder(("-c:v", "gif")),
}


@dataclass(frozen=True, slots=True)
class Format:
    """What a file of that ending holds. The first of the `codecs` is the usual one; no `audio`: silent."""

    content_type: str
    codecs: tuple[str, ...] = ()
    audio: str = ""
    options: tuple[str, ...] = ()
    lossless_audio: bool = False


FORMATS: Final = {
    "mp4": Format("video/mp4", ("h264", "hevc", "av1"), "aac", ("-movflags", "+faststart")),
    "mov": Format("video/quicktime", ("h264", "hevc"), "aac", ("-movflags", "+faststart")),
    "webm": Format("video/webm", ("vp9", "vp8", "av1"), "libopus"),
    "mkv": Format("video/x-matroska", ("h264", "hevc", "vp9", "vp8", "av1"), "aac"),
    "gif": Format("image/gif", ("gif",)),
    "hls": Format("application/vnd.apple.mpegurl", ("h264",), "aac"),
    "mp3": Format("audio/mpeg", audio="libmp3lame"),
    "m4a": Format("audio/mp4", audio="aac", options=("-movflags", "+faststart")),
    "aac": Format("audio/aac", audio="aac"),
    "opus": Format("audio/ogg", audio="libopus"),
    "flac": Format("audio/flac", audio="flac", lossless_audio=True),
    "wav": Format("audio/wav", audio="pcm_s16le", lossless_audio=True),
}

_DURATION: Final = re.compile(r"\s*Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)")
_STREAM: Final = re.compile(r"\s*Stream #\S+ (Video|Audio): ")
_SIZE: Final = re.compile(r", (\d+)x(\d+)[, ]")
_RATE: Final = re.compile(r", (\d+) Hz")
_ORIGIN: Final = re.compile(r"^\[[^\]]* @ 0x[0-9a-f]+\] ")


def executable() -> str:
    """The one on PATH, else that of the imageio-ffmpeg wheel. Raises RuntimeError when there is neither."""
    return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


@dataclass(slots=True)
class Media:
    """What an input holds, as ffmpeg tells it line by line: of picture and sound the first. A cover is no picture."""

    duration_seconds: float | None = None
    has_video: bool = False
    has_audio: bool = False
    height: int = 0
    sample_rate: int = 48_000

    def read(self, line: str) -> None:
        """The next line."""
        if match := _DURATION.match(line):
            hours, minutes, seconds = match.groups()
            self.duration_seconds = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        elif (match := _STREAM.match(line)) and "(attached pic)" not in line:
            if match[1] == "Video" and not self.has_video:
                self.has_video, size = True, _SIZE.search(line)
                self.height = int(size[2]) if size else 0
            elif match[1] == "Audio" and not self.has_audio:
                self.has_audio, rate = True, _RATE.search(line)
                self.sample_rate = int(rate[1]) if rate else self.sample_rate


@dataclass(slots=True)
class Meter:
    """Reads `-progress`: calls `tell(seconds done, speed)` for each of its blocks; a speed of 2 is twice real time."""

    tell: Callable[[float, float], None]
    done_seconds: float = 0.0
    _block: dict[str, str] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """The next line, `key=value`; `progress` is the last key of a block."""
        key, _, value = line.partition("=")
        self._block[key] = value.strip()
        if key == "progress":
            block, self._block = self._block, {}
            self.done_seconds = max(self.done_seconds, _number(block.get("out_time_us", "")) / 1_000_000)
            self.tell(self.done_seconds, _number(block.get("speed", "").removesuffix("x")))


def last_words(lines: Iterable[str], path: str) -> str:
    """Why ffmpeg gave up, in its own words, without addresses and without where files lie here."""
    told = [_ORIGIN.sub("", line).replace(path, "the input").strip() for line in lines]
    said = [line for line in told if line and not line.startswith("Error opening input file")]
    return " / ".join(dict.fromkeys(said[-3:])) or "ffmpeg failed without a word"


def _number(text: str) -> float:
    try:
        return max(float(text), 0.0)
    except ValueError:
        return 0.0
