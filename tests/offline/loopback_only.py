"""Refuses every connection beyond this machine, in whichever process imports it.

Importing it installs the guard; nothing can take it off again before the process ends.
An audit hook sees each connection and each look-up of a name that Python makes, also
those of threads and libraries. `sitecustomize.py` beside it brings the guard to every
Python that a test starts: notebook kernels, JupyterLab, pip.
"""

import ipaddress
import socket
import sys

# Asked for now: inside the hook the question would itself be audited.
_THIS_MACHINE = {"localhost", socket.gethostname().lower(), socket.getfqdn().lower()}
_CONNECT = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_LOOK_UP = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


class BeyondLoopbackError(OSError):
    """What a program gets that asks for the network; to it, the network is down."""


def is_local(host: str | bytes | None) -> bool:
    """Whether a host name or address, as sockets take it, means this machine."""
    if not host:
        return True
    name = host.decode() if isinstance(host, bytes) else host
    if name.lower() in _THIS_MACHINE:
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _guard(event: str, args: tuple) -> None:
    if event in _CONNECT:
        # Unix sockets have a path for an address; only (host, port, ...) leaves.
        address = args[1]
        host = address[0] if isinstance(address, tuple) else None
        if args[0].family not in (socket.AF_INET, socket.AF_INET6):
            return
    elif event in _LOOK_UP:
        host = args[0]
    else:
        return
    if not is_local(host):
        raise BeyondLoopbackError(
            f"the tests run without a network: {event} to {host!r} was refused"
        )


sys.addaudithook(_guard)
