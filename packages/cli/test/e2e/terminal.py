"""Runs a program on a terminal of its own: terminal.py ROWS COLUMNS STEPS PROGRAM ARGUMENT...

STEPS is JSON, a list of [text to wait for, action, value]: "send" types the value, "press" types it a second later and
then again every five until the text of the next step is there, "resize" makes the terminal [rows, columns], "signal"
sends the program the signal of that number. Writes what the terminal showed to standard output
and ends with the program's exit code, 255 after 60 seconds.
"""

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios
import time

rows, columns, steps, argv = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4:]


def size(descriptor, rows, columns):
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


ready_read, ready_write = os.pipe()
pid, terminal = pty.fork()
if pid == 0:
    os.read(ready_read, 1)  # the size is there before the program is
    os.execvp(argv[0], argv)
size(terminal, rows, columns)
os.write(ready_write, b"x")

shown = b""
seen = 0
pressed, press_at = None, 0.0
deadline = time.monotonic() + 60
while time.monotonic() < deadline:
    while steps and steps[0][0].encode() in shown[seen:]:
        wanted, action, value = steps.pop(0)
        seen = shown.index(wanted.encode(), seen) + len(wanted)
        pressed = None
        if action == "send":
            os.write(terminal, value.encode())
        elif action == "press":
            pressed, press_at = value, time.monotonic() + 1
        elif action == "resize":
            size(terminal, *value)
        elif action == "signal":
            os.kill(pid, value)
    if pressed is not None and time.monotonic() >= press_at:
        os.write(terminal, pressed.encode())
        press_at = time.monotonic() + 5
    readable, _, _ = select.select([terminal], [], [], 0.2)
    if readable:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            data = b""
        if not data:
            break
        shown += data
sys.stdout.buffer.write(shown)
sys.stdout.flush()
if time.monotonic() >= deadline:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    sys.exit(255)
_, status = os.waitpid(pid, 0)
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
