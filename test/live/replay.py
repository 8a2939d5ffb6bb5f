"""replay.py PART DIR PORT - does `apply --dry-run` foretell what happens? See test_replay.sh."""

import json
import os
import subprocess
import sys

import ctl
from smtp import Peer, attempt, check, client_context, message, wait_for

PART, DIR, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
RUN = DIR + "/edge/run"
POSTERN = os.environ["POSTERN"]

# name: sender, recipient, client's address, TLS; how it fares before, how after; connector that decides
CASES = {
    "lab-clear": ("ada@lab.example", "grace@clinic.example", "127.0.0.20", False, "taken", "454", "clinic/lab"),
    "lab-tls": ("ada@lab.example", "grace@clinic.example", "127.0.0.20", True, "taken", "taken", ""),
    "bank-clear": ("ada@bank.example", "grace@clinic.example", "127.0.0.20", False, "454", "taken", "clinic/bank"),
    "bank-tls": ("ada@bank.example", "grace@clinic.example", "127.0.0.20", True, "taken", "taken", ""),
    "other-clear": ("ada@other.example", "grace@clinic.example", "127.0.0.20", False, "taken", "taken", ""),
    "to-good": ("ada@clinic.example", "grace@good.example", "127.0.0.10", False, "sent", "sent", ""),
    "to-plain": ("ada@clinic.example", "grace@plain.example", "127.0.0.10", False, "sent", "450", "clinic/plain"),
    "to-self": ("ada@clinic.example", "grace@self.example", "127.0.0.10", False, "450", "sent", "clinic/self"),
}


def send(run, case):
    sender, to, source, tls = CASES[case][:4]
    peer = Peer(PORT, source=(source, 0))
    peer.ehlo()
    if tls:
        peer.starttls(context=client_context())
        peer.ehlo()
    code = peer.envelope(sender, to)
    if code == 250:
        code = peer.data(message("%s-%s" % (run, case), to=to))[0]
    peer.quit()
    return code


def lines_of(run, case):
    for m in ctl.trace(RUN, **{"message-id": "%s-%s@example.net" % (run, case)}):
        return m
    return None


def refusal(case):
    for m in ctl.trace(RUN, **{"from": CASES[case][0]}):
        if m["lines"][0]["event"] == "refused":
            return m
    return None


def outcome(run, case, code):
    """How it fared: "taken", "sent", or the code that the contract gave; None: not yet."""
    if code != 250: # its line in the trace is written behind the reply
        return str(code) if refusal(case) else None
    if not case.startswith("to-"):
        return "taken"
    m = lines_of(run, case)
    for line in m["lines"] if m else []:
        if line["event"] == "delivered":
            return "sent"
        if line["event"] in ("deferred", "bounced"):
            return line["reply"][:3]
    return None


def traffic(run):
    codes = {case: send(run, case) for case in CASES}
    got = {}

    def all_fared():
        for case, code in codes.items():
            got[case] = outcome(run, case, code)
        return None not in got.values()
    wait_for(20, all_fared)
    return got


def id_of(run, case, refused):
    return (refusal(case) if refused else lines_of(run, case))["id"]


def forecast(file):
    out = subprocess.run([POSTERN, "apply", file, "--dry-run", "--config", DIR + "/edge.conf", "--json"],
                         stdout=subprocess.PIPE, check=False, timeout=60)
    with open(DIR + "/forecast", "wb") as f:
        f.write(out.stdout)
    return out.returncode, json.loads(out.stdout)["replay"]


def short(words):
    return words if words in ("taken", "sent") else words[:3]


def first():
    got = traffic("one")
    for case, row in CASES.items():
        check("before: %s is %s" % (case, row[4]), got[case] == row[4], got[case])
    code, replay = forecast(DIR + "/new.conf")
    check("R21 R22: apply --dry-run ends with 1", code == 1, code)
    check("all that was sent was replayed", replay["messages"] == len(CASES), replay["messages"])
    changes = {case for case, row in CASES.items() if row[4] != row[5]}
    check("so many would fare differently", replay["different"] == len(changes), replay["different"])
    check("nothing is left untold", replay["unknown"] == 0 and replay["otherwise"] == 0, replay)
    groups = {g["example"]: g for g in replay["groups"]}
    check("a line for each of them", len(groups) == len(changes), replay["groups"])
    said = {}
    for case, row in CASES.items():
        g = groups.get(id_of("one", case, got[case] == "454"))
        said[case] = short(g["after"]) if g else got[case]
        if g:
            check("%s: before, connector" % case,
                  short(g["before"]) == row[4] and g["connector"] == row[6] and g["messages"] == 1, g)
        check("R21 R22: foretold of %s: %s" % (case, row[5]), said[case] == row[5], said[case])
    with open(DIR + "/said", "w") as f:
        json.dump(said, f)


def second():
    """The new configuration runs: the same mail once more."""
    with open(DIR + "/said") as f:
        said = json.load(f)
    got = traffic("two")
    for case in CASES:
        check("R21 R22: %s fares as was foretold: %s" % (case, said[case]), got[case] == said[case], got[case])


def cut():
    """Chains of which the trace knows nothing are not guessed at."""
    code, replay = forecast(DIR + "/roots.conf")
    untold = [g for g in replay["groups"] if not g["told"]]
    check("other roots: it is said that it cannot be told",
          code == 1 and any("roots" in g["after"] for g in untold), replay["groups"])


attempt(PART, {"first": first, "second": second, "cut": cut}[PART])
