import { attach } from "@bottle/cli/commands/Attach"
import { Interruption } from "@bottle/cli/Interruption"
import type { AttachRequest } from "@bottle/cli/requests/BottleRequest"
import { type FoundBottle } from "@bottle/engine/Bottles"
import { type AttachOutput, BottleGone, type ControlError, ControlRefused } from "@bottle/engine/Control"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Fixture from "./fixtures/bottles.js"

const bytes = (text: string): Uint8Array => Buffer.from(text)

const out = (text: string): AttachOutput => ({ _tag: "Stdout", bytes: bytes(text) })

const exit = (code: number, origin: "guest" | "runtime" | "unknown" = "guest"): AttachOutput => ({
  _tag: "Exit",
  exit: Fixture.exitOf(code, origin)
})

/** A bottle whose main command says this. */
const foundOf = (
  home: string,
  said: (stdin: Stream.Stream<Uint8Array> | undefined) => Stream.Stream<AttachOutput, ControlError>,
  isInteractive = false
): FoundBottle => {
  const plan = Fixture.planOf(home, "a")
  const main = { command: ["sh"], interactive: isInteractive, exit: null }
  const found = Fixture.foundOf(plan, { describe: Effect.succeed(Fixture.describe(plan, { main })) })
  const gone = new BottleGone({ id: plan.id, reason: "ended" })
  return { ...found, gone, control: { ...found.control, gone, attach: (options) => said(options?.stdin) } }
}

const request: AttachRequest = { bottle: "a", format: "text", interactive: false }

const around = (found: FoundBottle, more: Fixture.Around = {}): Fixture.Around => ({
  bottles: Fixture.bottlesOf([], { find: () => Effect.succeed(found) }),
  ...more
})

describe("bottle attach", () => {
  it.live("passes output on byte for byte, and exits as the command does", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const said = Stream.make<Array<AttachOutput>>(
          out("a\u001b[1m"),
          { _tag: "Stderr", bytes: bytes("b") },
          { _tag: "Lost", bytes: 2048 },
          exit(9)
        )
        const told = yield* Fixture.run(home, attach(request), around(foundOf(home, () => said)))
        assert.deepStrictEqual(told, {
          code: 9,
          stdout: "a\u001b[1m",
          stderr: "bbottle: 2.0 KiB came too fast for this reader; the record has them\n"
        })
      })
    )
  )

  const inputs: ReadonlyArray<
    readonly [title: string, asked: boolean, terminal: boolean, takes: boolean, given: boolean]
  > = [
    ["nothing in a pipe", false, false, true, false],
    ["what was asked for with -i", true, false, true, true],
    ["the terminal to a command that takes input", false, true, true, true],
    ["nothing to a command that takes none", false, true, false, false]
  ]
  for (const [title, interactive, isInteractive, takes, given] of inputs) {
    it.live(`gives ${title}`, () =>
      Temp.withTempDir((home) =>
        Effect.gen(function* () {
          const found = foundOf(
            home,
            (stdin) =>
              stdin === undefined
                ? Stream.make(exit(1))
                : Stream.concat(
                    Stream.map(stdin, (chunk) => out(Buffer.from(chunk).toString())),
                    Stream.make(exit(0))
                  ),
            takes
          )
          const { code, stdout } = yield* Fixture.run(
            home,
            attach({ ...request, interactive }),
            around(found, { isInteractive, stdin: Stream.make(bytes("in")) })
          )
          assert.deepStrictEqual([code, stdout], given ? [0, "in"] : [1, ""])
        })
      )
    )
  }

  it.live("says so where there is no command, where the runtime failed, and where the bottle went down", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const refused = new ControlRefused({ id: "a-abc12", reason: "no-main", detail: null })
        const none = yield* Fixture.run(home, attach(request), around(foundOf(home, () => Stream.fail(refused))))
        assert.strictEqual(none.code, 125)
        assert.match(none.stderr, /^bottle: a-abc12: it has no main command\ntry: /)
        const lost = yield* Fixture.run(
          home,
          attach(request),
          around(foundOf(home, () => Stream.make(exit(1, "runtime"))))
        )
        assert.strictEqual(lost.code, 125)
        assert.match(lost.stderr, /^bottle: smolvm-local failed while it ran the command/)
        const gone = yield* Fixture.run(home, attach(request), around(foundOf(home, () => Stream.empty)))
        assert.strictEqual(gone.code, 125)
        assert.match(gone.stderr, /^bottle: a-abc12 went down/)
      })
    )
  )

  it.live("exits as other programs do when nobody reads", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const found = foundOf(home, () => Stream.forever(Stream.make(out("y\n"))))
        const { code, stderr } = yield* Fixture.run(home, attach(request), around(found, { writesMax: 3 }))
        assert.deepStrictEqual([code, stderr], [141, ""])
      })
    )
  )

  it.live("lets go of the command on Ctrl-C", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        const found = foundOf(home, () =>
          Stream.concat(
            Stream.fromEffect(Effect.as(Deferred.succeed(begun, undefined), out("x"))),
            Stream.fromEffect(Effect.never)
          )
        )
        const said: Array<string> = []
        const fiber = yield* Fixture.run(
          home,
          attach(request),
          around(found, { onStderr: (text) => said.push(text) })
        ).pipe(Effect.provideService(Interruption, { signal: "SIGINT" }), Effect.fork)
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(said, ["bottle: let go of a-abc12, which goes on\n"])
      })
    )
  )
})
