import { listing } from "@bottle/testing/Listing"
import * as Survivors from "@bottle/testing/Survivors"
import * as Temp from "@bottle/testing/Temp"
import * as Wait from "@bottle/testing/Wait"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Fs from "node:fs"
import * as Transfer from "../src/Transfer.js"
import { hostSmolvm } from "./fixtures/hostSmolvm.js"

const tree = (at: string): void => {
  Fs.mkdirSync(`${at}/sub`, { recursive: true })
  Fs.writeFileSync(`${at}/run`, "#!/bin/sh\n", { mode: 0o755 })
  Fs.writeFileSync(`${at}/sub/all bytes`, Buffer.from(Array.from({ length: 600_000 }, (_, at) => at % 256)))
  Fs.chmodSync(`${at}/sub`, 0o750)
  Fs.symlinkSync("sub/all bytes", `${at}/link`)
}

describe("Transfer.endpoint", () => {
  for (const version of ["1.9.3", "1.5.2", "0.8.0"] as const) {
    it.live(`smolvm ${version}: a directory goes in and comes out again, byte for byte and with its modes`, () =>
      Temp.withTempDir((directory) => {
        const smolvm = hostSmolvm(directory, version)
        return Effect.gen(function* () {
          const machine = yield* Transfer.endpoint({ name: "m", workdir: directory })
          // A file in the guest stands in /tmp then: this machine, which is the guest, need not have a /workspace.
          const direct = { ...machine, capabilities: { ...machine.capabilities, cpReachesWorkload: true } }
          tree(`${directory}/tree`)
          const { counts } = yield* Transfer.copyIn(direct, { host: `${directory}/tree`, guest: "in" })
          assert.deepStrictEqual(counts, { files: 2, directories: 2, links: 1, bytes: 600_010 })
          const out = Transfer.copyOutStream(direct, { guest: "in", host: `${directory}/out` })
          assert.strictEqual(Array.from(yield* Stream.runCollect(out)).at(-1)?._tag, "Copied")
          const before = listing(`${directory}/tree`, { times: true })
          assert.deepStrictEqual(listing(`${directory}/in`, { times: true }), before)
          assert.deepStrictEqual(listing(`${directory}/out`, { times: true }), before)
          // As a file where this release can deadlock over so much input.
          const cps = smolvm.asked().filter(([, second]) => second === "cp")
          assert.strictEqual(cps.length, version === "1.9.3" ? 0 : 1)
          assert.deepStrictEqual(Fs.readdirSync(machine.directory), [])
          assert.strictEqual(Fs.statSync(machine.directory).mode & 0o777, 0o700)
          return machine.directory
        }).pipe(
          Effect.scoped,
          Effect.provide(smolvm.layer),
          Effect.map((aside) => assert.isFalse(Fs.existsSync(aside)))
        )
      })
    )
  }

  it.live("a file goes by machine cp, with the option for its mode, and comes by it", () =>
    Temp.withTempDir((directory) => {
      const smolvm = hostSmolvm(directory, "1.9.3")
      return Effect.gen(function* () {
        Fs.mkdirSync(`${directory}/aside`)
        const machine = yield* Transfer.endpoint({ name: "m", directory: `${directory}/aside` })
        Fs.writeFileSync(`${directory}/file`, "x")
        yield* Transfer.fileIn(machine, { host: `${directory}/file`, guest: `${directory}/in`, mode: 0o751 })
        yield* Transfer.fileOut(machine, { guest: `${directory}/in`, host: `${directory}/out`, mode: 0o600 })
        assert.strictEqual(Fs.statSync(`${directory}/in`).mode & 0o777, 0o751)
        assert.strictEqual(Fs.statSync(`${directory}/out`).mode & 0o777, 0o600)
        assert.deepStrictEqual(
          smolvm.asked().map((words) => words.map((word) => word.replace(/cp-[0-9a-f]{12}$/, "cp"))),
          [
            ["machine", "cp", "--mode", "0751", `${directory}/aside/cp`, `m:${directory}/in`],
            ["machine", "cp", `m:${directory}/in`, `${directory}/aside/cp`]
          ]
        )
        assert.isTrue(Fs.existsSync(`${directory}/aside`))
      }).pipe(Effect.scoped, Effect.provide(smolvm.layer))
    })
  )

  it.live("fails as smolvm does, and where there is no place aside", () =>
    Temp.withTempDir((directory) => {
      const smolvm = hostSmolvm(directory, "1.9.3")
      return Effect.gen(function* () {
        const machine = yield* Transfer.endpoint({ name: "m", directory: `${directory}/none` })
        Fs.writeFileSync(`${directory}/file`, "x")
        const options = { host: `${directory}/file`, guest: `${directory}/in` }
        assert.strictEqual((yield* Effect.flip(Transfer.fileIn(machine, options)))._tag, "HostFileFailed")
        const unnamed = yield* Transfer.endpoint({ name: "-m" })
        assert.strictEqual((yield* Effect.flip(Transfer.copyIn(unnamed, options)))._tag, "InvalidArgument")
        const good = yield* Transfer.endpoint({ name: "m" })
        yield* Transfer.fileIn(good, options)
        const gone = yield* Effect.flip(
          Transfer.fileOut(good, { guest: `${directory}/none`, host: `${directory}/out` })
        )
        assert.strictEqual(gone._tag, "CommandFailed")
      }).pipe(Effect.scoped, Effect.provide(smolvm.layer))
    })
  )

  it.live("an interrupted copy leaves nothing in the guest, no process and no file", () =>
    Temp.withTempDir((directory) => {
      Fs.mkdirSync(`${directory}/bin`)
      Fs.mkdirSync(`${directory}/guest`)
      const slow = '#!/bin/sh\nwhile [ "$1" != -C ]; do shift; done; touch "$2/begun"; sleep 1000\n'
      Fs.writeFileSync(`${directory}/bin/tar`, slow, { mode: 0o755 })
      const smolvm = hostSmolvm(directory, "1.9.3", `${directory}/bin:/usr/bin:/bin`)
      return Effect.gen(function* () {
        const machine = yield* Transfer.endpoint({ name: "m" })
        tree(`${directory}/tree`)
        const copy = Transfer.copyIn(machine, { host: `${directory}/tree`, guest: `${directory}/guest/new` })
        const fiber = yield* Effect.fork(copy)
        const hasBegun = () =>
          Fs.readdirSync(`${directory}/guest`).some((name) => Fs.existsSync(`${directory}/guest/${name}/begun`))
        yield* Wait.waitUntil(Effect.sync(hasBegun), { boundMillis: 20_000, what: "the unpacking" })
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(Fs.readdirSync(`${directory}/guest`), [])
        const isNone = Effect.map(Survivors.find(directory), (left) => Survivors.count(left) === 0)
        yield* Wait.waitUntil(isNone, { boundMillis: 20_000, what: "the end of all that the copy began" })
      }).pipe(Effect.scoped, Effect.provide(smolvm.layer))
    })
  )
})
