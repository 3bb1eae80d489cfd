"""A PostgreSQL of its own with default durability, and a psql that stays open."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Cluster:
    """Started and removed by scripts/scratch-postgres; stock settings but for shared_buffers and
    max_wal_size, see there. fsync, synchronous_commit and full_page_writes are on."""

    def __init__(self):
        script = ROOT / "scripts" / "scratch-postgres"
        self.directory = subprocess.run(
            [script, "start", "--durable", "--until", str(os.getpid())],
            check=True, capture_output=True, text=True).stdout.strip()
        self._script = script
        self.socket = f"{self.directory}/socket"
        self.postmaster = int(
            Path(self.directory, "data", "postmaster.pid").read_text().split()[0])

    def url(self, database):
        return f"postgresql://herald@/{database}?host={self.socket}"

    def create(self, database, explain=None, durations=False):
        """`explain`: log the plans of statements that took longer than so many milliseconds."""
        with Psql(self.url("postgres")) as sql:
            sql.run(f'CREATE DATABASE "{database}"')
            if explain is not None:
                for setting in ("session_preload_libraries = auto_explain",
                                f"auto_explain.log_min_duration = {explain}",
                                "auto_explain.log_analyze = on",
                                "auto_explain.log_nested_statements = on"):
                    sql.run(f'ALTER DATABASE "{database}" SET {setting}')
            if durations:
                for setting in ("log_min_duration_statement = 0", "log_parameter_max_length = 0"):
                    sql.run(f'ALTER DATABASE "{database}" SET {setting}')
        return self.url(database)

    def mark_log(self):
        return os.path.getsize(f"{self.directory}/server.log")

    def time_by_statement(self, mark):
        """Sums of durations since `mark`, the dearest first; needs `durations`."""
        with open(f"{self.directory}/server.log", errors="replace") as log:
            log.seek(mark)
            text = log.read()
        sums = {}
        for found in re.finditer(
                r"LOG:  duration: ([0-9.]+) ms  (?:(parse|bind|execute) \S+|statement): "
                r"((?:.|\n\t){1,400})", text):
            phase = found[2] or "simple"
            statement = " ".join(found[3].split())[:90]
            known = sums.setdefault((phase, statement), [0, 0.0])
            known[0] += 1
            known[1] += float(found[1])
        rows = sorted(sums.items(), key=lambda item: -item[1][1])[:30]
        return "\n".join(
            f"    {ms:9.0f} ms {count:7d} x {phase:8s} {statement}"
            for (phase, statement), (count, ms) in rows)

    def stop(self):
        subprocess.run([self._script, "stop", self.directory], check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Psql:
    """One session. `run` returns rows of texts."""

    MARK = "--end-of-answer--"

    def __init__(self, url):
        self._process = subprocess.Popen(
            ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, statement):
        self._process.stdin.write(f"{statement.rstrip().rstrip(';')};\n\\echo {self.MARK}\n")
        self._process.stdin.flush()
        rows = []
        for line in self._process.stdout:
            if line.rstrip("\n") == self.MARK:
                return rows
            rows.append(line.rstrip("\n").split("\t"))
        raise RuntimeError(f"psql ended in: {statement[:200]}")

    def value(self, statement):
        rows = self.run(statement)
        return rows[0][0] if rows else None

    def close(self):
        self._process.stdin.close()
        self._process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
