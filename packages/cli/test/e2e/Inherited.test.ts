import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { find, inHome, lacks, ordinary, type User, users } from "./harness.js"

/** This user, whose process is started by other words. */
const startedBy = (user: User, ...words: ReadonlyArray<string>): User => ({
  ...user,
  become: [...words, ...user.become]
})

const sh = find("sh") ?? "/bin/sh"
const umaskText = String.raw`umask "$1"; shift; exec "$@"`
// Where the kernel hands core dumps to a program, such a limit is refused: packages/local tests that on any host.
const isToFile = !/^[|@]/.test(Fs.readFileSync("/proc/sys/kernel/core_pattern", "utf8"))
const needs = lacks("prlimit") || !isToFile ? " (skipped: no prlimit, or core dumps go to a program here)" : ""

describe.concurrent("what the caller's process brings along", () => {
  for (const user of users) {
    for (const umask of ["000", "077", "0777"]) {
      it(`as ${user.name}, the umask ${umask}, is in no bottle's way`, () =>
        inHome(startedBy(user, sh, "-c", umaskText, "sh", umask), async (home) => {
          const run = await home.bottle("run", "-q", "--", "sh", "-c", "echo $0 >/tmp/f && cat /tmp/f", "works")
          assert.deepStrictEqual([run.code, run.stdout.toString(), run.stderr], [0, "works\n", ""])
          const up = await home.bottle("up", "-q")
          assert.strictEqual(up.code, 0, up.stderr)
          const id = up.stdout.toString().trim()
          const exec = await home.bottle("exec", id, "--", "echo", "works")
          assert.deepStrictEqual([exec.code, exec.stdout.toString()], [0, "works\n"])
          const down = await home.bottle("down", id)
          assert.strictEqual(down.code, 0, down.stderr)
        }))
    }

    it.skipIf(lacks("prlimit") || !isToFile)(`as ${user.name}, no core dumps, is in no bottle's way${needs}`, () =>
      inHome(startedBy(user, find("prlimit") ?? "prlimit", "--core=0:0", "--"), async (home) => {
        const run = await home.bottle("run", "-q", "--", "sh", "-c", "kill -SEGV $$")
        assert.strictEqual(run.code, 139, run.stderr)
      })
    )
  }

  it("is not waited for where a machine can run nothing", () =>
    inHome(ordinary, async (home) => {
      const root = home.path("work/rootfs")
      Fs.mkdirSync(`${root}/usr`, { recursive: true })
      home.own()
      const run = await home.bottle("run", "-q", "--image", `${root}/`, "--", "true")
      assert.strictEqual(run.code, 125)
      assert.match(run.stderr, /is not ready: it runs no command; the last attempt: exit code 1: .*failed to spawn/)
    }))
})
