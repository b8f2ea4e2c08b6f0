"""A disk with a volatile cache, served to a virtual machine over NBD: a power cut takes what was not flushed.

Killing a machine with SIGKILL alone leaves every write that reached the host's page cache, as no real disk does. Here
what was written since the last flush is lost or kept block by block, by chance: so writes are torn and out of order.
Source: the protocol is doc/proto.md of the NBD project (fixed newstyle).
"""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

# What a card or an SSD writes at once; the guest's file system has the same block.
BLOCK_BYTES: Final = 4096

_OPTION: Final = struct.Struct(">8sII")
_OPTION_REPLY: Final = struct.Struct(">QIII")
_REQUEST: Final = struct.Struct(">IHHQQI")
_REPLY: Final = struct.Struct(">IIQ")
_OPTION_MAGIC: Final = 0x3E889045565A9
_REQUEST_MAGIC: Final = 0x25609513
_REPLY_MAGIC: Final = 0x67446698
_EXPORT_NAME, _ABORT, _INFO, _GO = 1, 2, 6, 7
_ACK, _INFO_REPLY, _UNSUPPORTED = 1, 3, 0x80000001
_READ, _WRITE, _DISCONNECT, _FLUSH = 0, 1, 2, 3
_INVALID: Final = 22
# It has flags, takes a flush, and takes a write that is one (FUA).
_EXPORT_FLAGS: Final = 1 | 4 | 8
_FUA: Final = 1

Reader = Callable[[int], bytes]


class CachedDisk:
    """`with` serves `image` to one machine at `address`; `cut` after the machine is dead."""

    def __init__(self, image: Path, address: Path) -> None:
        self._file = os.open(image, os.O_RDWR | os.O_CLOEXEC)
        self._size = os.fstat(self._file).st_size
        address.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(address))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve, name="disk")
        # What the medium holds where the cache holds something newer: block number to bytes.
        self._on_medium: dict[int, bytes] = {}
        self.flushes = 0
        self.writes = 0

    def __enter__(self) -> CachedDisk:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # Ends a wait for a machine that never came; one that came has ended its connection by dying.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        os.close(self._file)

    def cut(self, chance: random.Random) -> tuple[int, int]:
        """The power is gone: (blocks that were not flushed, blocks of them that are lost)."""
        self._thread.join()
        share = chance.random()
        lost = [number for number in self._on_medium if chance.random() < share]
        for number in lost:
            os.pwrite(self._file, self._on_medium[number], number * BLOCK_BYTES)
        unsafe = len(self._on_medium)
        self._on_medium.clear()
        return unsafe, len(lost)

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rb", buffering=1 << 20) as incoming:
            try:
                if self._agree(connection, incoming.read):
                    while self._answer(connection, incoming.read):
                        continue
            except (ConnectionError, struct.error):
                return

    def _agree(self, connection: socket.socket, read: Reader) -> bool:
        connection.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
        read(4)
        while True:
            _, option, length = _OPTION.unpack(read(_OPTION.size))
            read(length)
            if option == _EXPORT_NAME:
                connection.sendall(struct.pack(">QH", self._size, _EXPORT_FLAGS))
                return True
            if option in (_GO, _INFO):
                told = struct.pack(">HQH", 0, self._size, _EXPORT_FLAGS)
                connection.sendall(_OPTION_REPLY.pack(_OPTION_MAGIC, option, _INFO_REPLY, len(told)) + told)
                connection.sendall(_OPTION_REPLY.pack(_OPTION_MAGIC, option, _ACK, 0))
                if option == _GO:
                    return True
                continue
            reply = _ACK if option == _ABORT else _UNSUPPORTED
            connection.sendall(_OPTION_REPLY.pack(_OPTION_MAGIC, option, reply, 0))
            if option == _ABORT:
                return False

    def _answer(self, connection: socket.socket, read: Reader) -> bool:
        magic, flags, kind, handle, offset, length = _REQUEST.unpack(read(_REQUEST.size))
        if magic != _REQUEST_MAGIC or kind == _DISCONNECT:
            return False
        error, data = 0, b""
        if kind == _READ:
            data = os.pread(self._file, length, offset)
        elif kind == _WRITE:
            self._write(offset, read(length))
        elif kind != _FLUSH:
            error = _INVALID
        if kind == _FLUSH or flags & _FUA:
            # A write through flushes all that came before as well: kinder than a disk must be, and qemu sends none
            # while a flush would do.
            self._on_medium.clear()
            self.flushes += 1
        connection.sendall(_REPLY.pack(_REPLY_MAGIC, error, handle) + data)
        return True

    def _write(self, offset: int, data: bytes) -> None:
        for number in range(offset // BLOCK_BYTES, -(-(offset + len(data)) // BLOCK_BYTES)):
            if number not in self._on_medium:
                self._on_medium[number] = os.pread(self._file, BLOCK_BYTES, number * BLOCK_BYTES)
        os.pwrite(self._file, data, offset)
        self.writes += 1
