"""nodes.py DIR MX1 MX2 - the link between two nodes from one end to the other, see test_nodes.sh."""

import base64
import glob
import hashlib
import os
import re
import ssl
import subprocess
import sys
import time

import ctl
from smtp import Gone, Peer, attempt, check, client_context, wait_for

DIR, MX1, MX2 = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
NODES, OTHER = DIR + "/nodes/", DIR + "/ca/"
RUN1, RUN2 = DIR + "/mx1/run", DIR + "/mx2/run"
HOSPITAL, CLINIC, STRANGER = "127.0.0.2", "127.0.0.3", "127.0.0.4"
CROSS = b"X-MS-Exchange-CrossPremises-AuthAs: Internal\r\n"
ORGANIZATION = b"X-MS-Exchange-Organization-AuthAs: Internal\r\n"
SECRET = b"the secret of this mail"
CLAIMS = (b"x-ms-exchange-", b"x-originatororg", b"postern-attribution")


def letter(ident, fields=b"", body=SECRET + b"\r\n..\r\n"):
    return b"Subject: x\r\n" + fields + b"X-Test-Id: " + ident.encode() + b"\r\n\r\n" + body


def send(port, source, sender, to, text):
    peer = Peer(port, source=(source, 0))
    peer.ehlo()
    code = peer.envelope(sender, to)
    if code == 250:
        code, lines = peer.data(text)
        peer.quit()
        return code, lines
    peer.close()
    return code, []


def found(pattern, ident):
    for name in glob.glob(pattern):
        with open(name, "rb") as f:
            for text in f.read().split(b"\x00"):
                if b"X-Test-Id: " + ident.encode() + b"\r\n" in text:
                    return text
    return None


def in_mailbox(domain, ident, seconds=20):
    return wait_for(seconds, found, DIR + "/mail/%s/*/new/*" % domain, ident)


def claims(text):
    head = (text or b"").split(b"\r\n\r\n")[0].split(b"\r\n")
    return [line for line in head if line.lower().startswith(CLAIMS)]


def accepted(run, to):
    return [x for x in ctl.lines(run, to=to) if x["event"] == "accepted"]


def wire(name):
    try:
        with open(DIR + "/wire/" + name, "rb") as f:
            return f.read()
    except OSError:
        return b""


def heard(kind):
    with open(DIR + "/heard") as f:
        return [line for line in f if line.startswith(kind + " ")]


# --- the link as it should be

def carried():
    to = "ada@hospital.example"
    code, lines = send(MX1, HOSPITAL, "bob@hospital.example", to, letter("own", CROSS + ORGANIZATION))
    check("R16: mail of an own server is taken by node 1", code == 250, lines)
    got = in_mailbox("hospital.example", "own")
    check("R5 R16: it is in the mailbox behind node 2, with the promoted field and no other", got and claims(got) == [
        ORGANIZATION.strip()], got)
    check("and otherwise as it was sent", got and got.endswith(letter("own", ORGANIZATION)), got)
    way = accepted(RUN2, to)
    check("R5: node 2 knows the organisation, the connector, the node and its TLS",
          way and way[0].get("org") == "hospital" and way[0].get("connector") == "hospital/own"
          and way[0].get("node") == "mx1.nodes.example" and way[0].get("tls", "").startswith("TLSv1."), way)
    out = [x for x in ctl.lines(RUN1, to=to) if x["event"] == "delivered"]
    check("R5: node 1 knows the contract of the link, and its TLS",
          out and all(w in out[0]["contract"] for w in ("tls=name", "fs=yes", "ca=nodes", "node", "tenant"))
          and out[0]["tls"].startswith("TLSv1."), out)
    check("R26: who sees the line sees no mail",
          wire("line") and b"STARTTLS" in wire("line") and not re.search(rb"(?i)mail from|rcpt to|subject|secret|attribution",
                                                                         wire("line")), wire("line")[:300])


def other_shapes():
    body = SECRET * 200000 + b"\r\n.\r\n.x\r\n"  # some of it goes ahead to the store, on both nodes
    body = b"\r\n".join(body[i:i + 900] for i in range(0, len(body) - 8, 900)) + b"\r\n.\r\n.x\r\n"
    code, lines = send(MX1, HOSPITAL, "bob@hospital.example", "big@hospital.example", letter("big", CROSS, body))
    got = in_mailbox("hospital.example", "big", 40)
    check("R16: a message of %d MB passes as it was sent, signed" % (len(body) // 1000000),
          code == 250 and got and got.endswith(letter("big", ORGANIZATION, body)), (lines, got and len(got)))
    code, _ = send(MX1, HOSPITAL, "", "bounce@hospital.example", letter("bounce"))
    got = in_mailbox("hospital.example", "bounce")
    check("the null sender passes", code == 250 and got and claims(got) == [], got)
    code, _ = send(MX1, STRANGER, "eve@evil.example", "eve@hospital.example", letter("stranger", CROSS + b"Postern-Attribution: v=1\r\n"))
    got = in_mailbox("hospital.example", "stranger")
    way = accepted(RUN2, "eve@hospital.example")
    check("R16: a stranger's mail goes by the link, too, and is a stranger's behind it",
          code == 250 and got and claims(got) == [] and way and "org" not in way[0], (got, way))
    code, _ = send(MX1, CLINIC, "doc@clinic.example", "doc@hospital.example", letter("tenant", CROSS))
    got = in_mailbox("hospital.example", "tenant")
    way = accepted(RUN2, "doc@hospital.example")
    check("R18: another tenant's mail is known as that tenant's, and its fields are for its own mailboxes",
          code == 250 and got and claims(got) == [] and way and way[0].get("org") == "clinic", (got, way))
    code, _ = send(MX1, HOSPITAL, "bob@hospital.example", "x@far.example", letter("far", CROSS))
    got = wait_for(20, found, DIR + "/far.mail", "far")
    check("node identity relays: mail for the Internet passes both, and no claim leaves",
          code == 250 and got and claims(got) == [], got)


# --- a link that is not what it must be carries nothing

def bad_links():
    kinds = ["stripped", "old", "rsa", "plain", "wrong-ca", "wrong-name"]
    for kind in kinds:
        send(MX1, HOSPITAL, "bob@hospital.example", "x@%s.bad.example" % kind, letter(kind))

    def deferred(kind):
        return [x for x in ctl.lines(RUN1, to="x@%s.bad.example" % kind) if x["event"] == "deferred"]
    wait_for(20, lambda: all(deferred(k) for k in kinds))
    for kind in kinds:
        said = deferred(kind)
        code = "4.7.320" if kind.startswith("wrong") else "4.4.317"
        check("R16 T-04: %s in the node's place: the mail waits" % kind, said and code in said[-1]["reply"], said)
        check("R16: %s: no command of a transaction was sent" % kind, not heard(kind), heard(kind))
    check("R16 T-04: what the stripper saw is no mail", b"MAIL" not in wire("stripped") and wire("stripped"), wire("stripped"))


def tenants():
    for kind in ("clear", "rsa"):
        to = "ann@%s.hospital.example" % kind
        check("R17 R18: mail between tenants for a server with %s is taken" % kind,
              send(MX1, CLINIC, "doc@clinic.example", to, letter("t-" + kind))[0] == 250)
        said = wait_for(20, lambda: [x for x in ctl.lines(RUN1, to=to) if x["event"] == "deferred"])
        check("R17 R18: and waits: %s is not enough" % kind, said and "4.4.317" in said[-1]["reply"]
              and "tenant" in said[-1]["contract"], said)
        check("R17 R18: nothing was said to it", not heard("clear" if kind == "clear" else "rsa-tenant"), heard("clear"))
    code, _ = send(MX1, STRANGER, "eve@evil.example", "eve@clear.hospital.example", letter("t-stranger"))
    got = wait_for(20, found, DIR + "/clear.mail", "t-stranger")
    check("R11: control: a stranger's mail goes there in clear", code == 250 and got, got)
    told = ctl.explain(RUN1, "ann@clear.hospital.example", "doc@clinic.example", org="clinic")["explanation"]
    check("R18: explain says beforehand who asks for TLS", "organisations of this installation" in told
          and "tls=encrypt" in told and "fs=yes" in told, told)
    told = ctl.explain(RUN1, "x@far.example")["explanation"]
    check("R16: explain says what a link must be", "by the link to our node mx2.nodes.example" in told
          and "the nodes' own CA" in told and "ca=nodes" in told, told)


# --- who comes to node 2 and says to be a node

def context(folder=None, name=None):
    c = client_context()
    if folder:
        c.load_cert_chain(folder + name + "-ec.pem", folder + name + "-ec.key")
    return c


def sign(text, key):
    with open(DIR + "/to-sign", "wb") as f:
        f.write(text)
    return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", NODES + key + "-sign.key", "-in", DIR + "/to-sign"],
                          capture_output=True, check=True).stdout


def field(body, key="mx1", sig=None, **more):
    v = dict(node="mx1.nodes.example", to="mx2.nodes.example", date=str(int(time.time())), id="0123456789ABC",
             org="hospital", connector="hospital/own", premises="yes", promoted="hospital", alg="ed25519-sha256",
             digest=base64.b64encode(hashlib.sha256(body).digest()).decode())
    v.update(more)
    text = "postern attribution, version 1\n" + "".join("%s=%s\n" % p for p in v.items())
    sig = base64.b64encode(sig or sign(text.encode(), key)).decode()
    return ("Postern-Attribution: v=1; " + ";\r\n ".join("%s=%s" % p for p in v.items()) + ";\r\n sig=" + sig + "\r\n").encode()


def hand_over(text, tls, to="carl@hospital.example", bdat=False):
    peer = Peer(MX2, source=(STRANGER, 0))
    peer.ehlo()
    if tls:
        peer.starttls("mx2.nodes.example", context=tls)
        peer.ehlo()
    code = peer.envelope("bob@hospital.example", to)
    if code == 250:
        code, lines = peer.bdat(text, 500) if bdat else peer.data(text)
        peer.quit()
        return code, lines[-1]
    peer.close()
    return code, ""


def node():
    return context(NODES, "mx1.nodes.example")


def forged():
    text = letter("forged", CROSS)
    changed = text.replace(SECRET, SECRET[::-1])
    wrong = {
        "a signature that is none": field(text, sig=b"\x00" * 64) + text,
        "another node's signature": field(text, key="mx3") + text,
        "a changed body": field(text) + changed,
        "a longer body": field(text) + text + b"more\r\n",
        "another node's name": field(text, key="mx3", node="mx3.nodes.example") + text,
        "another node meant": field(text, to="mx3.nodes.example") + text,
        "a date of long ago": field(text, date=str(int(time.time()) - 3600)) + text,
        "a date to come": field(text, date=str(int(time.time()) + 3600)) + text,
        "an unknown organisation": field(text, org="nobody") + text,
        "two fields": (lambda t: field(t) + t)(field(text) + text),
        "no field": text,
        "a field that is not the first": (lambda t: b"X-Before: x\r\n" + field(text) + t)(text),
        "a field cut short": field(text)[:200] + b"\r\n" + text,
        "another version": field(text).replace(b"v=1", b"v=2") + text,
    }
    for name, message in wrong.items():
        code, line = hand_over(message, node())
        check("T-22: a node's certificate and %s: 451 4.7.7" % name, code == 451 and "4.7.7" in line, (code, line))
    check("none of them is anywhere", not in_mailbox("hospital.example", "forged", 1))
    lying = field(text) + text
    code, line = hand_over(lying, context(NODES, "mx3.nodes.example"))
    check("T-22: one node cannot speak for another", code == 451, (code, line))
    for bdat in (False, True):
        good = letter("genuine%d" % bdat, CROSS, b"\xff8 bit\r\n.\r\n..\r\n")
        code, line = hand_over(field(good) + good, node(), bdat=bdat)
        got = in_mailbox("hospital.example", "genuine%d" % bdat)
        check("control: what is signed and whole is believed (%s)" % ("BDAT" if bdat else "DATA"),
              code == 250 and claims(got) == [ORGANIZATION.strip()], (code, line, got))
    counted = ctl.counters(RUN2)
    check("each was counted", counted.get("postern_node_refused_total") == len(wrong) + 1, counted.get("postern_node_refused_total"))
    refused = [x for x in ctl.lines(RUN2, to="carl@hospital.example") if x["event"] == "refused"]
    check("and told in the trace, with what did not hold", {"node-signature", "node-changed", "node-date", "node-twice"} <= {
        x.get("check") for x in refused}, refused[:2])


def strangers():
    kinds = {
        "no certificate": context(),
        "the node's name under another CA": context(OTHER, "mx1.nodes.example"),
        "plaintext": None,
    }
    for i, (name, tls) in enumerate(kinds.items()):
        text = letter("s%d" % i, CROSS)
        code, line = hand_over(field(text) + text, tls)
        got = in_mailbox("hospital.example", "s%d" % i)
        check("R16: %s: the signed field is a stranger's, and is removed with the rest" % name,
              code == 250 and got and claims(got) == [], (code, line, got))
        code, line = hand_over(field(text) + text, tls, "x@elsewhere.example")
        check("R16: %s: and there is no relay" % name, code == 550, (code, line))


    for to in ("carl@hospital.example", "x@elsewhere.example"):
        code, line = hand_over(letter("half"), context(NODES, "nobody.nodes.example"), to)
        check("R16: the nodes' CA and no node's name: to %s nothing is taken, and nothing lost" % to, code == 451, (code, line))
    check("and somebody is told", wait_for(5, lambda: "check=certificate" in open(DIR + "/mx2.log", errors="replace").read()))


def names():
    """T-25: which certificate is shown for which name."""
    for name, pem in (("mx2.nodes.example", NODES + "mx2.nodes.example-ec.pem"), ("mx2.example", OTHER + "mx2.example-ec.pem"),
                      ("MX2.Nodes.Example", NODES + "mx2.nodes.example-ec.pem"),
                      ("mx1.nodes.example", OTHER + "mx2.example-ec.pem"), ("", OTHER + "mx2.example-ec.pem")):
        peer = Peer(MX2, source=(STRANGER, 0))
        peer.ehlo()
        c = client_context()
        c.set_ciphers("ECDSA")
        c.maximum_version = ssl.TLSVersion.TLSv1_2
        peer.starttls(name or None, context=c)
        with open(pem) as f:
            want = ssl.PEM_cert_to_DER_cert(f.read())
        check("T-25: asked for %s, the %s certificate is shown" % (name or "nothing", "node's" if pem.startswith(NODES) else "public"),
              peer.sock.getpeercert(True) == want)
        peer.quit()


def explained():
    der = subprocess.run(["openssl", "x509", "-in", NODES + "ca.pem", "-outform", "DER"], capture_output=True, check=True).stdout
    more = {"client-addr": STRANGER, "client-chain": "ok", "client-cert-ca": hashlib.sha256(der).hexdigest()}
    told = ctl.explain(RUN2, "x@elsewhere.example", **dict(more, **{"client-cert-names": "mx1.nodes.example"}))
    check("explain knows a client that is a node", told["inbound"]["admitted"] and "our node mx1.nodes.example" in told["explanation"],
          told["explanation"])
    told = ctl.explain(RUN2, "x@elsewhere.example", **dict(more, **{"client-cert-names": "nobody.nodes.example"}))
    check("and one that is half a node", not told["inbound"]["admitted"] and "451 4.7.7" in told["explanation"], told["explanation"])


for part in (names, explained, carried, other_shapes, bad_links, tenants, forged, strangers):
    attempt(part.__name__, part)
