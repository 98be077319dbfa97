import { Interruption } from "@bottle/cli/Interruption"
import { ReloadRequests } from "@bottle/cli/ReloadRequests"
import * as RunMain from "@bottle/cli/RunMain"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

class Exited extends Error {}

/** Node's process as the program sees it, with its end in our hands. */
const makeHost = () => {
  const listeners = new Map<string, () => void>()
  let crash = () => {}
  const state: { code: number | undefined; exited: number | undefined } = { code: undefined, exited: undefined }
  let onEnd: (code: number) => void = () => {}
  const ended = new Promise<number>((resolve) => {
    onEnd = resolve
  })
  const host: RunMain.Host = {
    on: (name, listener) => listeners.set(name, listener),
    onCrash: (listener) => {
      crash = listener
    },
    exit: (code) => {
      state.exited ??= code
      throw new Exited()
    },
    setExitCode: (code) => {
      state.code = code
      onEnd(code)
    },
    flushed: () => {}
  }
  const signal = (name: string) => {
    try {
      listeners.get(name)?.()
    } catch (error) {
      if (!(error instanceof Exited)) throw error
    }
  }
  return { host, state, ended, signal, crash: () => crash() }
}

describe("RunMain.runMain", () => {
  it("sets the exit code that the effect gives, and does not exit by itself", async () => {
    const { ended, host, state } = makeHost()
    RunMain.runMain(host)(Effect.succeed(42))
    assert.strictEqual(await ended, 42)
    assert.isUndefined(state.exited)
  })

  it("takes a defect for 70", async () => {
    const { ended, host } = makeHost()
    RunMain.runMain(host)(Effect.dieMessage("x"))
    assert.strictEqual(await ended, 70)
  })

  for (const [name, code] of [
    ["SIGHUP", 129],
    ["SIGINT", 130],
    ["SIGTERM", 143]
  ] as const) {
    it(`runs the finalizers on ${name}, then ends with ${code}`, async () => {
      const { ended, host, signal, state } = makeHost()
      const seen: Array<string | null> = []
      const started = Effect.runSync(Deferred.make<void>())
      const release = Effect.map(Interruption, (interruption) => seen.push(interruption.signal))
      RunMain.runMain(host)(
        Deferred.succeed(started, undefined).pipe(Effect.zipRight(Effect.never), Effect.ensuring(release))
      )
      await Effect.runPromise(Deferred.await(started))
      signal(name)
      assert.strictEqual(await ended, code)
      assert.deepStrictEqual(seen, [name])
      assert.isUndefined(state.exited)
    })
  }

  it("asks for a reload on SIGUSR2, also before anybody waits for one, and ends nothing", async () => {
    const { ended, host, signal, state } = makeHost()
    const started = Effect.runSync(Deferred.make<void>())
    const begin = Effect.runSync(Deferred.make<void>())
    RunMain.runMain(host)(
      Effect.gen(function* () {
        yield* Deferred.succeed(started, undefined)
        yield* Deferred.await(begin)
        const { next } = yield* ReloadRequests
        yield* next
        return 7
      })
    )
    await Effect.runPromise(Deferred.await(started))
    signal("SIGUSR2")
    signal("SIGUSR2")
    assert.isUndefined(state.exited)
    Effect.runSync(Deferred.succeed(begin, undefined))
    assert.strictEqual(await ended, 7)
  })

  it("exits at once on a second signal, whichever it is", async () => {
    const { host, signal, state } = makeHost()
    const started = Effect.runSync(Deferred.make<void>())
    RunMain.runMain(host)(
      Deferred.succeed(started, undefined).pipe(Effect.zipRight(Effect.never), Effect.ensuring(Effect.never))
    )
    await Effect.runPromise(Deferred.await(started))
    signal("SIGINT")
    assert.isUndefined(state.exited)
    signal("SIGTERM")
    assert.strictEqual(state.exited, 143)
  })

  it("exits at once when only a slow reader keeps it", async () => {
    const { ended, host, signal, state } = makeHost()
    RunMain.runMain(host)(Effect.succeed(0))
    await ended
    signal("SIGINT")
    assert.strictEqual(state.exited, 130)
  })

  it("takes everything down when something fails that no effect knows of", async () => {
    const { crash, ended, host } = makeHost()
    const started = Effect.runSync(Deferred.make<void>())
    let isReleased = false
    RunMain.runMain(host)(
      Deferred.succeed(started, undefined).pipe(
        Effect.zipRight(Effect.never),
        Effect.ensuring(
          Effect.sync(() => {
            isReleased = true
          })
        )
      )
    )
    await Effect.runPromise(Deferred.await(started))
    crash()
    assert.strictEqual(await ended, 70)
    assert.isTrue(isReleased)
  })
})
