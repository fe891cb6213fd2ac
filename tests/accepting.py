"""A server on a port of its own with a thread for every connection, for upstreams that are not quite HTTP."""

import socket
import threading
from abc import ABC, abstractmethod


class Accepting(ABC):
    """`serve` says what is done with a connection, in a thread of its own, and closes it."""

    def __init__(self):
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    @abstractmethod
    def serve(self, sock): ...

    def _accept(self):
        while True:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()
