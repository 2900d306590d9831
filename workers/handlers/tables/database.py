"""A DuckDB that reads the files it is given and reaches nothing else: no other file, no network, no extension.

Used by `report`, whose SQL is a stranger's, and by `train` for reading its table.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Self

import duckdb

from workers import Failed
from workers.handlers.tables import source
from workers.handlers.tables.limits import Limits
from workers.handlers.tables.words import failure, identifier, text

CONFIG: Final[Mapping[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,  # else a table's name finds our own variables
}


class Database:
    """One connection to an empty database in memory, with a view for each input. Close it when done."""

    def __init__(self, inputs: Mapping[str, Path], limits: Limits, scratch: Path) -> None:
        self.limits = limits
        self.names = {str(path): name for name, path in inputs.items()}
        self.connection = duckdb.connect(config=dict(CONFIG))
        settings = {
            "memory_limit": f"{limits.memory}B",
            "threads": str(limits.cores),
            "temp_directory": str(scratch / "spill"),
            "max_temp_directory_size": f"{limits.temp_space}B",
            "enable_progress_bar": "true",  # `query_progress` needs it; nothing is printed
            "enable_progress_bar_print": "false",
            "progress_bar_time": "0",
        }
        for name, value in settings.items():
            self.run(f"SET {name} = {text(value)}")
        for name, path in inputs.items():
            self._add(name, path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def lock(self, allowed: Iterable[Path]) -> None:
        """From here on these files are all there is, to read as to write, and nothing can be set. For good."""
        files = ", ".join(text(str(path)) for path in allowed)
        self.run(f"SET allowed_paths = [{files}]")
        self.run("SET enable_external_access = false")
        self.run("SET lock_configuration = true")

    def run(self, sql: str) -> list[tuple[object, ...]]:
        """All rows. Raises Failed, in DuckDB's own words."""
        try:
            return self.connection.execute(sql).fetchall()
        except duckdb.Error as error:
            raise failure(error, self.names, self.limits) from error

    def columns(self, sql: str) -> list[tuple[str, str]]:
        """Name and type of what a query will bring, without running it. Raises Failed for what is no query."""
        try:
            relation = self.connection.sql(sql)
            return list(zip(relation.columns, map(str, relation.types), strict=True))
        except duckdb.Error as error:
            raise failure(error, self.names, self.limits) from error

    def _add(self, name: str, path: Path) -> None:
        try:
            self.run(f"CREATE VIEW {identifier(name)} AS FROM {source.reader(path)}")
        except Failed as error:
            said = str(error).partition("\n\n")[0]
            raise Failed(f"The input {name} cannot be read: {said}", code="unreadable_input") from error
