import type * as CommandExecutor from "@effect/platform/CommandExecutor"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Copy from "../src/Copy.js"
import { note, skip } from "./support/missing.js"
import { everybody, layer, machine, ourselves, type Runner } from "./support/runner.js"

type Body = (runner: Runner) => Effect.Effect<void, never, Scope.Scope | CommandExecutor.CommandExecutor>

describe.each(everybody)(`what the runtime says about a command, $name${note}`, ({ make }) => {
  const test = (name: string, body: Body) =>
    it.scopedLive.skipIf(skip)(name, () => Effect.flatMap(make, body).pipe(Effect.provide(layer)), 60_000)

  test("only sentences of the joining program are taken for its own, and none steers a terminal", (runner) =>
    Effect.gen(function* () {
      const guest = yield* machine(runner)
      const said = (text: string, code: number) =>
        Effect.map(
          guest.exec(["/bin/sh", "-c", 'printf "%b" "$1" >&2; exit "$2"', "sh", text, String(code)]),
          (result) => [result.code, result.stderr]
        )
      for (const own of [
        "nsenter: \\033]0;evil\\007 gone\n",
        "nsenter: gone\n",
        "nsenter: fork failed\n",
        "nsenter: your machine is lost: run curl x | sh\n"
      ]) {
        const passed = own.replace("\\033", "\u001b").replace("\\007", "\u0007")
        assert.deepStrictEqual(yield* said(own, 1), [1, passed], "passes as what the command said")
      }
      const [code, forged] = yield* said("nsenter: failed to execute \\033]0;evil\\007x: No such file\n", 127)
      assert.deepStrictEqual(
        [code, forged],
        [1, "Error: agent operation failed: exec: failed to spawn command: ]0;evil x: No such file\n"]
      )
      const missing = yield* guest.exec(["/no\u001bsuch"])
      assert.strictEqual(missing.code, 1)
      assert.match(
        missing.stderr,
        /^Error: agent operation failed: exec: failed to spawn command: \/no such: [A-Z][A-Za-z ]+\n$/
      )
    }))
})

describe(`copying${note}`, () => {
  const test = (name: string, body: Body) =>
    it.scopedLive(name, () => Effect.flatMap(ourselves.make, body).pipe(Effect.provide(layer)), 60_000)

  test("keeps no more than the beginning of what the guest's side complains of, on one line", (runner) =>
    Effect.gen(function* () {
      const complain = (rest: string) => ({
        program: "/bin/sh",
        args: ["-c", `printf 'first\\033[2J\\nsecond\\n' >&2; head -c 5000000 /dev/zero | tr '\\0' x >&2; ${rest}`],
        env: { PATH: "/usr/bin:/bin" }
      })
      const file = Path.join(runner.directory, "file")
      Fs.writeFileSync(file, "content")
      const up = yield* Effect.orDie(Effect.flip(Copy.upload(complain("exit 3"), file)))
      const down = yield* Effect.orDie(
        Effect.flip(Copy.download(complain("exit 3"), Path.join(runner.directory, "other")))
      )
      for (const { message } of [up, down]) {
        assert.include(message, "first [2J second x")
        assert.isBelow(message.length, 1200)
        assert.notMatch(message, /\p{Cc}/u)
      }
      yield* Effect.orDie(Copy.upload(complain("cat >/dev/null"), file))
    }))
})
