import { assert, describe, it } from "@effect/vitest"
import { inHome, lacks, users } from "./harness.js"

describe.skipIf(lacks("unshare"))("as process 1, as a container's own program is", () => {
  for (const user of users) {
    it(`runs a bottle and takes it down, as ${user.name}`, () =>
      inHome(user, async (home) => {
        // Who is not root needs a user namespace for one of processes.
        const own = user.uid === 0 ? [] : ["--user", "--map-current-user"]
        const alone = [...user.become, "unshare", ...own, "--pid", "--fork", "--mount-proc", "--kill-child"]
        const program = home.argv(["run", "-q"]).slice(user.become.length)
        const run = (...args: ReadonlyArray<string>) => home.spawn([...alone, ...program, ...args]).ended

        const ended = await run("--", "sh", "-c", "echo in a bottle; exit 3")
        assert.deepStrictEqual([ended.code, ended.stdout.toString(), ended.stderr], [3, "in a bottle\n", ""])
        assert.strictEqual((await run("--timeout", "1s", "--", "sleep", "600")).code, 124)
      }))
  }
})
