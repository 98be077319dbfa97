/** Copies on a real machine of the local runtime. */
import * as Endpoint from "@bottle/smolvm/Transfer"
import { listing } from "@bottle/testing/Listing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Launch from "../src/Launch.js"
import * as Transfer from "../src/Transfer.js"
import { shell, withMachines } from "./fixtures/machines.js"

const TIMEOUT_MILLIS = 60_000

describe("on a machine", () => {
  it.live(
    "what its own tar makes comes out as it is, twice, and goes in again",
    () =>
      withMachines((directory) =>
        Effect.gen(function* () {
          const bottle = yield* Launch.bottle({ source: { _tag: "Bare" }, bundle: "none", workdir: "/tmp" })
          yield* shell(
            bottle,
            `mkdir -p t/a/b; seq 1 100000 >t/a/large; ln -s ../large t/a/b/link; ln t/a/large t/twin; chmod 4750 t/a/large`
          )
          const out = `${directory}/out`
          yield* Transfer.copyOut(bottle, { guest: "t", host: out })
          yield* shell(bottle, "echo changed >t/a/b/new; mkdir t/c")
          // Over the first, which takes more of this machine than a rename.
          const { counts } = yield* Transfer.copyOut(bottle, { guest: "t/.", host: out })
          assert.deepStrictEqual(counts, { files: 3, directories: 3, links: 1, bytes: 588_903 })
          assert.strictEqual(Fs.readFileSync(`${out}/a/b/new`, "utf8"), "changed\n")
          assert.strictEqual(Fs.statSync(`${out}/twin`).mode & 0o7777, 0o750)
          assert.strictEqual(Fs.statSync(`${out}/twin`).nlink, 2)

          yield* Transfer.copyIn(bottle, { host: out, guest: "back" })
          yield* Transfer.copyOut(bottle, { guest: "back", host: `${directory}/again` })
          assert.deepStrictEqual(listing(`${directory}/again`, { times: true }), listing(out, { times: true }))
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "a machine that is asked for by its name is copied to and from as its bottle is",
    () =>
      withMachines((directory) =>
        Effect.gen(function* () {
          const bottle = yield* Launch.bottle({ source: { _tag: "Bare" }, bundle: "none" })
          const machine = yield* Endpoint.endpoint({ name: bottle.plan.machine, workdir: "/tmp", isBare: true })
          const made = `${directory}/made`
          Fs.mkdirSync(`${made}/sub`, { recursive: true })
          Fs.writeFileSync(`${made}/sub/all`, Buffer.from(Array.from({ length: 500_000 }, (_, at) => at % 256)))
          Fs.chmodSync(`${made}/sub/all`, 0o751)
          yield* Endpoint.copyIn(machine, { host: made, guest: "t" })
          const events = yield* Stream.runCollect(
            Endpoint.copyOutStream(machine, { guest: "t", host: `${directory}/out` })
          )
          assert.strictEqual(Array.from(events).at(-1)?._tag, "Copied")
          assert.deepStrictEqual(listing(`${directory}/out`, { times: true }), listing(made, { times: true }))
          yield* Endpoint.fileIn(machine, { host: `${made}/sub/all`, guest: "one", mode: 0o640 })
          assert.strictEqual(yield* shell(bottle, "stat -c %a /tmp/one"), "640")
          yield* Endpoint.fileOut(machine, { guest: "one", host: `${directory}/one` })
          assert.isTrue(Fs.readFileSync(`${directory}/one`).equals(Fs.readFileSync(`${made}/sub/all`)))
        })
      ),
    TIMEOUT_MILLIS
  )

  it.live(
    "a command's output leaves the caller's scope as it was",
    () =>
      withMachines(() =>
        Effect.gen(function* () {
          const bottle = yield* Launch.bottle({ source: { _tag: "Bare" }, bundle: "none" })
          const before = yield* Effect.scope
          yield* Stream.runDrain(bottle.stream({ command: ["echo", "x"] }))
          assert.strictEqual(yield* Effect.scope, before)
        })
      ),
    TIMEOUT_MILLIS
  )
})
