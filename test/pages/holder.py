# Holds memory of every kind, tells where it is, and stands still: itself and a fork of it.
import ctypes, json, mmap, os, signal

PAGE = 4096
libc = ctypes.CDLL(None, use_errno=True)


def filled(kind, letters):
    area = mmap.mmap(-1, len(letters) * PAGE, flags=kind | mmap.MAP_ANONYMOUS)
    area.write(b"".join(letter.encode() * PAGE for letter in letters))
    return area, ctypes.addressof(ctypes.c_char.from_buffer(area)) // PAGE


def inode_at(page):
    for line in open("/proc/self/maps"):
        if line.startswith("%x-" % (page * PAGE)):
            return int(line.split()[4])


private, private_page = filled(mmap.MAP_PRIVATE, "abcd")
shared, shared_page = filled(mmap.MAP_SHARED, "stu")
wiped, wiped_page = filled(mmap.MAP_PRIVATE, "w")
libc.madvise(ctypes.c_void_p(wiped_page * PAGE), ctypes.c_size_t(PAGE), 18)
libc.mprotect(ctypes.c_void_p((private_page + 3) * PAGE), ctypes.c_size_t(PAGE), 0)
memfd = os.memfd_create("only open")
os.write(memfd, b"m" * 2 * PAGE)

child = os.fork()
if child > 0:
    os.waitpid(child, os.WUNTRACED)
    told = dict(pid=os.getpid(), child=child, private=private_page, shared=shared_page)
    told.update(wiped=wiped_page, segment=inode_at(shared_page), memfd=os.fstat(memfd).st_ino)
    print(json.dumps(told), flush=True)
else:
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: the test ends both
while True:
    os.kill(os.getpid(), signal.SIGSTOP)
    signal.pause()
