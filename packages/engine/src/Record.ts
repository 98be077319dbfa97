/**
 * The record of a bottle, below the state directory: what was decided, what was proven, what was asked of the bundle,
 * and how it ended. It is written beside the run and never holds it up; a run whose record cannot be written goes on.
 *
 * - `plan.json`: the plan that was executed
 * - `proof.json`: what was shown before the bottle was handed over
 * - `decisions.jsonl`: each decision of the bundle, one line of JSON each, as it came
 * - `launch.jsonl`: the stages of the launch, what could not be released, and the end
 * - `bundle.jsonl`: what a bundle in a container said in words; there is none beside a launch that has none
 * - `output.log`: what the bottle's main command wrote, both streams in the order in which they came; only where it has
 *   one that nobody is attached to from the start
 *
 * @since 0.1.0
 */
import { EgressEvent } from "@bottle/egress/EgressEvent"
import type { PolicyDocument } from "@bottle/egress/PolicyDocument"
import { lazy } from "@bottle/process/Lazy"
import * as Release from "@bottle/process/Release"
import type * as PlatformError from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Bottle } from "./Bottle.js"
import { BottleId } from "./BottleId.js"
import type { DownReason } from "./ControlError.js"
import type { Directories } from "./Directories.js"
import { reasonOf } from "./internal/files.js"
import * as LineFile from "./internal/lineFile.js"
import { type LaunchEvent, LaunchObserver } from "./LaunchObserver.js"
import { LaunchPlan } from "./LaunchPlan.js"
import { EgressNotEnforced, EgressUnproven } from "./ProofError.js"
import { ProofRecord } from "./ProofRecord.js"
import type { Said } from "./RecordLine.js"

const DIRECTORY_MODE = 0o700
const FILE_MODE = 0o600

/** What a launch is refused with before its bottle is claimed; `LedgerFailed` too, where nothing was heard of it yet. */
const REFUSED: ReadonlySet<string> = new Set(["NameTaken", "SecretMissing", "CredentialMissing"])

/** A guest can make more decisions than a disk can hold. */
const DECISIONS_BYTES_MAX = 64 * 1024 * 1024
const LAUNCH_BYTES_MAX = 1024 * 1024

const BUNDLE_BYTES_MAX = 16 * 1024 * 1024
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** How many records are kept. */
const RECORDS_MAX = 200

/** How long the last decisions may take to arrive once the bundle is down. */
const DRAIN_TIMEOUT_MILLIS = 1000

/**
 * A record could not be made, or not be completed.
 *
 * @since 0.1.0
 * @category errors
 */
export class RecordFailed extends Schema.TaggedError<RecordFailed>("@bottle/engine/RecordFailed")("RecordFailed", {
  directory: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `the record ${this.directory} is not complete: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Check that the directory is yours, that it can be written, and that the disk is not full."
  }
}

/**
 * How a run ended, as its caller tells it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedEnd {
  /** Of the main command; of whatever ended the bottle where it had none; null where it is not known. */
  readonly code: number | null
  readonly origin: string
  readonly timedOut: boolean
  /** The tag of the error that ended it. */
  readonly error: string | null
}

/**
 * What a launch gives that a record is about.
 *
 * @since 0.1.0
 * @category models
 */
export type Recorded = Pick<Bottle, "plan" | "proof" | "events">

/**
 * A record that is being written. Nothing in it fails: what goes wrong is told once, to `onBroken`.
 *
 * @since 0.1.0
 * @category models
 */
export interface BottleRecord {
  /** The record's own directory. */
  readonly directory: string
  /**
   * The launch, written down: what it says, its proof whether it held or not, the plan that it executed, and every
   * decision of its bundle from the hand-over on. Who observes the launch already still does.
   */
  readonly launching: <B extends Recorded, E, R>(launch: Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>
  /** Writes down that the bundle follows another policy from now on. */
  readonly reloaded: (egress: PolicyDocument) => Effect.Effect<void>
  /** Writes down what the main command wrote; it returns at once. */
  readonly output: (bytes: Uint8Array) => Effect.Effect<void>
  /** Writes down why the bottle goes down. */
  readonly closing: (reason: DownReason) => Effect.Effect<void>
  /** Writes down how the run ended. */
  readonly ended: (end: RecordedEnd) => Effect.Effect<void>
}

/**
 * What a record is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordOptions {
  readonly plan: LaunchPlan
  readonly directories: Directories
  /** Is told, once, why the record is not complete. */
  readonly onBroken?: ((error: RecordFailed) => Effect.Effect<void>) | undefined
}

/**
 * The directory that holds every record.
 *
 * @since 0.1.0
 * @category constructors
 */
export const directoryOf = (directories: Directories): string => `${directories.state}/records`

/**
 * The name of the file of a record that has what the main command wrote.
 *
 * @since 0.1.0
 * @category constants
 */
export const OUTPUT_FILE = "output.log"

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

const encodePlan = lazy(() => Schema.encodeSync(LaunchPlan))
const encodeProof = lazy(() => Schema.encodeSync(ProofRecord))
const encodeEvent = lazy(() => Schema.encodeSync(EgressEvent))

/**
 * Makes the record of a launch that is about to begin. It is complete when the scope has closed; that is best a scope
 * outside of the bottle's own, since the last decisions and releases are told when the bottle goes. A launch that was
 * refused before its bottle was claimed, as for a name that another one has, leaves no record.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: RecordOptions): Effect.Effect<BottleRecord, never, Scope.Scope | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { directories, plan } = options
    const fs = yield* FileSystem.FileSystem
    const scope = yield* Effect.scope
    const directory = `${directoryOf(directories)}/${plan.id}`
    let isBroken = false
    const onBroken = (reason: string) =>
      Effect.suspend(() => {
        if (isBroken) return Effect.void
        isBroken = true
        return options.onBroken?.(new RecordFailed({ directory, reason })) ?? Effect.void
      })
    const onFileBroken = (error: PlatformError.PlatformError) => onBroken(reasonOf(error))

    /** A whole document in its place; what was there before is replaced in one step. */
    const put = (name: string, document: unknown) => {
      const aside = `${directory}/.${name}`
      return fs.writeFileString(aside, json(document), { flag: "wx", mode: FILE_MODE }).pipe(
        Effect.zipRight(fs.rename(aside, `${directory}/${name}`)),
        Effect.onError(() => Effect.ignore(fs.remove(aside, { force: true }))),
        Effect.catchAll(onFileBroken)
      )
    }

    let isMade = false
    let isHeard = false
    let isRefused = false
    // Nothing was to be done, and nothing was: there is no bottle that this would be the record of.
    yield* Effect.addFinalizer(() =>
      isMade && isRefused
        ? Effect.ignore(Release.within(DRAIN_TIMEOUT_MILLIS)(fs.remove(directory, { recursive: true, force: true })))
        : Effect.void
    )
    const begin = Effect.gen(function* () {
      yield* makeDirectory(fs, directories, directory)
      isMade = true
      const launch = yield* LineFile.make(`${directory}/launch.jsonl`, {
        capBytes: LAUNCH_BYTES_MAX,
        onBroken: onFileBroken
      })
      yield* put("plan.json", encodePlan(plan))
      return launch
    })
    const launch = yield* Effect.matchEffect(begin, {
      onFailure: (reason) => Effect.as(onBroken(typeof reason === "string" ? reason : reasonOf(reason)), null),
      onSuccess: Effect.succeed
    })
    if (launch === null) return inert(directory)
    yield* Effect.forkScoped(Effect.interruptible(forgetOldest(fs, directories)))

    const timed = (line: object) =>
      Effect.map(DateTime.now, (time) => JSON.stringify({ time: DateTime.formatIso(time), ...line }))
    const say = (line: Said) => Effect.map(timed(line), launch.append)

    /** A file that is made when there is something to write to it; null where it cannot be. */
    const lazily = <A>(make: Effect.Effect<A, PlatformError.PlatformError, Scope.Scope | FileSystem.FileSystem>) =>
      Effect.cached(
        make.pipe(
          Scope.extend(scope),
          Effect.provideService(FileSystem.FileSystem, fs),
          Effect.catchAll((error) => Effect.as(onFileBroken(error), null)),
          Effect.uninterruptible
        )
      )
    const words = yield* lazily(
      LineFile.make(`${directory}/bundle.jsonl`, { capBytes: BUNDLE_BYTES_MAX, onBroken: onFileBroken })
    )
    const output = yield* lazily(
      LineFile.makeBytes(`${directory}/${OUTPUT_FILE}`, { capBytes: OUTPUT_BYTES_MAX, onBroken: onFileBroken })
    )
    const hear = (event: LaunchEvent) => {
      isHeard = true
      if (event._tag === "StageSaid") return Effect.void
      return event._tag === "BundleSaid"
        ? Effect.zipWith(words, timed({ daemon: event.daemon, text: event.text }), (file, line) => file?.append(line))
        : say(event)
    }
    const seeRefused = (error: unknown) =>
      Effect.sync(() => {
        const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : ""
        isRefused = REFUSED.has(tag) || (tag === "LedgerFailed" && !isHeard)
      })

    const putProof = (error: unknown) =>
      error instanceof EgressNotEnforced || error instanceof EgressUnproven
        ? put("proof.json", encodeProof(error.record))
        : Effect.void

    const follow = ({ events, plan: executed, proof }: Recorded) =>
      Effect.gen(function* () {
        yield* put("proof.json", encodeProof(proof))
        if (executed !== plan) yield* put("plan.json", encodePlan(executed))
        const decisions = yield* LineFile.make(`${directory}/decisions.jsonl`, {
          capBytes: DECISIONS_BYTES_MAX,
          onBroken: onFileBroken
        })
        const reader = yield* Stream.runForEach(events, (event) =>
          Effect.sync(() => decisions.append(JSON.stringify(encodeEvent(event))))
        ).pipe(Effect.interruptible, Effect.forkDaemon)
        yield* Effect.addFinalizer(() =>
          Fiber.await(reader).pipe(Release.within(DRAIN_TIMEOUT_MILLIS), Effect.zipRight(Fiber.interrupt(reader)))
        )
      }).pipe(
        Scope.extend(scope),
        Effect.provideService(FileSystem.FileSystem, fs),
        Effect.catchAll(onFileBroken),
        Effect.uninterruptible
      )

    return {
      directory,
      launching: (launch) =>
        Effect.flatMap(LaunchObserver, (outer) =>
          launch.pipe(
            Effect.tapError(putProof),
            Effect.tapError(seeRefused),
            Effect.tap(follow),
            Effect.provideService(LaunchObserver, {
              notify: (event) => Effect.zipRight(hear(event), outer.notify(event))
            })
          )
        ),
      reloaded: (egress) => say({ _tag: "Reloaded", egress }),
      output: (bytes) => Effect.map(output, (file) => file?.append(bytes)),
      closing: (reason) => say({ _tag: "Closing", reason }),
      ended: (end) => say({ _tag: "Ended", ...end })
    }
  }).pipe(Effect.uninterruptible)

/** The record of a run that cannot have one. */
const inert = (directory: string): BottleRecord => ({
  directory,
  launching: (launch) => launch,
  reloaded: () => Effect.void,
  output: () => Effect.void,
  closing: () => Effect.void,
  ended: () => Effect.void
})

/** The record's directory, new, and the one above it no link that leads elsewhere. */
const makeDirectory = (
  fs: FileSystem.FileSystem,
  directories: Directories,
  directory: string
): Effect.Effect<void, PlatformError.PlatformError | string> =>
  Effect.gen(function* () {
    const parent = directoryOf(directories)
    yield* fs.makeDirectory(directories.state, { recursive: true, mode: DIRECTORY_MODE })
    yield* fs.makeDirectory(parent, { recursive: true, mode: DIRECTORY_MODE })
    const [real, above] = yield* Effect.all([fs.realPath(parent), fs.realPath(directories.state)])
    if (real !== `${above.replace(/\/$/, "")}/records`) return yield* Effect.fail(`${parent} is a link`)
    // Not recursive: a directory that is there already is somebody else's.
    yield* fs.makeDirectory(directory, { mode: DIRECTORY_MODE })
  })

const isId = Schema.is(BottleId)

/** Removes the oldest records beyond the newest 200. A bottle that has its directory may still be writing its own. */
const forgetOldest = (fs: FileSystem.FileSystem, directories: Directories): Effect.Effect<void> =>
  Effect.gen(function* () {
    const parent = directoryOf(directories)
    const names = (yield* fs.readDirectory(parent)).filter(isId)
    if (names.length <= RECORDS_MAX) return
    const dated = yield* Effect.forEach(names, (name) =>
      Effect.map(fs.stat(`${parent}/${name}`), (info) => ({
        name,
        madeMillis: info.mtime._tag === "Some" ? info.mtime.value.getTime() : 0
      }))
    )
    const oldest = dated.toSorted((left, right) => left.madeMillis - right.madeMillis).slice(0, -RECORDS_MAX)
    yield* Effect.forEach(
      oldest,
      ({ name }) =>
        Effect.unlessEffect(
          Effect.ignore(fs.remove(`${parent}/${name}`, { recursive: true, force: true })),
          Effect.zipWith(
            fs.exists(`${directories.state}/bottles/${name}`),
            fs.exists(`${directories.run}/${name}`),
            (inLedger, inRun) => inLedger || inRun
          )
        ),
      { discard: true }
    )
  }).pipe(Effect.ignore)
