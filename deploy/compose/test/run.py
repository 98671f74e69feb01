#!/usr/bin/env python3
"""A cluster of three machines, and what goes wrong with it. Started by deploy/compose/test.sh."""

import json
import os
import random
import sys
import tempfile
import threading
import time
import traceback

from machines import HUB, IMAGE, LAN, NAME, OPS, Machine, Stream, docker, prepare, rbee, rbee_json, remove, until

# What the client is to be told, and when.
UNAVAILABLE_WITHIN = 5.0
CATALOG_AWAY = 120.0
CHATTERS = 4
TINY, LONG, NOISE, LARGE = "bees/tiny-GGUF", "bees/long-GGUF", "bees/noise", "bees/large-GGUF"
RETRYABLE = {3, 6}

TABLE = []


def note(what, seconds=None, more=""):
    TABLE.append((what, seconds, more))
    print(f"  {what}" + (f": {seconds:.1f} s" if seconds is not None else "") + (f" ({more})" if more else ""), flush=True)


def hives():
    return {hive["name"]: hive for hive in rbee_json("hive", "ls")}


def workers():
    return rbee_json("worker", "ls")


def model_ids():
    return [model["id"] for model in rbee_json("model", "ls")]


def spawn(model, kind, hive, *more):
    return rbee("worker", "spawn", model_id(model), "--type", kind, "--hive", hive, *more).stdout.split()[-1]


def model_id(repo):
    return next(found for found in model_ids() if found.startswith(repo))


def ready_on(hive):
    hive_id = hives()[hive]["id"]
    return [worker for worker in workers() if worker["hive_id"] == hive_id and worker["state"] in ("ready", "busy")]


def long_chat(worker):
    return Stream("complete", worker, "--prompt", "a b c", "--ignore-end", "--max-tokens", "150000", "--seed", "7")


def long_image(worker, steps=200, side=128):
    return Stream(
        "image", worker, "a bee", "--steps", str(steps), "--width", str(side), "--height", str(side), "--seed", "7", "--json", "-o",
        f"/tmp/{worker}.png",
    )


def begins(stream, timeout=60):
    return until("the first piece of a stream", lambda: len(stream.arrivals) > 3 or not stream.running(), timeout)


class Scene:
    def __init__(self, seed):
        self.random = random.Random(seed)
        files = ["compose.yaml", "test/lan.head.yaml"]
        self.head = Machine("head", files, {"RBEE_HOST": "head-hive", "HF_ENDPOINT": f"http://{HUB}:8080"})
        self.hosts = {
            name: Machine(
                name, ["compose.host.yaml", "test/lan.host.yaml"],
                # Three machines here, one there: only the head has the ports of this one.
                {"RBEE_HEAD": "head", "RBEE_HOST": name, "RBEE_HIVE_NAME": name, "RBEE_BIND": f"127.0.7.{number}"},
            )
            for number, name in enumerate(["attic", "cellar"], start=2)
        }

    def machines(self):
        return [self.head, *self.hosts.values()]

    def start(self):
        began = time.monotonic()
        self.head.up()
        docker("network", "connect", "--alias", "head", OPS, self.head.container("catalog"))
        for host in self.hosts.values():
            host.up()
        names = {"head", *self.hosts}
        everybody = lambda: rbee("health", check=False).returncode == 0 and {
            name for name, hive in hives().items() if hive["state"] == "ready"
        } == names
        until("three hives are ready", everybody, 120)
        note("three machines up, from nothing to three ready hives", time.monotonic() - began)
        until("worker programs are installed", lambda: len(rbee_json("worker", "binaries")) >= 2, 60)

    def fill(self):
        for repo in [TINY, NOISE, LONG]:
            began = time.monotonic()
            rbee("model", "pull", repo)
            note(f"pulled {repo} from the scripted hub", time.monotonic() - began)
        self.tiny = spawn(TINY, "cpu-llm", "attic")
        self.long = spawn(LONG, "cpu-llm", "attic", "--context", "160000")
        self.noise = spawn(NOISE, "cpu-sd", "cellar")
        self.spare = spawn(LONG, "cpu-llm", "cellar", "--context", "160000")
        note(f"workers: {self.tiny}, {self.long} on attic; {self.noise}, {self.spare} on cellar")

    def both_at_once(self):
        text, picture = long_chat(self.long), long_image(self.noise, 30)
        begins(text), begins(picture)
        assert text.running() and picture.running(), "both stream at once"
        assert picture.wait(120) == 0, picture.stderr
        assert text.running() and text.arrivals[-1] > picture.ended - 2, "the text goes on beside the picture"
        beside = sum(1 for at in text.arrivals if picture.began < at < picture.ended)
        text.process.kill()
        note("a picture and a text from two hosts at once", picture.ended - picture.began, f"{beside} pieces of text beside it")

    def a_host_stops(self):
        """Its streams end at once and say why; the other host's go on; it comes back by itself."""
        here, there = long_chat(self.long), long_chat(self.spare)
        picture = long_image(self.noise)
        for stream in (here, there, picture):
            begins(stream)
        time.sleep(self.random.uniform(0.5, 2.0))
        for stream in (here, there, picture):
            assert stream.running(), f"{stream.stderr}{stream.text()[-300:]}"
        hive = self.hosts["attic"].container("hive")
        stopped = time.monotonic()
        docker("kill", "--signal", "KILL", hive)
        code = here.wait(30)
        took = here.ended - stopped
        assert code in RETRYABLE, (code, here.stderr)
        assert "UNAVAILABLE" in here.stderr or "CONNECTION_LOST" in here.stderr or "broken pipe" in here.stderr, here.stderr
        assert took < UNAVAILABLE_WITHIN, f"{took} s until the stream of a stopped host ended"
        note("a stopped host's stream ended", took, here.stderr.splitlines()[-1][:70])
        began = time.monotonic()
        until("attic is unreachable", lambda: hives()["attic"]["state"] == "unreachable", 40)
        note("the stopped host is marked unreachable", time.monotonic() - stopped)
        assert time.monotonic() - began < 40
        assert picture.wait(120) == 0, picture.stderr
        assert there.running() and there.longest_pause(stopped) < 5, there.longest_pause(stopped)
        there.process.kill()
        begun = time.monotonic()
        docker("start", hive)
        until("attic is ready again", lambda: hives()["attic"]["state"] == "ready", 60)
        until("its workers serve again", lambda: len(ready_on("attic")) == 2, 60)
        note("it comes back with both workers, by itself", time.monotonic() - begun)

    def the_catalog_is_cut_off(self):
        text, picture = long_chat(self.long), long_image(self.noise, 200, 224)
        begins(text), begins(picture)
        catalog, own = self.head.container("catalog"), f"{self.head.project}_default"
        cut = time.monotonic()
        for network in (LAN, own):
            docker("network", "disconnect", network, catalog)
        refused = rbee("worker", "spawn", model_id(TINY), "--type", "cpu-llm", "--hive", "cellar", "--json", check=False)
        took = time.monotonic() - cut
        error = json.loads([line for line in refused.stderr.splitlines() if line.startswith("{")][-1])["error"]
        assert error["reason"] == "CATALOG_UNAVAILABLE" and refused.returncode == 6, (refused.returncode, error)
        note("a spawn while the catalog is cut off is refused", took, error["reason"])
        until("hives are unreachable to the catalog", lambda: hives()["attic"]["state"] == "unreachable", 40)
        time.sleep(max(0.0, CATALOG_AWAY - (time.monotonic() - cut)))
        for stream, what in ((text, "text"), (picture, "picture")):
            # A quick machine is done with its picture by then.
            assert stream.running() or stream.wait(5) == 0, f"{what}: {stream.stderr}{stream.text()[-500:]}"
            pause = stream.longest_pause(cut)
            assert pause < 10, f"{what} stood still for {pause} s"
            note(f"the {what} that ran went on", (stream.ended or time.monotonic()) - cut, f"longest pause {pause:.2f} s")
        docker("network", "connect", "--alias", "head", LAN, catalog)
        docker("network", "connect", "--alias", "catalog", own, catalog)
        healed = time.monotonic()
        until("all hives are back", lambda: all(hive["state"] == "ready" for hive in hives().values()), 60)
        note("all hives are back after the cut", time.monotonic() - healed)
        for stream in (text, picture):
            stream.process.kill()
        rbee("chat", self.tiny, "--prompt", "still there?", "--max-tokens", "4")

    def a_download_survives(self):
        job = rbee("model", "pull", LARGE, "--detach").stdout.split()[-1]
        jobs = lambda said: next(found for found in json.loads(said) if found["id"] == job)
        shown = lambda: jobs(rbee("job", "ls", "--json").stdout)
        until("some of it is there", lambda: (shown().get("done_bytes") or 0) > 12 << 20, 60)
        before = shown()["done_bytes"]
        began = time.monotonic()
        docker("restart", self.head.container("provisioner"))
        seen = []

        def goes_on():
            said = rbee("job", "ls", "--json", check=False)
            if said.returncode == 0:
                seen.append(jobs(said.stdout))
            return seen and seen[-1]["state"] == "succeeded"

        until("the download is done", goes_on, 120)
        lowest = min(one["done_bytes"] for one in seen if one["state"] == "running")
        # What a restart may cost is what was not written down yet: two seconds' worth at 4 MiB a second.
        assert lowest >= before - (12 << 20) and lowest > 0, (before, lowest)
        note("a download went on after its provisioner was restarted", time.monotonic() - began, f"at {before >> 20} MiB, went on from {lowest >> 20} MiB or later")
        rbee("model", "verify", model_id(LARGE))

    def a_disk_is_full(self):
        """A host with a disk of 8 MB has no room for a worker program."""
        image = IMAGE.format("hive")
        name = f"{NAME}-closet"
        docker(
            "run", "-d", "--init", "--name", name, "--hostname", "closet", "--network", LAN, "--network-alias", "closet",
            "--read-only", "--tmpfs", "/tmp:size=16m", "--mount", "type=volume,dst=/var/lib/rbee/hive,volume-driver=local,"
            "volume-opt=type=tmpfs,volume-opt=device=tmpfs,\"volume-opt=o=size=8m,uid=10001,gid=10001\"",
            "-v", f"{NAME}-store:/var/lib/rbee/store", "-e", "RBEE_CATALOG=http://head:7220",
            "-e", "RBEE_ADVERTISE=http://closet:7221", "-e", "RBEE_HIVE_NAME=closet", "-e", "RBEE_ALLOW_INSECURE=true",
            image,
        )
        until("closet is ready", lambda: hives().get("closet", {}).get("state") == "ready", 60)
        began = time.monotonic()
        refused = rbee("worker", "spawn", model_id(TINY), "--type", "cpu-llm", "--hive", "closet", "--json", check=False)
        error = json.loads([line for line in refused.stderr.splitlines() if line.startswith("{")][-1])["error"]
        assert error["reason"] == "DISK_FULL" and refused.returncode == 6, (refused.returncode, error)
        note("a spawn on a host whose disk is full is refused", time.monotonic() - began, error["message"][:60])
        docker("rm", "-fv", name)

    def everything_is_restarted(self):
        """One after the other, while four people chat; each sees one error at most, and no answer is lost."""
        second = spawn(TINY, "cpu-llm", "cellar")
        model = model_id(TINY)
        until("two workers of one model", lambda: sum(worker["model_id"] == model and worker["state"] in ("ready", "busy") for worker in workers()) == 2, 30)
        models = set(model_ids())
        stop, logs = threading.Event(), [[] for _ in range(CHATTERS)]

        def chat(log, number):
            turn = 0
            while not stop.is_set():
                turn += 1
                said = rbee("chat", model, "--prompt", f"{number} {turn}", "--max-tokens", "24", "--ignore-end", "--json", check=False)
                if said.returncode == 0:
                    log.append(("ok", json.loads(said.stdout)["completion_tokens"]))
                    time.sleep(0.2)
                else:
                    log.append(("error", said.returncode, said.stderr.strip()[-400:], time.monotonic()))
                    # A person, or a program that reads RetryInfo, does not try again at once.
                    time.sleep(8)

        chatters = [threading.Thread(target=chat, args=(log, number), daemon=True) for number, log in enumerate(logs)]
        for chatter in chatters:
            chatter.start()
        time.sleep(3)
        began = time.monotonic()
        for machine, service in [(self.head, "catalog"), (self.head, "provisioner"), (self.hosts["attic"], "hive"), (self.hosts["cellar"], "hive"), (self.head, "hive")]:
            container = machine.container(service)
            docker("restart", "-t", "60", container)
            healthy = lambda: docker("inspect", "--format", "{{.State.Health.Status}}", container).stdout.strip() == "healthy"
            until(f"{machine.name}'s {service} is healthy", healthy, 90)
            until("every worker serves again", lambda: len(ready_on("attic")) == 2 and len(ready_on("cellar")) == 3, 90)
        took = time.monotonic() - began
        time.sleep(3)
        stop.set()
        for chatter in chatters:
            chatter.join(60)
        for number, log in enumerate(logs):
            errors = [entry for entry in log if entry[0] == "error"]
            assert len(errors) <= 1, f"client {number}: {errors}"
            assert all(entry[1] in RETRYABLE for entry in errors), errors
            assert all(entry[1] == 24 for entry in log if entry[0] == "ok"), log
        answers = sum(entry[0] == "ok" for log in logs for entry in log)
        errors = sum(entry[0] == "error" for log in logs for entry in log)
        note("rolling restart of everything under four chats", took, f"{answers} whole answers, {errors} retryable errors")
        assert answers >= 5 * CHATTERS, f"only {answers} answers"
        assert set(model_ids()) == models, "no model is lost"
        rbee("worker", "stop", second)

    def first_token(self):
        """From `up -d` with images and model there to the first token."""
        rbee("worker", "stop", *[worker["id"] for worker in workers()], timeout=180)
        self.head.compose("down", timeout=180)
        began = time.monotonic()
        self.head.up()
        up = time.monotonic() - began
        docker("network", "connect", "--alias", "head", OPS, self.head.container("catalog"))
        until("the head's hive", lambda: rbee("health", check=False).returncode == 0 and hives().get("head", {}).get("state") == "ready", 60)
        worker = spawn(TINY, "cpu-llm", "head")
        stream = Stream("chat", worker, "--prompt", "hello", "--max-tokens", "8")
        until("a token", lambda: stream.arrivals, 30)
        note("from `up -d` to the first token of a model in the store", stream.arrivals[0] - began, f"`up -d` itself {up:.1f} s")
        stream.wait(30)


def main():
    keep, seed = "--keep" in sys.argv, int(os.environ.get("SEED", "7"))
    only = os.environ.get("ONLY", "").split()
    print(f"seed {seed}")
    remove()
    scene = Scene(seed)
    began, failed = time.monotonic(), False
    with tempfile.TemporaryDirectory(prefix=NAME) as folder:
        os.chmod(folder, 0o755)
        try:
            prepare(folder)
            scene.start()
            scene.fill()
            for part in (
                scene.both_at_once, scene.a_host_stops, scene.the_catalog_is_cut_off, scene.a_download_survives,
                scene.a_disk_is_full, scene.everything_is_restarted, scene.first_token,
            ):
                if only and part.__name__ not in only:
                    continue
                print(part.__name__.replace("_", " "), flush=True)
                part()
        except Exception:  # pylint: disable=broad-except
            failed = True
            traceback.print_exc()
            for machine in scene.machines():
                print(f"--- {machine.name}\n{machine.logs()}")
        finally:
            if not keep:
                remove()
    print()
    for what, seconds, more in TABLE:
        print(f"{what:<62} {'' if seconds is None else f'{seconds:.1f} s':>8}  {more}")
    print(f"{'all' if not failed else 'until it failed':<62} {time.monotonic() - began:>6.0f} s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
