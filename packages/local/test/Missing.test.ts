import * as Capture from "@bottle/process/Capture"
import * as Executor from "@bottle/process/Executor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Path from "node:path"
import * as Prerequisites from "../src/Prerequisites.js"
import { note, skip } from "./support/missing.js"
import { everybody, expectOk, layer, machine } from "./support/runner.js"

const nodeInUsr = process.execPath.startsWith("/usr/")

describe(`what the host lacks${note}`, () => {
  it.live("is looked for by name, with something to do about each", () =>
    Effect.gen(function* () {
      const found = yield* Prerequisites.check
      assert.isAbove(found.length, 15)
      for (const one of found) {
        assert.notStrictEqual(one.name, "")
        assert.notStrictEqual(one.detail, "")
        assert.notStrictEqual(one.fix, "")
        assert.notInclude(`${one.name}${one.detail}${one.fix}`, "\n")
      }
      assert.deepStrictEqual(
        found.filter((one) => !one.ok).map((one) => one.name),
        skip ? found.filter((one) => !one.ok).map((one) => one.name) : []
      )
    }).pipe(Effect.provide(Executor.layer))
  )

  const user = everybody.at(-1)

  // A machine forbids namespaces: inside one, the runtime must say that it is this that is missing.
  it.scopedLive.skipIf(skip || user === undefined || !nodeInUsr)(
    "is said precisely when a machine cannot be started, and nothing is left then",
    () =>
      Effect.gen(function* () {
        const runner = yield* (user ?? { make: Effect.die("nobody") }).make
        const bundle = runner.words.at(-1) ?? ""
        const guest = yield* machine(runner, ["-v", `${Path.dirname(bundle)}:/program:ro`])
        const local = (...words: ReadonlyArray<string>) =>
          guest.exec([process.execPath, `/program/${Path.basename(bundle)}`, ...words], { flags: ["-e", "LC_ALL=C"] })
        expectOk(yield* local("machine", "create", "--name", "inner"))
        const refused = yield* local("machine", "start", "--name", "inner")
        assert.strictEqual(refused.code, 1)
        assert.match(refused.stderr, /Error: agent operation failed: start: user\.max_user_namespaces: is 0 \(sysctl/)
        assert.strictEqual((yield* local("machine", "exec", "--name", "inner", "--", "true")).code, 1)
        expectOk(yield* local("machine", "delete", "-f", "--name", "inner"))
        assert.strictEqual(
          (yield* guest.sh(
            'find "$HOME/.local/state/bottle" -type f; ls -A "$HOME/.local/state/bottle/local/machines"'
          )).stdout,
          ""
        )
      }).pipe(Effect.provide(layer)),
    60_000
  )

  it.live("a program that is too old, or missing, is told by its own help", () =>
    Effect.gen(function* () {
      const help = yield* Capture.capture({ program: "/usr/bin/nsenter", args: ["--help"] })
      assert.include(Capture.stdoutText(help), "--wdns")
    }).pipe(Effect.provide(Executor.layer), Effect.orDie)
  )
})
