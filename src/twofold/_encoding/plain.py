"""Recognise values that are known to come back equal from JSON, without decoding them.

The check is derived once from pydantic's schema of a type. It knows few kinds of types: scalars without constraints, enums,
lists, tuples and sets, and models and dataclasses of these without aliases, validators or serializers. Everything else is
left to the comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Flag
from types import NoneType
from typing import Any, Final, NamedTuple

from .scalars import BY_TYPE, EXACT, FINITE, Check, is_str

_HARMLESS: Final = frozenset(
    {"extra_fields_behavior", "frozen", "ser_json_bytes", "ser_json_inf_nan", "title", "val_json_bytes"}
)
"""Options of a model that do not change the values that are checked here."""


def plain_check(schema: Any) -> Check | None:
    """Return the check for a type, or None if all of its values must be compared.

    Args:
        schema: pydantic's core schema of the type.
    """
    try:
        return _Builder().check(schema)
    except _NotKnownError:
        return None


class Flat(NamedTuple):
    """A model whose values come back if each of them has a known type, which takes no call for each value.

    The JSON text must be shorter than `SHORT`, so that no integer in it is too long, and must not name a number that is not
    finite.

    Attributes:
        cls: the class of the model.
        types: for each field in order, the types whose values come back.
        is_finite: whether no value can be a number that is not finite.
    """

    cls: type[Any]
    types: tuple[frozenset[type[Any]], ...]
    is_finite: bool


SHORT: Final = 4000
"""The length of a JSON text in which every integer can be read: the limit of JSON is 4,300 digits."""


def flat(schema: Any) -> Flat | None:
    """Return the types of the fields of a model, or None if the type is not a model of simple scalars.

    Args:
        schema: pydantic's core schema of a type for which there is a `plain_check`.
    """
    found = field_types(schema, BY_TYPE)
    if found is None:
        return None
    types = tuple(found.values())
    return Flat(schema["cls"], types, frozenset().union(*types) <= FINITE)


def field_types(schema: Any, scalars: Mapping[str, type[Any]]) -> Mapping[str, frozenset[type[Any]]] | None:
    """Return the types of the fields of a model, or None if the type is not a model of enums and of these scalars.

    Args:
        schema: pydantic's core schema of a type for which there is a `plain_check`.
        scalars: the types by their kinds in the schema.
    """
    if schema["type"] != "model":
        return None
    fields = schema["schema"]["fields"]
    types = {name: _types(each["schema"], scalars) for name, each in fields.items()}
    return types if all(types.values()) else None


def _types(schema: Any, scalars: Mapping[str, type[Any]]) -> frozenset[type[Any]]:
    """Return the types whose values come back, none if the values themselves decide."""
    match schema["type"]:
        case "default":
            return _types(schema["schema"], scalars)
        case "nullable":
            inner = _types(schema["schema"], scalars)
            return inner and inner | {NoneType}
        case "enum" if not issubclass(schema["cls"], Flag):
            return frozenset({schema["cls"]})
        case kind if kind in scalars:
            return frozenset({scalars[kind]})
    return frozenset()


class _NotKnownError(Exception):
    """The type has a part of which it is not known whether it comes back."""


class _Builder:
    """Builds checks from core schemas."""

    def __init__(self) -> None:
        self._definitions: dict[str, Any] = {}
        self._open: set[str] = set()

    def check(self, schema: Any) -> Check:
        kind, keys = schema["type"], schema.keys() - {"type", "ref", "metadata"}
        build = _BUILD.get(kind)
        if build is not None and keys <= build[0]:
            return build[1](self, schema)
        exact = EXACT.get(kind)
        if exact is not None and not keys - {"microseconds_precision"}:
            return exact
        raise _NotKnownError

    def definitions(self, schema: Any) -> Check:
        self._definitions.update((each["ref"], each) for each in schema["definitions"])
        return self.check(schema["schema"])

    def reference(self, schema: Any) -> Check:
        name = schema["schema_ref"]
        if name in self._open:  # a recursive type may be nested deeper than JSON
            raise _NotKnownError
        self._open.add(name)
        check = self.check(self._definitions[name])
        self._open.discard(name)
        return check

    def default(self, schema: Any) -> Check:
        return self.check(schema["schema"])

    def nullable(self, schema: Any) -> Check:
        inner = self.check(schema["schema"])
        return lambda value: value is None or inner(value)

    def enum(self, schema: Any) -> Check:
        members, cls = schema["members"], schema["cls"]
        if {type(member.value) for member in members} not in ({str}, {int}):
            raise _NotKnownError
        return lambda value: type(value) is cls and value in members

    def literal(self, schema: Any) -> Check:
        expected = schema["expected"]
        if {type(each) for each in expected} != {str}:
            raise _NotKnownError
        return lambda value: type(value) is str and value in expected

    def items(self, schema: Any) -> Check:
        kind, inner = (
            {"list": list, "set": set, "frozenset": frozenset}[schema["type"]],
            self.check(schema["items_schema"]),
        )
        return lambda value: type(value) is kind and all(map(inner, value))

    def tuple(self, schema: Any) -> Check:
        inner = [self.check(each) for each in schema["items_schema"]]
        match schema.get("variadic_item_index"):
            case None:
                return lambda value: type(value) is tuple and len(value) == len(inner) and _all(inner, value)
            case 0 if len(inner) == 1:
                (only,) = inner
                return lambda value: type(value) is tuple and all(map(only, value))
        raise _NotKnownError

    def mapping(self, schema: Any) -> Check:
        inner, key = self.check(schema["values_schema"]), schema["keys_schema"]
        if key.keys() - {"metadata"} != {"type"} or key["type"] != "str":
            raise _NotKnownError
        return lambda value: type(value) is dict and all(map(is_str, value)) and all(map(inner, value.values()))

    def model(self, schema: Any) -> Check:
        cls, body = schema["cls"], schema["schema"]
        if (
            schema["custom_init"]
            or schema["root_model"]
            or body["type"] != "model-fields"
            or body.get("computed_fields")
            or body.keys() - {"type", "fields", "model_name", "computed_fields", "metadata"}
            or schema["config"].keys() - _HARMLESS
            or schema["config"].get("extra_fields_behavior") == "allow"
            or cls.__private_attributes__
        ):
            raise _NotKnownError
        fields = [(name, self.field(each)) for name, each in body["fields"].items()]

        def check(value: Any) -> bool:
            if type(value) is not cls:
                return False
            values = value.__dict__
            for name, is_plain in fields:  # noqa: SIM110 -- a generator takes twice as long
                if not is_plain(values[name]):
                    return False
            return True

        return check

    def dataclass(self, schema: Any) -> Check:
        cls, body = schema["cls"], schema["schema"]
        if (
            schema.get("post_init")
            or body["type"] != "dataclass-args"
            or body.get("computed_fields")
            or body.get("collect_init_only")
            or schema.get("config", {}).keys() - _HARMLESS
        ):
            raise _NotKnownError
        fields = [(each["name"], self.field(each)) for each in body["fields"]]
        return lambda value: type(value) is cls and all(is_plain(getattr(value, name)) for name, is_plain in fields)

    def field(self, schema: Any) -> Check:
        if schema.keys() - {"type", "schema", "metadata", "frozen", "name", "init", "kw_only"}:
            raise _NotKnownError
        if not schema.get("init", True):
            raise _NotKnownError
        return self.check(schema["schema"])


_BUILD: Final[Mapping[str, tuple[frozenset[str], Callable[[_Builder, Any], Check]]]] = {
    "definitions": (frozenset({"definitions", "schema"}), _Builder.definitions),
    "definition-ref": (frozenset({"schema_ref"}), _Builder.reference),
    "default": (
        frozenset({"schema", "default", "default_factory", "default_factory_takes_data", "copy_default"}),
        _Builder.default,
    ),
    "nullable": (frozenset({"schema"}), _Builder.nullable),
    "enum": (frozenset({"cls", "members", "sub_type"}), _Builder.enum),
    "literal": (frozenset({"expected"}), _Builder.literal),
    "list": (frozenset({"items_schema"}), _Builder.items),
    "set": (frozenset({"items_schema"}), _Builder.items),
    "frozenset": (frozenset({"items_schema"}), _Builder.items),
    "tuple": (frozenset({"items_schema", "variadic_item_index"}), _Builder.tuple),
    "dict": (frozenset({"keys_schema", "values_schema"}), _Builder.mapping),
    "model": (frozenset({"cls", "config", "custom_init", "root_model", "schema"}), _Builder.model),
    "dataclass": (
        frozenset({"cls", "config", "fields", "frozen", "post_init", "schema", "slots"}),
        _Builder.dataclass,
    ),
}
"""For each kind of schema, the options that are known, and the builder of its check."""


def _all(checks: Sequence[Check], values: Sequence[Any]) -> bool:
    return all(check(value) for check, value in zip(checks, values, strict=True))
