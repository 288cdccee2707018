"""Append with `eventsourcing`: python eventsourcing_append.py HOST PORT USER DATABASE WRITERS SECONDS DATA.

It runs in the peer's own environment and prints the number of events per second, with one event per transaction.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from eventsourcing.persistence import InfrastructureFactory, StoredEvent
from eventsourcing.utils import Environment


def main(host: str, port: str, user: str, database: str, writers: int, seconds: float, data: bytes) -> None:
    factory = InfrastructureFactory.construct(
        Environment(
            "bench",
            {
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "POSTGRES_DBNAME": database,
                "POSTGRES_HOST": host,
                "POSTGRES_PORT": port,
                "POSTGRES_USER": user,
                "POSTGRES_PASSWORD": "none",
                "POSTGRES_POOL_SIZE": str(writers),
                "POSTGRES_MAX_OVERFLOW": str(writers),
            },
        )
    )
    recorder = factory.application_recorder()
    recorder.insert_events([StoredEvent(uuid4(), 1, "bench.placed", data)])
    end = time.perf_counter() + seconds

    def write(_: int) -> int:
        done = 0
        while time.perf_counter() < end:
            recorder.insert_events([StoredEvent(uuid4(), 1, "bench.placed", data)])
            done += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        total = sum(pool.map(write, range(writers)))
    print(total / (time.perf_counter() - started))
    factory.close()


if __name__ == "__main__":
    host, port, user, database, writers, seconds, data = sys.argv[1:]
    main(host, port, user, database, int(writers), float(seconds), data.encode())
