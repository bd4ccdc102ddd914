"""A tree of forked workers, two generations deep, that share memory, a lock, one open file with its
position, and a queue; each also keeps what is its own."""

import multiprocessing
import os
import queue
import signal
import time

from ask import path, serve

fork = multiprocessing.get_context("fork")
total = fork.Value("Q", 0)  # under a lock that is a POSIX semaphore
counts = fork.RawArray("Q", 6)
shared_log = os.open(path("log"), os.O_RDWR | os.O_CREAT, 0o600)
tasks, answers = fork.Queue(), fork.Queue()
RECORD = 16


def write_record(who):
    """At the one position that all share; so only under the lock."""
    os.write(shared_log, f"worker {who}".ljust(RECORD - 1).encode() + b"\n")


def next_task():
    """None if there is none: another worker may have been quicker."""
    try:
        return tasks.get_nowait()
    except queue.Empty:
        return None


def work(who):
    own = bytes([who]) * 1_000_000  # copied from nobody, shared with nobody
    while True:
        with total.get_lock():
            total.value += 1
            counts[who] += 1
        task = next_task()
        if task is not None:
            with total.get_lock():
                write_record(who)
            fault = "" if own.count(who) == len(own) else f"worker {who}: its own bytes are wrong"
            answers.put((task, fault, os.getppid()))
        time.sleep(0.002)


def start(who):
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if who < 3:
        start(who + 3)  # the second generation
    work(who)


parents = {os.getpid()} | {start(who) for who in range(3)}
tasks_given = records = 0


def wait_for_tasks(count):
    global tasks_given, records
    faults = []
    for n in range(tasks_given, tasks_given + count):
        tasks.put(n)
    got = [answers.get(timeout=8) for _ in range(count)]
    if sorted(task for task, _, _ in got) != list(range(tasks_given, tasks_given + count)):
        faults.append(f"tasks came back as {got}")
    faults += [fault for _, fault, _ in got if fault]
    faults += [f"a worker's parent is {parent}" for _, _, parent in got if parent not in parents]
    tasks_given += count
    records += count
    return faults


def check():
    faults = wait_for_tasks(12)
    with total.get_lock():
        if total.value != sum(counts):
            faults.append(f"{total.value} in all, but {list(counts)}")
        position = os.lseek(shared_log, 0, os.SEEK_CUR)
        lines = os.pread(shared_log, 1 << 20, 0).split(b"\n")[:-1]
        before = list(counts)
    if position != records * RECORD or len(lines) != records:
        faults.append(f"{records} records, but the position is {position}, lines {len(lines)}")
    patience = time.monotonic() + 5  # six workers may have to share a busy machine
    while min(map(int.__sub__, counts, before)) <= 0 and time.monotonic() < patience:
        time.sleep(0.01)
    return faults + [f"worker {n} stands still" for n in range(6) if counts[n] <= before[n]]


serve(check)
