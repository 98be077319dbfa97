import * as PolicyEdit from "@bottle/cli/PolicyEdit"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Fs from "node:fs"

const edited = (text: string, entry = "new.example:443"): string => Either.getOrThrow(PolicyEdit.edit(text, entry))

describe("PolicyEdit.edit", () => {
  it("adds one entry, and leaves the rest as it stands", () => {
    const cases: ReadonlyArray<readonly [string, string]> = [
      ["{}\n", `{\n  "allow": [\n    "new.example:443"\n  ]\n}\n`],
      [`{"allow": ["a.example", "b.example"]}`, `{"allow": ["a.example", "b.example", "new.example:443"]}`],
      [
        `{\n    "allow": [\n        "a.example",\n        {"host": "b.example", "ports": [8443]}\n    ],\n    "deny": ["c.example"]\n}\n`,
        `{\n    "allow": [\n        "a.example",\n        {"host": "b.example", "ports": [8443]},\n        "new.example:443"\n    ],\n    "deny": ["c.example"]\n}\n`
      ],
      [
        `{\r\n\t"allow": [\r\n\t\t"a.example"\r\n\t]\r\n}\r\n`,
        `{\r\n\t"allow": [\r\n\t\t"a.example",\r\n\t\t"new.example:443"\r\n\t]\r\n}\r\n`
      ],
      [`{\n  "allow": []\n}`, `{\n  "allow": [\n    "new.example:443"\n  ]\n}`]
    ]
    for (const [before, after] of cases) assert.strictEqual(edited(before), after)
  })

  it("changes nothing where the entry is there, in whatever spelling", () => {
    const text = `{"allow": [{"host": "NEW.example", "ports": [443]}]}`
    assert.strictEqual(edited(text), text)
  })

  it("takes no text that is no policy, and no entry that is none", () => {
    assert.isTrue(Either.isLeft(PolicyEdit.edit(`{"alow": []}`, "new.example:443")))
    assert.isTrue(Either.isLeft(PolicyEdit.edit("{}", "no entry")))
  })
})

describe("PolicyEdit.save", () => {
  it.live("makes the file, keeps the mode and the link of one that is there, and loses nothing of many at once", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/policy.json`
        assert.deepStrictEqual(yield* PolicyEdit.save(file, "a.example:443", []), { isNew: true })
        Fs.chmodSync(file, 0o640)
        const link = `${directory}/link.json`
        Fs.symlinkSync(file, link)
        const entries = Array.from({ length: 8 }, (_, at) => `h${at}.example:443`)
        yield* Effect.forEach(entries, (entry) => PolicyEdit.save(link, entry, []), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* PolicyEdit.save(file, "h3.example:443", []), { isNew: false })
        assert.isTrue(Fs.lstatSync(link).isSymbolicLink())
        assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o640)
        const { allow } = JSON.parse(Fs.readFileSync(file, "utf8"))
        assert.sameMembers(allow, ["a.example:443", ...entries])
        assert.deepStrictEqual(Fs.readdirSync(directory).toSorted(), ["link.json", "policy.json"])
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("writes no file that the guest could change, and one beside it", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        Fs.mkdirSync(`${directory}/shared`)
        Fs.mkdirSync(`${directory}/own`)
        const mount = { host: `${directory}/shared`, guest: "/shared", readonly: false }
        const refused = yield* Effect.flip(PolicyEdit.save(`${directory}/shared/p.json`, "a.example:443", [mount]))
        assert.match(refused.message, /the guest can change it/)
        assert.deepStrictEqual(Fs.readdirSync(`${directory}/shared`), [])
        yield* PolicyEdit.save(`${directory}/own/p.json`, "a.example:443", [mount])
        yield* PolicyEdit.save(`${directory}/shared/q.json`, "a.example:443", [{ ...mount, readonly: true }])
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("leaves what it cannot mend as it is", () =>
    Temp.withTempDir((directory) =>
      Effect.gen(function* () {
        const file = `${directory}/policy.json`
        Fs.writeFileSync(file, `{"alow": []}`)
        const refused = yield* Effect.flip(PolicyEdit.save(file, "a.example:443", []))
        assert.match(refused.message, /alow/)
        assert.strictEqual(Fs.readFileSync(file, "utf8"), `{"alow": []}`)
        assert.deepStrictEqual(Fs.readdirSync(directory), ["policy.json"])
        const elsewhere = yield* Effect.flip(PolicyEdit.save(`${directory}/no/p.json`, "a.example:443", []))
        assert.match(elsewhere.message, /cannot be written to/)
      })
    ).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
