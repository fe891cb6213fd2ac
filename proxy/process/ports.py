"""The ports of a replica: bound once by the parent, shared by its workers."""

import socket


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket. Raises OSError whose message names the port and what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        message = (
            f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port or --admin-port"
        )
        raise OSError(error.errno, message) from None
    sock.setblocking(False)
    sock.set_inheritable(True)
    return sock
