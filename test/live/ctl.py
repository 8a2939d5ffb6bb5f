"""ctl.py - asks the workers of a gateway over their control sockets (ctl/ctl.h), for the live tests.

    trace(run, to="grace@example.org")   # [{"id": ..., "lines": [{"event": ...}, ...]}, ...]
    queue(run)                           # messages of all shards
    counters(run)                        # {"postern_delivered_total": ..., ...}
"""

import glob
import json
import shlex
import socket
import sys


def ask_one(path, request, timeout=10):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    sock.connect(path)
    sock.sendall(json.dumps(request).encode() + b"\n")
    data = b""
    while not data.endswith(b"\n"):
        got = sock.recv(1 << 20)
        if not got:
            break
        data += got
    sock.close()
    answer = json.loads(data)
    if not answer.get("ok"):
        raise ValueError("%s: %s" % (request, answer))
    return answer


def sockets(run):
    return sorted(glob.glob(run + "/gate-*.sock"))


def ask_shards(run, verb, **more):
    """One answer a shard, whoever holds it."""
    answers = []
    for path in sockets(run):
        for shard in ask_one(path, {"verb": "shards"}).get("shards", []):
            answers.append(ask_one(path, dict(more, verb=verb, shard=shard["shard"])))
    return answers


def trace(run, **filters):
    return [m for a in ask_shards(run, "trace", limit=1000, **filters) for m in a.get("messages", [])]


def lines(run, **filters):
    """The lines of all messages that match, in one list."""
    return [line for m in trace(run, **filters) for line in m["lines"]]


def attempts(log):
    """What the log says of each try to deliver: [{"id": ..., "result": ..., "to": ..., ...}, ...]"""
    ret = []
    with open(log, errors="replace") as f:
        for line in f:
            if " mail.attempt " in line:
                ret.append(dict(w.split("=", 1) for w in shlex.split(line) if "=" in w))
    return ret


def queue(run):
    return [m for a in ask_shards(run, "queue-list", limit=1000) for m in a.get("messages", [])]


def explain(run, to, sender="ada@example.net", **more):
    return ask_one(sockets(run)[0], dict(more, verb="explain", to=to, **{"from": sender}))


def counters(run):
    return ask_one(sockets(run)[0], {"verb": "status"})["sums"]


if __name__ == "__main__":
    for reply in ask_shards(sys.argv[1], sys.argv[2], **dict(a.split("=", 1) for a in sys.argv[3:])):
        print(json.dumps(reply, indent=1))
