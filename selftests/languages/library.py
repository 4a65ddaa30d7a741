#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""library.py REQUESTS ANSWERS: as device.py, but what it has not answered when it
ends, however that comes, goes back to the queue for another one."""
import ctypes
import json
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint8
from ctypes import c_uint16, c_uint32, c_uint64, c_void_p


class View(ctypes.Structure):
    """struct weir_view, and struct weir_desc with which it begins"""
    _fields_ = [("offset", c_uint64), ("pos", c_uint64), ("stamp_ns", c_uint64),
                ("len", c_uint32), ("headers_len", c_uint32), ("key_len", c_uint16),
                ("priority", c_uint8), ("flags", c_uint8), ("deliveries", c_uint32),
                ("uid", c_uint32), ("gid", c_uint32), ("pid", c_uint32), ("slot", c_uint32),
                ("first_ns", c_uint64), ("data", c_void_p), ("key", c_void_p),
                ("headers", c_void_p)]


def checked(value):
    """Values of libweir: 0, a count, or a negative errno"""
    if value < 0:
        raise OSError(-value, os.strerror(-value))
    return value


def bind(name, *arguments, result=checked):
    function = getattr(weir, name)
    function.argtypes, function.restype = arguments, result
    return function


FOREVER, ACK = -1, 0
weir = ctypes.CDLL("libweir.so.0")
queue_open = bind("weir_queue_open", c_char_p, c_void_p, POINTER(c_void_p))
batch_new = bind("weir_batch_new", c_void_p, c_void_p, POINTER(c_void_p))
receive = bind("weir_receive", c_void_p, c_int64)
view = bind("weir_batch_view", c_void_p, c_uint, result=POINTER(View))
settle = bind("weir_settle", c_void_p, c_uint, c_uint, c_int)
send = bind("weir_send", c_void_p, c_char_p, c_size_t, c_int64)

requests, answers, batch = c_void_p(), c_void_p(), c_void_p()
queue_open(sys.argv[1].encode(), None, byref(requests))
queue_open(sys.argv[2].encode(), None, byref(answers))
batch_new(requests, None, byref(batch))

while True:
    for i in range(receive(batch, FOREVER)):
        message = view(batch, i).contents
        request = json.loads(ctypes.string_at(message.data, message.len))
        if request is None:
            settle(batch, i, 1, ACK)
            sys.exit()
        answer = json.dumps({"id": request["id"], "sum": sum(request["numbers"])}).encode()
        send(answers, answer, len(answer), FOREVER)
        settle(batch, i, 1, ACK)
