"""The output of the commands of the orders example."""

from __future__ import annotations

import pytest

from orders.show import subscriptions
from twofold import SubscriptionStatus
from twofold.ports import Position


def test_the_status_of_subscriptions_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Each subscription is a row with its lag, pending retries and parked events."""
    subscriptions("status", [SubscriptionStatus("order_list", "projection", "running", Position(7), 3, 2, 1)])

    printed = capsys.readouterr().out
    assert all(word in printed for word in ("order_list", "lag", "retrying", "parked"))
