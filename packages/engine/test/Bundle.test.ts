import * as Policy from "@bottle/egress/Policy"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import { Bundle, layerProcess } from "../src/Bundle.js"

const start = (socket: string) =>
  Effect.flatMap(Bundle, (bundle) => bundle.start({ policy: Policy.empty, socket, socketMode: 0o600 }))

describe("Bundle.layerProcess", () => {
  it.live("listens on its socket, and says that it died when its real proxy has stopped", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const socket = `${directory}/egress.sock`
        const scope = yield* Scope.make()
        const running = yield* Scope.extend(start(socket), scope)
        assert.isTrue(Fs.statSync(socket).isSocket())
        assert.strictEqual(Fs.statSync(socket).mode & 0o777, 0o600)
        const fiber = yield* Effect.fork(Effect.flip(running.died))
        yield* Scope.close(scope, Exit.void)
        const error = yield* Effect.timeout(Fiber.join(fiber), "10 seconds")
        assert.strictEqual(error._tag, "BundleDied")
        assert.isFalse(Fs.existsSync(socket))
      })
    ).pipe(Effect.provide(layerProcess))
  )

  it.live("fails with what to do where it cannot listen", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Effect.scoped(start(`${directory}/${"x".repeat(120)}`)))
        assert.strictEqual(error._tag, "BundleFailed")
        assert.notStrictEqual(error.suggestion, "")
      })
    ).pipe(Effect.provide(layerProcess))
  )
})
