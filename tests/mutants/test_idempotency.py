"""Stores on which a command takes effect twice, or not at all."""

from __future__ import annotations

from tests.mutants.harness import Mutants, MutantSuite
from tests.mutants.records import (
    agreeing,
    always_free,
    always_new,
    deleting_nothing,
    hiding_own_claims,
    losing_results,
    losing_tokens,
    sharing_inbox,
    sharing_keys,
)
from tests.mutants.transactions import commits_anyway
from twofold.testing.conformance import IdempotencySuite

MUTANTS: Mutants = {
    "test_concurrent_duplicates_have_one_effect": {"keys are always free": always_free},
    "test_a_repeat_returns_the_first_result": {"results are lost": losing_results},
    "test_a_key_belongs_to_one_command": {"the first payload is not told": agreeing},
    "test_a_duplicate_reads_the_writes_of_the_first_dispatch": {"tokens are lost": losing_tokens},
    "test_each_tenant_has_its_keys": {"tenants share keys": sharing_keys},
    "test_a_nested_key_goes_with_the_outer_command": {"own claims are not found": hiding_own_claims},
    "test_a_failure_leaves_the_key_free": {"failures keep their keys": commits_anyway},
    "test_an_unknown_commit_is_resolved_by_its_key": {
        "keys are free after an unknown commit": always_free,
        "messages are free after an unknown commit": always_new,
    },
    "test_a_crash_around_the_commit": {"crashes keep their keys": commits_anyway},
    "test_a_failed_message_is_handled_when_it_comes_again": {"failures keep their messages": commits_anyway},
    "test_a_message_is_handled_once": {
        "messages are always free": always_new,
        "consumers share an inbox": sharing_inbox,
    },
    "test_duplicates_in_a_batch": {"batches hold no duplicates": always_new},
    "test_old_records_are_deleted": {"nothing is forgotten": deleting_nothing},
}


class TestMutants(MutantSuite):
    """Broken idempotency keys and inboxes."""

    suite = IdempotencySuite
    mutants = MUTANTS
