"""Twofold over RabbitMQ: publisher, consumer, remote commands and queries."""

from twofold.errors import MissingDependency

try:
    import aio_pika as _aio_pika  # noqa: F401
except ImportError as _error:
    raise MissingDependency("pip install 'twofold[rabbitmq]'") from _error

from ._broker import RabbitMQ

__all__ = ["RabbitMQ"]
