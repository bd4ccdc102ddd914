#!/usr/bin/env python3
# A page program (docs/protocol.md) in a few lines: the pages of a flat store.
#   usage: pages-program.py STORE
import json
import struct
import sys

store = open(sys.argv[1], "rb")
requests, replies = sys.stdin.buffer, sys.stdout.buffer

while size := requests.read(4):
    request = json.loads(requests.read(struct.unpack("<I", size)[0]))
    store.seek(request["at"] * 4096)
    pages = store.read(request["count"] * 4096)
    if len(pages) == request["count"] * 4096:
        header = {"id": request["id"], "bytes": len(pages)}
    else:
        header, pages = {"id": request["id"], "error": "the store ends before them"}, b""
    frame = json.dumps(header).encode()
    replies.write(struct.pack("<I", len(frame)) + frame + pages)
    replies.flush()
