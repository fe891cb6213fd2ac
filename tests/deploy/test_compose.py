"""compose.yaml and the image: their structure, and that they agree with the configuration they run."""

import re

import pytest
import yaml

from proxy.settings.loading import load

from .prometheus import ROOT
from .shapes import Each, faults, one_of

DEPLOY = ROOT / "deploy"
ENV = {"SWITCHYARD_ADMIN_KEY": "a" * 64, "REDIS_URL": "redis://redis:6379/0", "OPENAI_API_KEY": "sk-test"}
COMMAND = ["serve", "--config", "/etc/switchyard/switchyard.yaml", "--host", "0.0.0.0"]
SERVICE = {
    "image": lambda image: re.fullmatch(r"[a-z/]+(:[a-z0-9.-]+)?", image),
    "build?": {"context": str},
    "command?": [str],
    "environment?": Each(str),
    "networks": [str],
    "ports?": [lambda port: re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)],
    "depends_on?": object,
    "user?": str,
    "read_only?": bool,
    "tmpfs?": [str],
    "cap_drop?": [str],
    "security_opt?": [str],
    "restart": one_of("unless-stopped"),
    "stop_grace_period?": lambda text: re.fullmatch(r"\d+s", text),
    "healthcheck?": {"test": [str], "interval": str, "timeout": str, "retries": int, "start_period?": str},
    "logging?": {"driver": str, "options": Each(str)},
    "volumes?": [str],
    "secrets?": [str],
}
COMPOSE = {
    "name": str,
    "x-proxy": dict,
    "services": Each(SERVICE),
    "networks": Each(dict),
    "volumes": Each(dict),
    "secrets": Each({"environment": str}),
}


def compose() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def proxies() -> list[dict]:
    return [service for name, service in compose()["services"].items() if name.startswith("proxy-")]


def settings():
    return load(DEPLOY / "switchyard.yaml", env=ENV)


def test_compose_has_the_shape_compose_wants():
    """No unknown or missing key; every port is published on loopback only."""
    assert list(faults(compose(), COMPOSE)) == []


def test_what_services_refer_to_is_declared():
    """Networks, named volumes, secrets, dependencies and mounted files exist."""
    whole = compose()
    for name, service in whole["services"].items():
        assert set(service["networks"]) <= whole["networks"].keys()
        assert set(service.get("secrets", ())) <= whole["secrets"].keys()
        assert set(service.get("depends_on", ())) <= whole["services"].keys()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith("./") else source in whole["volumes"], (
                name,
                volume,
            )


def test_no_two_services_publish_the_same_port():
    """Host ports are unique."""
    ports = [
        port.split(":")[1] for service in compose()["services"].values() for port in service.get("ports", ())
    ]
    assert len(ports) == len(set(ports))


def test_two_proxies_run_the_shipped_configuration_and_drain_within_their_grace_period():
    """Command, file, ports, health check and grace period as deploy/switchyard.yaml has them."""
    server = settings().server
    assert len(proxies()) == 2
    for proxy in proxies():
        assert proxy["command"] == COMMAND
        assert "./switchyard.yaml:/etc/switchyard/switchyard.yaml:ro" in proxy["volumes"]
        assert int(proxy["stop_grace_period"].removesuffix("s")) > server.drain_seconds + 5
        assert {port.split(":")[2] for port in proxy["ports"]} <= {str(server.port), str(server.admin_port)}
        assert f":{server.port}/readyz" in proxy["healthcheck"]["test"][-1]
        assert set(ENV) == set(proxy["environment"])
    assert server.workers == 1 and settings().auth.metrics == "bearer"


def test_a_proxy_cannot_write_gain_rights_or_be_root():
    """Read-only file system, no capabilities, the image's own user."""
    for proxy in proxies():
        assert proxy["read_only"] is True and proxy["cap_drop"] == ["ALL"]
        assert proxy["security_opt"] == ["no-new-privileges:true"]
        assert proxy["user"] == "10001:10001" and proxy["tmpfs"][0].startswith("/tmp:")


def test_redis_never_evicts_and_keeps_its_counters():
    """noeviction, append-only file on a volume, and reached by the proxies alone."""
    whole = compose()
    redis = whole["services"]["redis"]
    command = " ".join(redis["command"])
    assert "--maxmemory-policy noeviction" in command and "--appendonly yes" in command
    assert redis["volumes"] == ["redis:/data"] and "ports" not in redis
    assert whole["networks"]["store"]["internal"] is True
    assert {n for n, s in whole["services"].items() if "store" in s["networks"]} == {
        "proxy-a",
        "proxy-b",
        "redis",
    }


def test_no_secret_is_written_down():
    """Every password and key comes from the environment, and compose stops without it."""
    environments = [service.get("environment", {}) for service in compose()["services"].values()]
    for name, value in (item for environment in environments for item in environment.items()):
        if name.endswith(("KEY", "PASSWORD")):
            assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name


@pytest.mark.parametrize("missing", ["SWITCHYARD_ADMIN_KEY", "REDIS_URL", "OPENAI_API_KEY"])
def test_the_configuration_refuses_to_start_without_its_secrets(missing):
    """Without a variable `load` names it, so a container stops with a message instead of running open."""
    with pytest.raises(Exception, match=missing):
        load(DEPLOY / "switchyard.yaml", env={name: value for name, value in ENV.items() if name != missing})


def test_the_image_runs_from_locked_requirements_as_a_plain_user():
    """The Dockerfile: hashes, no root, a command that needs no file, and only files that the build context lets in."""
    lines = (DEPLOY.parent / "Dockerfile").read_text().splitlines()
    text = "\n".join(lines)
    assert "--require-hashes -r requirements.lock" in text and "--no-deps --no-build-isolation" in text
    assert "USER 10001:10001" in lines and 'ENTRYPOINT ["switchyard"]' in lines
    alone = yaml.safe_load(next(line for line in lines if line.startswith("CMD")).removeprefix("CMD"))
    assert alone == ["serve", "--host", "0.0.0.0"]  # docker run -p 4000:4000 answers without a file
    allowed = {
        line[1:]
        for line in (DEPLOY.parent / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY") and "--from" not in line]
    copied = {name for names in copies for name in names}
    assert copied == allowed
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "STOPSIGNAL"}
    known |= {"HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert {line.split()[0] for line in lines if line and not line.startswith("#")} == known
