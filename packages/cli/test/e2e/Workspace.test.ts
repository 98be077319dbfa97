import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { TIMEOUT_MILLIS } from "./bundles.js"
import { inHome, ordinary } from "./harness.js"

/** Root may read and write everything, so what is kept from a user is shown by one. */
describe("the copy of a workspace, as an ordinary user", { timeout: TIMEOUT_MILLIS }, () => {
  it("is not taken for gone where the guest has closed it, nor lost where the source cannot be written to", () =>
    inHome(ordinary, async (home) => {
      const source = home.path("work/project")
      const file = (name: string): string => `${source}/${name}`
      Fs.mkdirSync(file("closed"), { recursive: true })
      for (const name of ["a", "closed/b"]) Fs.writeFileSync(file(name), "one\n")
      home.own()
      const text = (name: string): string => Fs.readFileSync(file(name), "utf8")
      const ran = await home.bottle(
        ...["run", "--runtime", "local", "--workspace", "project", "--"],
        ...["sh", "-c", "echo two > a; chmod 0 closed"]
      )
      assert.strictEqual(ran.code, 0, ran.stderr)
      const id = /bottle apply (\S+)/.exec(ran.stderr)?.[1] ?? ""

      Fs.chmodSync(source, 0o555)
      const refused = await home.bottle("apply", id)
      assert.strictEqual(refused.code, 125, refused.stdout.toString())
      assert.include(refused.stderr, "#workspacenottaken")
      assert.strictEqual(text("a"), "one\n")

      Fs.chmodSync(source, 0o755)
      const applied = await home.bottle("apply", id)
      assert.strictEqual(applied.code, 125, applied.stderr)
      assert.include(applied.stderr, "1 left in the copy")
      assert.strictEqual(text("a"), "two\n")
      assert.strictEqual(text("closed/b"), "one\n")

      // What was left stays in the copy until it is thrown away.
      assert.strictEqual((await home.bottle("apply", id, "--discard")).code, 0)
    }))

  it("is made of nothing that its user may not read", () =>
    inHome(ordinary, async (home) => {
      Fs.mkdirSync(home.path("work/project"), { recursive: true })
      home.own()
      const run = () => home.bottle("run", "-q", "--runtime", "local", "--workspace", "project", "--", "true")
      Fs.chmodSync(home.path("work/project"), 0)
      const refused = await run()
      assert.strictEqual(refused.code, 125)
      assert.include(refused.stderr, "you may not read it")
      Fs.chmodSync(home.path("work/project"), 0o755)
      assert.strictEqual((await run()).code, 0)
    }))
})
