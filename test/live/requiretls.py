"""requiretls.py first|queued|restarted DIR PORT HAVE_POSTFIX - see test_requiretls.sh."""

import glob
import json
import os
import re
import subprocess
import sys

import ctl
import hop
from smtp import Peer, attempt, check, message, wait_for

PART, DIR, PORT, POSTFIX = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "yes"
HOPS, RUN = DIR + "/hop", DIR + "/edge/run"
SECRET, TITLE = "the secret of this mail", "the title of this mail"
NO = "TLS-Required: No\r\n"
HOME = "ada@home.example"
# Hosts that will not do, and what the sender reads. What somebody on the line can do is tried again first.
REFUSED = {"bare": "5.7.30", "early": "5.7.30", "clear": "5.7.10", "line": "5.7.10", "unknown": "5.7.320",
           "misnamed": "5.7.320"}


def postern(*words):
    p = subprocess.run([os.environ["POSTERN"], "-c", DIR + "/edge.conf", *words], capture_output=True, text=True,
                       timeout=30, check=False)
    return p.stdout + p.stderr


def send(ident, *to, sender=HOME, params=" REQUIRETLS", extra="", source="127.0.0.1"):
    peer = Peer(PORT, source=(source, 0))
    peer.ehlo()
    peer.starttls()
    peer.ehlo()
    code = peer.envelope(sender, *to, params=params)
    text = message(ident, extra=extra, body=SECRET + "\r\n").replace(b"Subject: test", b"Subject: " + TITLE.encode())
    code = peer.data(text)[0] if code == 250 else code
    peer.quit()
    return code


def taken(ident):
    return hop.messages(HOPS).get(ident, [])


def notice(name, to):
    """The notification about `to` that this hop got."""
    for r in hop.events(HOPS, event="message", hop=name + ".hop.example"):
        if re.search(r"(?m)^Final-Recipient: rfc822; ?%s\r?$" % re.escape(to), r["text"]):
            return r
    return None


def in_folder(path, ident):
    for name in glob.glob(path + "/**/new/*", recursive=True):
        with open(name, "rb") as f:
            if b"X-Test-Id: " + ident.encode() in f.read():
                return True
    return False


def offered():
    peer = Peer(PORT)
    clear = peer.ehlo()[1]
    code, lines = peer.cmd("MAIL FROM:<%s> REQUIRETLS" % HOME)
    peer.starttls()
    secure = peer.ehlo()[1]
    peer.quit()
    check("T-43: REQUIRETLS is announced under TLS and not before it",
          not any("REQUIRETLS" in x for x in clear) and any(x[4:] == "REQUIRETLS" for x in secure), (clear, secure))
    check("T-43: with MAIL in clear it is refused with 530 5.7.10", code == 530 and "5.7.10" in lines[0], lines)


def onward():
    check("T-43: the mail is taken", send("onward", "grace@word.example", extra=NO) == 250)
    got = wait_for(20, taken, "onward")
    check("T-43: to a proven host that announces it the mail goes with REQUIRETLS, over TLS",
          got and got[0]["tls"] and " REQUIRETLS" in got[0]["sender"], got)
    check("T-43: the field TLS-Required that was in it goes along", got and NO in got[0]["text"], got)
    send("far", "grace@far.example")
    check("T-43: through two gateways into a Maildir", wait_for(20, in_folder, DIR + "/mail/far", "far"))
    lines = ctl.lines(DIR + "/far/run", to="grace@far.example")
    check("T-43: the second gateway has it as REQUIRETLS in its trace",
          any(x.get("event") == "accepted" and x.get("requiretls") == "yes" for x in lines), lines)
    text = postern("trace", "grace@word.example") + postern("trace", "--to", "grace@word.example")
    check("T-43: postern trace says so", ", REQUIRETLS" in text, text[-400:])
    text = postern("explain", "--requiretls", "--from", HOME, "--to", "grace@word.example")
    check("T-43: postern explain says what is asked of the host", "announce REQUIRETLS" in text, text[-600:])


def several():
    send("several", "a@word.example", "b@bare.example", "c@clear.example", "d@box.example")
    check("T-43: several domains: the good one gets it", wait_for(20, taken, "several"))
    check("T-43: several domains: the Maildir gets it", wait_for(20, in_folder, DIR + "/mail/box", "several"))
    check("T-43: several domains: the one without the word is returned", wait_for(20, notice, "home", "b@bare.example"))
    check("T-43: several domains: the one without TLS is returned", wait_for(25, notice, "home", "c@clear.example"))


def other_host():
    send("two", "grace@two.example")
    got = wait_for(20, taken, "two")
    check("T-43: where the first host has not the word, the next one is tried",
          got and got[0]["hop"] == "word.hop.example", got)
    end = wait_for(10, lambda: [r for r in hop.events(HOPS, event="command", hop="bare.hop.example", tls=True)
                                if r["line"] == "QUIT"])
    check("T-43: to the first one QUIT was said", end)


def refused():
    for name in REFUSED:
        send("refused." + name, "grace@%s.example" % name)
    if POSTFIX:
        send("refused.pf", "grace@pf.example")
    for name, status in dict(REFUSED, **({"pf": "5.7.30"} if POSTFIX else {})).items():
        to = "grace@%s.example" % name
        got = wait_for(30, notice, "home", to)
        check("T-43: %s: the mail comes back with %s" % (name, status),
              got and "Status: %s\r\n" % status in got["text"], got and got["text"])
    tried = [x for x in ctl.lines(RUN, to="grace@bare.example") if x.get("event") in ("deferred", "bounced")]
    check("T-43: without the word it comes back at once", tried and all(x["event"] == "bounced" for x in tried), tried)
    check("T-43: Postfix has nothing of it", not in_folder(DIR + "/pf/mail", "refused.pf"))


def notices():
    send("notice.full", "u@bare.example", params=" REQUIRETLS RET=FULL")
    send("notice.wordless", "w@bare.example", sender="ada@wordless.example")
    send("notice.open", "o@bare.example", sender="ada@open.example")
    got = wait_for(20, notice, "home", "u@bare.example")
    check("T-43: the notification goes by REQUIRETLS, over TLS",
          got and got["tls"] and got["sender"].startswith("FROM:<>") and " REQUIRETLS" in got["sender"], got)
    check("T-43: RET=FULL is passed over: neither body nor subject come back, Date and Message-ID do",
          got and SECRET not in got["text"] and TITLE not in got["text"] and "text/rfc822-headers" in got["text"] and
          "X-Test-Id: notice.full" in got["text"], got)
    got = wait_for(20, notice, "wordless", "w@bare.example")
    check("T-43: a notification is not lost because the host has not the word, and goes over TLS without it",
          got and got["tls"] and "REQUIRETLS" not in got["sender"] and SECRET not in got["text"], got)

    def lost():
        return [x for x in ctl.lines(RUN, to="ada@open.example") if x.get("event") in ("expired", "bounced")]
    check("T-43: without TLS the notification is lost rather than said in clear", wait_for(30, lost))
    check("T-43: not a word of it", b"MAIL" not in hop.clear(HOPS, "open.hop.example"))


def fields():
    send("no.clear", "grace@clear.example", params="", extra=NO)
    got = wait_for(20, taken, "no.clear")
    check("T-43: TLS-Required: No is delivered in clear where there is no TLS", got and not got[0]["tls"], got)
    send("no.word", "no@word.example", params="", extra=NO)
    got = wait_for(20, taken, "no.word")
    check("T-43: TLS-Required: No still takes TLS where it is", got and got[0]["tls"] and
          "REQUIRETLS" not in got[0]["sender"], got)
    send("no.both", "both@clear.example", extra=NO)
    send("no.forced", "grace@forced.example", params="", extra=NO)
    check("T-43: REQUIRETLS wins over TLS-Required: No", wait_for(30, notice, "home", "both@clear.example"))
    check("T-43: TLS-Required: No lowers nothing that the route demands",
          wait_for(30, notice, "home", "grace@forced.example"))
    clear = taken("no.both") + taken("no.forced")
    check("T-43: neither of the two was said in clear", not clear, clear)


def pool():
    """T-42: three mails to one host, each under its own contract; the connections stay open meanwhile."""
    to = "grace@pool.example"
    for ident, params, extra in (("pool.no", "", NO), ("pool.plain", "", ""), ("pool.requiretls", " REQUIRETLS", "")):
        send(ident, to, sender="ada@town.example", params=params, extra=extra, source="127.0.0.10")
        check("T-42: %s arrives" % ident, wait_for(20, taken, ident))
    got = {i: taken("pool." + i)[0] for i in ("no", "plain", "requiretls")}
    begun = {r["session"] for r in hop.events(HOPS, event="tls", hop="pool.hop.example")}
    sessions = {i: r["session"] for i, r in got.items()}
    check("T-42: each has a connection of its own", len(set(sessions.values())) == 3 and
          set(sessions.values()) <= begun, sessions)
    check("T-42: REQUIRETLS is said for its mail alone", [i for i in got if " REQUIRETLS" in got[i]["sender"]] ==
          ["requiretls"], {i: r["sender"] for i, r in got.items()})
    resumed = [r["resumed"] for r in hop.events(HOPS, event="tls", session=sessions["requiretls"])]
    check("T-42: it resumes no session of the others", resumed == [False], resumed)


def lines_in_clear():
    """Of a mail that asks for TLS nothing crossed a line where anybody reads it."""
    for name in ("open", "line", "bare", "early", "unknown", "misnamed", "word", "pool", "late"):
        data = hop.clear(HOPS, name + ".hop.example")
        if name == "line":
            with open(DIR + "/wire/line", "rb") as f:
                data = f.read()
        found = [w for w in (SECRET, TITLE, "MAIL FROM", "RCPT TO", "X-Test-Id") if w.encode() in data]
        check("T-43: %s: nothing is said in clear" % name, data and not found, found or "no bytes at all")
    data = hop.clear(HOPS, "clear.hop.example")
    check("T-43: the search finds what is there", SECRET.encode() in data and b"X-Test-Id: no.clear" in data)
    for ident in ("refused.clear", "no.both", "several"):
        check("T-43: clear: nothing of %s" % ident, b"X-Test-Id: " + ident.encode() not in data)
    for name in ("unknown", "misnamed"):
        got = hop.events(HOPS, event="command", hop=name + ".hop.example")
        bad = [r["line"] for r in got if r["line"].split()[0] in ("MAIL", "RCPT", "DATA", "BDAT")]
        check("T-43: %s: nothing is said under TLS to a host that is not proven" % name, got and not bad, bad)


def queued():
    check("T-43: mail for a host that is busy is taken", send("late", "grace@late.example", extra=NO) == 250)
    check("T-43: it waits", wait_for(20, lambda: [x for x in ctl.lines(RUN, to="grace@late.example")
                                                  if x.get("event") == "deferred"]))
    listed = json.loads(postern("queue", "list", "--json"))["recipients"]
    ident = [r["id"] for r in listed if r["to"] == "grace@late.example"]
    text = postern("queue", "show", ident[0]) if ident else ""
    check("T-43: postern queue show says what it asks for", "REQUIRETLS" in text, text or listed)


def restarted():
    got = wait_for(20, taken, "late")
    check("T-43: after a restart of the gateway the mail goes with REQUIRETLS",
          got and got[0]["tls"] and " REQUIRETLS" in got[0]["sender"], got)


if PART == "first":
    for part in (offered, onward, several, other_host, refused, notices, fields, pool):
        attempt("T-43: " + part.__name__, part)
elif PART == "queued":
    attempt("T-43: queued", queued)
else:
    attempt("T-43: restarted", restarted)
    attempt("T-43: lines_in_clear", lines_in_clear)
