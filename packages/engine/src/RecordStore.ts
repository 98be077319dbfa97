/**
 * The records of bottles, read: of those that live and of those that are down. Nothing in here fails for a record that
 * is damaged, half-written, or of another version: what cannot be read is set aside with a reason, the rest is given.
 *
 * @since 0.1.0
 */
import { lazy } from "@bottle/process/Lazy"
import * as FileSystem from "@effect/platform/FileSystem"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BottleId } from "./BottleId.js"
import type { Directories } from "./Directories.js"
import * as Follow from "./internal/records/follow.js"
import { readDocument, type Reading } from "./internal/records/reading.js"
import { LaunchPlan } from "./LaunchPlan.js"
import * as Ledger from "./Ledger.js"
import { ProofRecord } from "./ProofRecord.js"
import * as Record from "./Record.js"

/**
 * One document of a record.
 *
 * - `Read`: it is there and is what it should be
 * - `SetAside`: it is there, and `reason` says in one line why it is not read: another version's, damaged, not a file
 * - `Missing`: it is not there
 *
 * @since 0.1.0
 * @category models
 */
export type { Reading } from "./internal/records/reading.js"

/**
 * How a bottle ended, as its record says.
 *
 * - `code`: of its main command; of whatever ended it where it had none; null where that is not known
 * - `origin`: whose code it is: `guest`, `runtime`, `engine` or `unknown`
 * - `error`: the tag of the error that ended it
 *
 * @since 0.1.0
 * @category models
 */
export class Ended extends Schema.Class<Ended>("@bottle/engine/RecordEnded")({
  time: Schema.DateTimeUtc,
  code: Schema.NullOr(Schema.Int),
  origin: Schema.String,
  timedOut: Schema.Boolean,
  error: Schema.NullOr(Schema.String)
}) {}

/**
 * Something that a bottle could not remove when it went.
 *
 * @since 0.1.0
 * @category models
 */
export class ReleaseFailure extends Schema.Class<ReleaseFailure>("@bottle/engine/RecordReleaseFailure")({
  resource: Schema.String,
  reason: Schema.String,
  suggestion: Schema.String
}) {}

/**
 * A record, read.
 *
 * - `madeAt`: when its first line was written
 * - `end`: none while the bottle lives, and where it ended without a word
 * - `failures`: what it could not remove; `kept`: the machines that it left in place on purpose
 * - `recovered`: whether somebody took down what its dead owner left
 * - `damaged`: lines of `launch.jsonl` that cannot be read
 *
 * @since 0.1.0
 * @category models
 */
export interface StoredRecord {
  readonly id: BottleId
  readonly directory: string
  readonly madeAt: DateTime.Utc
  readonly plan: Reading<LaunchPlan>
  readonly proof: Reading<ProofRecord>
  readonly end: Option.Option<Ended>
  readonly failures: ReadonlyArray<ReleaseFailure>
  readonly kept: ReadonlyArray<string>
  readonly recovered: boolean
  readonly damaged: number
}

/**
 * The parts of a record that grow by lines.
 *
 * @since 0.1.0
 * @category models
 */
export type Part = "launch" | "bundle" | "decisions"

/**
 * The parts of a record that grow by lines, in the order in which lines of one time are given.
 *
 * @since 0.1.0
 * @category constants
 */
export const PARTS = ["launch", "bundle", "decisions"] as const satisfies ReadonlyArray<Part>

/**
 * One line of a record.
 *
 * - `time`: null where the line tells none; it then stands where it was written
 * - `value`: the line's own object, whatever its version; null where it cannot be read
 *
 * @since 0.1.0
 * @category models
 */
export interface Entry {
  readonly part: Part
  readonly time: DateTime.Utc | null
  readonly value: Readonly<Record<string, unknown>> | null
}

/**
 * Whether, and until when, a reader waits for more.
 *
 * @since 0.1.0
 * @category models
 */
export interface FollowOptions {
  /** Wait for what is yet to come until this ends, however it does; what was written by then is still given. */
  readonly until?: Effect.Effect<unknown, unknown> | undefined
}

const NUMBER_OF_READERS = 16

const LAUNCH_BYTES_MAX = 2 * 1024 * 1024

const isId = Schema.is(BottleId)

/**
 * Every record, the newest first.
 *
 * @since 0.1.0
 * @category constructors
 */
export const list = (
  directories: Directories
): Effect.Effect<ReadonlyArray<StoredRecord>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const names = yield* Effect.orElseSucceed(fs.readDirectory(Record.directoryOf(directories)), () => [])
    const found = yield* Effect.forEach(names.filter(isId), (id) => read(directories, id), {
      concurrency: NUMBER_OF_READERS
    })
    return found
      .flatMap(Option.toArray)
      .toSorted((left, right) => right.madeAt.epochMillis - left.madeAt.epochMillis || (left.id < right.id ? -1 : 1))
  })

/**
 * The record of a bottle; none where there is none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (
  directories: Directories,
  id: string
): Effect.Effect<Option.Option<StoredRecord>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    if (!isId(id)) return Option.none()
    const fs = yield* FileSystem.FileSystem
    const directory = `${Record.directoryOf(directories)}/${id}`
    const info = yield* Effect.option(fs.stat(directory))
    if (Option.isNone(info) || info.value.type !== "Directory") return Option.none()
    const [plan, proof, launch] = yield* Effect.all(
      [
        readDocument(`${directory}/plan.json`, decodePlan(directories, id)),
        readDocument(`${directory}/proof.json`, decodeProof),
        readLaunch(directory)
      ],
      { concurrency: "unbounded" }
    )
    const madeAt = launch.firstTime ?? DateTime.unsafeMake(Option.getOrElse(info.value.mtime, () => new Date(0)))
    return Option.some({ id, directory, madeAt, plan, proof, ...launch.facts })
  })

/**
 * The lines of a record, those of several parts in the order of their times. With `follow`, the lines that come later
 * too, as they come.
 *
 * @since 0.1.0
 * @category constructors
 */
export const entries = (
  directory: string,
  options?: { readonly parts?: ReadonlyArray<Part> | undefined; readonly follow?: FollowOptions | undefined }
): Stream.Stream<Entry, never, FileSystem.FileSystem> =>
  Follow.merged(
    PARTS.filter((part) => (options?.parts ?? PARTS).includes(part)).map((part) => ({
      path: `${directory}/${part}.jsonl`,
      parse: (line: string | null) => parseEntry(part, line)
    })),
    options?.follow
  )

/**
 * What the main command wrote, as it is kept: bytes of a guest, of whatever kind. With `tailBytes` the end only.
 *
 * @since 0.1.0
 * @category constructors
 */
export const output = (
  directory: string,
  options?: { readonly tailBytes?: number | undefined; readonly follow?: FollowOptions | undefined }
): Stream.Stream<Uint8Array, never, FileSystem.FileSystem> =>
  Follow.bytes(`${directory}/output.log`, options?.tailBytes, options?.follow)

/** A plan of a release that knew no ledgers names neither its own nor the directories; where they would be is known. */
const decodePlan =
  (directories: Directories, id: BottleId) =>
  (document: object): Either.Either<LaunchPlan, unknown> =>
    Schema.decodeUnknownEither(LaunchPlan)({ directories, ledger: Ledger.directoryOf(directories, id), ...document })

const decodeProof = lazy(() => Schema.decodeUnknownEither(ProofRecord))

const decodeTime = lazy(() => Schema.decodeUnknownOption(Schema.DateTimeUtc))

const decodeObject = lazy(() =>
  Schema.decodeUnknownOption(Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown })))
)

const parseEntry = (part: Part, line: string | null): Entry =>
  Option.match(line === null ? Option.none() : decodeObject(line), {
    onNone: () => ({ part, time: null, value: null }),
    onSome: (value) => ({ part, time: Option.getOrNull(decodeTime(value["time"])), value })
  })

const decodeEnded = lazy(() => Schema.decodeUnknownOption(Ended))
const decodeFailure = lazy(() => Schema.decodeUnknownOption(ReleaseFailure))

/** The lines of a launch; of a file that is longer than a record's can be, its beginning. */
const readLines = (path: string): Effect.Effect<string, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { size, type } = yield* fs.stat(path)
    if (type !== "File") return ""
    // As a whole where it can be: who lists records waits for hundreds of them.
    return yield* size <= LAUNCH_BYTES_MAX
      ? fs.readFileString(path)
      : Stream.mkString(Stream.decodeText(fs.stream(path, { bytesToRead: LAUNCH_BYTES_MAX })))
  }).pipe(Effect.orElseSucceed(() => ""))

/** What the lines of a launch say of its end. */
const readLaunch = (directory: string) =>
  Effect.map(readLines(`${directory}/launch.jsonl`), (text) => {
    const lines = text.split("\n").filter((line) => line !== "")
    const read = lines.map((line) => parseEntry("launch", line))
    const tagged = (tag: string) => read.flatMap(({ value }) => (value?.["_tag"] === tag ? [value] : []))
    return {
      firstTime: read.find(({ time }) => time !== null)?.time ?? null,
      facts: {
        // Its owner's own word, where there is one, comes before what a recovery could find out.
        end: Option.fromNullable(tagged("Ended").flatMap((value) => Option.toArray(decodeEnded(value)))[0]),
        failures: tagged("ReleaseFailed").flatMap((value) => Option.toArray(decodeFailure(value))),
        kept: tagged("Kept").flatMap(({ machine }) => (typeof machine === "string" ? [machine] : [])),
        recovered: tagged("Recovered").length > 0,
        damaged: read.filter(({ value }) => value === null).length
      }
    }
  })
