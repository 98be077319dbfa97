import type { CredentialSource } from "@bottle/egress/PolicyDocument"
import * as Executor from "@bottle/process/Executor"
import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Credentials from "../src/Credentials.js"
import type { Mount } from "../src/LaunchOptions.js"
import { bare, planOf } from "./fixtures/plans.js"

const VALUE = "s3cret-of-the-test"

/** Reads one credential, `api`, and gives its value. */
const read = (source: CredentialSource, options: Partial<Credentials.ReadOptions> = {}) =>
  Credentials.read(new Map([["api", { source }]]), { environment: {}, mounts: [], ...options }).pipe(
    Effect.map((values) => Redacted.value(values.get("api") ?? Redacted.make("nothing was read"))),
    Effect.provide(Layer.merge(NodeFileSystem.layer, Executor.layer))
  )

/** Why it is not read. No word of an error is the value's, whatever it was. */
const refusal = (source: CredentialSource, options: Partial<Credentials.ReadOptions> = {}) =>
  Effect.map(Effect.flip(read(source, options)), (error) => {
    assert.notInclude(JSON.stringify(error), VALUE)
    assert.notInclude(`${error.message} ${error.suggestion}`, VALUE)
    assert.notInclude(error.message, "\n")
    assert.strictEqual(error.name, "api")
    return `${error.source}: ${error.message}; ${error.suggestion}`
  })

const at = (directory: string, readonly = false): Mount => ({ host: directory, guest: "/work", readonly })

describe("a credential from a variable", () => {
  it.effect("is its value, and one that is not set or empty says how to set it", () =>
    Effect.gen(function* () {
      const environment = { API_KEY: VALUE, EMPTY: "" }
      assert.strictEqual(yield* read({ env: "API_KEY" }, { environment }), VALUE)
      assert.strictEqual(
        yield* refusal({ env: "OTHER" }, { environment }),
        "env: credential api: the variable OTHER is not set here; Set it and launch again: read -rs OTHER && export OTHER"
      )
      assert.match(yield* refusal({ env: "EMPTY" }, { environment }), /the variable EMPTY is empty here/)
      assert.match(yield* refusal({ env: "toString" }, { environment }), /the variable toString is not set here/)
    })
  )

  it.effect("is refused where no header could carry it, without being repeated", () =>
    Effect.gen(function* () {
      const reason = (value: string) => refusal({ env: "K" }, { environment: { K: value } })
      assert.match(yield* reason(`${VALUE}\r\nhost: evil.example`), /its value has more than one line/)
      assert.match(yield* reason(`${VALUE}\n`), /its value has more than one line/)
      for (const odd of [`${VALUE}\0`, `${VALUE} `, ` ${VALUE}`, `${VALUE}é`, `\t${VALUE}`]) {
        assert.match(yield* reason(odd), /a character that no header carries, or a space at an end/)
      }
      assert.match(yield* reason(VALUE.repeat(1000)), /its value is longer than 16384 bytes/)
      assert.strictEqual(
        yield* read({ env: "K" }, { environment: { K: `${VALUE} with a space` } }),
        `${VALUE} with a space`
      )
    })
  )
})

describe("a credential from a file", () => {
  it.live("is its text without the last line feed, also below ~/", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/key`
        const environment = { HOME: directory }
        for (const text of [VALUE, `${VALUE}\n`, `${VALUE}\r\n`]) {
          Fs.writeFileSync(file, text, { mode: 0o600 })
          assert.strictEqual(yield* read({ file }), VALUE)
          assert.strictEqual(yield* read({ file: "~/key" }, { environment }), VALUE)
        }
        Fs.writeFileSync(file, `${VALUE}\n\n`)
        assert.match(yield* refusal({ file }), /its value has more than one line/)
        Fs.writeFileSync(file, "")
        assert.match(yield* refusal({ file }), /its value is empty/)
        assert.match(yield* refusal({ file: "~/key" }), /HOME is not set, so ~\/key leads nowhere/)
        assert.match(yield* refusal({ file: "~/other" }, { environment }), /there is no file .*\/other/)
      })
    )
  )

  it.live("is a regular one of a bounded length", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        assert.match(yield* refusal({ file: directory }), /is not a regular file/)
        ChildProcess.execFileSync("mkfifo", [`${directory}/pipe`])
        assert.match(yield* refusal({ file: `${directory}/pipe` }), /is not a regular file/)
        Fs.writeFileSync(`${directory}/long`, VALUE.repeat(1000), { mode: 0o600 })
        assert.match(yield* refusal({ file: `${directory}/long` }), /is longer than 16384 bytes/)
      })
    )
  )

  it.live("is refused where others can write to it, and told where they can read it", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/key`
        Fs.writeFileSync(file, VALUE)
        const told: Array<Credentials.Notice> = []
        const onNotice = (notice: Credentials.Notice) => Effect.sync(() => void told.push(notice))
        Fs.chmodSync(file, 0o600)
        assert.strictEqual(yield* read({ file }, { onNotice }), VALUE)
        assert.deepStrictEqual(told, [])
        for (const mode of [0o640, 0o604]) {
          Fs.chmodSync(file, mode)
          assert.strictEqual(yield* read({ file }, { onNotice }), VALUE)
        }
        assert.deepStrictEqual(told, [
          { _tag: "FileReadable", name: "api", file },
          { _tag: "FileReadable", name: "api", file }
        ])
        for (const mode of [0o620, 0o602]) {
          Fs.chmodSync(file, mode)
          assert.match(yield* refusal({ file }), /other users can write to .*; chmod 600 /)
        }
      })
    )
  )

  it.live("is refused where another user could put another file in its place, and not below /tmp", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const keys = `${directory}/keys`
        Fs.mkdirSync(keys)
        Fs.writeFileSync(`${keys}/key`, VALUE, { mode: 0o600 })
        Fs.symlinkSync(`${keys}/key`, `${directory}/link`)
        for (const mode of [0o700, 0o755, 0o1777]) {
          Fs.chmodSync(keys, mode)
          assert.strictEqual(yield* read({ file: `${directory}/link` }), VALUE)
        }
        for (const mode of [0o770, 0o707]) {
          Fs.chmodSync(keys, mode)
          assert.match(
            yield* refusal({ file: `${directory}/link` }),
            /other users can write to .*\/keys, on the way to .*\/link; chmod go-w .*\/keys$/
          )
        }
        Fs.chmodSync(keys, 0o700)
        // Nobody but root can give a file away.
        if (process.getuid?.() !== 0) return
        Fs.chownSync(`${keys}/key`, 34_567, 34_567)
        assert.match(yield* refusal({ file: `${keys}/key` }), /another user owns .*\/keys\/key; Keep the file/)
      })
    )
  )

  it.live("is refused where the guest could change it or read it, through every link", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        for (const name of ["own", "shared"]) Fs.mkdirSync(`${directory}/${name}`)
        for (const name of ["own/key", "shared/key"]) Fs.writeFileSync(`${directory}/${name}`, VALUE, { mode: 0o600 })
        Fs.symlinkSync("../own/key", `${directory}/shared/link`)
        Fs.symlinkSync("../shared/key", `${directory}/own/link`)
        const mounts = [at(`${directory}/shared`)]
        assert.strictEqual(yield* read({ file: `${directory}/own/key` }, { mounts }), VALUE)
        for (const name of ["shared/key", "shared/link", "own/link"]) {
          assert.match(yield* refusal({ file: `${directory}/${name}` }, { mounts }), /the guest can change /)
        }
        const readonly = [at(`${directory}/shared`, true)]
        for (const name of ["shared/key", "own/link"]) {
          assert.match(yield* refusal({ file: `${directory}/${name}` }, { mounts: readonly }), /the guest can read /)
        }
        assert.strictEqual(yield* read({ file: `${directory}/shared/link` }, { mounts: readonly }), VALUE)
      })
    )
  )
})

describe("a credential from a command", () => {
  it.live("is what it prints, with the user's environment, no shell and nothing to read", () =>
    Effect.gen(function* () {
      const environment = { PATH: "/usr/bin:/bin", THE_KEY: VALUE, https_proxy: "http://proxy.example" }
      const sh = (script: string): CredentialSource => ({ command: ["sh", "-c", script] })
      assert.strictEqual(yield* read(sh('cat; test -n "$https_proxy" && echo "$THE_KEY"'), { environment }), VALUE)
      assert.strictEqual(yield* read({ command: ["echo", "$THE_KEY"] }, { environment }), "$THE_KEY")
      const failed = yield* refusal(sh('echo "$THE_KEY" >&2; echo "$THE_KEY"; exit 3'), { environment })
      assert.match(failed, /^command: credential api: sh ended with exit code 3; Run the command by hand/)
      assert.match(yield* refusal(sh("kill -9 $$"), { environment }), /sh was killed by SIGKILL/)
      assert.match(yield* refusal(sh('printf "$THE_KEY\\n$THE_KEY"'), { environment }), /more than one line/)
      assert.match(yield* refusal(sh("printf '\\377'"), { environment }), /printed something other than text/)
      assert.match(yield* refusal(sh("yes"), { environment }), /sh wrote more than 65536 bytes/)
      assert.match(yield* refusal({ command: ["/nowhere/op"] }, { environment }), /\/nowhere\/op: program not found/)
    })
  )

  it.live("is not run where the guest could have changed it, by its path or in PATH", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        for (const name of ["own", "shared"]) {
          Fs.mkdirSync(`${directory}/${name}`)
          Fs.writeFileSync(`${directory}/${name}/get-key`, `#!/bin/sh\necho ${VALUE}\n`, { mode: 0o755 })
        }
        const mounts = [at(`${directory}/shared`)]
        const found = (...names: ReadonlyArray<string>) => ({
          PATH: [...names.map((name) => `${directory}/${name}`), "/usr/bin:/bin"].join(":")
        })
        const byName: CredentialSource = { command: ["get-key"] }
        assert.strictEqual(yield* read({ command: [`${directory}/own/get-key`] }, { mounts }), VALUE)
        assert.strictEqual(yield* read(byName, { mounts, environment: found("own", "shared") }), VALUE)
        assert.match(
          yield* refusal({ command: [`${directory}/shared/get-key`] }, { mounts }),
          /the guest can change the program .*\/shared\/get-key, below its mount .*\/shared;/
        )
        const changed = yield* refusal(byName, { mounts, environment: found("shared", "own") })
        assert.match(changed, /the guest can change the program get-key/)
        const readonly = [at(`${directory}/shared`, true)]
        assert.strictEqual(yield* read(byName, { mounts: readonly, environment: found("shared") }), VALUE)
        const script = (name: string): CredentialSource => ({ command: ["sh", `${directory}/${name}/get-key`] })
        const environment = { PATH: "/usr/bin:/bin" }
        assert.strictEqual(yield* read(script("own"), { mounts, environment }), VALUE)
        assert.match(
          yield* refusal(script("shared"), { mounts, environment }),
          /the guest can change \/.*\/shared\/get-key, below its mount/
        )
        const whole: CredentialSource = { command: ["ls", `${directory}/shared`] }
        assert.match(
          yield* refusal(whole, { mounts, environment }),
          /the guest can change \/.*\/shared, below its mount/
        )
        // What cannot be run is passed over, here as where the program is looked for.
        Fs.chmodSync(`${directory}/own/get-key`, 0o644)
        const shadowed = { mounts, environment: found("own", "shared") }
        assert.match(yield* refusal(byName, shadowed), /the guest can change the program get-key/)
      })
    )
  )

  it.live("is not run in the directory of whoever launches, whose files it could take for its own", () =>
    Effect.gen(function* () {
      const environment = { PATH: "/usr/bin:/bin" }
      assert.strictEqual(yield* read({ command: ["sh", "-c", "pwd"] }, { environment }), "/")
    })
  )

  it.effect("is waited for, which is told, and for 30 s at most", () =>
    Effect.gen(function* () {
      const told: Array<Credentials.Notice> = []
      const fiber = yield* Credentials.read(new Map([["api", { source: { command: ["op", "read"] } }]]), {
        environment: {},
        mounts: [],
        onNotice: (notice) => Effect.sync(() => void told.push(notice))
      }).pipe(
        Effect.flip,
        Effect.provide(Layer.merge(NodeFileSystem.layer, CommandScript.layer([{ match: ["op", "read"], hang: true }]))),
        Effect.fork
      )
      yield* TestClock.adjust(1999)
      assert.deepStrictEqual(told, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(told, [{ _tag: "CommandSlow", name: "api", program: "op", timeoutMillis: 30_000 }])
      yield* TestClock.adjust(28_000)
      assert.match((yield* Fiber.join(fiber)).message, /credential api: op did not answer within 30 s/)
    })
  )

  it.live("ends when who waits for it is interrupted, or when another credential cannot be had", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const environment = { PATH: "/usr/bin:/bin" }
        const slow = (name: string): CredentialSource => ({
          command: ["sh", "-c", `echo $$ > ${directory}/${name}; exec sleep 1000`]
        })
        const pid = (name: string) =>
          Effect.suspend(() => {
            const file = `${directory}/${name}`
            const text = Fs.existsSync(file) ? Fs.readFileSync(file, "utf8") : ""
            return text.endsWith("\n") ? Effect.succeed(Number(text)) : Effect.fail("not yet")
          }).pipe(Effect.retry({ while: () => true }), Effect.timeout("10 seconds"))
        const fiber = yield* Effect.fork(read(slow("one"), { environment }))
        const one = yield* pid("one")
        yield* Fiber.interrupt(fiber)
        assert.isFalse(Fs.existsSync(`/proc/${one}`))

        const credentials = new Map<string, { readonly source: CredentialSource }>([
          ["slow", { source: slow("two") }],
          ["wrong", { source: { command: ["sh", "-c", `while ! [ -s ${directory}/two ]; do :; done; exit 1`] } }]
        ])
        const error = yield* Effect.flip(Credentials.read(credentials, { environment, mounts: [] })).pipe(
          Effect.provide(Layer.merge(NodeFileSystem.layer, Executor.layer))
        )
        assert.strictEqual(error.name, "wrong")
        assert.isFalse(Fs.existsSync(`/proc/${yield* pid("two")}`))
      })
    )
  )
})

describe("the credentials of a plan", () => {
  const plan = planOf({
    ...bare,
    secrets: ["TOKEN"],
    credentials: {
      api: { source: { env: "API_KEY" }, header: "x-api-key", upstream: "https://api.example.com" },
      git: { source: { command: ["pass", "git"] }, header: "authorization", upstream: "https://git.example.com" }
    }
  })

  it.effect("are taken from what a launch is given, and nothing else is", () =>
    Effect.gen(function* () {
      const given = new Map(["api", "git", "other"].map((name) => [name, Redacted.make(`${VALUE}-${name}`)]))
      assert.deepStrictEqual([...(yield* Credentials.take(plan, given)).keys()], ["api", "git"])
      const missing = yield* Effect.flip(Credentials.take(plan, new Map([["api", Redacted.make(VALUE)]])))
      assert.strictEqual(missing.message, "credential git: no value was given for it")
      const broken = yield* Effect.flip(Credentials.take(plan, given.set("git", Redacted.make(`${VALUE}\r\nx: y`))))
      assert.strictEqual(broken.message, "credential git: its value has more than one line")
      assert.deepStrictEqual(yield* Credentials.take(planOf(bare), given), new Map())
    })
  )

  it.effect("are no secrets of its guest by another name", () =>
    Effect.gen(function* () {
      const credentials = new Map([["api", Redacted.make(VALUE)]])
      const secret = (value: string) => new Map([["TOKEN", Redacted.make(value)]])
      yield* Credentials.refuseShared(secret(`${VALUE}-other`), credentials)
      const refused = yield* Effect.flip(Credentials.refuseShared(secret(VALUE), credentials))
      assert.strictEqual(
        refused.message,
        "env: TOKEN would give the guest the value that the credential api keeps from it"
      )
    })
  )

  it.live("are not read from what the guest sees, and a workspace is that, also where it is a copy", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/key`
        Fs.writeFileSync(file, VALUE, { mode: 0o600 })
        const credentials = { api: { source: { file }, header: "x-api-key", upstream: "https://api.example.com" } }
        const { egress, guest } = planOf({ ...bare, credentials })
        const forPlan = (mode: "copy" | "ro" | "rw" | null, mounts: ReadonlyArray<Mount> = []) =>
          Credentials.forPlan(
            {
              egress,
              guest: { ...guest, mounts },
              workspace: mode === null ? null : { source: directory, mode, copy: null }
            },
            { environment: {} }
          ).pipe(Effect.provide(Layer.merge(NodeFileSystem.layer, Executor.layer)))
        assert.strictEqual((yield* forPlan(null)).size, 1)
        for (const [mode, what] of [
          ["copy", "read"],
          ["ro", "read"],
          ["rw", "change"]
        ] as const) {
          assert.include((yield* Effect.flip(forPlan(mode))).message, `the guest can ${what} ${file}`)
        }
        assert.include((yield* Effect.flip(forPlan(null, [at(directory)]))).message, "the guest can change")
      })
    )
  )

  it("have variables on the host that no process of the bottle's needs, and a source that can be shown", () => {
    assert.deepStrictEqual(Credentials.hiddenVariables(plan), ["TOKEN", "API_KEY"])
    assert.deepStrictEqual(Credentials.hiddenVariables(planOf(bare)), [])
    assert.strictEqual(Credentials.sourceText({ env: "API_KEY" }), "the variable API_KEY")
    assert.strictEqual(Credentials.sourceText({ file: "~/k\ney" }), "the file ~/k\\x0aey")
    assert.strictEqual(Credentials.sourceText({ command: ["pass", "git"] }), "the command pass git")
  })
})
