import { attach } from "@bottle/process/Attach"
import { capture } from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import { follow } from "@bottle/process/Follow"
import * as Text from "@bottle/process/Text"
import * as Survivors from "@bottle/testing/Survivors"
import { waitUntil } from "@bottle/testing/Wait"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Url from "node:url"
import { rolldown } from "rolldown"

const fixture = (name: string) => Url.fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

const onTerminal = fixture("onTerminal.mjs")

/** The program of fixtures/parent.ts as one file that Node can run. */
const parent = Path.join(Fs.mkdtempSync(Path.join(Os.tmpdir(), "bottle-test-")), "parent.mjs")

beforeAll(async () => {
  const bundle = await rolldown({
    input: fixture("parent.ts"),
    platform: "node",
    resolve: { conditionNames: ["@bottle/source", "node", "import"] }
  })
  await bundle.write({ file: parent, format: "esm", codeSplitting: false })
  await bundle.close()
}, 30_000)

afterAll(() => Fs.rmSync(Path.dirname(parent), { recursive: true }))

// util-linux: gives its command a pseudo terminal, and writes there what it reads from its standard input.
const script = ["/usr/bin/script", "/bin/script"].find((path) => Fs.existsSync(path))
const terminal = it.scopedLive.skipIf(script === undefined)
const unless = script === undefined ? " (skipped: this machine has no `script` of util-linux)" : ""

const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`

/** Runs the parent, on a terminal or on pipes, and follows what is shown there. */
const start = (way: "terminal" | "pipes", mode: string, ...words: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const marker = `marker-${randomUUID()}`
    const argv = [process.execPath, parent, mode, ...words]
    const keys = yield* Queue.unbounded<Uint8Array>()
    const env = { PATH: "/usr/bin:/bin", TERM: "xterm", SHELL: "/bin/sh", BOTTLE_TEST_MARKER: marker }
    const program =
      way === "terminal"
        ? { program: script ?? "", args: ["-qefc", `exec ${argv.map(quote).join(" ")}`, "/dev/null"], env }
        : { program: process.execPath, args: argv.slice(1), env }
    let shown = ""
    yield* follow(program, { stdin: Stream.fromQueue(keys), graceMillis: 500 }).pipe(
      Stream.filterMap((event) => (event._tag === "Exit" ? Option.none() : Option.some(event.bytes))),
      Text.decodeStream,
      Stream.runForEach((text) =>
        Effect.sync(() => {
          shown += text
        })
      ),
      Effect.forkScoped
    )
    const shows = (text: string) =>
      waitUntil(
        Effect.sync(() => shown.includes(text)),
        { boundMillis: 10_000, what: `${JSON.stringify(text)} to be shown` }
      ).pipe(Effect.onError(() => Effect.logError(`Shown was: ${JSON.stringify(shown)}`)))
    const find = (pattern: RegExp) => Effect.sync(() => pattern.exec(shown)?.[1] ?? "")
    return {
      shows,
      find,
      all: Effect.sync(() => shown),
      type: (text: string) => Queue.offer(keys, new TextEncoder().encode(text)),
      kill: (signal: NodeJS.Signals) =>
        Effect.map(find(/parent: pid (\d+)/), (pid) => process.kill(Number(pid), signal)),
      processes: Effect.map(Survivors.find(marker), (survivors) => survivors.processes)
    }
  })

describe("attach", () => {
  terminal(
    `gives the child our terminal: its size changes and Ctrl-C reach it, and only it${unless}`,
    () =>
      Effect.gen(function* () {
        const session = yield* start("terminal", "listens", process.execPath, onTerminal)
        yield* session.shows("child: terminal /dev/pts/")
        yield* session.shows(" true true true")
        const path = yield* session.find(/child: terminal (\S+)/)
        yield* capture({ program: "stty", args: ["-F", path, "cols", "101", "rows", "33"] })
        yield* session.shows("child: size 101x33")
        yield* session.type("hello\n")
        yield* session.shows("child: read hello")
        yield* session.type("\x03")
        yield* session.shows("child: SIGINT 1")
        yield* session.type("\x03")
        yield* session.shows("child: SIGINT 2")
        yield* session.shows("parent: exit 42 null")
        assert.notInclude((yield* session.all).split("parent: exit")[0] ?? "", "parent: SIGINT")
        // Afterwards Ctrl-C is ours again.
        yield* session.shows("parent: listeners 1")
        yield* session.shows("parent: SIGINT")
      }).pipe(Effect.provide(Executor.layer)),
    30_000
  )

  terminal(
    `outlives the Ctrl-C that ends the child, though nobody else listens${unless}`,
    () =>
      Effect.gen(function* () {
        const session = yield* start("terminal", "bare", "/bin/sh", "-c", "echo child; exec sleep 60")
        yield* session.shows("child")
        yield* session.type("\x03")
        yield* session.shows("parent: exit 130 SIGINT")
        yield* session.shows("parent: listeners 0")
      }).pipe(Effect.provide(Executor.layer)),
    30_000
  )

  terminal(
    `takes the child and its descendants down when it is interrupted${unless}`,
    () =>
      Effect.gen(function* () {
        const session = yield* start("terminal", "bare", "/bin/sh", "-c", "sleep 60 & sleep 60 & echo child; wait")
        yield* session.shows("child")
        yield* session.shows("parent: pid")
        yield* session.kill("SIGTERM")
        yield* session.shows("parent: interrupted")
        yield* waitUntil(
          Effect.map(session.processes, (left) => left.length === 0),
          { boundMillis: 20_000 }
        )
      }).pipe(Effect.provide(Executor.layer)),
    30_000
  )

  terminal(
    `puts the terminal back as it was when the child was killed${unless}`,
    () =>
      Effect.gen(function* () {
        const script = "stty raw -echo; stty -a; echo changed; kill -KILL $$"
        const session = yield* start("terminal", "modes", "/bin/sh", "-c", script)
        yield* session.shows("parent: exit 137 SIGKILL")
        const [before = "", after = ""] = (yield* session.all).split("changed")
        assert.include(before, "-icanon")
        assert.match(before, / -echo /)
        assert.match(after, / icanon /)
        assert.match(after, / echo /)
      }).pipe(Effect.provide(Executor.layer)),
    30_000
  )

  it.scopedLive(
    "leaves SIGINT to us where there is no terminal it could come from",
    () =>
      Effect.gen(function* () {
        const session = yield* start("pipes", "listens", "/bin/sh", "-c", "echo child; read line; exit 42")
        yield* session.shows("child")
        yield* session.shows("parent: pid")
        yield* session.kill("SIGINT")
        yield* session.shows("parent: SIGINT")
        yield* session.type("\n")
        yield* session.shows("parent: exit 42 null")
      }).pipe(Effect.provide(Executor.layer)),
    30_000
  )

  it.scopedLive(
    "fails when there is no such program",
    () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(attach({ program: "no-such-program", args: [] }))
        assert.strictEqual(error._tag, "ProgramNotFound")
      }).pipe(Effect.provide(Executor.layer)),
    30_000
  )
})

describe("a process that exits without closing its scopes", () => {
  it.scopedLive(
    "takes its children with it",
    () =>
      Effect.gen(function* () {
        const session = yield* start("pipes", "exits", "/bin/sh", "-c", "trap '' TERM HUP; sleep 60 & wait")
        yield* session.shows("parent: pid")
        yield* waitUntil(
          Effect.map(session.processes, (running) => running.length === 3),
          { boundMillis: 20_000 }
        )
        yield* session.kill("SIGUSR1")
        yield* waitUntil(
          Effect.map(session.processes, (left) => left.length === 0),
          { boundMillis: 20_000 }
        )
      }).pipe(Effect.provide(Executor.layer)),
    30_000
  )
})
