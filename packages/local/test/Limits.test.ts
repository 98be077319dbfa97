import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { note } from "./support/missing.js"
import { everybody, expectOk, machine } from "./support/runner.js"
import { testsFor } from "./support/suite.js"

const hasPython = Fs.existsSync("/usr/bin/python3")

describe.each(everybody)(`limits, $name${note}`, ({ make }) => {
  const test = testsFor(make, 120_000)

  test(
    "processes end at the machine's limit, whatever starts them, and the host and other machines go on",
    (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner)
        const other = yield* machine(runner)
        const bomb = String.raw`
import os, resource, sys, time
soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
try:
    resource.setrlimit(resource.RLIMIT_NPROC, (hard + 1, hard + 1)); print("raised")
except (ValueError, PermissionError):
    print("kept", hard)
count = 0
try:
    while count < hard + 10:
        if os.fork() == 0:
            os.setsid(); time.sleep(60); os._exit(0)
        count += 1
    print("no limit")
except BlockingIOError:
    print("limit", count <= hard)
sys.stdout.flush()
os.kill(-1, 9)
`
        const result = yield* guest.exec(["/usr/bin/python3", "-c", bomb], { timeoutMillis: 90_000 })
        assert.match(result.stdout, /^kept [0-9]+\nlimit True\n$/)
        expectOk(yield* other.sh("for i in 1 2 3 4 5 6 7 8; do true & done; wait"))
        expectOk(yield* guest.sh("for i in 1 2 3 4 5 6 7 8; do true & done; wait"))
      }),
    { skip: !hasPython }
  )

  test(
    "memory ends at the machine's limit, per process",
    (runner) =>
      Effect.gen(function* () {
        const guest = yield* machine(runner, ["--mem", "256"])
        const take = (mib: number) =>
          guest.exec(["/usr/bin/python3", "-c", `b = bytearray(${mib} << 20); print(len(b) >> 20)`])
        assert.strictEqual((yield* take(64)).stdout, "64\n")
        const refused = yield* take(512)
        assert.notStrictEqual(refused.code, 0)
        assert.include(refused.stderr, "MemoryError")
      }),
    { skip: !hasPython }
  )

  test("the disk ends at its size, in bytes and in files", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner, ["--overlay", "1"])
      expectOk(yield* guest.sh("head -c 50M /dev/zero >/workspace/f && stat -c %s /workspace/f"))
      const size = yield* guest.sh("df -B1 --output=size / | tail -1")
      assert.strictEqual(Number(size.stdout), 1024 ** 3)
      const full = yield* guest.sh("truncate -s 0 /workspace/f; head -c 1100M /dev/zero >/workspace/f")
      assert.notStrictEqual(full.code, 0)
      assert.include(full.stderr, "No space left")
      expectOk(yield* guest.sh("rm /workspace/f && echo x >/workspace/g"))
      const inodes = yield* guest.sh("df --output=itotal / | tail -1")
      assert.isAtMost(Number(inodes.stdout), 1_000_000)
      const shared = yield* guest.sh("head -c 100M /dev/zero >/dev/shm/f")
      assert.notStrictEqual(shared.code, 0)
      expectOk(yield* guest.sh("rm /dev/shm/f && head -c 10M /dev/zero >/dev/shm/f"))
    }))

  test("no core is dumped", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const core = yield* guest.sh("ulimit -c; cd /workspace && sh -c 'kill -SEGV $$'; ls -A")
      assert.strictEqual(core.stdout, "0\n")
    }))

  test(
    "a machine keeps to as many CPUs as it was given, unless it asks the kernel for more",
    (runner) =>
      Effect.gen(function* () {
        const one = yield* machine(runner, ["--cpus", "1"])
        assert.strictEqual((yield* one.exec(["nproc"])).stdout, "1\n")
        const all = yield* machine(runner, ["--cpus", "200"])
        assert.strictEqual((yield* all.exec(["nproc"])).stdout, `${Os.availableParallelism()}\n`)
      }),
    { skip: Os.availableParallelism() < 2 || !Fs.existsSync("/usr/bin/taskset") }
  )
})
