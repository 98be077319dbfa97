import * as Detached from "@bottle/process/Detached"
import * as Identity from "@bottle/process/Identity"
import * as Strays from "@bottle/process/Strays"
import * as Temp from "@bottle/testing/Temp"
import { waitUntil } from "@bottle/testing/Wait"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"

// Each starts processes, which a busy machine takes its time for.
vi.setConfig({ testTimeout: 30_000 })

const isRoot = process.getuid?.() === 0

const sleeps = "while :; do sleep 600; done"

/** A program of a test's own, and a name that nothing else on this machine works on. */
const scene = Effect.map(Temp.directory, (directory) => {
  const suffix = randomBytes(4).toString("hex")
  Fs.chmodSync(directory, 0o755)
  const program = (name: string, text: string) => {
    const path = Path.join(directory, name)
    Fs.writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    return path
  }
  return { directory, program, name: `bottle-test-${suffix}`, client: `client${suffix}` }
})

/** Starts a program, and waits until it is one; it ends with the scope. */
const start = (...argv: readonly [string, ...Array<string>]) =>
  Effect.acquireRelease(
    Detached.start({ argv, env: { PATH: "/usr/bin:/bin" }, stdin: "null", stdout: "pipe" }),
    ({ identity, leave }) => Effect.zipRight(Identity.signal(identity, "SIGKILL"), leave)
  ).pipe(
    Effect.tap(({ identity }) =>
      waitUntil(
        Effect.sync(() =>
          Fs.readFileSync(`/proc/${identity.pid}/cmdline`, "utf8").includes(argv[argv.length - 1] ?? "")
        ),
        { boundMillis: 10_000 }
      )
    )
  )

const pids = (strays: ReadonlyArray<Pick<Strays.Stray, "identity">>) => strays.map(({ identity }) => identity.pid)

describe("Strays", () => {
  it.scopedLive("finds who runs one of the programs on one of the names, and nobody else", () =>
    Effect.gen(function* () {
      const { client, name, program } = yield* scene
      const script = program(client, sleeps)
      const launched = program(`${client}-bin`, sleeps)
      const suffixed = program(`${client}.mjs`, sleeps)
      const other = program(`other-${client}`, sleeps)
      const wanted = { programs: [`/elsewhere/${client}`], names: [name] }
      const meant = [
        yield* start(script, "machine", "start", "--name", name),
        yield* start(launched, "machine", "cp", "/file", `${name}:/file`),
        yield* start(script, "pack", `--output=${name}/part`),
        yield* start("/bin/sh", suffixed, name)
      ]
      // Another name, one that only begins alike, another program, and none at all.
      yield* start(script, "machine", "start", "--name", `${name}x`)
      yield* start(script, "machine", "start", `--label=${name}x`, `-${name}`)
      yield* start(other, "--name", name)
      yield* start("/bin/sh", "-c", sleeps, "sh", "--name", name)
      const found = yield* Strays.find(wanted)
      const own = found.filter(({ argv }) => argv.some((word) => word.includes(name)))
      assert.sameMembers(pids(own), pids(meant))
      // What a client of them has started goes with it.
      assert.isTrue(found.filter((stray) => !own.includes(stray)).every(({ argv }) => argv[0] === "sleep"))
      assert.deepStrictEqual(yield* Strays.find({ ...wanted, names: [`${name}y`] }), [])
      assert.deepStrictEqual(yield* Strays.find({ ...wanted, programs: [] }), [])
    })
  )

  it.scopedLive("ends them, with all of their group, and those that do not hear SIGTERM", () =>
    Effect.gen(function* () {
      const { client, name, program } = yield* scene
      const plain = yield* start(program(client, sleeps), name)
      const deaf = yield* start(program(`${client}-deaf`, "trap '' TERM; while :; do sleep 600; done"), name)
      const bystander = yield* start(program(`${client}-other`, sleeps), `${name}x`)
      const ended = yield* Strays.end({ programs: [client], names: [name] }, { graceMillis: 200 })
      assert.deepStrictEqual(ended.left, [])
      // Both shells, and what each has started.
      assert.isAtLeast(ended.found, 4)
      for (const { identity } of [plain, deaf]) assert.isFalse(yield* Identity.isAlive(identity))
      assert.isTrue(yield* Identity.isAlive(bystander.identity))
      assert.deepStrictEqual(yield* Strays.end({ programs: [client], names: [name] }), {
        found: 0,
        overdue: 0,
        left: []
      })
    })
  )

  it.scopedLive("lets those end by themselves that are to be waited for, and only for so long", () =>
    Effect.gen(function* () {
      const { client, directory, name, program } = yield* scene
      const go = Path.join(directory, "go")
      const text = `trap 'echo cut > ${directory}/cut; exit 1' TERM
while [ ! -e ${go} ]; do sleep 0.02; done
echo done > ${directory}/done`
      const creation = yield* start(program(client, text), "create", name)
      const reader = yield* start(program(`${client}-log`, sleeps), "logs", name)
      const wanted = { programs: [client], names: [name] }
      const options = { isWaitedFor: (argv: ReadonlyArray<string>) => argv.includes("create") }
      const patient = yield* Effect.fork(Strays.end(wanted, { ...options, patienceMillis: 60_000 }))
      // The other one is ended at once.
      yield* waitUntil(Effect.negate(Identity.isAlive(reader.identity)), { boundMillis: 10_000 })
      assert.isTrue(yield* Identity.isAlive(creation.identity))
      Fs.writeFileSync(go, "")
      assert.strictEqual((yield* patient).overdue, 0)
      assert.isTrue(Fs.existsSync(`${directory}/done`))
      assert.isFalse(Fs.existsSync(`${directory}/cut`))

      Fs.rmSync(go)
      const slow = yield* start(program(client, text), "create", name)
      const ended = yield* Strays.end(wanted, { ...options, patienceMillis: 100, graceMillis: 5000 })
      assert.isAtLeast(ended.overdue, 1)
      assert.isFalse(yield* Identity.isAlive(slow.identity))
      assert.isTrue(Fs.existsSync(`${directory}/cut`))
    })
  )

  it.scopedLive.skipIf(!isRoot)(
    `leaves other users' alone${isRoot ? "" : " (skipped: only root can become another)"}`,
    () =>
      Effect.gen(function* () {
        const { client, name, program } = yield* scene
        const script = program(client, sleeps)
        const foreign = yield* start("setpriv", "--reuid=34567", "--regid=34567", "--clear-groups", script, name)
        const wanted = { programs: [client], names: [name] }
        assert.notInclude(pids(yield* Strays.find(wanted)), foreign.identity.pid)
        yield* Strays.end(wanted)
        assert.isTrue(yield* Identity.isAlive(foreign.identity))
      })
  )
})
