"""Downloads of the lab: a server that sends as much as it can, and clients that count what they get.

    pull.py push PORT                        serve until killed: each connection gets as much as it takes
    pull.py pull HOST PORT COUNT FROM UNTIL  COUNT connections; prints the bytes that came from FROM to UNTIL (ns)
"""

import selectors
import socket
import sys
import threading
import time


def main():
    command, *args = sys.argv[1:]
    {"push": push, "pull": pull}[command](*args)


def push(port):
    listener = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=fill, args=(connection,), daemon=True).start()


def fill(connection):
    # From a file of holes: the guest has one slow processor, and what the programs take of it is not there for packets.
    with open("/run/holes", "wb+") as holes:
        holes.truncate(1 << 24)
        try:
            while True:
                connection.sendfile(holes, 0)
        except OSError:
            pass


def pull(host, port, count, start, until):
    selector = selectors.DefaultSelector()
    for _ in range(int(count)):
        connection = socket.create_connection((host, int(port)))
        selector.register(connection, selectors.EVENT_READ)
    buffer = bytearray(1 << 20)
    received = 0
    while (left := int(until) - time.time_ns()) > 0:
        for key, _ in selector.select(left / 1e9):
            size = key.fileobj.recv_into(buffer, 0, socket.MSG_TRUNC)
            if time.time_ns() >= int(start):
                received += size
    print(received)


main()
