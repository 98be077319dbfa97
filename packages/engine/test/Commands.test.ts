import * as Exec from "@bottle/smolvm/Exec"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import * as Witness from "@bottle/smolvm/Witness"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import type { Bottle } from "../src/Bottle.js"
import * as Launch from "../src/Launch.js"
import * as Machines from "./fixtures/machines.js"
import { missing, note } from "./fixtures/proving.js"

const lacks = missing()

/** What was told to the runtime, and what witnesses said. */
interface Heard {
  readonly timeouts: Array<number | undefined>
  readonly words: Array<string>
}

/** The local runtime as one that neither bounds the commands of images nor takes a large input. */
const older =
  (heard: Heard) =>
  (smolvm: Machines.Runtime): Machines.Runtime => ({
    ...smolvm,
    capabilities: Effect.map(smolvm.capabilities, (known) => ({
      ...known,
      execTimeoutEnforcedForImages: false,
      stdinLargeSafe: false
    })),
    machineExec: (given) =>
      Effect.tap(smolvm.machineExec(given), ({ stdout }) =>
        Effect.sync(() => {
          if (given.command[2] === Witness.read("")[2]) heard.words.push(new TextDecoder().decode(stdout))
        })
      ),
    machineExecFollow: (given) => {
      heard.timeouts.push(given.timeoutMillis)
      return smolvm.machineExecFollow(given)
    }
  })

type Use<A, E, R> = (operations: Exec.Operations, bottle: Bottle, heard: Heard) => Effect.Effect<A, E, R>

/** Commands of a machine that is not known to be bare, in a runtime as it is or as an older one. */
const inMachine = <A, E, R>(isOlder: boolean, use: Use<A, E, R>) => {
  const heard: Heard = { timeouts: [], words: [] }
  return Machines.withMachines(
    () =>
      Effect.gen(function* () {
        const bottle = yield* Launch.bottle({ source: { _tag: "Bare" } })
        const operations = yield* Exec.make({ name: bottle.plan.machine, quietMillis: 0 })
        return yield* use(operations, bottle, heard)
      }),
    isOlder ? older(heard) : undefined
  )
}

const nothingLeft = (bottle: Bottle, text: string) =>
  Effect.gen(function* () {
    assert.strictEqual(yield* Machines.seen(bottle, text), 0)
    assert.strictEqual(yield* Machines.shell(bottle, "ls -A /tmp"), "")
  })

const TREE = `sleep 7671 & setsid sh -c 'sleep 7672 & exit'; trap '' TERM; sleep 7673; :`

describe.skipIf(lacks.length > 0)(`commands without a bottle's help${note(lacks)}`, { timeout: 60_000 }, () => {
  it.live("are ended in time by their witness where the runtime does not, with all that they started", () =>
    inMachine(true, ({ run }, bottle, heard) =>
      Effect.gen(function* () {
        const { exit } = yield* run({ command: ["sh", "-c", TREE], timeoutMillis: 700 })
        assert.deepInclude(exit, { exitCode: 124, origin: "runtime", timedOut: true })
        assert.deepStrictEqual([heard.timeouts.at(-1), heard.words.at(-1)], [undefined, Witness.OVERDUE])
        yield* nothingLeft(bottle, "sleep 767")
        const kept = yield* run({ command: ["sh", "-c", "exit 124"], timeoutMillis: 60_000 })
        assert.deepInclude(kept.exit, { exitCode: 124, origin: "guest", timedOut: false })
        yield* nothingLeft(bottle, "_bottle_watch")
      })
    )
  )

  it.live("read a large input byte for byte where it is staged, and leave nothing of it", () =>
    inMachine(true, ({ run, stream }, bottle) =>
      Effect.gen(function* () {
        const stdin = randomBytes(1_000_000)
        const read = yield* run({ command: ["cat"], stdin })
        assert.strictEqual(read.exit.origin, "guest")
        assert.isTrue(stdin.equals(read.stdout))
        const pieces = Stream.make(stdin.subarray(0, 300_000), stdin.subarray(300_000))
        const counted = yield* run({ command: ["wc", "-c"], stdin: pieces, stageStdin: true })
        assert.strictEqual(String(counted.stdout).trim(), "1000000")
        const error = yield* Effect.flip(Stream.runDrain(stream({ command: ["sh", "-c", TREE], stdin: pieces })))
        assert.strictEqual(error._tag, "StdinTooLarge")
        yield* nothingLeft(bottle, "sleep 767")
        const running = yield* Effect.fork(run({ command: ["sh", "-c", TREE], stdin }))
        yield* Machines.appears(bottle, "sleep 767", 3)
        yield* Fiber.interrupt(running)
        yield* nothingLeft(bottle, "sleep 767")
      })
    )
  )

  it.live("tell the runtime's own failure from the same code of a command", () =>
    inMachine(false, ({ run }) =>
      Effect.gen(function* () {
        const failed = yield* run({ command: ["true"], workdir: "/no/such/directory" })
        assert.deepInclude(failed.exit, { exitCode: 1, origin: "runtime" })
        const own = yield* run({ command: ["sh", "-c", "exit 1"], workdir: "/" })
        assert.deepInclude(own.exit, { exitCode: 1, origin: "guest" })
      })
    )
  )

  it.live("that nobody waits for can be ended", () =>
    inMachine(false, ({ spawn }, bottle) =>
      Effect.gen(function* () {
        const { end, guestPid } = yield* spawn({ command: ["sh", "-c", TREE] })
        yield* Machines.appears(bottle, "sleep 767", 3)
        const words = yield* Machines.shell(bottle, `tr '\\0' ' ' </proc/${guestPid}/cmdline`)
        assert.include(words, "sh -c sleep 7671")
        assert.strictEqual(yield* end, "gone")
        assert.strictEqual(yield* Machines.seen(bottle, "sleep 767"), 0)
      })
    )
  )

  it.live("are those of the machine that is there", () =>
    inMachine(false, (_, bottle) =>
      Effect.gen(function* () {
        const smolvm = yield* Smolvm
        const { run } = yield* Exec.make({ name: bottle.plan.machine })
        assert.strictEqual((yield* run({ command: ["true"] })).exit.exitCode, 0)
        yield* smolvm.machineStop({ name: bottle.plan.machine })
        const again = yield* Exec.make({ name: bottle.plan.machine })
        const error = yield* Effect.flip(again.run({ command: ["true"] }))
        assert.strictEqual(error._tag, "MachineNotRunning")
      })
    )
  )
})
