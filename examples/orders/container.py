"""The container of what the handlers need besides the stores. A test overrides its providers."""

from __future__ import annotations

from pathlib import Path

from dependency_injector import containers, providers

from orders.catalogue import ProductFile
from orders.customers import CustomerFile

FOLDER = Path(__file__).parent


class Container(containers.DeclarativeContainer):
    catalogue = providers.Singleton(ProductFile, FOLDER / "products.csv")
    customers = providers.Singleton(CustomerFile, FOLDER / "customers.csv")
