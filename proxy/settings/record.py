"""The base of every settings record: frozen, no unknown keys, and a key left empty counts as not written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema


@dataclass(frozen=True, slots=True)
class ShortForm:
    """Tells the JSON Schema of the short way to write a value; `of` makes its schema from that of the long one."""

    of: Callable[[dict[str, Any]], dict[str, Any]]

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        full = handler(core)
        return {"anyOf": [self.of(full), full]}


class Record(BaseModel):
    """Attribute names carry units (`usd_nano`); the YAML key is the field's alias where the two differ."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        validate_by_alias=True,
        validate_by_name=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = {info.alias or name for name, info in cls.model_fields.items()}
        return {key: value for key, value in data.items() if value is not None or key not in known}
