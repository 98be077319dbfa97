import { cleanup, CleanupDocument } from "@bottle/cli/commands/Cleanup"
import { Invocation } from "@bottle/cli/Invocation"
import type { CleanupRequest } from "@bottle/cli/requests/CleanupRequest"
import { DaemonUnreachable, DockerCommandFailed, type DockerError } from "@bottle/docker/DockerError"
import * as BottleId from "@bottle/engine/BottleId"
import { Runtimes } from "@bottle/engine/Runtimes"
import * as Temp from "@bottle/testing/Temp"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Fs from "node:fs"
import * as Fixture from "./fixtures/bottles.js"

const request: CleanupRequest = { dryRun: false, all: false, format: "text" }

const decode = Schema.decodeSync(Schema.parseJson(CleanupDocument))

const id = BottleId.fromParts("demo", "abc12")

/** A directory of a bottle that is gone; `ledger` is what it says of where its ledger was. */
const orphan = (home: string, ledger: string | null = Fixture.planOf(home, "demo").ledger): string => {
  const directory = `${Fixture.directoriesOf(home).run}/${id}`
  Fs.mkdirSync(directory, { recursive: true })
  if (ledger !== null) Fs.symlinkSync(ledger, `${directory}/ledger`)
  return directory
}

interface Host {
  /** Whether there is a docker on PATH, and what it says. */
  readonly docker?: DockerError | "empty"
  /** Labels of one machine of a smolvm that is on PATH, and whether it can be deleted. */
  readonly machine?: { readonly name: string; readonly isStuck: boolean }
}

const clean = (home: string, more: Partial<CleanupRequest> = {}, host: Host = {}) => {
  const bin = `${home}/bin`
  Fs.rmSync(bin, { recursive: true, force: true })
  Fs.mkdirSync(bin)
  const program = (name: string) => Fs.writeFileSync(`${bin}/${name}`, "", { mode: 0o755 })
  if (host.docker !== undefined) program("docker")
  if (host.machine !== undefined) program("smolvm")
  const labels = labelsOf(home)
  const { machine } = host
  const failing = new DockerCommandFailed({ program: "smolvm", command: "delete", exitCode: 1, reason: "it is busy" })
  const runtimes = Layer.succeed(Runtimes, {
    smolvm: () =>
      Effect.succeed({
        machineLs: Effect.succeed(machine === undefined ? [] : [{ name: machine.name, labels }]),
        machineStatus: () => Effect.succeed({}),
        machineDelete: () => (machine?.isStuck === true ? Effect.fail(failing) : Effect.void)
      } as never),
    docker: () => {
      const answer = host.docker === "empty" ? Effect.succeed([]) : Effect.fail(host.docker)
      return host.docker === undefined
        ? Effect.dieMessage("nobody may ask for docker where there is none")
        : Effect.succeed({ containerList: () => answer, networkList: () => answer } as never)
    }
  })
  const command = Effect.flatMap(Invocation, (invocation) =>
    Effect.provideService(cleanup({ ...request, ...more }), Invocation, {
      ...invocation,
      environment: { ...invocation.environment, PATH: bin }
    })
  )
  return Fixture.run(home, command, { runtimes })
}

const labelsOf = (home: string) => {
  const { run, state } = Fixture.directoriesOf(home)
  return { "bottle.id": id, "bottle.owner": run, "bottle.state": state }
}

const machine = { name: `bottle-${id}`, isStuck: false }

describe("bottle cleanup", () => {
  it.live("says that nothing is left, and asks no docker where there is none", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const nothing = { code: 0, stdout: "", stderr: "bottle: nothing is left behind\n" }
        assert.deepStrictEqual(yield* clean(home), nothing)
        assert.deepStrictEqual(yield* clean(home, {}, { docker: "empty" }), nothing)
        const json = yield* clean(home, { format: "json" })
        assert.deepStrictEqual(json, {
          code: 0,
          stdout: `{"version":1,"dryRun":false,"leftovers":[],"unanswered":[]}\n`,
          stderr: ""
        })
      })
    )
  )

  it.live("shows with --dry-run what it would remove and why, and then removes it", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const directory = orphan(home)
        const why = "its bottle has no ledger here"
        assert.deepStrictEqual(yield* clean(home, { dryRun: true }), {
          code: 0,
          stdout: `would remove  directory  ${directory}  ${why}\n`,
          stderr: "bottle: nothing was changed; bottle cleanup removes it\n"
        })
        assert.isTrue(Fs.existsSync(directory))
        assert.deepStrictEqual(yield* clean(home), {
          code: 0,
          stdout: `removed  directory  ${directory}  ${why}\n`,
          stderr: ""
        })
        assert.isFalse(Fs.existsSync(directory))
      })
    )
  )

  it.live("tells programs the same on one line", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const directory = orphan(home)
        const { code, stderr, stdout } = yield* clean(home, { dryRun: true, format: "json" })
        assert.deepStrictEqual({ code, stderr }, { code: 0, stderr: "" })
        assert.lengthOf(stdout.trimEnd().split("\n"), 1)
        const { dryRun, leftovers } = decode(stdout)
        assert.isTrue(dryRun)
        assert.deepEqual(
          leftovers.map((one) => ({ ...one })),
          [
            {
              kind: "directory",
              name: directory,
              bottle: id,
              why: "its bottle has no ledger here",
              removable: true,
              outcome: "found",
              reason: null,
              suggestion: null
            }
          ]
        )
        const removed = decode((yield* clean(home, { format: "json" })).stdout)
        assert.strictEqual(removed.leftovers[0]?.outcome, "removed")
      })
    )
  )

  it.live("leaves what may be another's to --all", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const directory = orphan(home, null)
        const some = yield* clean(home)
        assert.match(some.stdout, /^stays {2}directory/)
        assert.strictEqual(
          some.stderr,
          "bottle: what stays is for bottle cleanup --all, and a bottle also for bottle down\n"
        )
        const dry = yield* clean(home, { dryRun: true })
        assert.match(dry.stderr, /^bottle: nothing was changed; what stays is for bottle cleanup --all/)
        assert.strictEqual(
          (yield* clean(home, { all: true, dryRun: true })).stderr,
          "bottle: nothing was changed; bottle cleanup --all removes it\n"
        )
        assert.strictEqual(some.code, 0)
        assert.isTrue(Fs.existsSync(directory))
        assert.match((yield* clean(home, { all: true })).stdout, /^removed {2}directory/)
        assert.isFalse(Fs.existsSync(directory))
      })
    )
  )

  it.live("says by name what it could not remove, and exits with 125", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const directory = orphan(home)
        const stuck = { machine: { ...machine, isStuck: true } }
        const { code, stderr, stdout } = yield* clean(home, {}, stuck)
        assert.strictEqual(code, 125)
        assert.match(stdout, new RegExp(`^failed +machine +bottle-${id} `))
        assert.match(stderr, new RegExp(`bottle: machine bottle-${id} could not be removed: .*it is busy\ntry: `))
        assert.isFalse(Fs.existsSync(directory))
        const json = yield* clean(home, { format: "json" }, stuck)
        assert.strictEqual(json.code, 125)
        assert.strictEqual(json.stderr, "")
        const [failed] = decode(json.stdout).leftovers
        assert.strictEqual(failed?.outcome, "failed")
        assert.match(failed?.reason ?? "", /it is busy/)
        assert.strictEqual((yield* clean(home, {}, { machine })).code, 0)
      })
    )
  )

  it.live("says who did not answer, and goes on; a daemon that does not run has nothing that does", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const directory = orphan(home)
        const failed = new DockerCommandFailed({ program: "docker", command: "ls", exitCode: 1, reason: "odd" })
        const one = yield* clean(home, {}, { docker: failed })
        assert.strictEqual(one.code, 125)
        assert.match(one.stderr, /^bottle: what is left in docker is not known: .*odd\ntry: .*\n$/)
        assert.isFalse(Fs.existsSync(directory))
        const nothing = yield* clean(home, {}, { docker: failed })
        assert.match(
          nothing.stderr,
          /^bottle: what is left in docker is not known: .*\nbottle: nothing else is left behind\n$/s
        )
        const down = new DaemonUnreachable({ program: "docker", clientVersion: null, reason: "no daemon" })
        const other = yield* clean(home, { format: "json" }, { docker: down })
        assert.strictEqual(other.code, 0)
        const { unanswered } = decode(other.stdout)
        assert.deepEqual(
          unanswered.map(({ absent, asked }) => ({ absent, asked })),
          [{ absent: true, asked: "docker" }]
        )
      })
    )
  )

  it.live("prints no name as it is", () =>
    Temp.withTempDir((home) =>
      Effect.gen(function* () {
        const bottles = `${Fixture.directoriesOf(home).state}/bottles`
        const name = `${bottles}/.names/a\u001b[31mb\u202e`
        Fs.mkdirSync(`${bottles}/.names`, { recursive: true })
        Fs.writeFileSync(name, "{")
        Fs.utimesSync(name, 0, 0)
        const { stdout } = yield* clean(home, { dryRun: true })
        assert.strictEqual(
          stdout,
          `would remove  file  ${bottles}/.names/ab  it reserves a name for a bottle that is no more\n`
        )
        yield* clean(home)
        assert.isFalse(Fs.existsSync(name))
      })
    )
  )
})
