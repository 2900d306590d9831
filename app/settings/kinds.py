"""What the kinds that come with Tidings may use."""

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings


class Kinds(BaseSettings):
    """The kinds that come with Tidings"""

    report_memory: PositiveInt = Field(2 << 30, description="Memory of one `report`'s query.")
    report_temp_space: PositiveInt = Field(20 << 30, description="Disk that one `report` may use meanwhile.")
    report_threads: NonNegativeInt = Field(0, description="Threads of one `report`; 0: one for each core.")
    train_memory: PositiveInt = Field(2 << 30, description="Memory of one `train`'s table.")
    train_temp_space: PositiveInt = Field(20 << 30, description="Disk that one `train` may use to read its table.")
    train_threads: NonNegativeInt = Field(0, description="Threads of one `train`; 0: one for each core.")
    train_checkpoint_seconds: PositiveFloat = Field(
        15, description="A training is saved so often, or when a tenth of its time has gone since."
    )
    bank_url: str = Field(
        "", pattern=r"^(https?://.+)?$", description="The bank that `payment` charges through; empty: there is none."
    )
    bank_poll_seconds: PositiveFloat = Field(
        30, ge=0.5, description="A `payment` that waits for the bank's callback asks by itself so often."
    )
