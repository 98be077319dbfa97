import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import { enter, PROBES, recordOf, serve, setupsOf, TIMEOUT_MILLIS } from "./bundles.js"
import { exec, obeyed, up } from "./detached.js"
import { find, type Home, inHome, lacks, ordinary } from "./harness.js"

const DRIVER = fileURLToPath(new URL("terminal.py", import.meta.url))

const [setup] = setupsOf("process")

const NAMES = ["kept.test", "one.test", "two.test", "three.test"] as const

/** A policy that allows one of the names, each of which is this machine. */
const policyFor = (home: Home, port: number): string => {
  const file = home.path("policy.json")
  const resolve = Object.fromEntries(NAMES.map((name) => [name, "127.0.0.1"]))
  Fs.writeFileSync(file, JSON.stringify({ allow: [`kept.test:${port}`], resolve }, null, 2))
  home.own()
  return file
}

describe.concurrent("bottle policy watch", { timeout: TIMEOUT_MILLIS }, () => {
  it("lets a program allow one host of a run, and another for good, and no third", () =>
    inHome(ordinary, async (home) => {
      if (setup === undefined) throw new Error("there is no bundle beside the launch")
      const upstream = await serve(setup, "upstream-answers")
      try {
        const { port } = upstream
        const file = policyFor(home, port)
        const guest = await enter(home, ["--bundle", "process", "--policy", file])
        const isAnswered = async (name: string) => {
          const answer = await guest.ask(`get ${name}:${port}`)
          if (answer.endsWith("upstream-answers")) return true
          assert.match(answer, /^HTTP\/1\.1 403 /)
          return false
        }
        assert.isTrue(await isAnswered("kept.test"))
        assert.isFalse(await isAnswered("one.test"))
        const watch = home.start(["policy", "watch", recordOf(home).id, "--format", "json"], { stdin: "pipe" })
        const decide = (name: string, lasting: string) =>
          watch.child.stdin?.write(`${JSON.stringify({ allow: `${name}:${port}`, for: lasting })}\n`)

        // What was refused before it was watched, and what is refused then.
        await watch.printed(`"allow":"one.test:${port}"`)
        assert.isFalse(await isAnswered("two.test"))
        await watch.printed(`"allow":"two.test:${port}"`)
        decide("one.test", "bottle")
        await watch.printed(`"allowed":{"allow":"one.test:${port}","for":"bottle","file":null}`)
        assert.isTrue(await isAnswered("one.test"))
        assert.isFalse(await isAnswered("two.test"))
        decide("two.test", "good")
        await watch.printed(`"allowed":{"allow":"two.test:${port}","for":"good"`)
        assert.isTrue(await isAnswered("two.test"))
        assert.isFalse(await isAnswered("three.test"))
        assert.deepStrictEqual(JSON.parse(Fs.readFileSync(file, "utf8")).allow, [
          `kept.test:${port}`,
          `two.test:${port}`
        ])

        // What was allowed for the bottle stays when the file is read again.
        guest.running.child.kill("SIGUSR2")
        await guest.running.told("bottle: the policy was reloaded\n")
        assert.isTrue(await isAnswered("one.test"))
        assert.isFalse(await isAnswered("three.test"))

        assert.strictEqual((await guest.leave()).code, 0)
        const { code, stdout } = await watch.ended
        assert.strictEqual(code, 0)
        assert.include(stdout.toString().trimEnd().split("\n").at(-1) ?? "", `"ended":{"id":"${recordOf(home).id}"`)
        const reloads = recordOf(home)
          .read("launch.jsonl")
          .split("\n")
          .filter((line) => line.includes(`"Reloaded"`))
        assert.deepStrictEqual(
          reloads.map((line) => JSON.parse(line).egress.allow.length),
          [2, 3, 3]
        )
      } finally {
        await upstream.close()
      }
    }))

  it.skipIf(lacks("python3"))(
    "asks on a terminal, takes no key that was typed before its question, and gives the terminal back (needs python3)",
    () =>
      inHome(ordinary, async (home) => {
        if (setup === undefined) throw new Error("there is no bundle beside the launch")
        const upstream = await serve(setup, "upstream-answers")
        try {
          const { port } = upstream
          const id = await up(home, "--bundle", "process", "--policy", policyFor(home, port))
          const answers = async () => {
            const script = `${PROBES}\nfor name in one two; do get "$name.test:${port}"; echo; echo ----; done`
            const answered = (await exec(home, id, script)).stdout.toString().split("----")
            return answered.slice(0, 2).map((answer) => /upstream-answers|^\s*HTTP\/1\.1 403 /.exec(answer)?.[0].trim())
          }
          assert.deepStrictEqual(await answers(), ["HTTP/1.1 403", "HTTP/1.1 403"])
          Fs.copyFileSync(DRIVER, home.path("terminal.py"))
          const [node = "", script = ""] = home.argv([]).slice(home.user.become.length)
          const steps = [
            ["", "send", "b"],
            [`one.test:${port} was refused`, "press", "x"],
            [`by this watch: one.test:${port}`, "resize", [30, 60]],
            [`    two.test:${port}`, "press", "b"],
            [`allowed for this bottle: two.test:${port}`, "send", "q"]
          ]
          const line = `"$1" "$2" policy watch "$3"; echo "ended $?"; stty -a | tr ';' '\\n' | grep -o ' icanon.*'; stty -a | grep -o ' echo '`
          const driver = [find("python3") ?? "", home.path("terminal.py"), "24", "80", JSON.stringify(steps)]
          const { code, stdout } = await home.spawn(
            [...home.user.become, ...driver, "sh", "-c", line, "sh", node, script, id],
            { env: { TERM: "xterm" } }
          ).ended
          const shown = stdout.toString()
          assert.strictEqual(code, 0, shown)
          assert.match(shown, /ended 0\r\n icanon/)
          assert.match(shown, / echo \r\n$/)
          assert.deepStrictEqual(await answers(), ["HTTP/1.1 403", "upstream-answers"])
          await obeyed(home, "down", id)
        } finally {
          await upstream.close()
        }
      })
  )
})
