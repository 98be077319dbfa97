import * as Keyboard from "@bottle/cli/Keyboard"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { PassThrough } from "node:stream"

/** A terminal in memory: what it is told of its mode, and a hang-up as one that fails whatever it is told. */
const terminal = () => {
  const modes: Array<boolean> = []
  let isThere = true
  const stdin = Object.assign(new PassThrough(), {
    setRawMode: (isRaw: boolean) => {
      if (!isThere) throw new Error("EIO")
      modes.push(isRaw)
    }
  })
  const stdout = Object.assign(new PassThrough(), { columns: 123, rows: 41 })
  return {
    modes,
    stdin,
    stdout,
    hangUp: () => {
      isThere = false
      stdin.end()
    },
    keyboard: Keyboard.make({
      stdin: () => stdin,
      stdout,
      isTerminal: true
    })
  }
}

describe("Keyboard", () => {
  it.live("takes keys as they are read at once, and gives the terminal back", () =>
    Effect.gen(function* () {
      const { keyboard, modes, stdin, stdout } = terminal()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const events = yield* keyboard.open
          assert.deepStrictEqual(modes, [true])
          stdin.write("b")
          assert.deepStrictEqual(yield* Queue.take(events), { _tag: "Keys", keys: "b" })
          stdin.write(Buffer.from([0x1b, 0x5b, 0x41]))
          assert.deepStrictEqual(yield* Queue.take(events), { _tag: "Keys", keys: "\u001b[A" })
          stdout.emit("resize")
          assert.deepStrictEqual(yield* Queue.take(events), { _tag: "Resized" })
          assert.deepStrictEqual(keyboard.size(), { columns: 123, rows: 41 })
        })
      )
      assert.deepStrictEqual(modes, [true, false])
      assert.isTrue(stdin.destroyed)
      assert.strictEqual(stdout.listenerCount("resize"), 0)
    })
  )

  it.live("says that a terminal hung up, and does not fail over one that takes no mode any more", () =>
    Effect.gen(function* () {
      const { hangUp, keyboard, modes } = terminal()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const events = yield* keyboard.open
          hangUp()
          assert.deepStrictEqual(yield* Queue.take(events), { _tag: "HungUp" })
        })
      )
      assert.deepStrictEqual(modes, [true])
    })
  )

  it.live("keeps no more of what is typed than anybody types, and still tells of the window", () =>
    Effect.gen(function* () {
      const { keyboard, stdin, stdout } = terminal()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const events = yield* keyboard.open
          for (let at = 0; at < 500; at++) stdin.emit("data", Buffer.from("b"))
          stdout.emit("resize")
          const kept = [...(yield* Queue.takeAll(events))]
          assert.lengthOf(kept, 65)
          assert.deepStrictEqual(kept.at(-1), { _tag: "Resized" })
        })
      )
    })
  )
})
