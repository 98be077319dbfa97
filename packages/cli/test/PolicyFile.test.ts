import * as PolicyFile from "@bottle/cli/PolicyFile"
import type { Mount } from "@bottle/engine/LaunchOptions"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"

const read = (file: string, mounts: ReadonlyArray<Mount> = []) =>
  PolicyFile.read(file, mounts).pipe(Effect.provide(NodeFileSystem.layer))

const refusal = (file: string, mounts: ReadonlyArray<Mount> = []) =>
  Effect.map(Effect.flip(read(file, mounts)), (error) => `${error._tag} ${error.message}`)

const writable = (host: string): Mount => ({ host, guest: "/x", readonly: false })

describe("PolicyFile.read", () => {
  it.live("reads a document, and says what is wrong with one, on one line", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/policy.json`
        Fs.writeFileSync(file, `{"allow": ["Example.COM:443", {"host": "*.b.example", "ports": [8443]}]}`)
        const document = yield* read(file)
        assert.deepStrictEqual(document.allow, ["example.com:443", "*.b.example:8443"])

        const broken: ReadonlyArray<readonly [text: string, reason: RegExp]> = [
          ["", /policy\.json: /],
          ["{", /policy\.json: /],
          [`{"alow": []}`, /alow.*allow/],
          [`{"allow": ["http://x/"]}`, /allow\[0\].*more than a host and a port/],
          [`{"allow": [1]}`, /allow\[0\]/]
        ]
        for (const [text, reason] of broken) {
          Fs.writeFileSync(file, text)
          const error = yield* Effect.flip(read(file))
          assert.strictEqual(error._tag, "PolicyFileRefused")
          assert.match(`${error.message} ${error.suggestion}`, reason)
          assert.notInclude(error.message, "\n")
          assert.notStrictEqual(error.suggestion, "")
        }
      })
    )
  )

  it.live("takes regular files of a bounded length only", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        assert.match(yield* refusal(`${directory}/none.json`), /none\.json: there is no such file$/)
        assert.match(yield* refusal(directory), /it is not a file$/)
        ChildProcess.execFileSync("mkfifo", [`${directory}/pipe`])
        assert.match(yield* refusal(`${directory}/pipe`), /it is not a file$/)
        Fs.writeFileSync(`${directory}/long.json`, `{}${" ".repeat(1024 * 1024)}`)
        assert.match(yield* refusal(`${directory}/long.json`), /it is longer than 1048576 bytes$/)
      })
    )
  )

  it.live("refuses what the guest could change, through every link, and takes what it cannot", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const at = (name: string) => `${directory}/${name}`
        for (const name of ["shared/sub", "own/sub", "real"]) Fs.mkdirSync(at(name), { recursive: true })
        for (const name of ["shared/p.json", "shared/sub/p.json", "own/p.json", "own/sub/p.json"]) {
          Fs.writeFileSync(at(name), "{}")
        }
        Fs.symlinkSync("../shared/p.json", at("own/link.json"))
        Fs.symlinkSync("../own/sub", at("shared/out"))
        Fs.symlinkSync("shared/../own", at("by-name"))
        Fs.symlinkSync("shared/out/../p.json", at("through.json"))
        Fs.symlinkSync("loop", at("loop"))
        Fs.symlinkSync("shared", at("mounted"))
        const mounts = [writable(at("shared"))]

        for (const name of [
          "shared/p.json",
          "shared/sub/p.json",
          "own/link.json",
          "shared/out/p.json",
          "through.json"
        ]) {
          assert.match(yield* refusal(at(name), mounts), /^PolicyFileInMount .*the guest can change it/, name)
          yield* read(at(name))
          yield* read(
            at(name),
            mounts.map((mount) => ({ ...mount, readonly: true }))
          )
        }
        for (const name of ["own/p.json", "own/sub/p.json", "by-name/p.json"]) yield* read(at(name), mounts)
        assert.match(yield* refusal(at("shared/p.json"), [writable(at("mounted"))]), /^PolicyFileInMount/)
        assert.match(yield* refusal(at("own/p.json"), [writable("/")]), /^PolicyFileInMount/)
        // A directory beside it whose name begins alike is another one.
        yield* read(at("own/p.json"), [writable(at("ow"))])
        assert.match(yield* refusal(at("loop"), mounts), /^PolicyFileRefused .*it cannot be read$/)
      })
    )
  )
})
