import { assert, describe, it } from "@effect/vitest"
import { inHome, lacks, users } from "./harness.js"

const root = users.find((user) => user.uid === 0)

describe("as process 1, as a container's own program is", () => {
  it.skipIf(root === undefined || lacks("unshare"))(
    root === undefined ? "runs a bottle (skipped: this needs root)" : "runs a bottle, and takes it down",
    () =>
      inHome(root ?? { name: "", become: [], uid: 0 }, async (home) => {
        const alone = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        const run = (...args: ReadonlyArray<string>) =>
          home.spawn([...alone, ...home.argv(["run", "-q", ...args])]).ended

        const ended = await run("--", "sh", "-c", "echo in a bottle; exit 3")
        assert.deepStrictEqual([ended.code, ended.stdout.toString(), ended.stderr], [3, "in a bottle\n", ""])
        assert.strictEqual((await run("--timeout", "1s", "--", "sleep", "600")).code, 124)
      })
  )
})
