"""Loads the log of the benchmark into another program and asks it the benchmark's questions.

    yardsticks.py load  duckdb|chdb|bloom LOG FOLDER
    yardsticks.py table duckdb|chdb TSV FOLDER
    yardsticks.py ask   duckdb|chdb|bloom QUESTIONS FOLDER

`table` loads fields that are already extracted, with their types.

Run by `cargo xtask bench` in an environment that has duckdb and chdb. One JSON object on standard output. Each program gets
the settings that its own documentation advises for logs, two threads and 6 GB of memory.
"""

import json
import os
import resource
import sys
import time
import tomllib

# One question is asked until it has used so much CPU, or so much time has gone by, or so often.
CPU_SECONDS, WALL_SECONDS, TIMES = 0.2, 5.0, 200

# The columns of `table`, with their types in DuckDB and in ClickHouse; few different values are kept as numbers by both.
COLUMNS = {
    "ts": ("BIGINT", "UInt64 CODEC(Delta, ZSTD)"),
    "host": ("VARCHAR", "LowCardinality(String)"),
    "clientip": ("VARCHAR", "String"),
    "user": ("VARCHAR", "LowCardinality(String)"),
    "session": ("VARCHAR", "String"),
    "method": ("VARCHAR", "LowCardinality(String)"),
    "uri_path": ("VARCHAR", "LowCardinality(String)"),
    "status": ("SMALLINT", "UInt16"),
    "bytes": ("BIGINT", "UInt32"),
    "duration": ("DOUBLE", "Float64"),
}

# Lines of RFC 3164 have no year.
YEAR = 2026


class DuckDb:
    """A native table file of DuckDB."""

    def __init__(self, folder):
        import duckdb

        self.version = "DuckDB " + duckdb.__version__
        os.makedirs(folder, exist_ok=True)
        self.base = duckdb.connect()
        self.base.execute(f"SET memory_limit = '6GB'; SET threads = 2; SET temp_directory = '{folder}/spill'")
        self.base.execute(f"ATTACH '{folder}/logs.duckdb' AS store (STORAGE_VERSION 'latest'); USE store")

    def load(self, log):
        """Sorted by time as it comes; zone maps on ts make ranges cheap."""
        self.base.execute(
            f"""CREATE TABLE logs AS
            SELECT strptime('{YEAR} ' || replace(raw[1:15], '  ', ' 0'), '%Y %b %d %H:%M:%S') AS ts,
                   split_part(raw[17:], ' ', 1) AS host,
                   regexp_extract(raw, '^.{{16}}[^ ]+ ([^:\\[]+)', 1) AS app,
                   raw
            FROM read_csv('{log}', columns = {{'raw': 'VARCHAR'}}, header = false, auto_detect = false,
                          delim = '\x01', quote = '', escape = '', max_line_size = 1048576)"""
        )
        self.base.execute("CHECKPOINT store")
        return self.base.execute("SELECT count(*) FROM logs").fetchone()[0]

    def table(self, file):
        columns = ", ".join(f"'{name}': '{kind[0]}'" for name, kind in COLUMNS.items())
        self.base.execute(
            f"""CREATE TABLE logs AS SELECT * FROM read_csv('{file}', columns = {{{columns}}}, header = false, auto_detect = false,
                          delim = '\t', quote = '', escape = '')"""
        )
        self.base.execute("CHECKPOINT store")
        return self.base.execute("SELECT count(*) FROM logs").fetchone()[0]

    def ask(self, sql):
        return self.base.execute(sql).fetchall()

    def size(self, folder):
        return os.path.getsize(f"{folder}/logs.duckdb")

    def close(self):
        self.base.close()


class ChDb:
    """A MergeTree of ClickHouse, with its text index, or with bloom filters of tokens and of four letters."""

    INDEXES = {
        "chdb": "INDEX words raw TYPE text(tokenizer = splitByNonAlpha, preprocessor = lower(raw))",
        "bloom": "INDEX words raw TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 1, INDEX grams raw TYPE ngrambf_v1(4, 65536, 2, 0) GRANULARITY 1",
    }

    def __init__(self, kind, folder):
        import chdb
        from chdb import session

        self.kind = kind
        self.session = session.Session(folder)
        version = str(self.session.query("SELECT version()", "TSV")).strip()
        self.version = f"chdb {chdb.__version__} (ClickHouse {version}), " + ("text index" if kind == "chdb" else "bloom filters")
        # What a condition found is not remembered: the same question is asked many times.
        self.settings = "max_threads = 2, max_insert_threads = 1, max_memory_usage = 6000000000, use_query_condition_cache = 0"

    def load(self, log):
        self.session.query("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
        self.session.query(
            f"""CREATE TABLE bench.logs (
                ts DateTime('UTC') CODEC(Delta, ZSTD), host LowCardinality(String), app LowCardinality(String), raw String CODEC(ZSTD(3)),
                {self.INDEXES[self.kind]})
            ENGINE = MergeTree ORDER BY (ts)"""
        )
        self.session.query(
            f"""INSERT INTO bench.logs
            SELECT parseDateTimeBestEffort(concat(replaceOne(substring(line, 1, 6), '  ', ' '), ' {YEAR} ', substring(line, 8, 8)), 'UTC'),
                   splitByChar(' ', substring(line, 17))[1], extract(line, '^.{{16}}[^ ]+ ([^:\\\\[]+)'), line
            FROM file('{log}', 'LineAsString') SETTINGS {self.settings}"""
        )
        self.session.query("OPTIMIZE TABLE bench.logs FINAL")
        return int(str(self.session.query("SELECT count() FROM bench.logs", "TSV")))

    def table(self, file):
        self.session.query("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")
        columns = ", ".join(f"{name} {kind[1]}" for name, kind in COLUMNS.items())
        self.session.query(f"CREATE TABLE bench.logs ({columns}) ENGINE = MergeTree ORDER BY (ts)")
        self.session.query(f"INSERT INTO bench.logs SELECT * FROM file('{file}', 'TSV') SETTINGS {self.settings}")
        self.session.query("OPTIMIZE TABLE bench.logs FINAL")
        return int(str(self.session.query("SELECT count() FROM bench.logs", "TSV")))

    def ask(self, sql):
        answer = self.session.query(sql.replace("FROM logs", "FROM bench.logs") + f" SETTINGS {self.settings}", "JSONCompactEachRow")
        return [json.loads(line) for line in str(answer).splitlines()]

    def size(self, _):
        """Without the parts that were merged and are removed some minutes later."""
        return int(str(self.session.query("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'logs'", "TSV")))

    def close(self):
        self.session.close()


def made(kind, folder):
    return DuckDb(folder) if kind == "duckdb" else ChDb(kind, folder)


def load(kind, log, folder, way="load"):
    start, cpu = time.monotonic(), time.process_time()
    program = made(kind, folder)
    rows = getattr(program, way)(log)
    cost = {"cpu": time.process_time() - cpu, "wall": time.monotonic() - start}
    stored = program.size(folder)
    program.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"version": program.version, "rows": rows, "bytes": stored, "memory": memory, **cost}


def answer(form, rows):
    if form == "count":
        return {"count": int(rows[0][0])}
    if form == "hours":
        return {"hours": [int(row[0]) for row in rows]}
    if form == "top":
        return {"top": [[row[0], int(row[1])] for row in rows]}
    if form == "figures":
        return {"figures": [float(cell) for cell in rows[0]]}
    return {"texts": [row[0] for row in rows]}


def measured(program, kind, question):
    sql = question["duckdb"] if kind == "duckdb" else question.get("bloom", question["chdb"]) if kind == "bloom" else question["chdb"]
    try:
        found = answer(question.get("answer", "figures"), program.ask(sql))
    except Exception as error:  # a question that a program cannot answer is told in the report
        return {"error": str(error).strip().splitlines()[0][:200]}
    start, cpu, times, best = time.monotonic(), time.process_time(), 0, [float("inf")] * 2
    while times < TIMES and time.process_time() - cpu < CPU_SECONDS and time.monotonic() - start < WALL_SECONDS or times < 3:
        before = time.process_time(), time.monotonic()
        program.ask(sql)
        best = [min(best[0], time.process_time() - before[0]), min(best[1], time.monotonic() - before[1])]
        times += 1
    mean = {"cpu": (time.process_time() - cpu) / times, "wall": (time.monotonic() - start) / times}
    return {**found, **mean, "best_cpu": best[0], "best_wall": best[1]}


def ask(kind, questions, folder):
    with open(questions, "rb") as file:
        asked = [question for question in tomllib.load(file)["question"] if "duckdb" in question]
    program = made(kind, folder)
    answers = [measured(program, kind, question) for question in asked]
    program.close()
    return {"answers": answers}


if __name__ == "__main__":
    _, verb, kind, given, folder = sys.argv
    # The embedded server may write to standard output while it ends.
    print(json.dumps(ask(kind, given, folder) if verb == "ask" else load(kind, given, folder, verb)), flush=True)
    os._exit(0)
