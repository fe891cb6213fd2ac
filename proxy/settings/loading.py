"""From a file to settings, or to every mistake in it.

1. Read the YAML and substitute the environment, keeping places (source.py).
2. Take `routes:` and `providers:` from the shipped file where they are left out; add flags and SWITCHYARD_ROUTE.
3. Shape: the pydantic tree. If it is refused, go on with what can be salvaged, to find the other mistakes too.
4. Meaning: open doors, references, and model names once the catalogue is given.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from proxy.settings.catalogue import Catalogue
from proxy.settings.exposure import exposure
from proxy.settings.faults import findings
from proxy.settings.mistakes import Finding, Mistake, Place, SettingsError, dotted
from proxy.settings.names import names_in
from proxy.settings.references import references
from proxy.settings.root import Settings
from proxy.settings.salvage import salvage
from proxy.settings.shipped import shipped_file
from proxy.settings.source import Flag, Source, read_source

REDIS_VARIABLE = "REDIS_URL"
ROUTE_VARIABLE = "SWITCHYARD_ROUTE"
ROUTE_OF_VARIABLE = "auto"
_FROM_SHIPPED = ("routes", "providers")


def load(
    path: Path | None = None,
    text: str | None = None,
    *,
    env: Mapping[str, str],
    flags: Mapping[str, Flag] | None = None,
    known_models: Collection[str] | None = None,
    retired: Mapping[str, str | None] | None = None,
) -> Settings:
    """Settings from `text` (named `path` in messages), else from `path`, else from the shipped file.

    `flags` are command-line values by dotted key (`{"server.port": "4100"}`); they win over the file. With `known_models`
    model names are checked in the same run. Raises SettingsError with every mistake.
    """
    source = _read(path, text, env)
    _add_flags(source, flags or {})
    _add_redis(source, env)
    _add_routed_names(source, env)
    settings, places, shape = _shape(source)
    mistakes = [*source.mistakes, *shape]
    if settings is not None:
        names = names_in(source.data)
        checks: list[Iterable[Finding]] = [exposure(settings), references(settings, names)]
        if known_models is not None:
            checks.append(Catalogue(known_models, retired or {}, names).mistakes(settings))
        mistakes += _located(places, checks)
    if mistakes or settings is None:
        raise SettingsError(_in_order(mistakes))
    return settings.with_flat_aliases().with_origin(source)


def without_file(env: Mapping[str, str], host: str = "127.0.0.1") -> Settings:
    """No file named: the shipped one on `host`: open on loopback, passthrough anywhere else."""
    return load(env=env, flags={"server.host": host})


def validate(
    settings: Settings, known_models: Collection[str], retired: Mapping[str, str | None] | None = None
) -> tuple[Mistake, ...]:
    """Compare model names with the catalogue. Returns warnings; raises SettingsError with every mistake."""
    source = settings.origin or Source("settings")
    names = names_in(source.data or settings.model_dump(by_alias=True))
    catalogue = Catalogue(known_models, retired or {}, names)
    mistakes = _located(source, [catalogue.mistakes(settings)])
    if mistakes:
        raise SettingsError(_in_order(mistakes))
    return tuple(_located(source, [catalogue.warnings(settings)]))


def mistake_at(settings: Settings, key_path: str, message: str) -> Mistake:
    """A fault another room found in a value of these settings, with its place (`models.gpt-4.1-mini.prices.input`)."""
    source = settings.origin or Source("settings")
    written = {dotted(path): path for path in source.places}
    known = key_path
    while known and known not in written:
        known = known.rpartition(".")[0]
    place = source.places.get(written.get(known, ()), Place(source.file))
    return Mistake(place.file, place.line, place.column, key_path, message)


def mistake_in(settings: Settings, finding: Finding) -> Mistake:
    """The same for a path of the schema; what the environment supplied is not named in its message."""
    return (settings.origin or Source("settings")).mistake(finding)


def _read(path: Path | None, text: str | None, env: Mapping[str, str]) -> Source:
    source = (
        _read_file(path or shipped_file(), env)
        if text is None
        else read_source(text, str(path or "settings"), env)
    )
    if all(source.data.get(section) is not None for section in _FROM_SHIPPED):
        return source
    shipped = _read_file(shipped_file(), env)
    for section in _FROM_SHIPPED:
        if source.data.get(section) is None:
            source.adopt(shipped, section)
    return source


def _read_file(path: Path, env: Mapping[str, str]) -> Source:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SettingsError([Mistake(str(path), 0, 0, "", "not UTF-8 text")]) from None
    except OSError as error:
        raise SettingsError([Mistake(str(path), 0, 0, "", f"cannot be read: {error.strerror}")]) from None
    return read_source(text, str(path), env)


def _add_flags(source: Source, flags: Mapping[str, Flag]) -> None:
    for key, value in flags.items():
        source.put(tuple(key.split(".")), value, Place("command line"))


def _add_redis(source: Source, env: Mapping[str, str]) -> None:
    """REDIS_URL names the store wherever the file does not say anything about it."""
    url = env.get(REDIS_VARIABLE)
    if url and source.data.get("redis") is None:
        source.put(("redis", "url"), url, Place(f"environment variable {REDIS_VARIABLE}"))


def _add_routed_names(source: Source, env: Mapping[str, str]) -> None:
    """SWITCHYARD_ROUTE=o4-mini,gpt-4.1-mini: those names are routed by task, as aliases of `auto`."""
    place = Place(f"environment variable {ROUTE_VARIABLE}")
    names = [name.strip() for name in env.get(ROUTE_VARIABLE, "").split(",")]
    routes = source.data.get("routes")
    if any(names) and not (isinstance(routes, dict) and ROUTE_OF_VARIABLE in routes):
        message = f'there is no route called "{ROUTE_OF_VARIABLE}" for these names'
        source.mistakes.append(Mistake(place.file, 0, 0, "", message))
        return
    for name in filter(None, names):
        written = source.data.get("aliases")
        if isinstance(written, dict) and written.get(name) not in (None, ROUTE_OF_VARIABLE):
            source.mistakes.append(
                source.mistake(Finding(("aliases", name), f"{ROUTE_VARIABLE} routes this name too"))
            )
        else:
            source.put(("aliases", name), ROUTE_OF_VARIABLE, place)


def _shape(source: Source) -> tuple[Settings | None, Source, list[Mistake]]:
    """The tree, where its parts were written, and what was wrong with its shape."""
    try:
        return Settings.model_validate(source.data).with_auth_mode(), source, []
    except ValidationError as error:
        mistakes = [source.mistake(finding) for finding in findings(error, source)]
        saved = salvage(source, error)
    if saved is None:
        return None, source, mistakes
    return saved[0].with_auth_mode(), saved[1], mistakes


def _located(source: Source, checks: Iterable[Iterable[Finding]]) -> list[Mistake]:
    return list(_each_located(source, checks))


def _each_located(source: Source, checks: Iterable[Iterable[Finding]]) -> Iterator[Mistake]:
    for check in checks:
        for finding in check:
            yield source.mistake(finding)


def _in_order(mistakes: Iterable[Mistake]) -> list[Mistake]:
    return sorted(dict.fromkeys(mistakes), key=lambda m: (m.file, m.line, m.column, m.key_path, m.message))
