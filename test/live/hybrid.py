"""hybrid.py DIR PORT POSTFIX - mail between the two places of test_hybrid.sh, and out of both.

Users: carol has her mailbox at Postfix; bob and dave have theirs behind the gateway, in the domain
cloud.hospital.example, and Postfix knows that. Everybody writes to NAME@hospital.example."""

import glob
import re
import sys
import time

import hop
from smtp import Peer, attempt, check, client_context, message, wait_for

DIR, PORT, POSTFIX = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
HOPS, PKI = DIR + "/hop", DIR + "/pki/"
USERS, INTERNET = "127.0.0.12", "127.0.0.50"
SECRET = "the secret of this mail"
FIELDS = ("X-MS-Exchange-Organization-AuthAs: Anonymous\r\nX-MS-Exchange-CrossPremises-AuthAs: Internal\r\n"
          "X-OriginatorOrg: hospital.example\r\n")


def send(port, source, ident, sender, to, extra="", shows=None):
    """The reply to the mail, or to what was refused of it."""
    peer = Peer(port, source=(source, 0))
    peer.ehlo()
    if shows:
        context = client_context()
        context.load_cert_chain(PKI + shows + ".pem", PKI + shows + ".key")
        peer.starttls("edge.example", context=context)
        peer.ehlo()
    code = peer.envelope(sender, to)
    if code == 250:
        code = peer.data(message(ident, extra=extra, body=SECRET + "\r\n", to=to))[0]
    peer.quit()
    return code


def texts(ident):
    """{place: [text, ...]}: premises (Postfix), cloud (behind the gateway), internet."""
    ret = {"premises": [], "cloud": [], "internet": [r["text"] for r in hop.messages(HOPS).get(ident, [])]}
    for place, folder in (("premises", DIR + "/pf/mail"), ("cloud", DIR + "/mail")):
        for path in glob.glob(folder + "/**/new/*", recursive=True):
            with open(path, "rb") as f:
                text = f.read().decode("utf-8", "replace").replace("\r\n", "\n")
            if "X-Test-Id: %s\n" % ident in text:
                ret[place].append(text)
    return {place: found for place, found in ret.items() if found}


def passed_us(text):
    return len(re.findall(r"by edge\.example", text.replace("\r\n", "\n").split("\n\n")[0]))


# name, what port, from where, MAIL FROM, RCPT TO, where it ends, how often it has passed the gateway
DIRECTIONS = [
    ("the Internet to the premises", "gateway", INTERNET, "eve@far.example", "carol@hospital.example", "premises", 1),
    ("the Internet to the cloud, by the premises", "gateway", INTERNET, "eve@far.example", "bob@hospital.example", "cloud", 2),
    ("the premises to the cloud", "postfix", None, "carol@hospital.example", "bob@hospital.example", "cloud", 1),
    ("the premises to the Internet", "postfix", None, "carol@hospital.example", "eve@far.example", "internet", 0),
    ("the premises to the premises", "postfix", None, "carol@hospital.example", "carl@hospital.example", "premises", 0),
    ("the cloud to the premises", "gateway", USERS, "bob@hospital.example", "carol@hospital.example", "premises", 1),
    ("the cloud to the Internet, by the premises", "gateway", USERS, "bob@hospital.example", "eve@far.example", "internet", 1),
    ("the cloud to the cloud, by the premises", "gateway", USERS, "bob@hospital.example", "dave@hospital.example", "cloud", 2),
    ("a report without a sender, the premises to the cloud", "postfix", None, "", "bob@hospital.example", "cloud", 1),
]


def directions():
    codes = [send(PORT if port == "gateway" else POSTFIX, source or "127.0.0.1", "way.%d" % i, sender, to)
             for i, (_, port, source, sender, to, _, _) in enumerate(DIRECTIONS)]
    check("R9: mail in all directions is taken", set(codes) == {250}, codes)
    wait_for(30, lambda: all(texts("way.%d" % i) for i in range(len(DIRECTIONS))))
    time.sleep(2)  # what loops comes again
    for i, (name, _, _, _, _, place, passes) in enumerate(DIRECTIONS):
        got = texts("way.%d" % i)
        good = list(got) == [place] and len(got[place]) == 1 and passed_us(got[place][0]) == passes
        check("R9: from %s: there, once, and %d times through the gateway" % (name, passes), good,
              {p: [passed_us(t) for t in found] for p, found in got.items()})


def fields_of(text):
    return sorted(re.findall(r"(?im)^((?:X-MS-Exchange-\S+|X-OriginatorOrg): .*?)\r?$", text))


def fields():
    codes = [
        send(POSTFIX, "127.0.0.1", "fields.cloud", "carol@hospital.example", "bob@hospital.example", FIELDS),
        send(PORT, "127.0.0.1", "fields.home", "carol@hospital.example", "carl@hospital.example", FIELDS, "mail"),
        send(PORT, INTERNET, "fields.forged", "eve@far.example", "carol@hospital.example", FIELDS),
        send(PORT, USERS, "fields.user", "bob@hospital.example", "eve@far.example", FIELDS),
        send(PORT, "127.0.0.1", "fields.out", "carol@hospital.example", "eve@far.example", FIELDS, "mail"),
    ]
    check("R27: mail with attribution fields is taken", set(codes) == {250}, codes)
    wants = [
        ("cloud", "cloud", ["X-MS-Exchange-Organization-AuthAs: Internal", "X-OriginatorOrg: hospital.example"],
         "R27: from the premises to the cloud they count: CrossPremises fields are promoted"),
        ("home", "premises", ["X-MS-Exchange-CrossPremises-AuthAs: Internal", "X-OriginatorOrg: hospital.example"],
         "R27: to the premises they travel as CrossPremises fields"),
        ("forged", "premises", [], "R27: from the Internet they are removed"),
        ("user", "internet", [], "R27: from users they are removed"),
        ("out", "internet", [], "R27: to the Internet they do not go"),
    ]
    for name, place, want, what in wants:
        ident = "fields." + name
        got = wait_for(20, texts, ident)
        check(what, list(got) == [place] and fields_of(got[place][0]) == want,
              {p: [fields_of(t) for t in found] for p, found in got.items()})
    code = send(PORT, "127.0.0.1", "fields.tenant", "carol@hospital.example", "bob@cloud.hospital.example",
                "X-OriginatorOrg: other.example\r\n", "mail")
    check("R27: X-OriginatorOrg of somebody else over the trusted line is refused", code == 550 and not texts("fields.tenant"),
          code)


def postfix_says(user):
    """How the mail for this user's mailbox behind us fared, in Postfix's log."""
    with open(DIR + "/pf/maillog", errors="replace") as f:
        for line in f:
            if "to=<%s@cloud.hospital.example>" % user in line and "status=" in line:
                return line.strip()
    return ""


def without_certificate():
    """R27: who does not prove to be the organisation's server does not write in its name."""
    # Two connectors are for this sender; the reply is that of the one with the least to fail, the users' address.
    refused = "550.5.7.51"
    cases = [("bare", "without a certificate", refused), ("other", "with another's certificate", refused),
             ("late", "with an expired certificate", refused), ("clear", "without TLS", refused)]
    for user, _, _ in cases:
        send(POSTFIX, "127.0.0.1", "without." + user, "carol@hospital.example", user + "@hospital.example")
    for user, how, want in cases:
        line = wait_for(20, postfix_says, user)
        check("R27: Postfix %s: %s" % (how, want.replace(".", " ", 1)), re.search(want, line), line)
    for user in ("bob@cloud.hospital.example", "bob@hospital.example"):
        code = send(PORT, INTERNET, "without.internet", "carol@hospital.example", user)
        check("R27 T-23: the Internet in the hospital's name to %s: refused" % user, code == 550, code)
    code = send(PORT, INTERNET, "without.relay", "carol@hospital.example", "eve@far.example", shows="other")
    check("R27 T-23: a stranger's certificate opens no relay", code == 550, code)
    time.sleep(1)
    names = ["without." + c[0] for c in cases] + ["without.internet", "without.relay"]
    got = {n: texts(n) for n in names}
    check("R27: none of it is in a mailbox behind us", not any("cloud" in t or "internet" in t for t in got.values()),
          {n: list(t) for n, t in got.items()})


def wire(name):
    try:
        with open(DIR + "/wire/" + name, "rb") as f:
            return f.read()
    except OSError:
        return b""


def lines():
    for name in ("to_postfix", "to_gateway"):
        data = wire(name)
        found = re.findall(rb"(?im)^(?:MAIL FROM|RCPT TO|DATA|BDAT)[^\r\n]*|X-Test-Id|" + SECRET.encode(), data)
        check("R21 R27: %s: the line was listened to, and no command of a transaction and no byte of mail was in clear" % name,
              len(data) > 1000 and not found, found[:3])
    check("R27: and Postfix in clear was refused before the mail", b"MAIL FROM" in wire("clear") and
          SECRET.encode() not in wire("clear"), wire("clear")[-300:])


if __name__ == "__main__":
    for part in (directions, fields, without_certificate, lines):
        attempt(part.__name__ + " runs to its end", part)
