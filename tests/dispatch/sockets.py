"""Which addresses a tree of processes listens on, as the kernel tells it."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

LISTENING = "0A"
Address = IPv4Address | IPv6Address


def listening(pid: int) -> list[Address]:
    """TCP addresses that a process and its descendants listen on."""
    ours = {inode for process in tree(pid) for inode in _sockets(process)}
    return [address for inode, address in _listeners() if inode in ours]


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # It has ended meanwhile.
            continue
        parents[int(path.parent.name)] = int(fields[1])
    found = [pid]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def _sockets(pid: int) -> set[str]:
    inodes = set()
    for path in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            target = str(path.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    return inodes


def _listeners() -> list[tuple[str, Address]]:
    found = []
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                found.append((fields[9], _address(fields[1].split(":")[0])))
    return found


def _address(text: str) -> Address:
    """The kernel writes 32-bit words in the order of the machine."""
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    address = ip_address(b"".join(words))
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
