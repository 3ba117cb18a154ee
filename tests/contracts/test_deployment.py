"""docker-compose.yml, .env.example, the Dockerfile and docs/deployment.md against the code that they start.

Each rule is a function that returns what is wrong; the second half breaks the files on purpose and sees it told.
"""

import importlib
import inspect
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
import typer.main
import yaml
from celery import Celery
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from pydantic import SecretStr

from config.settings import REQUIRED, Settings
from ess import cli, sending
from ess.embedded.stack import KEEP_ALIVE_S
from ess.wake import QUEUES
from ess.web import health

ROOT = Path(__file__).parent.parent.parent

#: Settings that nobody writes into .env, each with the reason.
NOT_IN_ENV_FILE = {
    "line_data_api_base": "follows from line_api_base",
    "database_url": "docker-compose.yml composes it from POSTGRES_PASSWORD",
    "broker_url": "docker-compose.yml composes it from REDIS_PASSWORD",
    "data_dir": "only embedded services keep data in it",
    "host": "docker-compose.yml gives it to uvicorn",
    "port": "docker-compose.yml gives it to uvicorn",
    "flower_port": "docker-compose.yml gives it to Flower",
    "flower_auth": "Flower reads FLOWER_BASIC_AUTH itself",
    "simulator_port": "production has no simulator",
    "line_api_base": "the default is LINE itself",
    "twilio_api_base": "the default is Twilio itself",
    "policy_dir": "the image holds config/policies",
    "message_dir": "the image holds config/messages",
    "holiday_file": "the image holds config/holidays.yaml",
    "provider_timeout_s": "the leases and waits of the engine are measured with the default",
    "lease_s": "the leases and waits of the engine are measured with the default",
}
#: `keepalive` of its transport, https://caddyserver.com/docs/caddyfile/directives/reverse_proxy
_CADDY_LETS_GO_AFTER_S = 120
#: May stay empty.
OPTIONAL_SECRETS = {"ESS_TWILIO_AUTH_TOKEN_NEXT", "ESS_GEOCODER_KEY"}

_INTERPOLATION = re.compile(r"(?<!\$)\$(?:\{(?P<name>\w+)(?P<how>:?[-?+])?(?P<rest>[^}]*)\}|(?P<bare>\w+))")
_SECRET = re.compile(r"PASSWORD|AUTH|TOKEN|KEY|SECRET|_SID$")


@dataclass
class Files:
    """What an operator starts with."""

    compose: dict[str, Any]
    env_file: str
    dockerfile: str
    document: str

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        return self.compose["services"]


@cache
def _shipped() -> Files:
    return Files(
        yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8")),
        (ROOT / ".env.example").read_text(encoding="utf-8"),
        (ROOT / "Dockerfile").read_text(encoding="utf-8"),
        (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8"),
    )


@cache
def _project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def files() -> Files:
    """The shipped files, to break as one likes: no anchor is shared any more."""
    shipped = _shipped()
    return replace(shipped, compose=json.loads(json.dumps(shipped.compose)))


# --- reading ---------------------------------------------------------------------------------------------
def argv(service: Mapping[str, Any]) -> list[str]:
    """The command as the container gets it."""
    command = service.get("command", [])
    return shlex.split(command) if isinstance(command, str) else list(command)


def option(words: list[str], name: str) -> str | None:
    """The word after an option."""
    return words[words.index(name) + 1] if name in words else None


def queues_of(service: Mapping[str, Any]) -> list[str]:
    """The queues that a service's worker consumes; none where it is no worker."""
    words = argv(service)
    return (option(words, "-Q") or "").split(",") if "worker" in words else []


def one_shots(files: Files) -> set[str]:
    """Services that others wait for to end."""
    return {
        name
        for service in files.services.values()
        for name, wait in service.get("depends_on", {}).items()
        if wait["condition"] == "service_completed_successfully"
    }


def opens_engine(service: Mapping[str, Any]) -> bool:
    """Whether its program calls `open_engine`: the web edge, a worker, the clock."""
    words = argv(service)
    return bool({"uvicorn", "worker", "schedules.clock"} & set(words))


def strings(value: Any) -> Iterator[str]:
    """Every text in a tree."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    else:
        yield str(value)


def interpolations(files: Files) -> Iterator[re.Match[str]]:
    """Every `${…}` of the compose file."""
    for text in strings(files.compose):
        yield from _INTERPOLATION.finditer(text)


def variables(files: Files) -> dict[str, str]:
    """The lines of .env.example."""
    lines = [line for line in files.env_file.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def filled(text: str) -> str:
    """A value of the compose file after every variable was set."""
    return _INTERPOLATION.sub("filled", text)


# --- the rules -------------------------------------------------------------------------------------------
def queue_problems(files: Files) -> Iterator[str]:
    consumed = {name: queues_of(service) for name, service in files.services.items()}
    for queue in QUEUES:
        if not any(queue in queues for queues in consumed.values()):
            yield f"nobody consumes {queue}"
    for name, queues in consumed.items():
        for queue in queues:
            if queue not in QUEUES:
                yield f"{name} consumes {queue}, which there is not"


def worker_problems(files: Files) -> Iterator[str]:
    for name, service in files.services.items():
        if not queues_of(service):
            continue
        words = argv(service)
        if option(words, "--pool") != "threads":
            yield f"{name} does not run threads, as every test does"
        node = option(words, "-n") or ""
        if not node.endswith("@%h") or "hostname" in service or "container_name" in service:
            yield f"{name}: two copies would have one node name"
        if node.replace("%h", "$$HOSTNAME") not in " ".join(service.get("healthcheck", {}).get("test", [])):
            yield f"{name}: the health check does not ask this very worker"
        grace = service.get("stop_grace_period", "10s")
        if timedelta(seconds=int(grace.removesuffix("s"))) <= sending.CALL_AT_MOST:
            yield f"{name} is killed in the middle of a call"


def variable_problems(files: Files) -> Iterator[str]:
    fields = {f"ESS_{field.upper()}" for field in Settings.model_fields}
    wanted = {match["name"] or match["bare"] for match in interpolations(files)}
    given = {key for service in files.services.values() for key in service.get("environment", {})}
    for name in sorted(wanted | given | set(variables(files))):
        if name.startswith("ESS_") and name not in fields:
            yield f"{name} is no setting"
    for name in sorted(wanted - set(variables(files))):
        yield f"{name} is not in .env.example"
    for name in sorted(set(variables(files)) - wanted):
        yield f"{name} is in .env.example and nobody reads it"
    for field in Settings.model_fields:
        if (f"ESS_{field.upper()}" in variables(files)) == (field in NOT_IN_ENV_FILE):
            yield f"{field} must be in .env.example, or in NOT_IN_ENV_FILE with the reason"


def env_file_problems(files: Files) -> Iterator[str]:
    lines = files.env_file.splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if line and not line.startswith("#"):
            if not line.endswith("="):
                yield f"{line.split('=')[0]} has a value"
            if not before.startswith("# ") or before.startswith("# ---"):
                yield f"{line} is not explained"


def settings_problems(files: Files, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, service in files.services.items():
        if not opens_engine(service):
            continue
        with monkeypatch.context() as patch:
            for field in Settings.model_fields:
                patch.delenv(f"ESS_{field.upper()}", raising=False)
            for key, value in service["environment"].items():
                # What may stay empty, stays empty.
                patch.setenv(key, "" if ":-}" in str(value) else filled(str(value)))
            for missing in Settings().missing(*REQUIRED, "public_url"):
                yield f"{name} does not get {missing}"


def secret_problems(files: Files) -> Iterator[str]:
    secret_fields = {
        f"ESS_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    }

    def is_secret(name: str) -> bool:
        return name in secret_fields or bool(_SECRET.search(name))

    for match in interpolations(files):
        name = match["name"] or match["bare"]
        if not is_secret(name):
            continue
        if match["how"] == ":?" and match["rest"]:
            continue
        if match["how"] == ":-" and not match["rest"] and name in OPTIONAL_SECRETS:
            continue
        yield f"{name} is not demanded: write ${{{name}:?a sentence}}"
    for name, service in files.services.items():
        for key, value in service.get("environment", {}).items():
            if is_secret(key) and not _INTERPOLATION.search(str(value)):
                yield f"{name}: {key} is written down"


def flower_problems(files: Files) -> Iterator[str]:
    flower = files.services["flower"]
    if "FLOWER_BASIC_AUTH" not in flower.get("environment", {}):
        yield "Flower asks for no password"
    if "--read-only" not in argv(flower):
        yield "Flower could be used to stop workers"
    unneeded = set(flower.get("environment", {})) - {"FLOWER_BASIC_AUTH", "ESS_BROKER_URL", "ESS_LOG_LEVEL"}
    if unneeded:
        yield f"Flower is given {', '.join(sorted(unneeded))}, which it does not need"


def port_problems(files: Files) -> Iterator[str]:
    for name, service in files.services.items():
        for port in service.get("ports", []):
            if not str(port).startswith("127.0.0.1:"):
                yield f"{name} is published on every interface: {port}"
        if name in {"postgres", "redis"} and service.get("networks") != ["inside"]:
            yield f"{name} is not on the network without a way out alone"
    if not files.compose["networks"]["inside"].get("internal"):
        yield "the network inside has a way out"


def proxy_problems(files: Files) -> Iterator[str]:
    words = argv(files.services["web"])
    kept_s = dict(pairwise(words)).get("--timeout-keep-alive")
    if kept_s != str(KEEP_ALIVE_S) or KEEP_ALIVE_S <= _CADDY_LETS_GO_AFTER_S:
        yield f"the web edge closes connections that the proxy still uses: {kept_s}"
    if f"within {KEEP_ALIVE_S} s" not in files.document:
        yield "whoever has another proxy is not told when it must let go of connections"


def redis_problems(files: Files) -> Iterator[str]:
    command = " ".join(argv(files.services["redis"]))
    for wanted in ("--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction", "requirepass"):
        if wanted not in command:
            yield f"Redis runs without {wanted}"
    if "redis:/data" not in files.services["redis"].get("volumes", []):
        yield "Redis writes to nothing that lasts"


def postgres_problems(files: Files) -> Iterator[str]:
    postgres = files.services["postgres"]
    # From 18 on the image keeps the data in a folder below this one.
    if "postgres:/var/lib/postgresql" not in postgres.get("volumes", []):
        yield "PostgreSQL writes to nothing that lasts"
    if "pg_isready" not in postgres.get("healthcheck", {}).get("test", []):
        yield "PostgreSQL is not asked whether it is ready"


def lifecycle_problems(files: Files) -> Iterator[str]:
    for name, service in files.services.items():
        if name in one_shots(files):
            if service.get("restart") != "no":
                yield f"{name} would run again and again"
            continue
        if not service.get("healthcheck", {}).get("test"):
            yield f"{name} has no health check"
        if service.get("restart") != "unless-stopped":
            yield f"{name} is not started again"
        if opens_engine(service) and "migrate" not in service.get("depends_on", {}):
            yield f"{name} does not wait for the schema"
        if "stop_grace_period" not in service and name != "flower":
            yield f"{name} has no time to end"


def confinement_problems(files: Files) -> Iterator[str]:
    for name, service in files.services.items():
        if service.get("privileged") or service.get("cap_add") or service.get("network_mode") == "host":
            yield f"{name} has privileges"
        if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name} keeps privileges"
        if not service.get("read_only") or not service.get("init"):
            yield f"{name} is not read_only with init"
        if not {"max-size", "max-file"} <= set(service.get("logging", {}).get("options", {})):
            yield f"{name} logs without an end"


def image_problems(files: Files) -> Iterator[str]:
    images = {name: service.get("image", "") for name, service in files.services.items()}
    images |= {f"FROM {image}": image for image in re.findall(r"^FROM (\S+)", files.dockerfile, re.MULTILINE)}
    for name, image in images.items():
        if not re.fullmatch(r"[\w./-]+:\d+\.\d+[\w.-]*", image):
            yield f"{name}: {image or 'no image'} is not pinned to major.minor"
    version = _project()["project"]["version"]
    for name, service in files.services.items():
        if "build" in service and service["image"] != f"ess-dispatch:{version}":
            yield f"{name}: the image is not this release's, {version}"


def dockerfile_problems(files: Files) -> Iterator[str]:
    pythons = set(re.findall(r"^FROM python:(\d+\.\d+)\S*", files.dockerfile, re.MULTILINE))
    wanted = SpecifierSet(_project()["project"]["requires-python"])
    if len(pythons) != 1 or not all(Version(python) in wanted for python in pythons):
        yield f"Python {', '.join(sorted(pythons))} is not {wanted}"
    if not re.search(r"pip install --require-hashes [^\n]*-r requirements\.lock", files.dockerfile):
        yield "packages are not installed from the lock by their hashes"
    if re.search(r"https?://|index-url|trusted-host", files.dockerfile):
        yield "a package index is named"
    users = re.findall(r"^USER (\S+)", files.dockerfile, re.MULTILINE)
    if not users or users[-1] in {"0", "root"}:
        yield "the programs run as root"
    module, function = _project()["project"]["scripts"]["ess"].split(":")
    if f"from {module} import {function}" not in files.dockerfile:
        yield "the `ess` of the image is not the `ess` of pyproject.toml"
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for package in _project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        if f"COPY {package} {package}" not in files.dockerfile or f"!{package}" not in ignored:
            yield f"{package} is not in the image"
    if "*" not in ignored:
        yield ".dockerignore lets everything in"


def program_problems(files: Files) -> Iterator[str]:
    for name, service in files.services.items():
        if "build" in service:
            try:
                resolve(argv(service))
            except (ImportError, AttributeError, LookupError, TypeError) as error:
                yield f"{name}: {error}"


def resolve(words: list[str]) -> None:
    """The command names something that there is; an error where it does not."""
    match words:
        case ["uvicorn", "--factory", factory, *_]:
            module, function = factory.split(":")
            if not callable(getattr(importlib.import_module(module), function)):
                raise TypeError(f"{factory} makes no app")
        case ["celery", "-A", module, "worker" | "flower", *_]:
            if not isinstance(importlib.import_module(module).app, Celery):
                raise TypeError(f"{module}.app is no Celery app")
        case ["python", "-m", module]:
            if not callable(importlib.import_module(module).main):
                raise TypeError(f"{module} has no main")
        case ["ess", *command]:
            module, function = _project()["project"]["scripts"]["ess"].split(":")
            getattr(importlib.import_module(module), function)
            _subcommand(command)
        case _:
            raise LookupError(f"nobody knows {' '.join(words)}")


def _subcommand(words: list[str]) -> None:
    command: Any = typer.main.get_command(cli.app)
    for word in words:
        if not hasattr(command, "commands"):
            return
        if word not in command.commands:
            raise LookupError(f"`ess {' '.join(words)}` is no command")
        command = command.commands[word]


def document_problems(files: Files) -> Iterator[str]:
    exported = set(re.findall(r'_gauge\(\s*"(\w+)"', inspect.getsource(health)))
    for metric in sorted(set(re.findall(r"\bess_[a-z_]+", files.document)) - exported):
        yield f"nobody exports {metric}"
    for name in sorted(set(re.findall(r"\b(?:ESS|FLOWER|POSTGRES|REDIS|WEB)_[A-Z_]+", files.document))):
        if name not in variables(files):
            yield f"{name} is not in .env.example"
    commands = re.findall(r"(?<![\w.-])ess ([a-z][a-z -]*[a-z])", _code(files.document))
    if not commands:
        yield "no `ess` command was found: this rule reads nothing"
    for command in commands:
        try:
            _subcommand(command.split())
        except LookupError as error:
            yield str(error)
    for words in re.findall(r"docker compose ((?:exec|run|stop|up)\b[^`&|<>\n]*)", _code(files.document)):
        yield from _compose_problems(files, shlex.split(words))
    source = "".join(
        path.read_text(encoding="utf-8")
        for room in ("ess", "schedules", "workers")
        for path in (ROOT / room).rglob("*.py")
    )
    events = re.search(r"In the logs.*?\n\n", files.document, re.DOTALL)
    for event in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", events[0] if events else ""):
        if f'"{event}"' not in source:
            yield f"nobody logs {event}"


def _compose_problems(files: Files, words: list[str]) -> Iterator[str]:
    # Options with a value of their own; every other option is one word.
    valued = {"-v", "--scale"}
    plain = [word for before, word in pairwise(words) if not word.startswith("-") and before not in valued]
    named = plain[:1] if words[0] in {"exec", "run"} else plain
    scaled = [word.split("=")[0] for before, word in pairwise(words) if before == "--scale"]
    if words[0] != "up" and not named:
        yield f"`docker compose {' '.join(words)}` names no service"
    for service in [*named, *scaled]:
        if service not in files.services:
            yield f"there is no service {service}"


def _code(markdown: str) -> str:
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", markdown, re.DOTALL))


RULES: dict[str, Callable[[Files], Iterator[str]]] = {
    "every queue has a consumer, and no worker waits at a queue that there is not": queue_problems,
    "each worker can be told from its copies, asked, and ended gently": worker_problems,
    "compose, .env.example and Settings name the same variables": variable_problems,
    ".env.example explains each variable and gives none a value": env_file_problems,
    "no secret has a default": secret_problems,
    "Flower asks for a password and changes nothing": flower_problems,
    "nothing is published but on loopback": port_problems,
    "no webhook meets a connection that is being closed": proxy_problems,
    "Redis keeps what it was told and forgets nothing to make room": redis_problems,
    "PostgreSQL keeps its data and says when it is ready": postgres_problems,
    "what runs for long is watched, started again, and given time to end": lifecycle_problems,
    "no container has privileges": confinement_problems,
    "images are pinned": image_problems,
    "the image is built from the lock, for a Python that fits, and runs as nobody": dockerfile_problems,
    "every program that is started exists": program_problems,
    "the document names only what there is": document_problems,
}


# --- what is shipped -------------------------------------------------------------------------------------
@pytest.mark.parametrize("rule", RULES)
def test_the_shipped_files_keep_the_rule(rule: str, files: Files) -> None:
    assert list(RULES[rule](files)) == []


def test_every_program_that_opens_the_engine_gets_all_that_it_demands(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {name for name, service in files.services.items() if opens_engine(service)} == {"web", *QUEUES, "clock"}
    assert list(settings_problems(files, monkeypatch)) == []


def test_a_program_without_one_of_them_is_named(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    del files.services["notify"]["environment"]["ESS_TWILIO_FROM"]
    files.services["web"]["environment"]["ESS_PUBLIC_URL"] = "${ESS_PUBLIC_URL:-}"
    told = list(settings_problems(files, monkeypatch))
    assert sorted(told) == ["notify does not get ESS_TWILIO_FROM", "web does not get ESS_PUBLIC_URL"]


# --- what would be told ----------------------------------------------------------------------------------
def _service(name: str, **changes: Any) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        service = files.services[name] = dict(files.services[name])
        for key, value in changes.items():
            if value is None:
                service.pop(key, None)
            else:
                service[key] = value

    return change


def _command(name: str, old: str, new: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        command = files.services[name]["command"]
        broken = command.replace(old, new) if isinstance(command, str) else [word.replace(old, new) for word in command]
        assert broken != command
        files.services[name]["command"] = broken

    return change


def _environment(name: str, **values: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        files.services[name]["environment"] = {**files.services[name].get("environment", {}), **values}

    return change


def _text(attribute: str, old: str, new: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        text = getattr(files, attribute)
        assert old in text
        setattr(files, attribute, text.replace(old, new))

    return change


def _without(name: str) -> Callable[[Files], None]:
    return lambda files: files.services.pop(name)


def _without_password(files: Files) -> None:
    del files.services["flower"]["environment"]["FLOWER_BASIC_AUTH"]


def _no_gate(files: Files) -> None:
    files.compose["networks"]["inside"] = {}


BROKEN: list[tuple[Callable[[Files], Iterator[str]], Callable[[Files], None], str]] = [
    (queue_problems, _without("notify"), "nobody consumes notify"),
    (queue_problems, _command("intake", "-Q intake", "-Q intake,intak"), "intake consumes intak, which there is not"),
    (worker_problems, _command("notify", "threads", "gevent"), "does not run threads"),
    (worker_problems, _command("dispatch", "@%h", "@one"), "two copies would have one node name"),
    (worker_problems, _command("dispatch", "-n dispatch", "-n other"), "does not ask this very worker"),
    (worker_problems, _service("notify", stop_grace_period="10s"), "killed in the middle of a call"),
    (variable_problems, _environment("web", ESS_PUBLIC_URI="x"), "ESS_PUBLIC_URI is no setting"),
    (variable_problems, _environment("web", OTHER="${OTHER}"), "OTHER is not in .env.example"),
    (variable_problems, _text("env_file", "ESS_LANGUAGE=\n", ""), "language must be in .env.example"),
    (variable_problems, _text("env_file", "WEB_PORT=", "WEB_PROT="), "WEB_PROT is in .env.example and nobody reads"),
    (env_file_problems, _text("env_file", "REDIS_PASSWORD=", "REDIS_PASSWORD=redis"), "REDIS_PASSWORD has a value"),
    (env_file_problems, _text("env_file", "FLOWER_PORT=", "\nFLOWER_PORT="), "FLOWER_PORT= is not explained"),
    (secret_problems, _environment("web", A="${REDIS_PASSWORD:-redis}"), "REDIS_PASSWORD is not demanded"),
    (secret_problems, _environment("web", A="${REDIS_PASSWORD-redis}"), "REDIS_PASSWORD is not demanded"),
    (secret_problems, _environment("web", A="${ESS_ENCRYPTION_KEY}"), "ESS_ENCRYPTION_KEY is not demanded"),
    (secret_problems, _environment("web", A="$ESS_LINE_CHANNEL_SECRET"), "ESS_LINE_CHANNEL_SECRET is not demanded"),
    (secret_problems, _environment("postgres", POSTGRES_PASSWORD="ess"), "postgres: POSTGRES_PASSWORD is written down"),
    (flower_problems, _without_password, "Flower asks for no password"),
    (flower_problems, _command("flower", "--read-only", ""), "could be used to stop workers"),
    (flower_problems, _environment("flower", ESS_ENCRYPTION_KEY="x"), "Flower is given ESS_ENCRYPTION_KEY"),
    (port_problems, _service("flower", ports=["5555:5555"]), "flower is published on every interface"),
    (port_problems, _service("redis", ports=["0.0.0.0:6379:6379"]), "redis is published on every interface"),
    (port_problems, _service("postgres", networks=["inside", "outside"]), "postgres is not on the network"),
    (port_problems, _no_gate, "has a way out"),
    (proxy_problems, _command("web", "keep-alive 150", "keep-alive 5"), "closes connections that the proxy still uses"),
    (proxy_problems, _text("document", "within 150 s", "soon"), "another proxy is not told"),
    (redis_problems, _command("redis", "--appendonly yes", ""), "Redis runs without --appendonly yes"),
    (redis_problems, _command("redis", "noeviction", "allkeys-lru"), "Redis runs without --maxmemory-policy"),
    (redis_problems, _service("redis", volumes=None), "writes to nothing that lasts"),
    (postgres_problems, _service("postgres", volumes=["postgres:/data"]), "writes to nothing that lasts"),
    (lifecycle_problems, _service("clock", healthcheck=None), "clock has no health check"),
    (lifecycle_problems, _service("followup", restart="no"), "followup is not started again"),
    (lifecycle_problems, _service("web", stop_grace_period=None), "web has no time to end"),
    (lifecycle_problems, _service("web", depends_on={}), "web does not wait for the schema"),
    (lifecycle_problems, _service("migrate", restart="unless-stopped"), "migrate would run again and again"),
    (confinement_problems, _service("web", privileged=True), "web has privileges"),
    (confinement_problems, _service("web", cap_drop=None), "web keeps privileges"),
    (confinement_problems, _service("web", read_only=False), "web is not read_only"),
    (confinement_problems, _service("web", logging=None), "web logs without an end"),
    (image_problems, _service("redis", image="redis:latest"), "redis:latest is not pinned"),
    (image_problems, _service("redis", image="redis"), "redis: redis is not pinned"),
    (image_problems, _service("web", image="ess-dispatch:0.0.1"), "the image is not this release's"),
    (image_problems, _text("dockerfile", "python:3.11-slim", "python:slim"), "python:slim-trixie is not pinned"),
    (dockerfile_problems, _text("dockerfile", "python:3.11", "python:3.10"), "Python 3.10 is not >=3.11"),
    (dockerfile_problems, _text("dockerfile", "--require-hashes ", ""), "by their hashes"),
    (dockerfile_problems, _text("dockerfile", "USER 10001", "USER root"), "run as root"),
    (dockerfile_problems, _text("dockerfile", "COPY workers", "# COPY other"), "workers is not in the image"),
    (dockerfile_problems, _text("dockerfile", "from ess.cli", "from ess.up"), "is not the `ess` of pyproject.toml"),
    (program_problems, _command("web", "create_app", "make_app"), "has no attribute 'make_app'"),
    (program_problems, _command("clock", "schedules.clock", "schedules.beat"), "No module named 'schedules.beat'"),
    (program_problems, _command("intake", "workers.app", "config.settings"), "has no attribute 'app'"),
    (program_problems, _command("migrate", "db upgrade", "db migrate"), "`ess db migrate` is no command"),
    (
        document_problems,
        _text("document", "ess_queue_length > 100", "ess_queue_size > 100"),
        "nobody exports ess_queue",
    ),
    (document_problems, _text("document", "web ess doctor", "web ess diagnose"), "`ess diagnose` is no command"),
    (document_problems, _text("document", "exec -T postgres", "exec -T database"), "there is no service database"),
    (document_problems, _text("document", "`deadline_failed`", "`task_failed`"), "nobody logs task_failed"),
    (document_problems, _text("document", "`WEB_CONCURRENCY`", "`WEB_WORKERS`"), "WEB_WORKERS is not in .env.example"),
]


@pytest.mark.parametrize(("rule", "damage", "told"), BROKEN, ids=[told for _, _, told in BROKEN])
def test_damage_is_told(
    rule: Callable[[Files], Iterator[str]], damage: Callable[[Files], None], told: str, files: Files
) -> None:
    damage(files)
    assert any(told in problem for problem in rule(files)), list(rule(files))
