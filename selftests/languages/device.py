#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""device.py REQUESTS ANSWERS: adds up what requests ask for. Two nodes of queues."""
import json
import os
import sys

requests = os.open(sys.argv[1], os.O_RDONLY)
answers = os.open(sys.argv[2], os.O_WRONLY)

while True:
    # One read is one message, if it has room. It waits for one; then that one is gone.
    request = json.loads(os.read(requests, 1 << 20))
    if request is None:
        break
    answer = {"id": request["id"], "sum": sum(request["numbers"])}
    # One write is one message, whole or not at all. It waits for room.
    os.write(answers, json.dumps(answer).encode())
