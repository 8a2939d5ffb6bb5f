"""queue_operator.py DIR PORT POSTERN HOP_PORT METRICS PART - what an operator does with a queue by
`postern`, see test_queue.sh."""

import json
import re
import subprocess
import sys
import time
import urllib.request

import ctl
import hop
from smtp import Peer, attempt, check, message, wait_for

DIR, PORT, POSTERN, HOP_PORT, METRICS, PART = sys.argv[1:7]
HOPS, RUN = DIR + "/hop", DIR + "/edge/run"
MANY = 30


def postern(*words):
    """Exit status, what it prints, what it complains."""
    p = subprocess.run([POSTERN, "-c", DIR + "/edge.conf", *words], capture_output=True, text=True, timeout=30,
                       check=False)
    return p.returncode, p.stdout, p.stderr


def listed(*words):
    code, out, err = postern("queue", "list", "--json", "-n", "1000", *words)
    if code != 0:
        raise ValueError("queue list: %d %s" % (code, err))
    return json.loads(out)["recipients"]


def row(to):
    rows = [r for r in listed() if r["to"] == to]
    return rows[0] if rows else {}


def send(ident, to, sender="ada@example.net"):
    peer = Peer(int(PORT))
    peer.ehlo()
    code = peer.envelope(sender, to)
    code = peer.data(message(ident))[0] if code == 250 else code
    peer.quit()
    return code


def box(i):
    return "u%d@down.example" % i


def fill():
    check("%d mails are accepted, each over a connection of its own" % MANY,
          {send("op-%d" % i, box(i), "s%d@example.net" % i) for i in range(MANY)} == {250})
    wait_for(15, lambda: sum(r["attempts"] == 1 and r["state"] == "waiting" for r in listed()) == MANY)
    rows = listed()
    check("queue list: all wait, tried once", [r["attempts"] for r in rows] == [1] * MANY and
          {r["state"] for r in rows} == {"waiting"}, rows[:3])
    check("queue list: the oldest first", [r["accepted"] for r in rows] == sorted(r["accepted"] for r in rows))
    check("queue list: the last answer of the next hop", all("451 4.3.0 later" in r["last"] for r in rows), rows[:1])
    check("queue list: the next attempt is in an hour", all(3000e3 < r["next"] - r["accepted"] < 4300e3 for r in rows))
    shards = {s["shard"]: sum(len(m["rcpts"]) for m in ctl.ask_one(p, {
        "verb": "queue-list", "shard": s["shard"], "limit": 1000}).get("messages", []))
        for p in ctl.sockets(RUN) for s in ctl.ask_one(p, {"verb": "shards"})["shards"]}
    check("three workers have a shard each, and mail is in more than one", len(shards) == 3 and
          sum(n > 0 for n in shards.values()) > 1 and sum(shards.values()) == MANY, shards)
    code, out, _ = postern("queue", "list", "-n", "5")
    check("queue list: a table for people, cut at a limit", code == 0 and out.count("down.example") == 5 and "ID" in out, out)


def filters():
    check("queue list --to", [r["to"] for r in listed("--to", box(3))] == [box(3)])
    check("queue list --from", [r["to"] for r in listed("--from", "s4@example.net")] == [box(4)])
    check("queue list --domain", len(listed("--domain", "DOWN.example")) == MANY and not listed("--domain", "x.example"))


def show():
    ident = row(box(5))["id"]
    code, out, err = postern("queue", "show", ident)
    check("queue show: envelope, last answer, trace", code == 0 and box(5) in out and "s5@example.net" in out and
          "451 4.3.0 later" in out and "trace" in out, out + err)
    code, _, err = postern("queue", "show", "000000000000")
    check("queue show: none such is an error", code in (1, 2) and err, (code, err))


def hold():
    code, out, err = postern("queue", "hold", "--to", box(1))
    check("queue hold", code == 0 and row(box(1)).get("state") == "held", (code, out, err))
    check("queue list --held", [r["to"] for r in listed("--held")] == [box(1)])
    postern("queue", "retry", row(box(1))["id"])
    wait_for(2, lambda: row(box(1))["attempts"] > 1)
    check("queue retry leaves alone what is held", row(box(1))["attempts"] == 1, row(box(1)))
    code, out, err = postern("queue", "release", row(box(1))["id"])
    check("queue release", code == 0 and row(box(1)).get("state") != "held", (code, out, err))


def retry():
    code, out, err = postern("queue", "retry", row(box(2))["id"])
    check("queue retry: tried at once", code == 0 and wait_for(8, lambda: row(box(2)).get("attempts") == 2),
          (code, out, err, row(box(2))))
    check("queue retry: only what was named", row(box(7))["attempts"] == 1)


def drop():
    ident = row(box(3))["id"]
    code, _, err = postern("queue", "drop", "--all")
    check("queue drop: not everything without --yes", code == 2 and len(listed()) == MANY, (code, err))
    code, out, err = postern("queue", "drop", ident)
    check("queue drop", code == 0 and row(box(3)) == {}, (code, out, err))
    code, out, err = postern("trace", ident)
    check("queue drop: the trace says so", code == 0 and "dropped" in out, out + err)
    code, _, err = postern("queue", "drop", "--yes")
    check("queue drop: nothing named is nothing dropped", code == 2 and len(listed()) == MANY - 1, (code, err))


def reroute():
    code, out, err = postern("queue", "reroute", "up.hop.example:" + HOP_PORT, "--to", box(4))
    check("queue reroute: it goes there", code == 0 and wait_for(10, lambda: "op-4" in hop.messages(HOPS)),
          (code, out, err, row(box(4))))
    check("queue reroute: it is out of the queue", wait_for(5, lambda: row(box(4)) == {}))


def trace():
    code, out, err = postern("trace", "--to", box(4), "--json")
    events = [line["event"] for m in json.loads(out or "{}").get("messages", []) for line in m["lines"]]
    check("trace --to: accepted, deferred, rerouted, delivered", events == ["accepted", "deferred", "rerouted", "delivered"],
          (events, err))
    code, out, err = postern("trace", "<op-4@example.net>")
    check("trace by Message-ID, for people", code == 0 and "TLSv1.3" in out and "up.hop.example" in out, out + err)
    code, _, err = postern("trace", "<nobody-knows@example.net>")
    check("trace: nothing found is 1", code == 1, (code, err))


def long_trace():
    """More lines than one answer of a worker has."""
    to = ["p%d@down.example" % i for i in range(600)]
    peer = Peer(int(PORT))
    peer.ehlo()
    code = peer.envelope("pages@example.net", *to)
    code, lines = peer.data(message("pages")) if code == 250 else (code, [""])
    ident = lines[-1].split()[-1]
    peer.quit()

    def tried(times):
        rows = listed("--from", "pages@example.net")
        return len(rows) == len(to) and all(r["attempts"] == times and r["state"] == "waiting" for r in rows)
    check("a mail to %d recipients is tried" % len(to), code == 250 and wait_for(30, tried, 1), (code, lines))
    postern("queue", "retry", ident)
    check("and again", wait_for(30, tried, 2))
    code, out, err = postern("trace", ident, "--json")
    found = json.loads(out or "{}")
    events = [line["event"] for m in found.get("messages", []) for line in m["lines"]]
    want = ["accepted"] + ["deferred"] * len(to) + ["retried"] * (len(events) - 1 - 2 * len(to)) + ["deferred"] * len(to)
    check("trace: whole, though it takes several answers (%d lines)" % len(events), code == 0 and events == want and
          not found["more"], (code, err, len(events), events[:2]))
    code, out, err = postern("trace", "--since", "1h", "--limit", "1", "--json")
    check("trace --limit: the newest message alone, and that there are more", [m["id"] for m in
          json.loads(out)["messages"]] == [ident] and json.loads(out)["more"], (code, out[:200], err))
    code, out, _ = postern("queue", "drop", ident)
    check("queue drop: all its recipients", code == 0 and str(len(to)) in out, out)


def explain():
    code, out, err = postern("explain", "--from", "ada@example.net", "--to", box(1))
    check("explain: route and contract in words", code == 0 and "down.hop.example" in out, out + err)


def status():
    code, out, err = postern("status")
    check("status: for people", code == 0 and "edge.example" in out, out + err)
    code, out, err = postern("status", "--json")
    check("status: JSON", code == 0 and json.loads(out), out + err)


def gauges():
    with urllib.request.urlopen("http://127.0.0.1:%s/metrics" % METRICS, timeout=5) as answer:
        return dict(re.findall(r"(?m)^postern_queue_(\w+) (-?\d+)$", answer.read().decode()))


def queue_is_measured():
    """The gauges say what the list says, of three workers together."""
    postern("queue", "hold", "--to", box(9))
    rows = listed()
    states = [r["state"] for r in rows]
    want = {"messages": len({r["id"] for r in rows}), "recipients": len(rows), "waiting": states.count("waiting"),
            "held": 1, "due": 0, "leased": 0}
    check("metrics: the queue by its states", states.count("held") == 1 and
          wait_for(15, lambda: want.items() <= {k: int(v) for k, v in gauges().items()}.items()), (want, gauges()))
    age = time.time() - min(r["accepted"] for r in rows) / 1000
    check("metrics: the age of the oldest message", abs(int(gauges()["oldest_seconds"]) - age) < 15, (age, gauges()))
    postern("queue", "release", "--to", box(9))


def metrics():
    with urllib.request.urlopen("http://127.0.0.1:%s/metrics" % METRICS, timeout=5) as answer:
        text = answer.read().decode()
    values = dict(re.findall(r"(?m)^(\w+) (-?\d+)$", text))
    check("metrics: mail accepted and deferred", int(values["postern_mail_in_total"]) >= MANY and
          int(values["postern_deferred_total"]) >= MANY, values)
    helped, typed = set(re.findall(r"(?m)^# HELP (\w+)", text)), set(re.findall(r"(?m)^# TYPE (\w+)", text))
    check("metrics: each has HELP and TYPE", helped == typed == set(values), helped ^ typed)
    check("metrics: those of status are the same", values["postern_mail_in_total"] ==
          str(ctl.counters(RUN)["postern_mail_in_total"]))


def run(*tests):
    for test in tests:
        attempt(test.__name__, test)


def second(before):
    rows = listed()
    check("all %d mails of the three shards are one worker's" % before, len(rows) == before and len(ctl.sockets(RUN)) == 1,
          (len(rows), ctl.sockets(RUN)))
    shards = ctl.ask_one(ctl.sockets(RUN)[0], {"verb": "shards"})["shards"]
    check("it has adopted the shards of the two", sorted(s["shard"] for s in shards) == [0, 1, 2] and
          {s["health"] for s in shards} == {"ok"}, shards)
    with open(HOPS + "/honest", "w"):
        pass
    code, out, err = postern("queue", "retry", "--all")
    check("queue retry --all", code == 0, (code, out, err))
    check("the queue drains", wait_for(20, lambda: not listed()), listed()[:2])
    taken = hop.messages(HOPS)
    wrong = {i: len(taken["op-%d" % i]) for i in range(MANY) if len(taken["op-%d" % i]) != (0 if i == 3 else 1)}
    check("each arrived once, but the one that was dropped", not wrong, wrong)
    code, out, _ = postern("queue", "list")
    check("queue list of nothing says so", code in (0, 1) and "nothing" in out, (code, out))


if PART == "first":
    run(fill, filters, show, hold, retry, drop, reroute, trace, long_trace, explain, status,
        metrics, queue_is_measured)
elif PART == "second":
    second(int(sys.argv[7]))
else:
    CODE, _, ERR = postern("status")
    check("a daemon that is not there is 3, and is said", CODE == 3 and ERR, (CODE, ERR))
