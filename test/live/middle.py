"""middle.py FOLDER - somebody on the line between Postern and its next hops.

FOLDER/middles has a line for each: NAME PORT TARGET_PORT WAY. What Postern sends is kept in
FOLDER/wire/NAME, as it comes. Ways:

    watch     changes nothing
    strip     takes STARTTLS out of what the server says
    refuse    answers STARTTLS with 454 in the server's place
    cut       closes both sides when the client's hello is there
    garble    turns a bit of the server's first TLS record
    swallow   lets nothing pass once the client's hello was sent
"""

import os
import re
import signal
import socket
import sys
import threading


class Line:
    def __init__(self, client, server, way, keep):
        self.client, self.server, self.way, self.keep = client, server, way, keep
        self.hello = False  # the client has sent bytes of TLS
        self.done = False

    def close(self):
        for s in (self.client, self.server):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def up(self, data):
        """From Postern to the server; returns what goes on."""
        with open(self.keep, "ab") as f:
            f.write(data)
        if self.way == "refuse" and data.upper().startswith(b"STARTTLS"):
            self.client.sendall(b"454 4.7.0 TLS not available\r\n")
            return b""
        if data[:1] == b"\x16" and not self.hello:
            self.hello = True
            if self.way == "cut":
                self.close()
            if self.way == "swallow":
                return b""
        return data

    def down(self, data):
        if self.way == "strip":
            return re.sub(rb"(?im)^250([- ])STARTTLS\r$", rb"250\1X-STRIPPED\r", data)
        if self.way == "garble" and self.hello and not self.done and len(data) > 20:
            self.done = True
            return data[:20] + bytes([data[20] ^ 1]) + data[21:]
        return data

    def copy(self, source, target, change):
        try:
            while data := source.recv(65536):
                target.sendall(change(data))
            target.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()


def serve(listener, target, way, keep):
    while True:
        client, _ = listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", target), 10)
        except OSError:
            client.close()
            continue
        server.settimeout(None)
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = Line(client, server, way, keep)
        threading.Thread(target=line.copy, args=(client, server, line.up), daemon=True).start()
        threading.Thread(target=line.copy, args=(server, client, line.down), daemon=True).start()


def main(folder):
    os.makedirs(folder + "/wire", exist_ok=True)
    with open(folder + "/middles") as f:
        rows = [line.split() for line in f if line.strip()]
    for name, port, target, way in rows:
        listener = socket.create_server(("127.0.0.1", int(port)), backlog=128)
        threading.Thread(target=serve, args=(listener, int(target), way, folder + "/wire/" + name), daemon=True).start()
    with open(folder + "/middles.ready", "w"):
        pass
    signal.pause()


main(sys.argv[1])
