import type { Finding } from "@bottle/cli/Diagnosis"
import * as HostChecks from "@bottle/cli/HostChecks"
import { SystemError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const NOW = Date.UTC(2026, 10, 22)
const GIBIBYTE = 1024 ** 3

const sight: HostChecks.Sight = {
  platform: "linux",
  arch: "x64",
  nodeVersion: "20.11.0",
  uid: 1000,
  now: NOW,
  freeBytes: () => Effect.succeed(GIBIBYTE)
}

/** A file of the fake host: its text where it has one, who owns it, what may be done with it. */
interface Entry {
  readonly text?: string
  readonly type?: "File" | "Directory"
  readonly uid?: number
  readonly mode?: number
  readonly usable?: boolean
}

const failed = (path: string, reason: "NotFound" | "PermissionDenied") =>
  new SystemError({ reason, module: "FileSystem", method: "any", pathOrDescriptor: path })

/** A host that has these files and no others; new files have the time `made`. */
const host = (entries: Readonly<Record<string, Entry>>, made: number = NOW) => {
  const find = (path: string): Effect.Effect<Entry, SystemError> => {
    const entry = entries[path]
    return entry === undefined ? Effect.fail(failed(path, "NotFound")) : Effect.succeed(entry)
  }
  return FileSystem.layerNoop({
    exists: (path) => Effect.succeed(Object.hasOwn(entries, path)),
    readFileString: (path) => Effect.map(find(path), ({ text = "" }) => text),
    access: (path) =>
      Effect.flatMap(find(path), ({ usable = true }) =>
        usable ? Effect.void : Effect.fail(failed(path, "PermissionDenied"))
      ),
    makeTempDirectoryScoped: () => Effect.succeed("/made"),
    stat: (path) =>
      Effect.map(
        path === "/made" ? Effect.succeed<Entry>({}) : find(path),
        ({ mode = 0o700, type = "Directory", uid = 1000 }) => ({
          type,
          mode: mode | 0o40000,
          uid: Option.some(uid),
          gid: Option.some(uid),
          mtime: Option.some(new Date(made)),
          atime: Option.none(),
          birthtime: Option.none(),
          dev: 1,
          ino: Option.none(),
          nlink: Option.none(),
          rdev: Option.none(),
          size: FileSystem.Size(0),
          blksize: Option.none(),
          blocks: Option.none()
        })
      )
  })
}

const told = (findings: ReadonlyArray<Finding>): ReadonlyArray<string> =>
  findings.map(({ detail, fix, id, ok }) => (ok ? `ok ${id}` : `${id}: ${detail} -> ${fix}`))

describe("Node and the system", () => {
  it("are taken where bottles run, and told where not", () => {
    assert.isTrue(HostChecks.node(sight).ok)
    assert.isFalse(HostChecks.node({ ...sight, nodeVersion: "18.20.1" }).ok)
    assert.isTrue(HostChecks.system(sight).ok)
    assert.isTrue(HostChecks.system({ ...sight, platform: "darwin" }).ok)
    assert.isFalse(HostChecks.system({ ...sight, platform: "win32" }).ok)
  })
})

describe("/dev/kvm", () => {
  const cases: ReadonlyArray<readonly [name: string, entries: Record<string, Entry>, text: RegExp]> = [
    ["there and ours", { "/dev/kvm": {} }, /^ok kvm$/],
    ["there and not ours", { "/dev/kvm": { usable: false } }, /may not use it -> join its group/],
    ["not loaded", { "/proc/cpuinfo": { text: "flags\t: fpu vmx\n" } }, /processor can -> load its module: modprobe/],
    [
      "not there in a virtual machine",
      { "/proc/cpuinfo": { text: "flags\t: fpu hypervisor\n" } },
      /virtual machine .* -> switch on nested virtualisation/
    ],
    ["not there at all", { "/proc/cpuinfo": { text: "flags\t: fpu\n" } }, /not there -> switch on virtualisation/]
  ]
  for (const [name, entries, text] of cases) {
    it.effect(`is told where it is ${name}`, () =>
      Effect.gen(function* () {
        const [found = ""] = told(yield* HostChecks.kvm(sight))
        assert.match(found, text)
      }).pipe(Effect.provide(host(entries)))
    )
  }

  it.effect("is not looked for on a system that has another hypervisor", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* HostChecks.kvm({ ...sight, platform: "darwin" }), [])
    }).pipe(Effect.provide(host({})))
  )
})

describe("a directory", () => {
  const state: HostChecks.OwnDirectory = {
    id: "state",
    name: "state",
    path: "/home/me/state",
    bytesMin: 1024,
    need: "any",
    variable: "XDG_STATE_HOME"
  }
  const of = (entries: Record<string, Entry>, more: Partial<HostChecks.Sight> = {}) =>
    Effect.map(HostChecks.directory(state, { ...sight, ...more }), (found) => told(found)[0] ?? "").pipe(
      Effect.provide(host(entries))
    )
  const home = { "/home/me": {} }

  it.effect("is well where it is there, and where it can be made", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* of({ "/home/me/state": {} }), "ok state")
      assert.strictEqual(yield* of(home), "ok state")
      assert.strictEqual(yield* of({ "/home/me/state": { uid: 0 } }), "ok state")
      assert.strictEqual(yield* of({ "/home/me/state": {} }, { freeBytes: () => Effect.succeed(null) }), "ok state")
    })
  )

  it.effect("is told where it cannot be used, with what is in the way", () =>
    Effect.gen(function* () {
      assert.match(
        yield* of({ "/home/me": { usable: false } }),
        /\/home\/me cannot be written to -> .*XDG_STATE_HOME=DIR/
      )
      assert.match(yield* of({ "/home/me/state": { uid: 7 } }), /another user \(uid 7\) -> sudo chown -R 1000/)
      assert.match(
        yield* of({ "/home/me/state": { mode: 0o777 } }),
        /everybody can write .* -> chmod 700 \/home\/me\/state/
      )
      assert.match(yield* of({ "/home/me/state": { type: "File" } }), /is no directory -> /)
      assert.match(yield* of({}), /\/ cannot be looked at -> /)
      const full = { freeBytes: () => Effect.succeed(10) }
      assert.match(yield* of({ "/home/me/state": {} }, full), /10 B are free .*1\.0 KiB are wanted -> make room/)
    })
  )
})

describe("the clock", () => {
  const BOOT = { "/proc/sys/kernel/random/boot_id": { text: "f3a1\n" } }
  const of = (entries: Record<string, Entry>, now: number = NOW, made: number = now) =>
    Effect.map(HostChecks.clock({ ...sight, now }, "/state"), told).pipe(Effect.provide(host(entries, made)))

  it.effect("is well, with a boot id and files of about the same time", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* of({ ...BOOT, "/state": {} }), ["ok clock", "ok boot-id", "ok clock-skew"])
      assert.deepStrictEqual(yield* of(BOOT), ["ok clock", "ok boot-id"])
    })
  )

  it.effect("is told where it is before this release, or files have another time, or there is no boot id", () =>
    Effect.gen(function* () {
      assert.match((yield* of(BOOT, 0))[0] ?? "", /^clock: it says 1970-01-01T00:00:00Z, .* -> set the clock/)
      assert.match((yield* of({}))[1] ?? "", /^boot-id: .* cannot be read -> mount \/proc/)
      const skewed = yield* of({ ...BOOT, "/state": {} }, NOW, NOW - 2 * 60 * 60_000)
      assert.match(skewed[2] ?? "", /^clock-skew: a file made in \/state is 2h old -> /)
    })
  )
})
