"""The names a configuration defines, taken from what is written, so that a key of a team with a mistake in it is not
also told that its team does not exist."""

from dataclasses import dataclass

from proxy.settings.source import Plain


@dataclass(frozen=True, slots=True)
class Names:
    """Names by kind, in the order written."""

    providers: tuple[str, ...]
    models: tuple[str, ...]
    routes: tuple[str, ...]
    aliases: tuple[str, ...]
    teams: tuple[str, ...]
    keys: tuple[str, ...]


def names_in(data: Plain) -> Names:
    """Read the names from plain data of any shape."""
    return Names(
        providers=_of_mapping(data, "providers"),
        models=_of_mapping(data, "models"),
        routes=_of_mapping(data, "routes"),
        aliases=_of_mapping(data, "aliases"),
        teams=_of_list(data, "teams"),
        keys=_of_list(data, "keys"),
    )


def _of_mapping(data: Plain, section: str) -> tuple[str, ...]:
    found = data.get(section)
    return tuple(found) if isinstance(found, dict) else ()


def _of_list(data: Plain, section: str) -> tuple[str, ...]:
    found = data.get(section)
    if not isinstance(found, list):
        return ()
    return tuple(
        item["name"] for item in found if isinstance(item, dict) and isinstance(item.get("name"), str)
    )
