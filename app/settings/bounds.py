"""How much of each thing there may be, and how long it stays."""

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings

from app.limits import Admission

YEAR = 365 * 86_400


class Retention(BaseSettings):
    """How long things are kept"""

    result_ttl_seconds: PositiveInt = Field(
        7 * 86_400, le=YEAR, description="How long an ended job and its result are kept; at most a year."
    )
    upload_ttl_seconds: PositiveInt = Field(
        86_400, le=YEAR, description="How long an upload is kept after its last use; at most a year."
    )
    unfinished_upload_ttl_seconds: PositiveInt = Field(
        86_400, le=YEAR, description="How long an upload waits for its next bytes; at most a year."
    )
    idempotency_ttl_seconds: PositiveInt = Field(
        86_400, le=YEAR, description="How long an Idempotency-Key is remembered; at most a year."
    )


class Bounds(BaseSettings):
    """How much may be asked"""

    max_body_bytes: PositiveInt = Field(1 << 20, description="Largest JSON request body.")
    max_batch_body_bytes: PositiveInt = Field(16 << 20, description="Largest JSON body of a batch.")
    max_batch_jobs: PositiveInt = Field(10_000, description="Most jobs of a batch.")
    body_silence_seconds: PositiveFloat = Field(30, description="A request body that stays silent so long is given up.")
    body_seconds: PositiveFloat = Field(60, description="A JSON body that is not whole after so long is given up.")
    min_upload_rate: NonNegativeInt = Field(
        1024, description="Bytes a file must bring each second on average, or it is given up; 0: any number."
    )
    max_params_bytes: PositiveInt = Field(256 << 10, description="Largest params of one job, as JSON.")
    max_callback_bytes: PositiveInt = Field(256 << 10, description="Largest JSON body of a callback.")
    max_json_depth: PositiveInt = Field(32, description="Deepest nesting of a JSON body.")
    max_upload_bytes: PositiveInt = Field(10 << 30, description="Largest upload.")
    max_unfinished_uploads_per_owner: PositiveInt = Field(
        100, description="Uploads of one owner that have begun and not ended; more: 429."
    )
    max_unfinished_bytes_per_owner: PositiveInt = Field(
        50 << 30, description="Bytes that such uploads of one owner are to have together; more: 429."
    )
    max_result_bytes: PositiveInt = Field(256 << 10, description="Largest result as JSON; more belongs in an artifact.")
    max_event_bytes: PositiveInt = Field(16 << 10, description="Largest data of one event, as JSON.")
    max_log_line_bytes: PositiveInt = Field(8 << 10, description="A longer log line is cut and marked.")
    max_log_events: PositiveInt = Field(10_000, description="Events kept per job; those of lifecycle go last.")
    max_timeout_seconds: PositiveInt = Field(7 * 86_400, le=YEAR, description="Longest timeout to ask for.")
    max_attempts: PositiveInt = Field(100, description="Most attempts to ask for.")
    max_delay_seconds: PositiveInt = Field(YEAR, le=YEAR, description="Longest delay or suspension.")
    max_tags: PositiveInt = Field(10, le=100, description="Most tags of one job.")
    max_metadata_bytes: PositiveInt = Field(4 << 10, le=64 << 10, description="Largest metadata of one job, as JSON.")
    max_waiting_per_owner: PositiveInt = Field(100_000, description="Jobs of one owner that have not ended; more: 429.")
    max_waiting: PositiveInt = Field(1_000_000, description="Jobs of all owners that have not ended; more: 503.")
    max_redis_memory_share: float = Field(
        0.9, gt=0, le=1, description="Above this share of Redis's memory nothing new is accepted: 503."
    )
    submits_per_minute: PositiveInt = Field(300_000, description="Jobs one owner may submit each minute; more: 429.")
    uploads_per_minute: PositiveInt = Field(6_000, description="Uploads one owner may begin each minute; more: 429.")
    poll_burst: PositiveInt = Field(20, description="Polls of one job in a row, before Retry-After is insisted on.")

    @property
    def admission(self) -> Admission:
        """What bounds an owner's submissions."""
        return Admission(
            self.submits_per_minute, self.max_waiting_per_owner, self.max_waiting, self.max_delay_seconds * 1000
        )
