import * as Capture from "@bottle/process/Capture"
import * as Follow from "@bottle/process/Follow"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { createHash, randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { note } from "./support/missing.js"
import { everybody, expectOk, machine, type Runner } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

const mebibyte = 1024 * 1024

describe.each(everybody)(`streams, $name${note}`, ({ make }) => {
  const test = testsFor(make, 120_000)

  const follow = (runner: Runner, args: ReadonlyArray<string>) => {
    const [program = "", ...first] = runner.words
    return Follow.follow({ program, args: [...first, ...args], env: runner.env, cwd: "/" })
  }

  test("100 MiB come out byte for byte, beside stderr, with the exit code", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const make =
        "head -c 104857600 /dev/urandom >/workspace/f && sha256sum </workspace/f >&2 && cat /workspace/f && exit 3"
      const hash = createHash("sha256")
      let bytes = 0
      let stderr = ""
      let code = -1
      yield* follow(runner, ["machine", "exec", "--name", guest.name, "--stream", "--", "/bin/sh", "-c", make]).pipe(
        Stream.runForEach((event) =>
          Effect.sync(() => {
            if (event._tag === "Stdout") {
              hash.update(event.bytes)
              bytes += event.bytes.length
            } else if (event._tag === "Stderr") stderr += Buffer.from(event.bytes).toString()
            else code = event.exit.code
          })
        ),
        Effect.orDie
      )
      assert.deepStrictEqual([bytes, code], [100 * mebibyte, 3])
      assert.strictEqual(stderr.split(" ")[0], hash.digest("hex"))
    }))

  test("-i feeds 10 MiB and the end of it; without -i there is nothing to read", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const input = randomBytes(10 * mebibyte)
      const sum = yield* guest.exec(["/usr/bin/sha256sum"], { flags: ["-i"], stdin: input })
      assert.strictEqual(sum.stdout.split(" ")[0], createHash("sha256").update(input).digest("hex"))
      const echo = yield* guest.exec(["/bin/cat"], { flags: ["-i"], stdin: input.subarray(0, 3 * mebibyte) })
      assert.isTrue(Buffer.from(echo.bytes).equals(input.subarray(0, 3 * mebibyte)))
      const none = yield* guest.exec(["/bin/cat"], { stdin: "not seen" })
      assert.deepStrictEqual([none.code, none.stdout], [0, ""])
      assert.strictEqual((yield* guest.exec(["/bin/true"], { flags: ["-i"], stdin: input })).code, 0)
    }))

  test("standard output and error can be opened by their names", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const script = "cat; echo out >/dev/stdout; echo err >/dev/stderr; echo tee | tee /dev/stderr"
      const named = yield* guest.exec(["/bin/sh", "-c", script], { flags: ["-i"], stdin: "fed\n" })
      assert.deepStrictEqual([named.code, named.stdout, named.stderr], [0, "fed\nout\ntee\n", "err\ntee\n"])
      const kinds = yield* guest.exec([
        "/bin/sh",
        "-c",
        "[ -p /dev/stdout ] && [ -p /dev/stderr ] && [ -c /dev/stdin ]"
      ])
      assert.strictEqual(kinds.code, 0)
      const root = `${runner.state}/bottle/local`
      assert.deepStrictEqual(Fs.readdirSync(root).sort(), ["locks", "machines"])
    }))

  test("a command that ends before its input does is not waited for", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const endless = Stream.forever(Stream.make(new Uint8Array(65_536)))
      const head = yield* guest.exec(["/usr/bin/head", "-c", "100000"], { flags: ["-i"], stdin: endless })
      assert.deepStrictEqual([head.code, head.bytes.length], [0, 100_000])
      const never = yield* guest.exec(["/bin/true"], { flags: ["-i"], stdin: Stream.never })
      assert.strictEqual(never.code, 0)
    }))

  test("arguments arrive as they are", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const words = ["", " ", "a b", "'", '"', "\\", "$HOME", "`id`", "\n", "*", "-e", "--", "ü", "a=b", "'\\''"]
      const print = ["/usr/bin/printf", "%s\\0", ...words]
      for (const flags of [[], ["-t"], ["-e", "LANG=C"]]) {
        const printed = yield* guest.exec(print, { flags })
        const text = flags.includes("-t") ? printed.stdout.replaceAll("\r\n", "\n") : printed.stdout
        assert.deepStrictEqual(text.split("\0").slice(0, -1), words, flags.join(" "))
      }
    }))

  test("-t is a terminal with the exit code of the command, and its input is typed", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const code = yield* guest.exec(["/bin/sh", "-c", "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && exit 42"], {
        flags: ["-t"]
      })
      assert.strictEqual(code.code, 42, code.stdout)
      assert.strictEqual((yield* guest.exec(["/bin/sh", "-c", "kill -9 $$"], { flags: ["-t"] })).code, 137)
      const typed = yield* guest.exec(["/bin/sh", "-c", "read line; echo got $line"], {
        flags: ["-i", "-t"],
        stdin: "typed\n"
      })
      assert.include(typed.stdout, "got typed")
      assert.strictEqual(
        (yield* guest.exec(["/usr/bin/printenv", "TERM"], { flags: ["-t"], env: { TERM: "vt100" } })).stdout.trim(),
        "vt100"
      )
    }))

  test("a command that starts on a terminal shows nothing of the host while it starts", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const watch =
        "while [ ! -e /tmp/stop ]; do for p in /proc/[0-9]*; do for x in root cwd exe environ mem fd/0 maps ns/mnt; do " +
        "cat $p/$x/etc/shadow $p/$x/etc/machine-id 2>/dev/null && echo LEAK; readlink $p/$x; done; done; done 2>/dev/null"
      const watching = yield* Effect.fork(guest.exec(["/bin/sh", "-c", watch], { capBytes: 256 * mebibyte }))
      for (let round = 0; round < 10; round++) expectOk(yield* guest.exec(["/bin/true"], { flags: ["-t"] }))
      expectOk(yield* guest.sh(": >/tmp/stop"))
      const seen = yield* Fiber.join(watching)
      assert.notInclude(seen.stdout, "LEAK")
      assert.deepStrictEqual(
        [...new Set(seen.stdout.split("\n"))].filter((line) => /nsenter|prlimit|setpriv|script|\/host/.test(line)),
        []
      )
      assert.include(seen.stdout, "/usr/bin/")
    }))

  test("many commands run at once", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const results = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, index) => index),
        (index) => guest.sh('sleep 0.05; echo "$1"; exit "$1"', String(index)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        results.map((result) => [result.code, result.stdout]),
        results.map((_, index) => [index, `${index}\n`])
      )
    }))

  test("who stops reading, or is interrupted, ends the command", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const isThere = (word: string) =>
        Effect.map(
          guest.sh('cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -c "$1"', word),
          (result) => Number(result.stdout.trim()) > 0
        )
      const fiber = yield* Effect.fork(guest.exec(["/bin/sleep", "305"]))
      yield* waitUntil(isThere("[/]bin/sleep 305"), { boundMillis: 10_000, what: "the command" })
      yield* Fiber.interrupt(fiber)
      assert.isFalse(yield* isThere("[/]bin/sleep 305"))
      yield* follow(runner, ["machine", "exec", "--name", guest.name, "--", "/usr/bin/yes", "306"]).pipe(
        Stream.take(1),
        Stream.runDrain,
        Effect.orDie
      )
      assert.isFalse(yield* isThere("[/]usr/bin/yes 306"))
      expectOk(yield* guest.sh("true"))
    }))

  test(
    "a terminal's size and Ctrl-C reach the command",
    (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const [program = "", ...first] = runner.words
        if (program === "smolvm-local") return
        const driver = String.raw`
import fcntl, os, pty, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.execvpe(sys.argv[1], sys.argv[1:], os.environ)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
out = b""
def until(text):
    global out
    end = time.time() + 20
    while text not in out:
        if time.time() > end: sys.exit("timeout waiting for %r: %r" % (text, out))
        r, _, _ = select.select([fd], [], [], 0.1)
        if r:
            try: out += os.read(fd, 65536)
            except OSError: break
until(b"ready")
os.write(fd, b"size\n"); until(b"size 33 77")
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 88, 0, 0)); until(b"size 44 88")
os.write(fd, b"\x03"); until(b"interrupted")
os.write(fd, b"bye\n"); until(b"leaving")
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status))
`
        const inside = String.raw`
import os, signal, sys
def say(text): os.write(1, (text + "\n").encode())
def size(*_): s = os.get_terminal_size(0); say("size %d %d" % (s.lines, s.columns))
signal.signal(signal.SIGWINCH, size)
signal.signal(signal.SIGINT, lambda *_: say("interrupted"))
say("ready")
while True:
    line = os.read(0, 100)
    if line == b"size\n": size()
    if line == b"bye\n": say("leaving"); sys.exit(9)
`
        const words = ["machine", "exec", "-i", "-t", "--name", guest.name, "--", "/usr/bin/python3", "-c", inside]
        const result = yield* Effect.orDie(
          Capture.capture(
            {
              program: "/usr/bin/python3",
              args: ["-c", driver, program, ...first, ...words],
              env: runner.env,
              cwd: "/"
            },
            { timeoutMillis: 60_000 }
          )
        )
        assert.strictEqual(Capture.stdoutText(result), "9\n", Capture.stderrText(result))
      }),
    { skip: !Fs.existsSync("/usr/bin/python3") }
  )
})
