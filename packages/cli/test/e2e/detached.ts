/** What the tests of bottles that stay share. */
import { waitUntil } from "@bottle/testing/Wait"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import type { Ended, Home } from "./harness.js"

/** Several programs after each other, on two processors that other tests use too. */
export const TIMEOUT_MILLIS = 180_000

/** Waits until something holds, and says what it waited for. */
export const until = (what: string, condition: () => boolean): Promise<void> =>
  Effect.runPromise(waitUntil(Effect.sync(condition), { boundMillis: 60_000, what }))

/** Runs `bottle` with these words, which must be obeyed, and gives what it printed. */
export const obeyed = async (home: Home, ...args: ReadonlyArray<string>): Promise<string> => {
  const { code, stderr, stdout } = await home.bottle(...args)
  assert.strictEqual(code, 0, `bottle ${args.join(" ")}: ${stderr}`)
  return stdout.toString()
}

/** As `obeyed`, with `--format json`: the document that was printed, in one line. */
export const document = async <A = Record<string, never>>(home: Home, ...args: ReadonlyArray<string>): Promise<A> => {
  const text = await obeyed(home, ...args, "--format", "json")
  assert.match(text, /^[^\n]+\n$/)
  const parsed = JSON.parse(text)
  assert.strictEqual(parsed.version, 1)
  return parsed
}

/** Brings a bottle up, and gives its id. */
export const up = async (home: Home, ...args: ReadonlyArray<string>): Promise<string> => {
  const text = await obeyed(home, "up", "-q", ...args)
  assert.match(text, /^[a-z0-9-]+-[a-z0-9]{5}\n$/)
  return text.trim()
}

/** Runs a script in a bottle. */
export const exec = (home: Home, id: string, script: string, ...flags: ReadonlyArray<string>): Promise<Ended> =>
  home.bottle("exec", id, ...flags, "--", "sh", "-c", script)

/** The ids that `ls` lists. */
export const listed = async (home: Home, ...flags: ReadonlyArray<string>): Promise<ReadonlyArray<string>> =>
  (await obeyed(home, "ls", "-q", ...flags)).split("\n").filter((line) => line !== "")

/** The process that owns a bottle, as the first line of its ledger names it. */
export const ownerOf = (home: Home, id: string): number => {
  const file = home.path(`home/.local/state/bottle/bottles/${id}/ledger.jsonl`)
  const [first = ""] = Fs.readFileSync(file, "utf8").split("\n")
  return JSON.parse(first).writer.identity.pid
}

/** Waits until nothing is left of a home's bottles, as long as whoever takes over may need. */
export const cleared = async (home: Home): Promise<void> => {
  const end = performance.now() + 60_000
  while ((await home.left()).length > 0 && performance.now() < end) await new Promise((done) => setTimeout(done, 50))
  await home.assertNothingLeft()
}

/** Whether a process has ended. */
export const isGone = (pid: number): boolean => {
  try {
    const stat = Fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    return /\) [ZX] /.test(stat)
  } catch {
    return true
  }
}

/** The shells that would take a bottle of this home down. */
export const handles = (home: Home): ReadonlyArray<number> =>
  Fs.readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const words = Fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")
        return (words[0] ?? "").endsWith("sh") && words.includes("recover") && words.join(" ").includes(home.marker)
      } catch {
        return false
      }
    })

/** Leaves a bottle behind as nobody takes it down: its handles and its keeper are killed. */
export const abandon = async (home: Home, id: string): Promise<void> => {
  const keeper = ownerOf(home, id)
  process.kill(keeper, "SIGSTOP")
  for (const pid of handles(home)) process.kill(pid, "SIGKILL")
  process.kill(keeper, "SIGKILL")
  await until("the end of keeper and handle", () => isGone(keeper) && handles(home).length === 0)
}
