import { endedBy } from "@bottle/process/Race"
import type { Smolvm } from "@bottle/smolvm/Smolvm"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Path from "node:path"
import type { CommitOptions, Committed } from "../Bottle.js"
import type { RunningBundle } from "../Bundle.js"
import { type CommitError, CommitFailed, CommitRefused, MachineLost } from "../CommitError.js"
import type { BundleDied } from "../LaunchError.js"
import type { LaunchPlan } from "../LaunchPlan.js"
import type { OwnLedger } from "../Ledger.js"
import type { ProofRecord } from "../ProofRecord.js"
import type { Fence } from "./fence.js"
import { reasonOf, removeDirectory } from "./files.js"
import type { Gate } from "./gate.js"
import type { OwnedMachine } from "./machine.js"

const DIRECTORY_MODE = 0o700

/** It holds what a guest wrote, and secrets may be among that. */
const PACK_MODE = 0o600

/** What commands that were ended with the machine get to say so. */
const EMPTY_TIMEOUT_MILLIS = 5000

/** A machine that has been up before pulls nothing, so it comes up in seconds. */
const UP_TIMEOUT_MILLIS = 180_000

/** A name with an id and more has to fit into 255 bytes, whatever its characters. */
const NAME_CHARS_MAX = 30

/** What a commit needs of a launch. */
export interface Committable {
  readonly plan: LaunchPlan
  readonly smolvm: Context.Tag.Service<typeof Smolvm>
  readonly bundle: RunningBundle
  readonly machine: OwnedMachine
  /** Closed when the machine cannot be brought up again; its release takes the machine away. */
  readonly machineScope: Scope.CloseableScope
  readonly ledger: Pick<OwnLedger, "add">
  readonly gate: Gate
  readonly fence: Fence
  /** Starts the stopped machine, and makes it usable. */
  readonly bringUp: Effect.Effect<void, { readonly message: string }>
  /** Shows that it is closed. */
  readonly prove: Effect.Effect<ProofRecord, { readonly message: string }>
  /** Failed when the bundle has ended, or the machine is gone. */
  readonly ended: Deferred.Deferred<never, BundleDied | MachineLost>
}

/** The commit of a bottle. */
export type Commit = (options: CommitOptions) => Effect.Effect<Committed, CommitError>

/** The one who waits for the commit has gone: the bottle is only to come up again. */
class GivenUp {
  readonly _tag = "GivenUp"
  readonly message = "it was given up"
}

/** A step that failed. */
interface Broken {
  readonly _tag: "Broken"
  readonly step: CommitFailed["step"]
  readonly message: string
}

const broken =
  (step: CommitFailed["step"]) =>
  ({ message }: { readonly message: string }): Broken => ({ _tag: "Broken", step, message })

const unwritten =
  (step: CommitFailed["step"]) =>
  (error: PlatformError.PlatformError): Broken => ({ _tag: "Broken", step, message: reasonOf(error) })

export const make = (committable: Committable): Effect.Effect<Commit, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { ended, gate, machineScope, plan, smolvm } = committable
    const { id } = plan
    const fs = yield* FileSystem.FileSystem
    // Whoever asks for the commit may observe something else than who launched.
    const context = yield* Effect.context<never>()

    const refused = (output: string, reason: CommitRefused["reason"]) => new CommitRefused({ id, output, reason })

    const orEnded = (output: string): Effect.Effect<void, CommitFailed | MachineLost> =>
      Effect.flatMap(
        Deferred.poll(ended),
        Option.getOrElse(() => Effect.void)
      ).pipe(
        Effect.catchTag("BundleDied", ({ message }) =>
          Effect.fail(new CommitFailed({ id, output, step: "stop", reason: message, isWritten: false, bottle: "down" }))
        )
      )

    const check = (output: string): Effect.Effect<void, CommitRefused> =>
      Effect.gen(function* () {
        if (!Path.isAbsolute(output) || output.includes("\0")) return yield* refused(output, "output-not-absolute")
        const capabilities = yield* Effect.option(smolvm.capabilities)
        if (Option.exists(capabilities, ({ vmPacksSeeded }) => !vmPacksSeeded)) {
          return yield* refused(output, "packs-incomplete")
        }
        if (yield* isThere(fs, output)) return yield* refused(output, "output-exists")
        const parent = yield* Effect.option(fs.stat(Path.dirname(output)))
        const isOpen = yield* Effect.isSuccess(fs.access(Path.dirname(output), { writable: true }))
        if (!Option.exists(parent, ({ type }) => type === "Directory") || !isOpen) {
          return yield* refused(output, "output-directory")
        }
      })

    /** Takes the machine away: nothing is known of it, or it is known to be open. */
    const takeDown = (reason: string): Effect.Effect<void> =>
      Effect.gen(function* () {
        const error = new MachineLost({ id, reason })
        yield* Deferred.fail(ended, error)
        yield* committable.machine.condemn
        yield* Scope.close(machineScope, Exit.fail(error))
      }).pipe(Effect.uninterruptible)

    const work = (output: string, givenUp: Deferred.Deferred<never, GivenUp>): Effect.Effect<Committed, CommitError> =>
      Effect.gen(function* () {
        const latest = yield* committable.fence.follow
        const directory = partialOf(id, output)
        yield* committable.ledger.add({ kind: "directory", name: directory })
        yield* gate.turn
        // A step, so that the release knows of a stop that was cut off: it may still have an effect.
        const isStopped = yield* Effect.exit(committable.machine.step(smolvm.machineStop({ name: plan.machine })))
        yield* gate.empty.pipe(Effect.timeoutOption(EMPTY_TIMEOUT_MILLIS))
        const packed = yield* Effect.gen(function* () {
          if (Exit.isFailure(isStopped)) return yield* Effect.mapError(isStopped, broken("stop"))
          yield* endedBy(Deferred.await(givenUp))(write(fs, committable, directory, output))
        }).pipe(Effect.ensuring(removeDirectory(fs, directory)), Effect.scoped, Effect.exit)
        if (Exit.isFailure(packed) && Cause.isInterruptedOnly(packed.cause)) return yield* Effect.interrupt

        // The guest has been silent since it stopped: what the bundle says from here on is about the proof.
        yield* committable.fence.raise(yield* latest)
        const proof = yield* again(committable, Exit.isFailure(isStopped)).pipe(
          Effect.catchAll((error) =>
            Effect.zipRight(
              takeDown(error.message),
              new CommitFailed({
                id,
                output,
                step: error.step,
                reason: error.message,
                isWritten: Exit.isSuccess(packed),
                bottle: "down"
              })
            )
          )
        )
        // Nothing of the guest's own has run by now either: an event that the proof did not wait for is its all the same.
        yield* committable.fence.lower(Math.max(proof.lastEvent, yield* latest))
        if (Exit.isSuccess(packed)) return { output, proof }
        const failure = Cause.failureOption(packed.cause)
        if (Option.isNone(failure)) return yield* Effect.failCause(Cause.die(Cause.squash(packed.cause)))
        const { message } = failure.value
        const step = failure.value._tag === "Broken" ? failure.value.step : "pack"
        return yield* new CommitFailed({ id, output, step, reason: message, isWritten: false, bottle: "up" })
      }).pipe(
        // A fault of ours must not leave a machine that nobody has proven.
        Effect.catchAllDefect((defect) => Effect.zipRight(takeDown("a fault in bottle itself"), Effect.die(defect))),
        Effect.scoped
      )

    return ({ force, output }) =>
      Effect.gen(function* () {
        yield* orEnded(output)
        yield* check(output)
        const entered = yield* gate.shut({ force: force === true })
        if (entered !== "shut") return yield* refused(output, entered === "busy" ? "busy" : "committing")
        const givenUp = yield* Deferred.make<never, GivenUp>()
        return yield* Effect.uninterruptibleMask((restore) =>
          Effect.gen(function* () {
            // The bottle's, and not the caller's: who gives a commit up does not give the bottle up.
            const fiber = yield* work(output, givenUp).pipe(
              Effect.provide(context),
              Effect.interruptible,
              Effect.forkIn(machineScope)
            )
            const exit = yield* restore(Fiber.await(fiber)).pipe(
              Effect.onInterrupt(() => Effect.zipRight(Deferred.fail(givenUp, new GivenUp()), Fiber.await(fiber)))
            )
            if (Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)) {
              return yield* new MachineLost({ id, reason: "the bottle went down meanwhile" })
            }
            return yield* exit
          })
        )
      }).pipe(Effect.scoped)
  })

/**
 * Beside the pack, so that it can be put there in one step; nobody guesses its name. It bears the bottle's id: a recovery
 * removes nothing else.
 */
const partialOf = (id: string, output: string): string => {
  const name = Path.basename(output).slice(0, NAME_CHARS_MAX)
  return Path.join(Path.dirname(output), `.${name}.${id}.${randomBytes(6).toString("hex")}.partial`)
}

/** Makes the pack in a directory of its own, where whatever its maker leaves half-way goes with it, and puts it in place. */
const write = (
  fs: FileSystem.FileSystem,
  { plan, smolvm }: Committable,
  directory: string,
  output: string
): Effect.Effect<void, Broken> =>
  Effect.gen(function* () {
    const partial = Path.join(directory, "pack")
    const pack = `${partial}.smolmachine`
    yield* fs.makeDirectory(directory, { mode: DIRECTORY_MODE }).pipe(Effect.mapError(unwritten("pack")))
    yield* Effect.mapError(smolvm.packCreateFromVm({ name: plan.machine, output: partial }), broken("pack"))
    yield* fs.chmod(pack, PACK_MODE).pipe(Effect.zipRight(place(fs, pack, output)), Effect.mapError(unwritten("place")))
  })

/** By a link, not by a rename: what has come to be there meanwhile stays. Not every file system has links. */
const place = (fs: FileSystem.FileSystem, from: string, to: string): Effect.Effect<void, PlatformError.PlatformError> =>
  Effect.catchAll(fs.link(from, to), (error) =>
    Effect.flatMap(isThere(fs, to), (there) => (there ? Effect.fail(error) : fs.rename(from, to)))
  )

/** A link that leads nowhere is there too. */
const isThere = (fs: FileSystem.FileSystem, path: string): Effect.Effect<boolean> =>
  Effect.if(Effect.isSuccess(fs.readLink(path)), {
    onTrue: () => Effect.succeed(true),
    onFalse: () => Effect.orElseSucceed(fs.exists(path), () => false)
  })

/** From stopped to proven. After a stop that failed the machine may run still, with its relay. */
const again = (
  { bringUp, bundle, plan, prove, smolvm }: Committable,
  isStopFailed: boolean
): Effect.Effect<ProofRecord, Broken> =>
  Effect.gen(function* () {
    const isRunning = isStopFailed
      ? yield* smolvm.machineStatus({ name: plan.machine }).pipe(
          Effect.map(({ state }) => state === "running"),
          Effect.orElseSucceed(() => false)
        )
      : false
    if (!isRunning) yield* Effect.mapError(bringUp, broken("start"))
    return yield* Effect.mapError(prove, broken("proof"))
  }).pipe(
    Effect.timeoutFail({
      duration: UP_TIMEOUT_MILLIS,
      onTimeout: () => broken("start")({ message: `it was not up again within ${UP_TIMEOUT_MILLIS / 1000} s` })
    }),
    endedBy(Effect.mapError(bundle.died, broken("proof")))
  )
