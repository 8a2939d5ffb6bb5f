"""cert_web.py FOLDER HTTP SLOW HOLE HTTPS - whom certificates name, on loopback, good and bad.

HTTP serves FOLDER/web (GET), /redirect leads to /inter.der, what is not there is 404, and /endless never ends.
SLOW takes connections and never answers. HOLE has a full queue: the kernel drops what comes, as a firewall does.
HTTPS shows a certificate that nobody trusts. FOLDER/web.log has a line for each request; FOLDER/web.ready is
there when all of them listen.
"""

import http.server
import os
import socket
import ssl
import sys
import threading

folder = sys.argv[1]
ports = [int(p) for p in sys.argv[2:]]
log_lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/inter.der")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/endless":
            self.endless()
            return
        try:
            with open(folder + "/web/" + os.path.basename(self.path), "rb") as f:
                body = f.read()
        except OSError:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.do_GET()

    def endless(self):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"\x30" * 65536)
        except OSError:
            pass

    def log_message(self, fmt, *args):
        with log_lock, open(folder + "/web.log", "a") as f:
            f.write(fmt % args + "\n")


def listen(port, backlog=16):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(backlog)
    return s


def main():
    plain = http.server.ThreadingHTTPServer(("127.0.0.1", ports[0]), Handler)
    slow = listen(ports[1])
    hole = listen(ports[2], 0)
    filling = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", ports[2]))
        filling.append(s)
    secure = http.server.ThreadingHTTPServer(("127.0.0.1", ports[3]), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + "/pki/stranger.pem", folder + "/pki/stranger.key")
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=secure.serve_forever, daemon=True).start()
    with open(folder + "/web.ready", "w") as f:
        f.write("ready\n")
    plain.serve_forever()
    del slow, hole


main()
