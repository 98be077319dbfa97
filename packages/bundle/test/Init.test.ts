import { directory } from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Url from "node:url"
import * as BundleOutput from "../src/BundleOutput.js"
import * as Health from "../src/Health.js"
import { built } from "./fixtures/program.js"
import * as Running from "./fixtures/running.js"

const fixture = (name: string) => Url.fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

const init = built("init.ts", "init.mjs")

interface Options {
  readonly daemons: ReadonlyArray<string>
  readonly chosen?: string
  readonly graceMillis?: number
  readonly isRead?: boolean
}

const start = (options: Options) =>
  Effect.gen(function* () {
    const state = yield* directory
    const args = [init, state, String(options.graceMillis ?? 10_000), fixture("daemon.mjs"), ...options.daemons]
    const env: Record<string, string> = options.chosen === undefined ? {} : { BOTTLE_DAEMONS: options.chosen }
    const running = yield* Running.start(args, env, { isRead: options.isRead ?? true })
    return {
      ...running,
      state,
      signal: (name: NodeJS.Signals) => running.process.kill(name),
      says: (line: string) => running.until((said) => said === line),
      becomes: (health: string) =>
        waitUntil(
          Effect.sync(() => Health.read(state) === health),
          { boundMillis: 20_000, what: health }
        )
    }
  })

const live = (name: string, test: () => Effect.Effect<void, never, Scope.Scope>) => it.scopedLive(name, test, 30_000)

const base64 = (text: string) => Buffer.from(text, "latin1").toString("base64")

describe("Init", () => {
  live("starts every daemon when none are named, and says when all listen", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=listens", "two=listens"] })
      yield* bundle.says("init | ready one two")
      assert.includeMembers([...bundle.lines()], ["one | listening on nowhere", "two | listening on nowhere"])
      assert.strictEqual(Health.read(bundle.state), "healthy")
    })
  )

  live("starts those that are named, and no other", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=listens", "two=listens", "three=listens"], chosen: "three, one" })
      yield* bundle.says("init | ready one three")
      assert.lengthOf(yield* bundle.others, 2)
    })
  )

  live("idles without daemons until it is told to end", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=listens"], chosen: "" })
      yield* bundle.says("init ! no daemons selected")
      yield* bundle.says("init | ready")
      assert.strictEqual(Health.read(bundle.state), "healthy")
      assert.isEmpty(yield* bundle.others)
      assert.isNull(bundle.process.exitCode)
      bundle.signal("SIGTERM")
      assert.strictEqual(yield* bundle.ended, 143)
    })
  )

  live("refuses a name that no daemon has, names those there are, and starts none", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=listens", "two=listens"], chosen: "one,tow\n" })
      assert.strictEqual(yield* bundle.ended, 2)
      assert.deepStrictEqual(bundle.lines(), [
        'init ! "tow" is not a daemon of this bundle, which has: one, two. ' +
          "Set BOTTLE_DAEMONS to some of them, separated by commas, or leave it unset for all"
      ])
      const empty = yield* start({ daemons: ["one=listens"], chosen: "one," })
      assert.strictEqual(yield* empty.ended, 2)
    })
  )

  live("puts the daemon's name before each line, whatever bytes it holds", () =>
    Effect.gen(function* () {
      const text = "a\n\ninit | ready one\r\nb\u001b[2K\0\xff\nlast"
      const bundle = yield* start({ daemons: [`one=prints=${base64(text)}`, `two=complains=${base64(text)}`] })
      yield* bundle.says("one | b?[2K??")
      yield* bundle.says("two ! b?[2K??")
      for (const pid of yield* bundle.others) process.kill(pid, "SIGTERM")
      yield* bundle.says("one | last")
      yield* bundle.says("init | ended one signal SIGTERM")
      const of = (start: string) => bundle.lines().filter((line) => line.startsWith(start))
      assert.deepStrictEqual(of("one"), ["one | a", "one | ", "one | init | ready one", "one | b?[2K??", "one | last"])
      assert.deepStrictEqual(of("two"), ["two ! a", "two ! ", "two ! init | ready one", "two ! b?[2K??", "two ! last"])
      assert.notInclude(bundle.lines(), "init | ready one")
      assert.isTrue(bundle.lines().every((line) => /^[\x20-\x7e]*$/.test(line)))
    })
  )

  live("cuts a line without end, and goes on behind it", () =>
    Effect.gen(function* () {
      const state = yield* directory
      const file = Path.join(state, "daemon.mjs")
      const text = `${"x".repeat(1_000_000)}\nshort\n`
      Fs.writeFileSync(file, `process.stdout.write(${JSON.stringify(text)}); setInterval(() => {}, 60000)`)
      const cut = yield* Running.start([init, state, "1000", file, "one"])
      yield* cut.until((line) => line === "one | short")
      const [first = ""] = cut.lines()
      assert.strictEqual(first.length, BundleOutput.maxLineLength)
      assert.isTrue(first.endsWith("x [cut]"))
    })
  )

  for (const name of ["SIGTERM", "SIGINT"] as const) {
    live(`passes ${name} on to every daemon and ends when they have`, () =>
      Effect.gen(function* () {
        const bundle = yield* start({ daemons: ["one=listens", "two=listens"] })
        yield* bundle.says("init | ready one two")
        bundle.signal(name)
        assert.strictEqual(yield* bundle.ended, name === "SIGTERM" ? 143 : 130)
        for (const daemon of ["one", "two"]) {
          assert.include(bundle.lines(), `${daemon} ! got ${name}`)
          assert.include(bundle.lines(), `init | ended ${daemon} code 0`)
        }
        assert.isEmpty(yield* bundle.others)
        assert.strictEqual(Health.read(bundle.state), "unhealthy: it is being stopped")
      })
    )
  }

  live("kills what has not ended when the grace is over, and only that", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=listens", "two=stubborn"], graceMillis: 300 })
      yield* bundle.says("init | ready one two")
      bundle.signal("SIGTERM")
      assert.strictEqual(yield* bundle.ended, 143)
      const order = bundle.lines().filter((line) => line.startsWith("init"))
      assert.deepStrictEqual(order, [
        "init | ready one two",
        "init | ended one code 0",
        "init ! two is killed: it has not ended within 300 ms",
        "init | ended two signal SIGKILL"
      ])
      assert.include(bundle.lines(), "two ! ignores SIGTERM")
      assert.isEmpty(yield* bundle.others)
    })
  )

  live("passes SIGHUP on, and keeps it back from a daemon that does not listen yet", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=listens", "two=listensLater"] })
      yield* bundle.says("two ! waits")
      yield* bundle.says("one | listening on nowhere")
      bundle.signal("SIGHUP")
      yield* bundle.says("one | reloaded")
      assert.notInclude(bundle.lines(), "two | reloaded")
      for (const pid of yield* bundle.others) {
        if (Fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("listensLater")) process.kill(pid, "SIGUSR1")
      }
      yield* bundle.says("two | reloaded")
      yield* bundle.says("init | ready one two")
    })
  )

  live("keeps the others up when one dies, says so, and is unhealthy", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=exits=7", "two=listens"] })
      yield* bundle.says("init | ended one code 7")
      yield* bundle.says("two | listening on nowhere")
      yield* bundle.becomes("unhealthy: ended: one")
      assert.lengthOf(yield* bundle.others, 1)
      assert.notInclude(bundle.lines(), "init | ready one two")
      bundle.signal("SIGHUP")
      yield* bundle.says("two | reloaded")
      bundle.signal("SIGTERM")
      assert.strictEqual(yield* bundle.ended, 143)
    })
  )

  live("becomes unhealthy when a daemon dies that was healthy", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=listens", "two=listens"] })
      yield* bundle.becomes("healthy")
      for (const pid of (yield* bundle.others).slice(0, 1)) process.kill(pid, "SIGKILL")
      yield* bundle.until((line) => /^init \| ended (one|two) signal SIGKILL$/.test(line))
      assert.match(Health.read(bundle.state), /^unhealthy: ended: (one|two)$/)
      assert.lengthOf(yield* bundle.others, 1)
    })
  )

  live("ends with 1 when every daemon has ended by itself", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=exits=0", "two=exits=3"] })
      assert.strictEqual(yield* bundle.ended, 1)
      assert.includeMembers(
        [...bundle.lines()],
        ["init | ended one code 0", "init | ended two code 3", "init ! every daemon has ended"]
      )
    })
  )

  live("says that a daemon cannot be started, and keeps the others up", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=missing", "two=listens"] })
      yield* bundle.says("init ! one cannot be started: ENOENT")
      yield* bundle.says("init | ended one code 127")
      yield* bundle.says("two | listening on nowhere")
      yield* bundle.becomes("unhealthy: ended: one")
    })
  )

  live("ends what a daemon leaves behind", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=leaves", "two=listens"] })
      const line = yield* bundle.until((said) => said.startsWith("one ! left"))
      yield* bundle.says("init | ended one code 0")
      const left = Number(line.split(" ").at(-1))
      yield* waitUntil(
        Effect.map(bundle.others, (pids) => !pids.includes(left)),
        { boundMillis: 20_000 }
      )
      assert.lengthOf(yield* bundle.others, 1)
    })
  )

  live("holds a daemon up while nobody reads, and takes signals all the same", () =>
    Effect.gen(function* () {
      const count = Path.join(yield* directory, "count")
      const bundle = yield* start({ daemons: [`one=floods=${count}`], isRead: false })
      const written = Effect.sync(() => (Fs.existsSync(count) ? Number(Fs.readFileSync(count, "utf8")) : 0))
      // Nothing is read, so it must come to a halt: the same count as often as it takes to be sure.
      let last = -1
      let same = 0
      yield* waitUntil(
        Effect.map(written, (now) => {
          same = now > 0 && now === last ? same + 1 : 0
          last = now
          return same >= 30
        }),
        { boundMillis: 20_000, everyMillis: 20 }
      )
      assert.isBelow(last, 2000)
      bundle.process.stdout?.once("data", () => {})
      bundle.process.stdout?.resume()
      yield* waitUntil(
        Effect.map(written, (now) => now > last + 2000),
        { boundMillis: 20_000 }
      )
      bundle.process.stdout?.pause()
      bundle.process.stderr?.resume()
      bundle.signal("SIGTERM")
      yield* waitUntil(
        Effect.sync(() => bundle.process.exitCode === 143),
        { boundMillis: 20_000 }
      )
      assert.isEmpty(yield* bundle.others)
    })
  )

  live("stays up when nobody can read what it says", () =>
    Effect.gen(function* () {
      const bundle = yield* start({ daemons: ["one=listens"], isRead: false })
      bundle.process.stdout?.destroy()
      yield* bundle.becomes("healthy")
      bundle.signal("SIGHUP")
      bundle.signal("SIGHUP")
      bundle.signal("SIGTERM")
      yield* waitUntil(
        Effect.sync(() => bundle.process.exitCode === 143),
        { boundMillis: 20_000 }
      )
    })
  )

  live("says once that its state cannot be written, and goes on", () =>
    Effect.gen(function* () {
      const state = Path.join(yield* directory, "missing")
      const bundle = yield* Running.start([init, state, "1000", fixture("daemon.mjs"), "one=listens"])
      yield* bundle.until((line) => line === "init | ready one")
      assert.lengthOf(
        bundle.lines().filter((line) => line.includes("so it will not seem healthy")),
        1
      )
      assert.strictEqual(Health.read(state), "unhealthy: no init has left its state here")
    })
  )
})
