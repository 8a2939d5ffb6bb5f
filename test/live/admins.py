"""admins.py - two administrators and a stranger before one gateway. admins.py FOLDER PORT; prints lines for
live_run. What administrators are shown is gathered whole and searched for the other organisation's words."""

import glob
import json
import os
import re
import smtplib
import socket
import subprocess
import sys
import time

FOLDER, PORT = sys.argv[1], int(sys.argv[2])
POSTERN, RUN = os.environ["POSTERN"], FOLDER + "/edge/run"
USERS = {"alpha": os.environ["ALICE"], "beta": os.environ["BOB"], "nobody": os.environ["EVE"], "root": "root"}
ID = re.compile(r"Queued as (\w+)")


def check(name, well, detail=""):
    print(f"ok {name}" if well else f"FAIL {name}: {str(detail)[:900]}", flush=True)


def send(sender, to, source="127.0.0.1"):
    """The queue id, and the recipients that were refused."""
    with smtplib.SMTP(timeout=30, source_address=(source, 0)) as s:
        s.connect("127.0.0.1", PORT)
        s.ehlo("client.example")
        s.mail(sender)
        refused = [r for r in to if s.rcpt(r)[0] != 250]
        if len(refused) == len(to):
            return None, refused
        return ID.search(s.data(b"Subject: x\r\nMessage-ID: <%d@client.example>\r\n\r\nx\r\n" % time.time_ns())[1]
                         .decode()).group(1), refused


def run(who, *words):
    return subprocess.run(["setpriv", "--reuid", USERS[who], "--regid", "nogroup", "--clear-groups", POSTERN, "--run",
                           RUN, *words], capture_output=True, text=True, timeout=60)


def ask(who, *words):
    return json.loads(run(who, *words, "--json").stdout or "{}")


RAW = r"""
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect(sys.argv[1])
f = s.makefile("rwb")
for line in sys.argv[2:]:
    f.write(line.encode() + b"\n")
    f.flush()
    sys.stdout.write(f.readline().decode())
"""


def raw(who, path, *requests):
    out = subprocess.run(["setpriv", "--reuid", USERS[who], "--regid", "nogroup", "--clear-groups", sys.executable, "-c",
                          RAW, path, *map(json.dumps, requests)], capture_output=True, text=True, timeout=60)
    return [json.loads(line) for line in out.stdout.splitlines()]


def pages(who, verb):
    """Every page of one row of every shard, by the protocol itself."""
    answers = []
    for path in sorted(glob.glob(RUN + "/gate-*.sock")):
        for row in raw(who, path, {"verb": "shards"})[0]["shards"]:
            after = {}
            for _ in range(200):
                a = raw(who, path, {"verb": verb, "shard": row["shard"], "limit": 1, **after})[0]
                answers.append(a)
                if not a.get("more"):
                    break
                after = {"after_id": a["after_id"], "after_i": a["after_i"]}
    return answers


def held():
    rows = ask("root", "queue", "list")["recipients"]
    return {(r["id"], r["to"]) for r in rows if r["held"]}


ids = {
    "both": send("any@out.example", ["u@alpha.example", "u@beta.example"])[0],
    "to-alpha": send("any@out.example", ["u2@alpha.example"])[0],
    "to-beta": send("any@out.example", ["u2@beta.example"])[0],
    "of-alpha": send("sales@alpha.example", ["x@far.example"], "127.0.0.31")[0],
    "of-beta": send("sales@beta.example", ["y@far.example"], "127.0.0.32")[0],
}
refused = [send("a@partner.example", [f"r@{o}.example"])[1] for o in ("alpha", "beta")]
check("the mail is taken or refused as it should", all(ids.values()) and all(refused), (ids, refused))

# every first attempt has failed by now, or will in a moment
for _ in range(200):
    if all(r["attempts"] > 0 for r in ask("root", "queue", "list")["recipients"]):
        break
    time.sleep(0.1)


def gather(me, other):
    """All that an administrator is shown, as one text."""
    texts = [run(me, *words, "--json").stdout for words in (
        ("status",), ("queue", "list"), ("queue", "list", "--held"), ("queue", "list", "--domain", f"{other}.example"),
        ("queue", "show", ids["both"]), ("queue", "show", ids[f"to-{other}"]), ("queue", "show", ids[f"of-{me}"]),
        ("trace", "--since", "1h"), ("trace", ids["both"]), ("trace", ids[f"of-{other}"]),
        ("trace", "--to", f"u@{other}.example", "--since", "1h"), ("connector", "list"),
        ("connector", "list", "--org", other), ("connector", "show", f"{other}/{other}-strict"),
        ("explain", "--from", "a@partner.example", "--to", f"u@{me}.example", "--client-addr", "127.0.0.1"),
        ("explain", "--from", "a@partner.example", "--to", f"u@{other}.example", "--client-addr", "127.0.0.1"),
        ("explain", "--from", f"a@{me}.example", "--to", "u@far.example", "--client-addr", "127.0.0.32"),
        ("explain", "--from", "a@out.example", "--to", "u@far.example", "--org", other),
        ("queue", "retry", "--all"), ("queue", "hold", "--all"), ("queue", "release", "--all"))]
    texts += [json.dumps(pages(me, verb)) for verb in ("queue-list", "trace")]
    return "\n".join(texts)


for me, other in (("alpha", "beta"), ("beta", "alpha")):
    mine, theirs = {ids["both"], ids[f"to-{me}"], ids[f"of-{me}"]}, {ids[f"to-{other}"], ids[f"of-{other}"]}
    text = gather(me, other)
    found = sorted(w for w in {other} | theirs | {"127.0.0.31" if me == "beta" else "127.0.0.32"} if w.lower() in text.lower())
    at = text.lower().find(found[0].lower()) if found else 0
    check(f"T-24: {me}: nothing of {other} in any answer", not found, (found, text[max(0, at - 300):at + 100]))
    check(f"{me}: but all of its own", all(i in text for i in mine) and f"{me}/{me}-strict" in text, mine)
    listed = {(r["id"], r["to"]) for r in ask(me, "queue", "list")["recipients"]}
    want = {(ids["both"], f"u@{me}.example"), (ids[f"to-{me}"], f"u2@{me}.example"),
            (ids[f"of-{me}"], "x@far.example" if me == "alpha" else "y@far.example")}
    check(f"{me}: the queue is its own", listed == want, listed)
    paged = {(m["id"], r["to"]) for a in pages(me, "queue-list") for m in a["messages"] for r in m["rcpts"]}
    check(f"{me}: page by page it is the same", paged == want, paged)
    lines = [l for m in ask(me, "trace", "--since", "1h")["messages"] for l in m["lines"]]
    check(f"{me}: the trace has what was refused to it", any(l["event"] == "refused" for l in lines), lines)

# --- what is changed

run("alpha", "queue", "hold", "--all")
check("alpha holds what is its own, of each message", held() == {
    (ids["both"], "u@alpha.example"), (ids["to-alpha"], "u2@alpha.example"), (ids["of-alpha"], "x@far.example")}, held())
check("the trace says who", any(
    l.get("by") == USERS["alpha"] for l in ask("root", "trace", ids["of-alpha"])["messages"][0]["lines"]))
run("beta", "queue", "release", "--all")
check("beta does not release it", len(held()) == 3, held())
run("alpha", "queue", "release", "--all")
check("alpha does", not held(), held())
for words in (("queue", "drop", ids["of-alpha"], "--yes"), ("queue", "reroute", "192.0.2.1", ids["of-alpha"])):
    out = run("alpha", *words)
    check(f"alpha may not {words[1]}", out.returncode == 1 and "not for administrators" in out.stderr, out)
sock = RUN + "/gate-0.sock"
answers = raw("alpha", sock, {"verb": "queue-count", "shard": 0}, {"verb": "queue-change", "change": "drop", "all": True,
                                                                  "shard": 0})
check("the protocol says `permission`", [a.get("code") for a in answers] == ["permission"] * 2, answers)
check("all is still there", len(ask("root", "queue", "list")["recipients"]) == 6)
check("root sees all", all(i in json.dumps(ask("root", "queue", "list")) for i in ids.values()))

# --- mail from one to the other: the address is known, nothing of the way there is

ids["across"] = send("sales@alpha.example", ["z@beta.example"], "127.0.0.31")[0]
for _ in range(200):
    if len(ask("root", "trace", ids["across"])["messages"][0]["lines"]) > 1:
        break
    time.sleep(0.1)
text = run("alpha", "trace", ids["across"], "--json").stdout + run("alpha", "queue", "show", ids["across"], "--json").stdout
check("T-24: alpha sees its mail to beta, and not where it goes", "z@beta.example" in text and "deferred" in text
      and "beta" not in text.replace("z@beta.example", "").replace('"beta.example"', "") and "contract" not in text, text)
text = run("beta", "trace", ids["across"], "--json").stdout + run("beta", "queue", "show", ids["across"], "--json").stdout
check("T-24: beta sees what comes, and not from which server", "z@beta.example" in text and "127.0.0.31" not in text
      and "alpha-server" not in text, text)

# --- what is learnt

learnt = {s["domain"]: s for s in ask("alpha", "connector", "learn")["senders"]}
check("P10: what clients showed is learnt, and what would admit them", "partner.example" in learnt
      and learnt["partner.example"]["identities"][0]["refused"] == 1
      and learnt["partner.example"]["identities"][0]["address"] == "127.0.0.1"
      and 'addresses = ["127.0.0.1"]' in learnt["partner.example"]["suggestion"]
      and any("prove nobody" in w["text"] for w in learnt["partner.example"]["warnings"]), learnt)
check("T-24: from its own mail only", "beta" not in json.dumps(learnt).replace("beta.example", ""), learnt)

# --- strangers

out = run("nobody", "status")
check("a user of none gets `permission`", out.returncode == 1 and "may not ask" in out.stderr, out)
with open(FOLDER + "/eve.out", "w", encoding="ascii") as f:
    subprocess.run(["setpriv", "--reuid", USERS["nobody"], "--regid", "nogroup", "--clear-groups", sys.executable, "-c",
                    "import socket; s = socket.socket(socket.AF_UNIX); s.connect('%s'); print(s.recv(4096).decode())" % sock],
                   stdout=f, timeout=30, check=False)
with open(FOLDER + "/eve.out", encoding="ascii") as f:
    check("before a byte was read", json.loads(f.read()).get("code") == "permission")
