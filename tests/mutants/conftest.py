"""Mutants wrap the adapters of the suites."""

from __future__ import annotations

from tests.adapters.conftest import (
    anyio_backend,
    capabilities,
    kind,
    new_broker,
    new_cache,
    new_notifier,
    new_requests,
    new_store,
    new_write_store,
    pytest_generate_tests,
    take_backup,
)

__all__ = (
    "anyio_backend",
    "capabilities",
    "kind",
    "new_broker",
    "new_cache",
    "new_notifier",
    "new_requests",
    "new_store",
    "new_write_store",
    "pytest_generate_tests",
    "take_backup",
)
