"""probe.py - what a probe is told. probe.py FOLDER PORT POSTERN; prints lines for live_run."""

import json
import re
import socket
import ssl
import subprocess
import sys
import threading

FOLDER, PORT, POSTERN = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PKI = FOLDER + "/pki/"
PROBE = "tls-probe@hospital.example"


def check(name, well, detail=""):
    print(f"ok {name}" if well else f"FAIL {name}: {str(detail)[:900]}", flush=True)


class Client:
    """One session; a reply is (code, lines), its lines as they came."""

    def __init__(self, certificate=None, tls=True, address="127.0.0.1"):
        self.socket = socket.create_connection(("127.0.0.1", PORT), 20, (address, 0))
        self.file = self.socket.makefile("rb")
        self.reply()
        self.say("EHLO mx.lab.example")
        if not tls:
            return
        self.say("STARTTLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(PKI + certificate + ".pem", PKI + certificate + ".key")
        self.socket = context.wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        self.say("EHLO mx.lab.example")

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            lines.append(line)
            if len(line) < 4 or line[3:4] != b"-":
                return int(line[:3] or 0), lines

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def close(self):
        self.say("QUIT")
        self.socket.close()


def read(reply):
    """The members of all objects, and the text."""
    members = {}
    text = [re.sub(rb"^250[- ]2\.1\.5 ?", b"", line).rstrip(b"\r\n").decode() for line in reply[1]]
    for line in text:
        if line.startswith("{"):
            members.update(json.loads(line))
    return members, "\n".join(text)


def well_formed(reply):
    code, lines = reply
    return code == 250 and all(
        len(line) <= 512 and line.endswith(b"\r\n") and line[:4] in (b"250-", b"250 ")
        and all(32 <= c < 127 for c in line[:-2]) for line in lines)


def probe(name, sender, want, words, **client):
    c = Client(**client)
    mail = c.say(f"MAIL FROM:<{sender}>")
    reply = c.say(f"RCPT TO:<{PROBE}>")
    c.close()
    members, text = read(reply)
    check(f"{name}: lines of 512 octets at most, printable", mail[0] == 250 and well_formed(reply), reply)
    wrong = {k: members.get(k) for k, v in want.items() if members.get(k) != v}
    check(f"{name}: the JSON says so", not wrong, (wrong, text))
    check(f"{name}: the text says so", re.search(words, text), text)
    return members, text


def certificates():
    lab = "a@lab.example"
    probe("P16: the right certificate", lab,
          {"organisation": "hospital", "dropped": False, "admitted": True, "connector": "hospital/lab", "check": "none",
           "address": "127.0.0.1", "from": "lab.example", "tls": "TLSv1.3", "forward-secret": True, "chain-ok": True,
           "chain": "ok", "expired": False, "names": ["mx.lab.example"], "test-admitted": True},
          r"enforce +admitted by hospital/lab\ntest +the same", certificate="lab")
    probe("P10: another name", lab,
          {"admitted": False, "connector": "hospital/lab", "check": "name", "reply": "550 5.7.51",
           "names": ["mx.other.example"]}, r"enforce +refused: 550 5\.7\.51", certificate="other")
    probe("P10: an expired certificate", lab,
          {"admitted": False, "check": "expired", "reply": "454 4.7.0", "expired": True, "chain-ok": False},
          r"out of its time", certificate="lab-expired")
    probe("P10: a chain that nobody trusts", lab,
          {"admitted": False, "check": "chain", "chain-ok": False, "expired": False}, r"refused: 454",
          certificate="lab-unknown")
    probe("P10: no certificate", lab, {"admitted": False, "check": "no-certificate", "certificate": False},
          r"certificate +none was shown")
    probe("P10: plaintext", lab, {"admitted": False, "check": "tls", "reply": "454 4.7.0", "tls": "none"},
          r"channel +plaintext", tls=False)
    probe("P16: a connector in test mode", "a@trial.example",
          {"admitted": True, "connector": "", "test-admitted": False, "test-connector": "hospital/trial",
           "test-check": "no-certificate", "test-reply": "550 5.7.51"}, r"test +refused: 550 5\.7\.51")
    probe("P16: whom no connector is about", "a@any.example",
          {"admitted": True, "connector": "", "test-admitted": True}, r"no connector is about this sender")
    probe("P16: a null sender", "", {"admitted": True, "from": ""}, r"sender +<>")
    members, _ = probe("P16: sixty names", lab, {"check": "name", "cut": True}, r"\.\.\.", certificate="many")
    check("P16: names are left out whole", all(re.fullmatch(r"host-\d+\.many\.example", n) for n in members["names"]),
          members)


def leaks():
    _, text = probe("T-23: a hostile name", "a@lab.example", {"admitted": False, "check": "name"}, r"a\\x0d\\x0a250",
                    certificate="hostile")
    check("T-23: it forges no line", sum(line.startswith("{") for line in text.split("\n")) == 2, text)
    _, text = probe("T-24: another organisation's server", "a@elsewhere.example",
                    {"admitted": True, "connector": ""}, r"admitted", address="127.0.0.31")
    check("T-24: is told of no connector of that one", "farm" not in text and "elsewhere/" not in text, text)


def transactions():
    c = Client(certificate="other")
    c.say("MAIL FROM:<a@lab.example>")
    first = c.say(f"RCPT TO:<{PROBE.upper()}>")
    second = c.say("RCPT TO:<u@hospital.example>")
    third = c.say(f"RCPT TO:<{PROBE}>")
    check("a probe stands alone", (first[0], second[0], third[0]) == (250, 452, 452), (second, third))
    go = c.say("DATA")
    end = c.say("Subject: probe\r\n\r\nnot kept\r\n.")
    members, text = read(end)
    check("the final dot has the report", go[0] == 354 and well_formed(end) and members["check"] == "name", end)
    check("it says that the message was dropped", members["dropped"] is True and "dropped" in text, text)
    c.say("MAIL FROM:<a@any.example>")
    first = c.say("RCPT TO:<u@hospital.example>")
    second = c.say(f"RCPT TO:<{PROBE}>")
    c.say("DATA")
    end = c.say("Subject: mail\r\n\r\nkept\r\n.")
    check("a probe beside mail is put off, the mail is taken",
          (first[0], second[0], end[0]) == (250, 452, 250) and b"Queued" in end[1][0], (second, end))
    c.say("MAIL FROM:<a@lab.example>")
    below = c.say("RCPT TO:<tls-probe@ward.hospital.example>")
    check("a wildcard has no probe address", below[0] == 550, below)
    c.say("RSET")
    c.say("MAIL FROM:<a@lab.example>")
    c.say(f"RCPT TO:<{PROBE}>")
    body = b"Subject: x\r\n\r\n" + b"0123456789" * 7 + b"\r\n"
    c.socket.sendall(b"BDAT %d LAST\r\n" % len(body) + body)
    check("BDAT is the same", read(c.reply())[0].get("dropped") is True)
    c.close()


def recorded():
    def postern(*words):
        out = subprocess.run([POSTERN, "--run", FOLDER + "/edge/run", "--json", *words], capture_output=True, timeout=60)
        return json.loads(out.stdout)

    lines = [l for m in postern("trace", "--to", PROBE, "--since", "1h", "-n", "1000")["messages"] for l in m["lines"]]
    kinds = {l["event"] for l in lines}
    check("the trace has a line for each", kinds == {"probe"} and len(lines) > 10, lines)
    check("with what was presented",
          any(l.get("connector") == "hospital/lab" and l.get("check") == "expired" for l in lines), lines)
    sums = postern("status")["workers"][0]["sums"]
    check("they are counted", sums["postern_probes_total"] > 10, sums)


def learnt():
    c = Client(certificate="lab")
    c.say("MAIL FROM:<a@lab.example>")
    c.say("RCPT TO:<u@hospital.example>")
    c.say("DATA")
    end = c.say("Subject: mail\r\n\r\nkept\r\n.")
    c.close()
    out = subprocess.run([POSTERN, "--run", FOLDER + "/edge/run", "--json", "connector", "learn", "--from", "lab.example"],
                         capture_output=True, timeout=60)
    rows = json.loads(out.stdout)["senders"]
    check("P10: a connector for a certificate is learnt", end[0] == 250 and len(rows) == 1
          and all(f'"{n}"' in rows[0]["suggestion"] for n in ("mx.lab.example", "mx.other.example"))
          and "certificate_names = [" in rows[0]["suggestion"] and "require_tls = yes" in rows[0]["suggestion"]
          and {i["address"] for i in rows[0]["identities"]} == {"127.0.0.1"}
          and any(i["connector"] == "hospital/lab" and i.get("accepted") == 1 for i in rows[0]["identities"])
          and ["different names" in w["text"] for w in rows[0]["warnings"]] == [True], rows)


def by_s_client():
    argv = ["openssl", "s_client", "-quiet", "-crlf", "-starttls", "smtp", "-connect", f"127.0.0.1:{PORT}",
            "-cert", PKI + "lab.pem", "-key", PKI + "lab.key"]
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    timer = threading.Timer(30, p.kill)
    timer.start()
    text = b""
    for line in ("ehlo mx.lab.example", "mail from:<a@lab.example>", f"rcpt to:<{PROBE}>", "quit"):
        try:  # what begins with R or Q is a command of s_client's own, but for small letters
            p.stdin.write(line.encode() + b"\n")
            p.stdin.flush()
        except OSError:
            break
        got = b""
        while line != "quit" and not re.match(rb"\d{3} ", got):
            got = p.stdout.readline()
            text += got
            if not got:
                break
    text += p.communicate()[0]
    timer.cancel()
    check("P16: openssl s_client reads the report", b"admitted by hospital/lab" in text, text)


def limited():
    c = Client(tls=False, address="127.0.0.77")
    for _ in range(400):
        reply = c.say("MAIL FROM:<a@lab.example>")
        if reply[0] != 250:
            break
        c.say(f"RCPT TO:<{PROBE}>")
        c.say("RSET")
    check("T-14: probes are as limited as mail", reply[0] in (421, 451), reply)


certificates()
leaks()
transactions()
recorded()
learnt()
by_s_client()
limited()
