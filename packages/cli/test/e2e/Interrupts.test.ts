import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { exec, obeyed, TIMEOUT_MILLIS, up } from "./detached.js"
import { type Home, inHome, ordinary, users } from "./harness.js"

/** The processes that a guest sees, by their words. */
const inside = async (home: Home, id: string): Promise<ReadonlyArray<string>> => {
  const script = `for dir in /proc/[0-9]*; do tr '\\0' ' ' < "$dir/cmdline" 2>/dev/null; echo; done`
  const { code, stderr, stdout } = await exec(home, id, script)
  assert.strictEqual(code, 0, stderr)
  return stdout.toString().split("\n")
}

// A child in another session, one in the background, and one that is waited for; each sleeps for a time of its own.
const tree = "setsid sleep 4001 & sleep 4002 & (sleep 4003; true) & echo begun; sleep 4004"

const commands = {
  "that hears signals": tree,
  "that does not": `trap '' HUP INT TERM; (trap '' HUP INT TERM; ${tree})`
} as const

const sleeping = (words: ReadonlyArray<string>): ReadonlyArray<string> =>
  words.filter((line) => /sleep 400\d/.test(line))

describe.concurrent("an exec", { timeout: TIMEOUT_MILLIS }, () => {
  for (const user of users) {
    for (const [which, script] of Object.entries(commands)) {
      it(`of a command ${which} returns after its whole tree is dead, as ${user.name}`, () =>
        inHome(user, async (home) => {
          const id = await up(home)
          const running = home.start(["exec", id, "--", "sh", "-c", script])
          await running.printed("begun\n")
          assert.isNotEmpty(sleeping(await inside(home, id)))
          running.child.kill("SIGINT")
          const { code } = await running.ended
          assert.strictEqual(code, 130)
          // At once: it is not that they are still ending.
          assert.deepStrictEqual(sleeping(await inside(home, id)), [])
          await obeyed(home, "down", id)
        }))
    }

    it(`returns after its whole tree is dead when its time is up, as ${user.name}`, () =>
      inHome(user, async (home) => {
        const id = await up(home)
        const ended = await exec(home, id, tree, "--timeout", "1s")
        assert.strictEqual(ended.code, 124)
        assert.deepStrictEqual(sleeping(await inside(home, id)), [])
        const kept = await exec(home, id, "exit 6", "--timeout", "30s")
        assert.strictEqual(kept.code, 6)
        await obeyed(home, "down", id)
      }))
  }

  it("ends nobody else's command", () =>
    inHome(ordinary, async (home) => {
      const id = await up(home)
      const other = home.start(["exec", id, "--", "sh", "-c", "echo begun; sleep 4005; echo over"])
      await other.printed("begun\n")
      const running = home.start(["exec", id, "--", "sh", "-c", tree])
      await running.printed("begun\n")
      running.child.kill("SIGTERM")
      assert.strictEqual((await running.ended).code, 143)
      const left = sleeping(await inside(home, id))
      assert.isNotEmpty(left)
      assert.isTrue(
        left.every((line) => line.includes("sleep 4005")),
        left.join("\n")
      )
      await obeyed(home, "exec", id, "--", "pkill", "-f", "^sleep 4005")
      assert.strictEqual((await other.ended).stdout.toString(), "begun\nover\n")
      await obeyed(home, "down", id)
    }))

  it("is not needed for a run, which takes its command down with its bottle", () =>
    inHome(ordinary, async (home) => {
      // A run's own command: its bottle goes, and everything of it.
      const running = home.start(["run", "-q", "--", "sh", "-c", tree])
      await running.printed("begun\n")
      running.child.kill("SIGINT")
      assert.strictEqual((await running.ended).code, 130)
      await home.assertNothingLeft()
      assert.isTrue(Fs.existsSync(home.records))
    }))
})
