"""headers.py PORT PLANT INTERNET MAILDIRS - the header firewall from one end to the other. PORT is the gateway's;
on PLANT and INTERNET, next hops that write down what they get are opened here. 127.0.0.2 is the hospital's own
server, over a connector that trusts headers; 127.0.0.3 is a stranger."""

import glob
import os
import re
import socketserver
import sys
import threading

from smtp import Peer, attempt, check, unstuff, wait_for

OWN, STRANGER = ("127.0.0.2", 0), ("127.0.0.3", 0)
CROSS = b"X-MS-Exchange-CrossPremises-AuthAs: Internal\r\n"
ORGANIZATION = b"X-MS-Exchange-Organization-AuthAs: Internal\r\n"
CLAIMS = [b"x-ms-exchange-", b"x-originatororg", b"postern-attribution"]


class Hop(socketserver.StreamRequestHandler):
    """A server with SIZE, CHUNKING and BINARYMIME, honest and without TLS."""

    def say(self, line):
        self.wfile.write(line + b"\r\n")

    def by_data(self):
        self.say(b"354 go")
        lines = []
        while True:
            line = self.rfile.readline()
            if line in (b".\r\n", b""):
                return unstuff(b"".join(lines))
            lines.append(line)

    def taken(self, text):
        self.server.got.append((self.mail, text))
        self.say(b"250 taken")

    def handle(self):
        self.say(b"220 hop")
        chunks = b""
        for line in iter(self.rfile.readline, b""):
            verb = line.upper().split()[:1]
            if verb == [b"EHLO"]:
                self.wfile.write(b"250-hop\r\n" + b"".join(b"250-%s\r\n" % o for o in self.server.offers) + b"250 HELP\r\n")
            elif verb == [b"MAIL"]:
                self.mail, chunks = line, b""
                self.say(b"250 ok")
            elif verb == [b"DATA"]:
                self.taken(self.by_data())
            elif verb == [b"BDAT"]:
                chunks += self.rfile.read(int(line.split()[1]))
                if b"LAST" in line.upper():
                    self.taken(chunks)
                else:
                    self.say(b"250 ok")
            elif verb == [b"QUIT"]:
                self.say(b"221 bye")
                return
            else:
                self.say(b"250 ok")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def hop(port, offers):
    server = Server(("127.0.0.1", port), Hop)
    server.offers, server.got = offers, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def letter(ident, fields, body=b"Hello.\r\n..\r\n"):
    return b"Subject: x\r\n" + fields + b"X-Test-Id: " + ident.encode() + b"\r\n\r\n" + body


def send(port, source, to, text, binary=False):
    peer = Peer(port, source=source)
    peer.ehlo()
    code = peer.envelope("ada@hospital.example", *to, params=" BODY=BINARYMIME" if binary else "")
    if code == 250:
        code, lines = peer.bdat(text, 1000) if binary else peer.data(text)
    else:
        lines = []
    peer.quit()
    return code, lines


def with_id(ident):
    return b"X-Test-Id: " + ident.encode() + b"\r\n"


def at_hop(server, ident):
    return wait_for(20, lambda: next((g for g in server.got if with_id(ident) in g[1]), None))


def in_mailbox(folder, ident):
    def find():
        for name in glob.glob(os.path.join(folder, "hospital.example", "*", "new", "*")):
            with open(name, "rb") as f:
                text = f.read()
            if with_id(ident) in text:
                return text
        return None
    return wait_for(20, find)


def claims(text):
    """Fields of the header section that say whose mail it is."""
    head = text.split(b"\r\n\r\n")[0].split(b"\r\n")
    return [line for line in head if any(line.lower().startswith(c) for c in CLAIMS)]


def says_its_size(got):
    said = re.search(rb" SIZE=(\d+)", got[0])
    return said is not None and int(said.group(1)) == len(got[1])


def own_server(port, plant, internet, folder):
    text = letter("own", CROSS + ORGANIZATION + b"X-OriginatorOrg: hospital.example\r\n")
    code, lines = send(port, OWN, ["a@hospital.example", "b@plant.example", "c@internet.example"], text)
    check("an own server's message is taken", code == 250, lines)
    box, own, far = in_mailbox(folder, "own"), at_hop(plant, "own"), at_hop(internet, "own")
    if not check("it arrives three times", box and own and far, (box, own, far)):
        return
    check("its mailbox has the promoted field, once, and the tenant",
          claims(box) == [ORGANIZATION.strip(), b"X-OriginatorOrg: hospital.example"], claims(box))
    check("an own server gets it as cross-premises",
          claims(own[1]) == [CROSS.strip(), b"X-OriginatorOrg: hospital.example"], claims(own[1]))
    check("the Internet gets none of it", claims(far[1]) == [], claims(far[1]))
    for name, got in (("own server", own), ("Internet", far)):
        check("SIZE= to the %s is what comes" % name, says_its_size(got), (got[0], len(got[1])))
        check("what else the %s gets is as it was sent" % name,
              got[1].endswith(letter("own", b"".join(c + b"\r\n" for c in claims(got[1])))), got[1])


def strangers(port, folder):
    fields = CROSS + ORGANIZATION + b"x-ms-exchange-organization-scl : -1\r\nX-OriginatorOrg: other.example\r\n"
    code, lines = send(port, STRANGER, ["a@hospital.example"], letter("stranger", fields))
    check("a stranger's message is taken", code == 250, lines)
    box = in_mailbox(folder, "stranger")
    check("without what it claims", box and claims(box) == [], box and claims(box))
    check("and is otherwise as it was sent", box and box.endswith(letter("stranger", b"")), box)


def binary(port, internet):
    body = b"\x00\r\n.\r\nbare \r and \n\r\n" + bytes(range(256)) * 3000
    code, lines = send(port, OWN, ["c@internet.example"], letter("binary", CROSS, body), binary=True)
    check("an own server's binary message is taken", code == 250, lines)
    got = at_hop(internet, "binary")
    check("it passes, without the field and otherwise as it was",
          got and claims(got[1]) == [] and got[1].endswith(letter("binary", b"", body)), got and got[0])
    check("SIZE= of it is what comes", got and says_its_size(got), got and (got[0], len(got[1])))


def other_tenant(port):
    text = letter("tenant", b"X-OriginatorOrg: other.example\r\n")
    code, lines = send(port, OWN, ["a@hospital.example"], text)
    check("another tenant over the own server's connector is refused with 550 5.7.51",
          code == 550 and "5.7.51" in lines[-1], (code, lines))


def main(port, plant, internet, folder):
    offers = [b"SIZE 100000000", b"8BITMIME", b"PIPELINING"]
    plant, internet = hop(plant, offers), hop(internet, offers + [b"CHUNKING", b"BINARYMIME"])
    attempt("own server", own_server, port, plant, internet, folder)
    attempt("stranger", strangers, port, folder)
    attempt("binary", binary, port, internet)
    attempt("another tenant", other_tenant, port)


main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
