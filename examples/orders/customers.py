"""The customer directory: a port, and two implementations."""

from __future__ import annotations

import csv
from functools import cached_property
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from orders.messages import Address, Payment


class Customer(BaseModel, frozen=True):
    """A customer, with the address and the usual way to pay."""

    user_id: int
    name: str
    address: Address
    payment: Payment


class Customers(Protocol):
    """Knows the customers."""

    async def find(self, user_id: int) -> Customer | None:
        """Return a customer, or None if there is no such customer."""
        ...


class ListedCustomers(Customers):
    """Customers in memory."""

    def __init__(self, *customers: Customer) -> None:
        self._found = {each.user_id: each for each in customers}

    async def find(self, user_id: int) -> Customer | None:
        return self._found.get(user_id)


class CustomerFile(Customers):
    """Customers in a CSV file, which is read once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def find(self, user_id: int) -> Customer | None:
        return self._found.get(user_id)

    @cached_property
    def _found(self) -> dict[int, Customer]:
        with self._path.open(newline="", encoding="utf-8") as source:
            return {int(row["user_id"]): _customer(row) for row in csv.DictReader(source)}


def _customer(row: dict[str, str]) -> Customer:
    address = Address(recipient=row["name"], street=row["street"], city=row["city"], country=row["country"])
    return Customer(user_id=int(row["user_id"]), name=row["name"], address=address, payment=Payment(row["payment"]))
