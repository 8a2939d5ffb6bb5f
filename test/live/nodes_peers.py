"""nodes_peers.py FOLDER - what a link to a node may meet in the node's place, and next hops of tenants.

FOLDER/peers has a line for each: KIND PORT. Every command behind EHLO and STARTTLS is a line of
FOLDER/heard: KIND, "tls" or "clear", the command. FOLDER/far has the messages that FAR took."""

import os
import signal
import socketserver
import ssl
import sys
import threading

DIR = sys.argv[1]
NODES, OTHER = DIR + "/nodes/", DIR + "/ca/"
LOCK = threading.Lock()


def context(folder, name, kind="ec"):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain("%s%s-%s.pem" % (folder, name, kind), "%s%s-%s.key" % (folder, name, kind))
    return c


def old():
    c = context(NODES, "old.nodes.example")
    c.set_ciphers("ALL:@SECLEVEL=0")
    c.minimum_version, c.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return c


def no_secrecy(folder, name):
    c = context(folder, name, "rsa")
    c.maximum_version = ssl.TLSVersion.TLSv1_2
    c.set_ciphers("AES256-GCM-SHA384:AES128-GCM-SHA256")
    return c


KINDS = {
    "stripped": lambda: context(NODES, "stripped.nodes.example"),
    "old": old,
    "rsa": lambda: no_secrecy(NODES, "rsa.nodes.example"),
    "plain": lambda: None,
    "wrong-ca": lambda: context(OTHER, "otherwrong-ca.nodes.example"),
    "wrong-name": lambda: context(NODES, "nobody.nodes.example"),
    "clear": lambda: None,
    "rsa-tenant": lambda: no_secrecy(OTHER, "mx1.example"),
    "far": lambda: context(OTHER, "mx1.example"),
}


class Session(socketserver.BaseRequestHandler):
    def say(self, line):
        self.sock.sendall(line + b"\r\n")

    def heard(self, line):
        with LOCK, open(DIR + "/heard", "a") as f:
            f.write("%s %s %s\n" % (self.server.kind, "tls" if self.secure else "clear", line.decode("latin-1")))

    def text(self):
        lines = []
        while (line := self.file.readline()) not in (b".\r\n", b""):
            lines.append(line)
        with LOCK, open(DIR + "/" + self.server.kind + ".mail", "ab") as f:
            f.write(b"".join(lines) + b"\x00")

    def handle(self):
        self.sock, self.secure = self.request, False
        self.file = self.sock.makefile("rb")
        self.say(b"220 peer.example ESMTP")
        try:
            self.talk()
        except OSError:
            pass

    def talk(self):
        while line := self.file.readline():
            verb = line.strip().upper()
            if verb.startswith(b"EHLO"):
                tls = self.server.context and not self.secure
                self.say(b"250-peer.example\r\n250-8BITMIME\r\n250-SIZE 100000000\r\n" +
                         (b"250-STARTTLS\r\n" if tls else b"") + b"250 HELP")
            elif verb == b"STARTTLS" and self.server.context:
                self.say(b"220 go")
                self.sock = self.server.context.wrap_socket(self.sock, server_side=True)
                self.file, self.secure = self.sock.makefile("rb"), True
            elif verb == b"QUIT":
                self.say(b"221 bye")
                return
            else:
                self.heard(line.strip())
                if verb == b"DATA":
                    self.say(b"354 go")
                    self.text()
                self.say(b"250 ok")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def main():
    open(DIR + "/heard", "w").close()
    with open(DIR + "/peers") as f:
        rows = [line.split() for line in f]
    for kind, port in rows:
        server = Server(("127.0.0.1", int(port)), Session)
        server.kind, server.context = kind, KINDS[kind]()
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with open(DIR + "/peers.ready", "w"):
        pass
    os.sched_yield()
    signal.pause()


main()
