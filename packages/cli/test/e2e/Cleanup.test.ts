import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { abandon, cleared, document, handles, isGone, obeyed, ownerOf, TIMEOUT_MILLIS, until, up } from "./detached.js"
import { inHome, ordinary, users } from "./harness.js"

interface Cleaned {
  readonly leftovers: ReadonlyArray<{
    readonly kind: string
    readonly name: string
    readonly bottle: string | null
    readonly why: string
    readonly removable: boolean
    readonly outcome: string
  }>
}

describe.concurrent("bottle cleanup", { timeout: TIMEOUT_MILLIS }, () => {
  for (const user of users) {
    it(`says what is left and why, and then removes it, as ${user.name}`, () =>
      inHome(user, async (home) => {
        assert.deepStrictEqual((await document<Cleaned>(home, "cleanup")).leftovers, [])
        const [left, living] = [await up(home), await up(home)]
        const before = handles(home)
        assert.lengthOf(before, 2)
        // The other one keeps its handle.
        const keeper = ownerOf(home, left)
        process.kill(keeper, "SIGSTOP")
        const own = before.filter((pid) => Fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(left))
        assert.lengthOf(own, 1)
        for (const pid of [...own, keeper]) process.kill(pid, "SIGKILL")
        await until("their end", () => [...own, keeper].every(isGone))
        const dry = await document<Cleaned>(home, "cleanup", "--dry-run")
        assert.isNotEmpty(dry.leftovers)
        for (const { bottle, outcome, removable, why } of dry.leftovers) {
          assert.strictEqual(bottle, left)
          assert.strictEqual(outcome, "found")
          assert.isTrue(removable)
          assert.isNotEmpty(why)
        }
        assert.isTrue(Fs.existsSync(home.path(`home/.local/state/bottle/bottles/${left}`)))
        const done = await document<Cleaned>(home, "cleanup")
        assert.isTrue(done.leftovers.every(({ bottle, outcome }) => bottle === left && outcome === "removed"))
        assert.isFalse(Fs.existsSync(home.path(`home/.local/state/bottle/bottles/${left}`)))
        assert.strictEqual((await home.bottle("exec", living, "--", "true")).code, 0)
        await obeyed(home, "down", living)
        await home.assertNothingLeft()
      }))
  }

  it("says in words what it did, and that there was nothing to do", () =>
    inHome(ordinary, async (home) => {
      const id = await up(home)
      await abandon(home, id)
      const { code, stderr, stdout } = await home.bottle("cleanup")
      assert.strictEqual(code, 0, stderr)
      assert.include(stdout.toString() + stderr, id)
      const again = await home.bottle("cleanup")
      assert.strictEqual(again.code, 0, again.stderr)
      assert.notInclude(again.stdout.toString(), id)
      await home.assertNothingLeft()
      // How it ended is not known, and so it is told.
      assert.strictEqual((await home.bottle("wait", id)).code, 125)
    }))

  it("leaves what was kept on purpose, unless it is told to take that too", () =>
    inHome(ordinary, async (home) => {
      const ended = await home.bottle("run", "-q", "--keep-on-failure", "--", "sh", "-c", "exit 3")
      assert.strictEqual(ended.code, 3)
      const kept = await document<Cleaned>(home, "cleanup")
      assert.isNotEmpty(kept.leftovers)
      assert.isTrue(
        kept.leftovers.every(({ outcome }) => outcome === "stays"),
        JSON.stringify(kept)
      )
      assert.isNotEmpty(await home.left())
      await obeyed(home, "cleanup", "--all")
      await home.assertNothingLeft()
    }))

  it("leaves a kept machine to be looked into, which still reaches nothing", () =>
    inHome(ordinary, async (home) => {
      const made = ["sh", "-c", "echo made > /tmp/result; exit 3"]
      const ended = await home.bottle("run", "--keep-on-failure", "--allow", "127.0.0.1:1", "--", ...made)
      assert.strictEqual(ended.code, 3)
      const [, id = ""] = /try: bottle shell (\S+) looks into it/.exec(ended.stderr) ?? []
      assert.isNotEmpty(id, ended.stderr)
      const read = await home.bottle("exec", id, "--", "cat", "/tmp/result")
      assert.deepStrictEqual([read.code, read.stdout.toString()], [0, "made\n"])
      await obeyed(home, "cp", `${id}:/tmp/result`, home.path("result"))
      assert.strictEqual(Fs.readFileSync(home.path("result"), "utf8"), "made\n")
      const out = await home.bottle("exec", id, "--", "curl", "-sS", "-m", "5", "http://127.0.0.1:1/")
      assert.notStrictEqual(out.code, 0)
      const follow = await home.bottle("attach", id)
      assert.strictEqual(follow.code, 125)
      assert.include(follow.stderr, "only its machine was kept")
      // What nothing says to be closed is for nobody to run something in.
      Fs.rmSync(home.path(`home/.local/state/bottle/records/${id}/proof.json`))
      const refused = await home.bottle("exec", id, "--", "true")
      assert.strictEqual(refused.code, 125)
      assert.include(refused.stderr, "not known to have been proven closed")
      await obeyed(home, "down", id)
      await home.assertNothingLeft()
    }))

  it("is done by the next launch too, which it does not hold up", () =>
    inHome(ordinary, async (home) => {
      const id = await up(home)
      await abandon(home, id)
      assert.strictEqual((await home.bottle("run", "-q", "--", "sh", "-c", "exit 4")).code, 4)
      await cleared(home)
      assert.isFalse(Fs.existsSync(home.path(`home/.local/state/bottle/bottles/${id}`)))
    }))
})

describe.concurrent("bottle prune", { timeout: TIMEOUT_MILLIS }, () => {
  it("removes old records, and none of a bottle that is up", () =>
    inHome(ordinary, async (home) => {
      for (let time = 0; time < 2; time++) assert.strictEqual((await home.bottle("run", "-q", "--", "true")).code, 0)
      const id = await up(home)
      const old = Fs.readdirSync(home.records).filter((name) => name !== id)
      assert.lengthOf(old, 2)
      const longAgo = new Date("2001-01-01")
      for (const name of Fs.readdirSync(home.records)) {
        for (const file of Fs.readdirSync(`${home.records}/${name}`)) {
          Fs.utimesSync(`${home.records}/${name}/${file}`, longAgo, longAgo)
        }
        Fs.utimesSync(`${home.records}/${name}`, longAgo, longAgo)
      }
      const told = await obeyed(home, "prune", "--older", "30d", "--dry-run")
      for (const name of old) assert.include(told, name)
      assert.notInclude(told, id)
      assert.lengthOf(Fs.readdirSync(home.records), 3)
      await obeyed(home, "prune", "--older", "30d", "--records")
      assert.deepStrictEqual(Fs.readdirSync(home.records), [id])
      await obeyed(home, "down", id)
    }))
})
