"""The machines of the test: Compose projects, networks and the operator's container."""

import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

COMPOSE = pathlib.Path(__file__).resolve().parent.parent
ROOT = COMPOSE.parent.parent
NAME = "rbee-test"
LAN, OPS, STORE = f"{NAME}-lan", f"{NAME}-ops", f"{NAME}-store"
# Addresses of this test's own containers.
LAN_SUBNET, HUB = "10.213.7.0/24", "10.213.7.10"
IMAGE = "rbee/{}:test"


def run(*command, check=True, env=None, timeout=300):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=timeout,
        env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done


def docker(*words, **more):
    return run("docker", *words, **more)


def compose_program():
    return ["docker", "compose"] if run("docker", "compose", "version", check=False).returncode == 0 else ["docker-compose"]


class Machine:
    """One Compose project, which stands for one machine."""

    def __init__(self, name, files, settings):
        self.name, self.project = name, f"{NAME}-{name}"
        self.files = [word for file in files for word in ("-f", str(COMPOSE / file))]
        self.env = {"RBEE_VERSION": "test", "RBEE_ALLOW_INSECURE": "true", "LAN": LAN, "STORE": STORE, "RBEE_BIND": "127.0.0.1", **settings}

    def compose(self, *words, **more):
        # No .env of somebody's: the settings are the test's own.
        own = ["--env-file", str(COMPOSE / "test/none.env"), "-p", self.project, *self.files]
        return run(*compose_program(), *own, *words, env=self.env, **more)

    def up(self):
        self.compose("up", "-d")

    def container(self, service):
        filters = [f"label=com.docker.compose.project={self.project}", f"label=com.docker.compose.service={service}"]
        found = docker("ps", "-aq", *[word for one in filters for word in ("--filter", one)]).stdout.split()
        assert len(found) == 1, f"{self.project}/{service}: {found}"
        return found[0]

    def logs(self):
        return self.compose("logs", "--no-color", "--tail", "60", check=False).stdout


class Stream:
    """A command of the operator's whose output is watched as it comes."""

    def __init__(self, *words):
        self.began = time.monotonic()
        self.lines, self.arrivals, self.ended = [], [], None
        self.process = subprocess.Popen(
            ["docker", "exec", f"{NAME}-operator", "rbee", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )
        self.readers = [threading.Thread(target=self._read, daemon=True), threading.Thread(target=self._errors, daemon=True)]
        self.stderr = ""
        for reader in self.readers:
            reader.start()

    def _read(self):
        while piece := os.read(self.process.stdout.fileno(), 65536):
            self.arrivals.append(time.monotonic())
            self.lines.append(piece)
        self.ended = time.monotonic()

    def _errors(self):
        self.stderr = self.process.stderr.read().decode()

    def text(self):
        return b"".join(self.lines).decode(errors="replace")

    def wait(self, timeout):
        """The exit code; the time that it took to end counts from now."""
        code = self.process.wait(timeout)
        for reader in self.readers:
            reader.join(5)
        return code

    def running(self):
        return self.process.poll() is None

    def error(self):
        """The error that --json tells."""
        for line in reversed(self.stderr.splitlines()):
            if line.startswith("{"):
                return json.loads(line)["error"]
        return {}

    def longest_pause(self, since=0.0):
        times = [at for at in self.arrivals if at >= since]
        return max((after - before for before, after in zip(times, times[1:])), default=0.0)


def rbee(*words, check=True, timeout=120):
    return docker("exec", f"{NAME}-operator", "rbee", *words, check=check, timeout=timeout)


def rbee_json(*words, **more):
    return json.loads(rbee(*words, "--json", **more).stdout)


def until(what, condition, timeout):
    """Waits; answers how long it took."""
    began = time.monotonic()
    while True:
        if condition():
            return time.monotonic() - began
        if time.monotonic() - began > timeout:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.2)


def remove():
    """What this or an earlier run left."""
    found = docker("ps", "-aq", "--filter", f"name={NAME}-", check=False).stdout.split()
    if found:
        docker("rm", "-fv", *found)
    for network in docker("network", "ls", "--format", "{{.Name}}").stdout.split():
        if network.startswith(f"{NAME}-"):
            docker("network", "rm", network)
    for volume in docker("volume", "ls", "-q").stdout.split():
        if volume.startswith(f"{NAME}-"):
            docker("volume", "rm", volume)


def prepare(folder):
    """Networks, the store that all machines mount, the hub with its models, the operator."""
    docker("network", "create", "--subnet", LAN_SUBNET, LAN)
    docker("network", "create", OPS)
    docker("volume", "create", STORE)
    repos = pathlib.Path(folder) / "repos"
    for repo, name, source in [
        ("bees/tiny-GGUF", "tiny-q8_0.gguf", "llm/tiny/qwen2/qwen2-q8_0.gguf"),
        ("bees/noise", "noise.safetensors", "sd/sd15-tiny/model.safetensors"),
    ]:
        (repos / repo).mkdir(parents=True)
        shutil.copy(ROOT / "fixtures" / source, repos / repo / name)
    tiny = (repos / "bees/tiny-GGUF/tiny-q8_0.gguf").read_bytes()
    for repo, content in [("bees/long-GGUF", longer(tiny)), ("bees/large-GGUF", tiny.ljust(96 << 20, b"\0"))]:
        (repos / repo).mkdir(parents=True)
        (repos / repo / "model-q8_0.gguf").write_bytes(content)
    for path in [repos, *repos.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    hub = ROOT / "dist/programs/scripted-hub"
    docker(
        "run", "-d", "--init", "--name", f"{NAME}-hub", "--network", LAN, "--ip", HUB, "--read-only", "-v", f"{repos}:/repos:ro",
        "-v", f"{hub}:/hub:ro", "--entrypoint", "/hub", IMAGE.format("cli"), f"{HUB}:8080", "/repos", f"={4 << 20}",
    )
    docker(
        "run", "-d", "--init", "--name", f"{NAME}-operator", "--network", OPS, "-e", "RBEE_SERVER=http://head:7220",
        "--entrypoint", "sleep", IMAGE.format("cli"), "infinity",
    )
    docker("network", "connect", LAN, f"{NAME}-operator")


def longer(gguf):
    """The same model with room for a context of 200,000 tokens, so that an answer can take minutes."""
    key = b"qwen2.context_length"
    at = gguf.index(key) + len(key)
    assert gguf[at : at + 4] == (4).to_bytes(4, "little"), "a u32"
    return gguf[: at + 4] + (200_000).to_bytes(4, "little") + gguf[at + 8 :]
