"""The whole way in, put together: what the doors hand requests, batches and files to."""

from dataclasses import dataclass
from typing import Self

from app.artifacts import FileStore
from app.intake.batches import Batches
from app.intake.catalog import Catalog
from app.intake.inputs import Inputs
from app.intake.reception import Reception
from app.intake.resumption import Resumptions
from app.intake.submissions import Submissions
from app.locations import Locations
from app.pressure import Pressure
from app.settings import Settings
from app.store.stores import Stores


@dataclass(frozen=True, slots=True)
class Intake:
    """Made by the assembly (`app/main.py`)."""

    catalog: Catalog
    submissions: Submissions
    batches: Batches
    reception: Reception
    resumptions: Resumptions
    pressure: Pressure

    @classmethod
    def of(cls, settings: Settings, stores: Stores, files: FileStore, locations: Locations) -> Self:
        """As the settings bound it."""
        catalog = Catalog(stores.kinds)
        pressure = Pressure(stores.memory, settings.max_redis_memory_share)
        inputs = Inputs(stores.jobs, stores.uploads, locations)
        submissions = Submissions(settings, stores.jobs, catalog, inputs, pressure)
        reception = Reception(files, stores.uploads, settings.uploads_per_minute)
        return cls(
            catalog=catalog,
            submissions=submissions,
            batches=Batches(submissions, catalog, inputs, stores.batches, settings.max_batch_jobs),
            reception=reception,
            resumptions=Resumptions(files, stores.unfinished, stores.uploads, reception),
            pressure=pressure,
        )
