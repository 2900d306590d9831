"""What `deploy/` promises, read from its files, as there is no Docker where tests run. A real Valkey reads its own."""

import ast
import re
import subprocess
import sys
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import pytest
import redis
import yaml  # type: ignore[import-untyped]

from app.processes.child import Child
from app.processes.embedded import CONFIG, find_binary
from app.settings import Settings
from tests.conftest import eventually
from tests.small_server import Answer, json, problem, serving

ROOT: Final = Path(__file__).parents[1]
DEPLOY: Final = ROOT / "deploy"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
OURS: Final = ("web", "worker")
TOOLS: Final = re.compile(r"\b(gcc|g\+\+|make|build-essential|git|curl|wget|cargo|npm)\b")


class Instruction(NamedTuple):
    """One of a Dockerfile, its lines joined."""

    name: str
    text: str


def stages() -> list[list[Instruction]]:
    """The Dockerfile from one FROM to the next."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[Instruction]] = []
    for line in filter(None, text.splitlines()):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, rest.strip()))
    return found


def said(stage: list[Instruction], name: str) -> list[str]:
    return [instruction.text for instruction in stage if instruction.name == name]


def test_what_builds_is_not_there_where_it_runs() -> None:
    build, final = stages()
    assert said(build, "FROM")[0].endswith(" AS build")
    assert said(final, "COPY") == ["--from=build /opt/tidings /opt/tidings"]
    (run,) = said(final, "RUN")
    assert not TOOLS.search(run)
    assert "pip uninstall" in run
    assert "ensurepip" in run


def test_the_base_is_named_down_to_its_release_and_no_registry_is() -> None:
    for stage in stages():
        image = said(stage, "FROM")[0].split()[0]
        assert re.fullmatch(r"python:3\.\d+-slim-\w+", image)


def test_what_is_installed_is_pinned() -> None:
    build, _ = stages()
    (install,) = [run for run in said(build, "RUN") if "install" in run]
    assert "PIP_CONSTRAINT=constraints.txt" in install
    assert "PIP_BUILD_CONSTRAINT=constraints.txt" in install


def test_the_image_runs_as_nobody_special_and_says_whether_it_is_well() -> None:
    _, final = stages()
    names = [instruction.name for instruction in final]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", said(final, "USER")[-1])
    assert not {"RUN", "COPY", "ADD"} & set(names[names.index("USER") :])
    assert "/readyz" in said(final, "HEALTHCHECK")[0]
    assert ast.literal_eval(said(final, "ENTRYPOINT")[0]) == ["tidings"]


def test_its_settings_are_ours_and_hold_no_secret() -> None:
    _, final = stages()
    variables = [name for text in said(final, "ENV") for name in re.findall(r"(TIDINGS_\w+)=", text)]
    assert variables
    known = {f"TIDINGS_{name.upper()}" for name in Settings.model_fields}
    assert set(variables) <= known
    assert not said(final, "ARG")
    assert not [name for name in variables if "SECRET" in name or "REDIS" in name]


def test_only_what_is_installed_goes_into_the_build() -> None:
    first, *others = [
        line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if not line.startswith("#")
    ]
    assert first == "*"
    let_in = {line[1:] for line in others if line.startswith("!")}
    build, _ = stages()
    copied = {source for text in said(build, "COPY") for source in text.split()[:-1]}
    assert copied == let_in
    assert all((ROOT / source).exists() for source in copied)
    assert not any(fnmatch("deploy/secrets/tidings.env", pattern) for pattern in let_in)


def test_the_dockerfile_has_no_fault_that_its_linter_knows() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_as_little_as_it_can_live_with(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & service.keys()
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["pids_limit"]
    assert service["mem_limit"]
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]
    assert not any("docker.sock" in str(volume) for volume in service["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_ours_write_to_data_and_a_small_tmp_alone(name: str) -> None:
    service = SERVICES[name]
    assert service["volumes"] == ["files:/data"]
    (tmp,) = service["tmpfs"]
    assert {"noexec", "nosuid", "nodev"} <= set(tmp.partition(":")[2].split(","))


@pytest.mark.parametrize("name", OURS)
def test_ours_ask_for_keys_and_have_longer_to_stop_than_they_take(name: str) -> None:
    service = SERVICES[name]
    environment = service["environment"]
    assert environment["TIDINGS_AUTH"] == "keys"
    assert int(service["stop_grace_period"].removesuffix("s")) > int(environment["TIDINGS_SHUTDOWN_GRACE_SECONDS"]) + 5
    assert service["depends_on"]["valkey"]["condition"] == "service_healthy"
    assert service["init"] is True
    assert not [text for text in environment.values() if "redis" in str(text)]


def test_only_web_can_be_reached_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8000:8000"]}
    assert SERVICES["valkey"]["networks"] == ["store"]
    assert COMPOSE["networks"]["store"] == {"internal": True}


def test_what_is_mounted_into_valkey_cannot_be_changed_from_there() -> None:
    mounted = [volume for volume in SERVICES["valkey"]["volumes"] if volume.startswith(".")]
    assert len(mounted) == 2
    assert all(volume.endswith(":ro") for volume in mounted)


def test_nothing_is_a_host_of_a_registry_or_the_newest_whatever_it_is() -> None:
    for name in ("valkey",):
        image = SERVICES[name]["image"]
        assert "." not in image.partition("/")[0]
        assert not image.endswith(":latest")
        assert ":" in image


def test_valkey_is_configured_like_the_bundled_one() -> None:
    ours = (DEPLOY / "valkey.conf").read_text().splitlines()
    where = ("port", "unixsocketperm", "loglevel")
    assert {line for line in CONFIG.splitlines() if not line.startswith(where)} <= set(ours)
    assert "appendonly yes" in ours


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A copy of `deploy` with its secrets made."""
    folder = tmp_path / "deploy"
    folder.mkdir()
    for name in ("prepare.sh", "valkey.acl", "valkey.conf"):
        (folder / name).write_bytes((DEPLOY / name).read_bytes())
    prepare(folder)
    return folder


def prepare(folder: Path) -> str:
    return subprocess.run(["sh", folder / "prepare.sh"], check=True, capture_output=True, text=True, umask=0o022).stdout


def secrets(folder: Path) -> dict[str, str]:
    lines = (folder / "secrets" / "tidings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_secrets_are_made_once_and_no_two_alike(prepared: Path) -> None:
    made = secrets(prepared)
    password = urlsplit(made["TIDINGS_REDIS_URL"]).password
    assert password != made["TIDINGS_SECRET"]
    assert len(made["TIDINGS_SECRET"]) == 64
    assert "nothing was changed" in prepare(prepared)
    assert secrets(prepared) == made


def test_only_their_maker_can_read_them_and_valkey_is_given_a_digest(prepared: Path) -> None:
    assert (prepared / "secrets" / "tidings.env").stat().st_mode & 0o077 == 0
    users = (prepared / "secrets" / "valkey.acl").read_text()
    password = urlsplit(secrets(prepared)["TIDINGS_REDIS_URL"]).password or ""
    assert f"#{sha256(password.encode()).hexdigest()} " in users
    assert password not in users
    subprocess.run(["git", "check-ignore", "-q", "deploy/secrets/tidings.env"], check=True, cwd=ROOT)


def test_a_real_valkey_takes_its_configuration_and_its_users(prepared: Path, short_path: Path) -> None:
    socket = short_path / "valkey.sock"
    given_by_compose = {"/etc/valkey/users.acl": prepared / "secrets" / "valkey.acl", "/data": short_path}
    configuration = (DEPLOY / "valkey.conf").read_text().replace("port 6379", f"port 0\nunixsocket {socket}")
    for inside, here in given_by_compose.items():
        configuration = configuration.replace(inside, str(here))
    (prepared / "valkey.conf").write_text(configuration)
    given = secrets(prepared)["TIDINGS_REDIS_URL"].replace("redis://", "unix://").partition("@")[0]
    with Child(find_binary(), str(prepared / "valkey.conf")) as server:
        eventually(lambda: socket.exists() or not server.alive)
        with redis.Redis.from_url(f"unix://health:any@{socket}") as health:
            eventually(health.ping)
            with pytest.raises(redis.exceptions.NoPermissionError):
                health.get("tidings:kinds")
        with redis.Redis.from_url(f"{given}@{socket}") as tidings:
            assert tidings.set("tidings:x", "1")
        with redis.Redis(unix_socket_path=str(socket)) as nobody, pytest.raises(redis.exceptions.AuthenticationError):
            nobody.ping()


@pytest.mark.parametrize(("answer", "code"), [(json({"status": "ready"}), 0), (problem(503, "unavailable", "no"), 1)])
def test_the_health_check_tells_who_is_ready_from_who_is_not(answer: Answer, code: int) -> None:
    _, final = stages()
    command = ast.literal_eval(said(final, "HEALTHCHECK")[0].partition("CMD ")[2])
    with serving() as server:
        server.will("/readyz", answer)
        script = command[2].replace("127.0.0.1:8000", server.url.removeprefix("http://"))
        assert subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL, check=False).returncode == code
