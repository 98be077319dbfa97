import * as Smolvm from "@bottle/smolvm/Smolvm"
import * as CommandScript from "@bottle/testing/CommandScript"
import * as Temp from "@bottle/testing/Temp"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { Directories } from "../src/Directories.js"
import * as Engine from "../src/Engine.js"
import * as Launch from "../src/Launch.js"
import { bare, settings } from "./fixtures/plans.js"

/** A host with a directory of work and bottle's own, the latter behind a link; more links to both. */
const withHost = (use: (home: string) => Effect.Effect<void, unknown>) =>
  Temp.withTempDir((home) => {
    Fs.mkdirSync(`${home}/work`)
    Fs.mkdirSync(`${home}/disk/state`, { recursive: true })
    Fs.symlinkSync(`${home}/disk`, `${home}/own`)
    Fs.symlinkSync(`${home}/work`, `${home}/link-to-work`)
    Fs.symlinkSync(`${home}/disk/state`, `${home}/link-to-state`)
    return use(home)
  })

const planned = (home: string, host: string, readonly: boolean, runtime: "smolvm" | "local" = "smolvm") =>
  plannedAt(home, `${home}/${host}`, { readonly, runtime })

const plannedAt = (
  home: string,
  host: string,
  around: { readonly readonly: boolean; readonly runtime: "smolvm" | "local"; readonly superuser?: boolean }
) => {
  const { readonly, runtime, superuser = false } = around
  const directories = new Directories({
    cache: `${home}/own/cache/bottle`,
    state: `${home}/own/state/bottle`,
    run: `${home}/own/run/bottle`
  })
  return Launch.plan({ ...bare, mounts: [{ host, guest: "/w", readonly }] }).pipe(
    Effect.provide(NodeFileSystem.layer),
    Effect.provide(Smolvm.layer({ program: "smolvm", env: {} })),
    Effect.provideService(Engine.Engine, { ...settings, directories, runtime, superuser }),
    Effect.provide(CommandScript.layer([{ match: ["smolvm", "--version"], stdout: "smolvm 1.9.3\n", times: "any" }]))
  )
}

describe("Launch.plan", () => {
  for (const host of ["own", "disk", "disk/state", "link-to-state"]) {
    it.effect(`refuses a writable mount that holds bottle's own files once links are followed: ${host}`, () =>
      withHost((home) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(planned(home, host, false))
          assert.strictEqual(error._tag, "OptionRefused")
          assert.include(error.message, `by ${home}/${host}`)
        })
      )
    )
  }

  for (const [host, readonly] of [
    ["link-to-work", false],
    ["work", false],
    ["link-to-state", true]
  ] as const) {
    it.effect(`takes a mount that ${readonly ? "can only be read" : "holds none of them"}: ${host}`, () =>
      withHost((home) =>
        Effect.gen(function* () {
          const { guest } = yield* planned(home, host, readonly)
          assert.deepStrictEqual(guest.mounts, [{ host: `${home}/${host}`, guest: "/w", readonly }])
        })
      )
    )
  }

  it.effect("refuses what is root's to write to where nothing may act as root, and takes it read-only", () =>
    withHost((home) =>
      Effect.gen(function* () {
        const at = { readonly: false, runtime: "local", superuser: true } as const
        const error = yield* Effect.flip(plannedAt(home, "/usr", at))
        assert.strictEqual(
          error.message,
          "mounts: /usr belongs to root, and no machine of the local runtime acts as root"
        )
        yield* plannedAt(home, "/usr", { ...at, readonly: true })
        yield* plannedAt(home, "/usr", { ...at, superuser: false })
        yield* plannedAt(home, "/usr", { ...at, runtime: "smolvm" })
      })
    )
  )

  for (const host of ["own", "disk", "disk/run", "own/run/bottle/demo-abc12"]) {
    it.effect(`refuses the sockets of bottles to a guest of the host's kernel, also read-only: ${host}`, () =>
      withHost((home) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(planned(home, host, true, "local"))
          assert.strictEqual(error._tag, "OptionRefused")
          assert.include(error.message, "sockets of bottles")
          assert.strictEqual((yield* planned(home, host, true)).guest.mounts[0]?.readonly, true)
          assert.strictEqual((yield* planned(home, "link-to-state", true, "local")).guest.mounts[0]?.readonly, true)
        })
      )
    )
  }
})
