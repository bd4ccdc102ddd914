"""A service as people write them in Python: a pool of threads, an event loop with a server,
a child on pipes, files open at odd places, a timer by signal."""

import asyncio
import hashlib
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from ask import path, serve

WORKERS = 8


class Chain:
    """A count and what only that many steps lead to, moved on together."""

    def __init__(self, seed):
        self.seed, self.count, self.digest = seed, 0, seed
        self.lock = threading.Lock()

    def run(self):
        while True:
            with self.lock:
                self.digest = hashlib.sha256(self.digest).digest()
                self.count += 1
            time.sleep(0.002)

    def fault(self):
        with self.lock:
            digest, count = self.seed, self.count
            for _ in range(count):
                digest = hashlib.sha256(digest).digest()
            return [] if digest == self.digest else [f"chain {self.seed} is wrong at {count}"]


class Loop(threading.Thread):
    """An event loop in a thread of its own, with a server that counts its callers."""

    def __init__(self):
        super().__init__(daemon=True)
        self.port, self.callers, self.ticks = None, 0, 0
        self.started = threading.Event()

    def run(self):
        asyncio.run(self.main())

    async def answer(self, reader, writer):
        self.callers += 1
        writer.write(b"%s %d\n" % ((await reader.readline()).strip(), self.callers))
        await writer.drain()
        writer.close()

    async def main(self):
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.started.set()
        while True:
            await asyncio.sleep(0.01)
            self.ticks += 1

    async def call(self):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"hello\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    def faults(self, loop_in):
        before = self.callers
        line = asyncio.run(asyncio.wait_for(self.call(), 5))
        if line != b"hello %d\n" % (before + 1):
            return [f"the server answers {line!r}"]
        return loop_in("event loop", lambda: self.ticks)


def moves(what, value):
    """Whether a value that should go on does."""
    before = value()
    for _ in range(500):
        if value() > before:
            return []
        time.sleep(0.005)
    return [f"{what} stands still at {before}"]


class Files:
    """A log that grows, a reader in the middle of it, and a file that never had a name."""

    def __init__(self):
        self.log = open(path("log"), "a+")
        self.log.writelines(f"line {n}\n" for n in range(1000))
        self.log.flush()
        self.lines = 1000
        self.reader = open(path("log"))
        self.next = 0
        self.nameless = tempfile.TemporaryFile()
        self.nameless.write(bytes(range(256)) * 64)
        self.nameless.seek(100)

    def faults(self):
        self.log.write(f"line {self.lines}\n")
        self.log.flush()
        self.lines += 1
        line, self.next = self.reader.readline(), self.next + 1
        faults = [] if line == f"line {self.next - 1}\n" else [f"the reader reads {line!r}"]
        self.log.seek(0)
        if len(self.log.readlines()) != self.lines:
            faults.append("the log has lost lines")
        if self.nameless.read(4) != bytes(range(100, 104)) or self.nameless.seek(100) != 100:
            faults.append("the file without a name is wrong")
        return faults


chains = [Chain(bytes([n]) * 32) for n in range(WORKERS)]
pool = ThreadPoolExecutor(WORKERS + 1)
for chain in chains:
    pool.submit(chain.run)
files, loop = Files(), Loop()
loop.start()
loop.started.wait()
child = subprocess.Popen(
    ["sed", "-u", "s/$/ and back/"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
)
ticks = 0
table = {n: str(n) * 10 for n in range(100_000)}


def tick(*_):
    global ticks
    ticks += 1


signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)


def check():
    faults = files.faults() + loop.faults(moves) + moves("interval timer", lambda: ticks)
    for chain in chains:
        faults += chain.fault() + moves("chain", lambda: chain.count)
    child.stdin.write("there\n")
    line = child.stdout.readline()
    if line != "there and back\n":
        faults.append(f"the child says {line!r}")
    if any(table[n] != str(n) * 10 for n in table):
        faults.append("the table is wrong")
    if pool.submit(pow, 3, 4).result(5) != 81:
        faults.append("the pool takes no more work")
    return faults


serve(check)
