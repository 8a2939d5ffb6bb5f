"""tap.py FOLDER - TCP relays that keep what the client sends, to see what crosses the wire in clear.

FOLDER/taps has a line for each: NAME PORT TARGET_PORT. What clients send is in FOLDER/wire/NAME."""

import os
import signal
import socket
import sys
import threading


def copy(source, target, keep):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            if keep:
                with open(keep, "ab") as f:
                    f.write(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for s in (source, target):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve(listener, target, keep):
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
        threading.Thread(target=copy, args=(client, server, keep), daemon=True).start()
        threading.Thread(target=copy, args=(server, client, None), daemon=True).start()


def main(folder):
    os.makedirs(folder + "/wire", exist_ok=True)
    with open(folder + "/taps") as f:
        rows = [line.split() for line in f if line.strip()]
    for name, port, target in rows:
        listener = socket.create_server(("127.0.0.1", int(port)), backlog=128)
        threading.Thread(target=serve, args=(listener, int(target), folder + "/wire/" + name), daemon=True).start()
    with open(folder + "/taps.ready", "w"):
        pass
    signal.pause()


main(sys.argv[1])
