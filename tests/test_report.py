import asyncio
import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from redis.asyncio import Redis

from app.artifacts import artifact_key
from app.jobs import Job, Status
from app.objects import tree
from app.settings import Settings
from tests.conftest import eventually, handler_processes, is_gone
from tests.gateway import Gateway, content_of
from tests.stage import Stage
from workers import Failed
from workers.handlers.tables import sheet
from workers.handlers.tables.database import Database
from workers.handlers.tables.limits import MEMORY_BYTES, TEMP_BYTES, Limits
from workers.handlers.tables.preview import chart
from workers.handlers.tables.question import copied

SALES = "region,day,amount\n" + "".join(
    f"{'north' if n % 3 else 'south'},2026-01-0{1 + n % 9},{n}\n" for n in range(90)
)
TOTALS = "SELECT region, sum(amount) AS total FROM sales GROUP BY region ORDER BY region"
EXPECTED = [("north", 2700), ("south", 1305)]
ENDLESS = "SELECT count(*) FROM range(1_000_000_000_000) a"


@pytest.fixture
def stage(redis: Redis, tmp_path: Path) -> Stage:
    return Stage(redis, tmp_path / "data")


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_text(SALES)
    return path


async def asked(stage: Stage, table: Path, sql: str = TOTALS, **params: Any) -> Job:
    """The job of a question about one table, the view `sales`."""
    return await stage.play(
        "report", {"max_attempts": 1}, sql=sql, inputs={"sales": await stage.upload(table)}, **params
    )


async def answered(stage: Stage, table: Path, sql: str = TOTALS, **params: Any) -> tuple[Job, Path, str]:
    """With its file and its page."""
    job = await asked(stage, table, sql, **params)
    assert job.status is Status.COMPLETED, job.error
    main, page = job.artifacts
    assert page.name == "report.html"
    return job, stage.files.artifact(main.key), stage.files.artifact(page.key).read_text()


def rows(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(f"FROM '{path}'").fetchall()


def table_of(path: Path, form: str, folder: Path) -> Path:
    """The same table in another form, under a name that tells nothing of it."""
    made = folder / "table.data"
    if form == "tsv":
        made.write_text(path.read_text().replace(",", "\t"))
    elif form == "csv.gz":
        made.write_bytes(gzip.compress(path.read_bytes()))
    else:
        duckdb.sql(f"COPY (FROM '{path}') TO '{made}' (FORMAT {form})")
    return made


@pytest.mark.parametrize("form", ["csv", "tsv", "csv.gz", "json", "parquet"])
async def test_tables_of_every_form_are_told_by_their_content(
    stage: Stage, sales: Path, tmp_path: Path, form: str
) -> None:
    job, made, page = await answered(stage, table_of(sales, form, tmp_path))
    assert rows(made) == EXPECTED
    assert job.main_artifact
    assert job.main_artifact.name == "report.parquet"
    assert job.result["rows"] == 2
    assert job.result["columns"] == [{"name": "region", "type": "VARCHAR"}, {"name": "total", "type": "DECIMAL(38,0)"}]
    assert job.result["seconds"] > 0
    assert "<svg" in page
    assert "2700" in page


async def test_the_result_as_csv(stage: Stage, sales: Path) -> None:
    _, made, page = await answered(stage, sales, format="csv")
    assert made.read_text() == "region,total\nnorth,2700\nsouth,1305\n"
    assert "2700" in page


async def test_the_result_as_a_workbook(stage: Stage, sales: Path) -> None:
    sql = """SELECT '=1+1' AS text, 12.5 AS number, DATE '2026-01-02' AS day, [1, 2] AS list, 2::HUGEINT ** 60 AS large,
             NULL AS nothing, now() AS moment, 'NaN'::DOUBLE AS nan, TIMESTAMP '1066-10-14' AS old FROM sales LIMIT 2"""
    job, made, _ = await answered(stage, sales, sql, format="xlsx")
    assert job.result["rows"] == 2
    with zipfile.ZipFile(made) as book:
        cells = book.read("xl/worksheets/sheet1.xml").decode()
    assert cells.count("<row ") == 3
    assert "<f>" not in cells
    assert "<t>=1+1</t>" in cells
    assert "<v>12.5</v>" in cells
    assert "<t>[1, 2]</t>" in cells
    assert "<t>1066-10-14 00:00:00</t>" in cells


async def test_a_workbook_has_an_end(stage: Stage, sales: Path) -> None:
    job = await asked(stage, sales, f"FROM range({sheet.MOST_ROWS + 1})", format="xlsx")
    assert told(job) == ("xlsx_limit", "XLSX holds 1,048,575 rows, this has 1,048,576: ask for parquet or csv.")
    job = await asked(stage, sales, "SELECT repeat('x', 40_000)", format="xlsx")
    assert told(job)[0] == "xlsx_limit"
    assert not job.artifacts


async def test_inputs_are_joined_and_artifacts_of_other_jobs_serve_as_inputs(stage: Stage, sales: Path) -> None:
    first = await asked(stage, sales)
    inputs = {"Totals": f"artifact:{first.job_id}/report.parquet", "sales": await stage.upload(sales)}
    sql = "SELECT count(*) AS n, max(total) AS most FROM sales JOIN totals USING (region) -- all of it"
    job = await stage.play("report", sql=sql, inputs=inputs)
    (artifact, _) = job.artifacts
    assert rows(stage.files.artifact(artifact.key)) == [(90, 2700)]


async def test_a_folder_below_an_allowed_root_is_one_table(redis: Redis, sales: Path, tmp_path: Path) -> None:
    parts = tmp_path / "root" / "2026"
    parts.mkdir(parents=True)
    for n in range(3):
        (parts / f"{n}.csv").write_bytes(sales.read_bytes())
    (parts / "elsewhere.csv").symlink_to(sales)
    stage = Stage(redis, tmp_path / "data", data_roots={"all": tmp_path / "root"})
    sql = "SELECT count(*) AS n FROM sales"
    job = await stage.play("report", sql=sql, inputs={"sales": "location:all/2026"}, format="csv")
    (artifact, _) = job.artifacts
    assert stage.files.artifact(artifact.key).read_text() == "n\n270\n"
    for place in ("all/../data", "all/none", "other/2026"):
        job = await stage.play("report", sql=sql, inputs={"sales": f"location:{place}"})
        assert told(job)[0] == "unknown_input"


async def test_a_folder_in_s3_is_one_table(
    redis: Redis, gateway: Gateway, sales: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = gateway.settings()
    stage = Stage(redis, tmp_path / "data", data_roots={"lake": f"{settings['store_url']}/artifacts"}, **settings)
    table = table_of(sales, "parquet", tmp_path)
    for n in range(2):
        stage.files.save("2026", 1, f"{n}.parquet", table)
    sql = "SELECT count(*) AS n FROM sales"
    job = await stage.play("report", sql=sql, inputs={"sales": "location:lake/2026"}, format="csv")
    (artifact, _) = job.artifacts
    assert content_of(stage.files, artifact_key(artifact.key)) == b"n\n180\n"
    job = await stage.play("report", sql=sql, inputs={"sales": "location:lake/none"})
    assert told(job)[0] == "unknown_input"
    monkeypatch.setattr(tree, "MOST_FILES", 1)
    job = await stage.play("report", sql=sql, inputs={"sales": "location:lake/2026"})
    assert told(job) == ("unfit_input", "location:lake/2026 holds more than 1 files.")


@pytest.mark.parametrize(
    "sql",
    [
        "FROM sales; -- done; really",
        "WITH few AS MATERIALIZED (FROM sales LIMIT 1) FROM few UNION ALL FROM few;",
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3) FROM t",
        "VALUES (1, ';'), (2, '--')",
        "DESCRIBE sales",
        "SUMMARIZE sales",
        "PIVOT sales ON region IN ('north', 'south') USING sum(amount) GROUP BY day",
        "SELECT 1 AS a, 2 AS a, 'COPY_QUERY_NODE' AS type, $$;$$ AS b",
    ],
)
def test_whatever_reads_is_answered(sales: Path, tmp_path: Path, sql: str) -> None:
    for form in ("parquet", "csv"):
        result = tmp_path / f"result.{form}"
        with Database({"sales": sales}, Limits(), tmp_path) as database:
            database.lock([sales, result])
            columns, count = copied(database, sql, result, lambda *_: None)
        assert len(rows(result)) == count > 0
        assert columns


async def test_columns_may_have_any_names_and_values_any_text(stage: Stage, sales: Path) -> None:
    sql = 'SELECT 1 AS a, 2 AS a, \'x, "y"\n\' AS "it\'s ""so""", \'\' AS empty, NULL AS nothing FROM sales LIMIT 1'
    for format in ("parquet", "csv", "xlsx"):
        job, _, page = await answered(stage, sales, sql, format=format)
        assert [column["name"] for column in job.result["columns"]][:3] == ["a", "a_1", 'it\'s "so"']
        assert "x, &quot;y&quot;" in page


SECRET = "{secret}"
ATTACKS = [
    f"FROM read_csv('{SECRET}')",
    f"FROM '{SECRET}'",
    f'FROM "{SECRET}"',
    f"FROM read_text('{SECRET}')",
    f"FROM read_blob('file://{SECRET}')",
    f"FROM read_json_objects('{SECRET}')",
    f"FROM sniff_csv('{SECRET}')",
    f"FROM parquet_metadata('{SECRET}')",
    f"FROM query_table('{SECRET}')",
    f"FROM query('FROM read_text(''{SECRET}'')')",
    f"SELECT (SELECT content FROM read_text('{SECRET}'))",
    f"FROM read_text('{SECRET}/../secret.csv')",
    "FROM read_csv('/etc/passwd')",
    "FROM glob('/etc/*')",
    "FROM read_text('/proc/self/environ')",
    "FROM read_text('/dev/stdin')",
    "FROM read_parquet('http://127.0.0.1:9/x.parquet')",
    "FROM 's3://bucket/x.parquet'",
    "FROM read_duckdb('/tmp/x.db')",
    "SELECT getenv('HOME')",
    f"COPY sales TO '{SECRET}'",
    f"WITH x AS (COPY sales TO '{SECRET}') FROM x",
    f"WITH x AS (COPY sales TO '{SECRET}') SELECT 1 WHERE false",
    f"FROM query('WITH x AS (COPY sales TO ''{SECRET}'') FROM x')",
    "WITH x AS (INSERT INTO sales VALUES ('a', '2026-01-01', 1) RETURNING *) FROM x",
    "WITH x AS (DELETE FROM sales) SELECT 1",
    "FROM enable_logging(storage = 'file', storage_path = '/tmp')",
    "FROM enable_profiling(save_location = '/tmp/x')",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "ATTACH '/tmp/x.db'",
    "CREATE SECRET s (TYPE s3)",
    "CREATE TABLE t AS FROM sales",
    "DROP VIEW sales",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET threads = 1",
    "RESET enable_external_access",
    "PRAGMA threads = 1",
    "PRAGMA version",
    "CALL pragma_version()",
    "EXPLAIN ANALYZE FROM sales",
    "PREPARE x AS FROM sales",
    "BEGIN",
    "CHECKPOINT",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY sales TO '/tmp/x'",
    "SELECT 1 /*",
    "SELECT 1) TO '/tmp/x'; --",
    "SELECT 1 FROM sales) TO '/tmp/x' (FORMAT csv); SET threads = 1; COPY (SELECT 1",
    "SELECT 1 --\n; DROP VIEW sales",
    "-- nothing",
    " ",
    ";",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_sql_can_neither_reach_elsewhere_nor_write(sales: Path, tmp_path: Path, attack: str) -> None:
    secret, result = tmp_path / "secret.csv", tmp_path / "result.parquet"
    secret.write_text("a\nhidden\n")
    with Database({"sales": sales}, Limits(), tmp_path) as database:
        database.lock([sales, result])
        with pytest.raises(Failed) as refused:
            copied(database, attack.replace(SECRET, str(secret)), result, lambda *_: None)
    assert refused.value.code in ("forbidden_sql", "invalid_sql")
    assert "hidden" not in str(refused.value)
    assert secret.read_text() == "a\nhidden\n"
    assert not result.exists()


async def test_not_even_an_input_can_be_written_to(stage: Stage, sales: Path) -> None:
    upload = await stage.upload(sales)
    stored = stage.files.upload(upload.removeprefix("upload:"))
    for sql in (f"WITH x AS (COPY (SELECT 1) TO '{stored}') FROM x", f"COPY (SELECT 1) TO '{stored}'"):
        job = await stage.play("report", sql=sql, inputs={"sales": upload})
        assert told(job)[0] == "forbidden_sql"
    assert stored.read_text() == SALES


@pytest.mark.parametrize(
    ("sql", "code", "words"),
    [
        ("SELECT nope FROM sales", "invalid_sql", 'Candidate bindings: "amount"'),
        ("SELEC 1", "invalid_sql", "syntax error"),
        ("FROM sale", "invalid_sql", "sales"),
        ("SELECT region::INT FROM sales", "query_failed", "Could not convert"),
        ("PIVOT sales ON region USING sum(amount)", "forbidden_sql", "IN (…)"),
        ("DROP VIEW sales", "forbidden_sql", "this is DROP"),
        ("SELECT 1; SELECT 2", "forbidden_sql", "exactly one statement, this is 2"),
        (f"SELECT {', '.join('1' * 1001)}", "too_large", "1000 columns"),
    ],
)
async def test_what_is_wrong_with_the_sql_is_told(stage: Stage, sales: Path, sql: str, code: str, words: str) -> None:
    job = await asked(stage, sales, sql)
    assert told(job)[0] == code
    assert words in told(job)[1]


def told(job: Job) -> tuple[str, str]:
    """Code and message of a job that has failed for good."""
    assert job.status is Status.FAILED
    assert job.error
    return job.error["code"], job.error["message"]


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"PAR1", b"PAR1 and then nothing", b"\x1f\x8bnot gzip", b'{"a": [1, ']
)
async def test_an_input_that_is_no_table_is_named(stage: Stage, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad").write_bytes(content)
    code, message = told(await asked(stage, tmp_path / "bad"))
    assert code == "unreadable_input"
    assert "The input sales cannot be read" in message
    assert str(tmp_path) not in message


async def test_a_parquet_whose_middle_is_damaged_fails_in_duckdbs_own_words(
    stage: Stage, sales: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.parquet"
    duckdb.sql(f"COPY (SELECT i, hash(i) AS h FROM range(20000) r(i)) TO '{damaged}'")
    content = bytearray(damaged.read_bytes())
    content[4:100] = b"\xff" * 96  # the head of its first page
    damaged.write_bytes(content)
    code, message = told(await asked(stage, damaged, "SELECT sum(i), sum(h) FROM sales"))
    assert code in ("unreadable_input", "query_failed")
    assert message
    assert str(tmp_path) not in message


async def test_a_query_keeps_to_its_memory_and_its_disk(
    stage: Stage, sales: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_REPORT_MEMORY", str(64 << 20))
    monkeypatch.setenv("TIDINGS_REPORT_TEMP_SPACE", str(1 << 20))
    sorting = "SELECT hash(range) AS h, range FROM range(10_000_000) ORDER BY h"
    code, message = told(await asked(stage, sales, sorting))
    assert code in ("out_of_temp_space", "out_of_memory")
    assert "TIDINGS_REPORT_" in message
    code, message = told(await asked(stage, sales, "SELECT list(range) FROM range(100_000_000)"))
    assert code == "out_of_memory"
    assert "TIDINGS_REPORT_MEMORY" in message


def test_the_settings_have_the_handlers_own_defaults() -> None:
    settings = Settings()
    assert (settings.report_memory, settings.report_temp_space) == (MEMORY_BYTES, TEMP_BYTES)


async def test_progress_is_duckdbs_own_and_a_cancel_interrupts_the_query(stage: Stage, sales: Path) -> None:
    run = await stage.claimed("report", sql=ENDLESS, inputs={"sales": await stage.upload(sales)})
    task = asyncio.create_task(stage.runner.run(run))
    async with asyncio.timeout(30):
        while not ((await stage.job(run.job_id)).progress or {}).get("eta_seconds"):
            await asyncio.sleep(0.01)
    told = (await stage.job(run.job_id)).progress
    assert told
    assert (told["message"], 0 < told["percent"] < 95) == ("querying", True)
    pids = handler_processes()
    assert pids
    await stage.jobs.cancel(run.job_id, "me")
    stage.runner.cancel(run.job_id)
    async with asyncio.timeout(20):
        await task
    job = await stage.job(run.job_id)
    assert job.status is Status.CANCELLED
    assert not job.artifacts
    eventually(lambda: all(map(is_gone, pids)))
    assert not (stage.data_dir / "scratch" / run.job_id).exists()


async def test_the_page_is_only_text_and_runs_nothing(stage: Stage, sales: Path) -> None:
    hostile = "<script>alert(1)</script>"
    sql = f"SELECT '{hostile}' AS \"{hostile}\", n FROM range(2) t(n)"
    _, _, page = await answered(stage, sales, sql)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    ("columns", "rows", "drawn"),
    [
        ([("region", "VARCHAR"), ("total", "BIGINT")], [("a", "1"), ("b", "-2")], "<rect"),
        ([("day", "DATE"), ("total", "DECIMAL(10,2)")], [("2026-01-01", "1.5"), ("2026-01-02", "2")], 'class="line'),
        ([("day", "DATE"), ("total", "DOUBLE")], [("infinity", "1"), ("2026-01-02", "2")], "<rect"),
        ([("region", "VARCHAR"), ("total", "DOUBLE")], [("a", "NaN"), ("b", "inf"), (None, "1"), ("c", None)], ""),
        ([("region", "VARCHAR"), ("total", "DOUBLE")], [("a", "1")], ""),
        ([("a", "BIGINT"), ("b", "BIGINT")], [("1", "1"), ("2", "2")], ""),
        ([("a", "VARCHAR"), ("b", "BIGINT[]")], [("1", "[1]"), ("2", "[2]")], ""),
        ([("a", "VARCHAR"), ("b", "BIGINT")], [("1", "5"), ("2", "5")], "<rect"),
    ],
)
def test_a_chart_is_drawn_where_one_makes_sense(
    columns: list[tuple[str, str]], rows: list[tuple[str | None, ...]], drawn: str
) -> None:
    svg = chart(columns, rows)
    assert drawn in svg
    assert bool(svg) == bool(drawn)


async def test_its_params_are_checked(stage: Stage, sales: Path) -> None:
    for name in ("a b", "", '"', "1a"):
        job = await stage.play("report", sql="SELECT 1", inputs={name: await stage.upload(sales)})
        assert told(job)[0] == "rejected"
    job = await stage.play("report", sql="FROM sales", inputs={"sales": "upload:gone"})
    assert told(job)[0] == "unknown_input"
    schema = json.dumps(stage.registry.find("report").signature.schema)  # type: ignore[union-attr]
    assert "tidings-input" in schema
