"""The product catalogue: a port, and two implementations."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from orders.messages import Id, Name, OrderLine, Price


class Product(BaseModel, frozen=True):
    """A product, with its current price and the URL of its image."""

    product_id: Id
    name: Name
    unit_price: Price
    image: Name

    def line(self, quantity: int) -> OrderLine:
        return OrderLine(
            product_id=self.product_id,
            product_name=self.name,
            quantity=quantity,
            unit_price=self.unit_price,
            image=self.image,
        )


class Catalogue(Protocol):
    """Knows the products."""

    async def find(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        """Return the products that the catalogue has, by id."""
        ...


class ListedProducts(Catalogue):
    """Products in memory."""

    def __init__(self, *products: Product) -> None:
        self._found = {each.product_id: each for each in products}

    async def find(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        return {each: self._found[each] for each in product_ids if each in self._found}


class ProductFile(Catalogue):
    """Products in a CSV file, which is read once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def find(self, product_ids: Iterable[str]) -> Mapping[str, Product]:
        return {each: self._found[each] for each in product_ids if each in self._found}

    @cached_property
    def _found(self) -> dict[str, Product]:
        with self._path.open(newline="", encoding="utf-8") as source:
            products = map(Product.model_validate, csv.DictReader(source))
            return {each.product_id: each for each in products}
