import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { problems } from "../fixtures/jsonSchema.js"
import { obeyed, TIMEOUT_MILLIS } from "./detached.js"
import { type Home, inHome, ordinary } from "./harness.js"

const schemaOf = (name: string): unknown =>
  JSON.parse(Fs.readFileSync(new URL(`../../../../docs/reference/${name}.schema.json`, import.meta.url), "utf8"))

/** A document is what the schema of that name says, and nothing more. */
const assertIs = (name: string, text: string): void => {
  assert.deepStrictEqual(problems(schemaOf(name), JSON.parse(text), { closed: true }), [], `${name}: ${text}`)
}

const answered = async (home: Home, name: string, ...args: ReadonlyArray<string>): Promise<void> =>
  assertIs(name, await obeyed(home, ...args, "--format", "json"))

const linesOf = (text: string): ReadonlyArray<string> => text.split("\n").filter((line) => line !== "")

describe.concurrent("what is written for programs", { timeout: TIMEOUT_MILLIS }, () => {
  it("is what the published schemas say, of a run and of a bottle that stays", () =>
    inHome(ordinary, async (home) => {
      const project = home.path("work/project")
      Fs.mkdirSync(project)
      Fs.writeFileSync(`${project}/file`, "before\n")
      home.own()
      const flags = ["--runtime", "local", "--allow", "a.test"]

      const report = home.path("work/report.json")
      const ran = await home.bottle("run", "-q", ...flags, "--report", report, "--", "sh", "-c", "exit 3")
      assert.strictEqual(ran.code, 3, ran.stderr)
      assertIs("report", Fs.readFileSync(report, "utf8"))
      Fs.rmSync(report)
      const failed = await home.bottle("run", "--format", "json", "--runtime", "/nowhere/smolvm", "--", "true")
      assert.strictEqual(failed.code, 125)
      assertIs("error", failed.stderr)
      const refused = await home.bottle("inspect", "nobody", "--format", "json")
      assertIs("error", refused.stdout.toString())

      const work = ["--workspace", project]
      assertIs("up", await obeyed(home, "up", "--name", "box", ...flags, ...work, "--format", "json"))
      const changed = await home.bottle("exec", "box", "--", "sh", "-c", "echo after >/workspace/file")
      assert.strictEqual(changed.code, 0, changed.stderr)
      await answered(home, "plan", "plan", ...flags)
      await answered(home, "ls", "ls")
      await answered(home, "inspect", "inspect", "box")
      for (const line of linesOf(await obeyed(home, "logs", "box", "--format", "json"))) assertIs("logs", line)
      await answered(home, "down", "down", "box")
      await answered(home, "diff", "diff", "box")
      await answered(home, "apply", "apply", "box")
      assert.strictEqual(Fs.readFileSync(`${project}/file`, "utf8"), "after\n")

      for (const id of Fs.readdirSync(home.records)) {
        const at = `${home.records}/${id}`
        for (const file of Fs.readdirSync(at).filter((name) => name !== "output.log")) {
          const text = Fs.readFileSync(`${at}/${file}`, "utf8")
          for (const one of file.endsWith(".jsonl") ? linesOf(text) : [text]) assertIs("record", one)
        }
      }
      await answered(home, "doctor", "doctor", "--runtime", "local")
      await answered(home, "version", "--version")
    }))
})
