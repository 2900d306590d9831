"""HTTP Live Streaming (RFC 8216), for `transcode.py`: one video in several heights, of which a player takes what its
line can carry.

Names in playlists are relative, so they hold wherever the files lie side by side; none is the upload's, which could be
that of a rendition. All segments of a rendition are in one file, as byte ranges: a film has thousands of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from workers.handlers.ffmpeg import ENCODERS

SEGMENT_SECONDS: Final = 4
USUAL_HEIGHTS: Final = (240, 480, 720, 1080)
MASTER: Final = "master.m3u8"
CONTENT_TYPES: Final = {".ts": "video/mp2t", ".m3u8": "application/vnd.apple.mpegurl"}
"""Of a transport stream, not an MP4: of that ffmpeg's own player sees the first segment only, over HTTP."""


def heights(asked: Sequence[int] | None, of_source: int) -> list[int]:
    """Those asked for, else the usual ones that are no higher than the source; even, as encoders want them."""
    fitting = asked or [height for height in USUAL_HEIGHTS if height <= of_source] or [of_source]
    return sorted({height - height % 2 for height in fitting})


def options(heights: Sequence[int], sound: Sequence[str]) -> list[str]:
    """ffmpeg's; it is to run in the folder where the files shall be. No `sound` options: there is none."""
    count = len(heights)
    split = f"[0:V:0]split={count}" + "".join(f"[whole{n}]" for n in range(count))
    scaled = [f"[whole{n}]scale=-2:{height}[scaled{n}]" for n, height in enumerate(heights)]
    heard = ["-map", "0:a:0"] if sound else []
    maps = [option for n in range(count) for option in ("-map", f"[scaled{n}]", *heard)]
    streams = [f"v:{n},{f'a:{n},' if sound else ''}name:{height}p" for n, height in enumerate(heights)]
    h264 = ENCODERS["h264"]
    keyframes = ["-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT_SECONDS})", "-sc_threshold", "0"]
    picture = [*h264.options, *h264.quality, "-pix_fmt", "yuv420p", *keyframes]
    muxer = ["-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_playlist_type", "vod"]
    files = ["-hls_segment_type", "mpegts", "-hls_flags", "single_file", "-hls_segment_filename", "%v.ts"]
    names = ["-var_stream_map", " ".join(streams), "-master_pl_name", MASTER, "%v.m3u8"]
    return ["-filter_complex", ";".join([split, *scaled]), *maps, *picture, *sound, *muxer, *files, *names]


def renditions(folder: Path) -> list[Path]:
    """The files beside the master playlist, those that are named by others first."""
    playlists = [path for path in folder.glob("*.m3u8") if path.name != MASTER]
    return [*sorted(folder.glob("*.ts")), *sorted(playlists)]
