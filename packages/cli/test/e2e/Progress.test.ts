/** What is seen of a slow launch on a terminal, and what its trace holds. */
import { deepStrictEqual, ok } from "node:assert/strict"
import * as ChildProcess from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import { it } from "vitest"
import { FakeScreen } from "../fixtures/screen.js"
import { inHome, lacks, ordinary } from "./harness.js"

const TERMINAL = fileURLToPath(new URL("terminal.py", import.meta.url))
const COLUMNS = 70

const withoutTerminal = lacks("python3") ? " (skipped: no python3)" : ""

interface Event {
  readonly ph: string
  readonly name: string
  readonly pid: number
  readonly args: Readonly<Record<string, string>>
}

/** The names of a trace's spans, by the process that they are of; nothing of the trace is one of these secrets. */
const spansOf = (file: string, secrets: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  deepStrictEqual(Fs.statSync(file).mode & 0o777, 0o600)
  const text = Fs.readFileSync(file, "utf8")
  for (const secret of secrets) ok(!text.includes(secret))
  const { traceEvents }: { readonly traceEvents: ReadonlyArray<Event> } = JSON.parse(text)
  const spans = traceEvents.filter(({ ph }) => ph === "X")
  return [1, 2].map((pid) => spans.filter((one) => one.pid === pid).map(({ name }) => name))
}

const secret = (): string => randomBytes(12).toString("hex")

it.skipIf(withoutTerminal !== "")(
  `a slow launch shows its stage on a terminal, and nothing is left of it${withoutTerminal}`,
  () =>
    inHome(ordinary, async (home) => {
      const slow = `case "$1 $2" in "machine start") sleep 1.5 ;; esac; exec "${home.node}" "${home.path("smolvm-local.mjs")}" "$@"`
      const runtime = home.program("slow-runtime", `#!/bin/sh\n${slow}\n`)
      const [given, word] = [secret(), secret()]
      const trace = home.path("work/trace.json")
      const argv = home.argv([
        "run",
        "--runtime",
        runtime,
        "--trace",
        trace,
        "-e",
        `TOKEN=${given}`,
        "--",
        "echo",
        word
      ])
      const [program = "", ...args] = ["python3", TERMINAL, "24", String(COLUMNS), "[]", ...argv]
      const shown = ChildProcess.spawnSync(program, args, {
        cwd: home.path("work"),
        env: { ...home.env, TERM: "xterm" },
        encoding: "utf8"
      })
      deepStrictEqual(shown.status, 0)
      ok(/ start +[0-9.]+ s {2}slow-runtime machine start/.test(shown.stdout))
      const screen = new FakeScreen(COLUMNS)
      screen.write(shown.stdout)
      deepStrictEqual(screen.seen, [word])

      const [spans = [], keeper] = spansOf(trace, [given, word])
      for (const name of [
        "run",
        "plan",
        "launch",
        "slow-runtime machine start",
        "proof",
        "command",
        "release machine"
      ]) {
        ok(spans.includes(name), name)
      }
      deepStrictEqual(keeper, [])
    }),
  60_000
)

it(
  "the trace of a bottle that stays holds what its keeper did, and of one that was refused what led to it",
  () =>
    inHome(ordinary, async (home) => {
      const [given, word, held] = [secret(), secret(), secret()]
      const trace = home.path("work/trace.json")
      Fs.writeFileSync(
        home.path("work/policy.json"),
        JSON.stringify({
          version: 1,
          allow: [],
          credentials: { api: { source: { env: "API_KEY" }, header: "x-api-key", upstream: "https://api.example.com" } }
        })
      )
      const flags = ["--runtime", "local", "--trace", trace, "--policy", "policy.json", "-e", `TOKEN=${given}`]
      const up = await home.start(["up", ...flags, "--", "sh", "-c", `: ${word}; exec sleep 100`], {
        env: { API_KEY: held }
      }).ended
      deepStrictEqual([up.code, up.stderr], [0, ""])
      const [own = [], keeper = []] = spansOf(trace, [given, word, held])
      ok(own.includes("up") && own.includes("plan"))
      for (const name of ["launch", "create", "start", "proof"]) ok(keeper.includes(name), name)
      deepStrictEqual((await home.bottle("down", up.stdout.toString().trim())).code, 0)

      const refused = await home.bottle("run", ...flags.slice(0, 4), "-v", "/nowhere:/x", "--", "true")
      deepStrictEqual(refused.code, 2)
      ok(spansOf(trace, [])[0]?.includes("run"))

      const unwritable = await home.bottle("run", "--runtime", "local", "--trace", "/nowhere/trace.json", "--", "true")
      deepStrictEqual(unwritable.code, 125)
      ok(
        unwritable.stderr.startsWith(
          "bottle: the trace /nowhere/trace.json cannot be written: there is no such directory\n"
        )
      )
    }),
  60_000
)
