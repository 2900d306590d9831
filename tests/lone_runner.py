"""A worker that `test_runner.py` can kill; it runs one claimed job: `lone_runner SOCKET DATA_DIR JOB_ID TOKEN`."""

import asyncio
import sys
from pathlib import Path

from redis.asyncio import Redis

from app.store import Run
from tests.ground import OWNER
from tests.stage import Stage


async def main(socket: str, data_dir: str, job_id: str, token: str) -> None:
    async with Redis(unix_socket_path=socket) as redis:
        params = '{"deed":"spin"}'
        await Stage(redis, Path(data_dir)).runner.run(Run(job_id, token, "process", OWNER, 1, 1, 60_000, params))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
