"""Small pictures of a video, evenly spaced, for `transcode.py`."""

from dataclasses import replace
from typing import Final

from workers import Failed
from workers.handlers.passes import Pass

WIDTH: Final = 320
"""At most."""
MOST: Final = 100


async def take(taking: Pass, count: int, start_seconds: float, seconds: float) -> int:
    """Take and store so many, each from the middle of its part. Answers how many there were pictures for."""
    ctx, width = taking.ctx, len(str(count))
    taken = 0
    for number in range(1, count + 1):
        picture = ctx.scratch / f"thumbnail-{number:0{width}}.jpg"
        moment = start_seconds + seconds * (number - 0.5) / count
        look = ["-map", "0:V:0", "-frames:v", "1", "-vf", f"scale='min({WIDTH},iw)':-2", "-q:v", "4"]
        try:
            await replace(taking, seconds=None).run(["-ss", f"{moment:.3f}"], *look, str(picture))
            await ctx.save(picture.name, picture, "image/jpeg")
            taken += 1
        except Failed:  # the picture may end before the sound
            ctx.log(f"there is no picture at {moment:.1f} s", "warning")
        ctx.progress(taking.begin + (taking.end - taking.begin) * number / count, taking.doing)
    return taken
