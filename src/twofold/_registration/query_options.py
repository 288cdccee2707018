"""The options of query handlers."""

from __future__ import annotations

from typing import Any

from .._background.shown import shown_option
from .._definitions.cache import Cache
from .._definitions.message import Query
from .._definitions.names import wrong_label
from ..errors import InvalidDefinition


def check_query_options(query_type: type[Query[Any]], *, many: object, name: object, cache: object) -> None:
    """Check the arguments of a decorator of query handlers.

    Args:
        query_type: the query.
        many: whether the query has several handlers.
        name: the name of the handler; None if there was none.
        cache: the caching options, if any.

    Raises:
        InvalidDefinition: the cache is not a `Cache`; a handler of several has no valid name, or is cached; a single handler
            has a name.
    """
    query = query_type.__name__
    if cache is not None and not isinstance(cache, Cache):
        raise InvalidDefinition(
            f"cannot cache {query} by cache={shown_option(cache)}: it must be a Cache, such as "
            "cache=Cache(ttl=60, key='order:{order_id}')."
        )
    if not many:
        if name is not None:
            raise InvalidDefinition(
                f"cannot name the handler of {query} {shown_option(name)}: only one of several handlers has a name. Write "
                f"@query_handler({query}, many=True, name={shown_option(name)}), or omit the name."
            )
        return
    if wrong := wrong_label(name):
        found = "name= is missing" if name is None else f"the name {shown_option(name)} is not valid. {wrong}"
        raise InvalidDefinition(
            f"cannot use @query_handler({query}, many=True): {found}. Write @query_handler({query}, many=True, "
            "name='depot')."
        )
    if cache is not None:
        raise InvalidDefinition(
            f"cannot cache the answers of {name!r} to {query}: a query with several handlers has no cache. Omit cache=."
        )
