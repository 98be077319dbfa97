import * as FileLock from "@bottle/process/FileLock"
import { lazy } from "@bottle/process/Lazy"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { BottleId } from "../../BottleId.js"
import { LedgerFailed, NameTaken } from "../../LedgerError.js"
import * as Files from "./files.js"
import { Owner } from "./model.js"
import { liveness } from "./owner.js"

/** Somebody else looks at a name for a moment only. */
const LOCK_TIMEOUT_MILLIS = 30_000

/** Which bottle has a name, and who wrote that. */
const Reservation = Schema.parseJson(Schema.Struct({ id: BottleId, writer: Owner }))
const encode = lazy(() => Schema.encodeSync(Reservation))
const decode = lazy(() => Schema.decodeUnknownEither(Reservation))

export const directoryOf = (bottles: string): string => `${bottles}/.names`

const pathOf = (bottles: string, name: string): string => `${directoryOf(bottles)}/${name}`

const failed = (path: string) => (reason: string) => new LedgerFailed({ path, reason })

/** One at a time: between the look at who has a name and what follows from it, nobody else takes or frees it. */
const locked =
  (bottles: string, name: string) =>
  <A, E>(work: Effect.Effect<A, E>): Effect.Effect<A, E | LedgerFailed> => {
    const path = `${directoryOf(bottles)}/.${name}.lock`
    return Effect.scoped(
      Effect.zipRight(
        Effect.mapError(FileLock.acquire(path, { timeoutMillis: LOCK_TIMEOUT_MILLIS }), (error) =>
          failed(path)(error.message)
        ),
        work
      )
    )
  }

/** The bottle that has the name; none where nobody has, or what is there says nothing. */
const lookUp = (fs: FileSystem.FileSystem, path: string) =>
  fs.readFileString(path).pipe(
    Effect.map((text) => Option.some(Either.getRight(decode(text)))),
    Effect.catchIf(
      (error) => error._tag === "SystemError" && error.reason === "NotFound",
      () => Effect.succeedNone
    ),
    Files.bounded
  )

export const find = (
  fs: FileSystem.FileSystem,
  bottles: string,
  name: string
): Effect.Effect<Option.Option<BottleId>> =>
  lookUp(fs, pathOf(bottles, name)).pipe(
    Effect.map((found) => Option.map(Option.flatten(found), ({ id }) => id)),
    Effect.orElseSucceed(() => Option.none())
  )

/** Whether the bottle that has the name may still use it. One that is not known to be dead does. */
const isInUse = (fs: FileSystem.FileSystem, bottles: string, { id, writer }: { id: BottleId; writer: Owner }) =>
  Effect.gen(function* () {
    const ledger = yield* Files.bounded(Files.read(fs, `${bottles}/${id}`, id))
    // Its ledger comes after its name.
    if (Option.isNone(ledger)) return (yield* liveness(writer)) !== "dead"
    const { holder, state } = ledger.value
    return state !== "left" && state !== "kept" && (yield* liveness(holder)) !== "dead"
  })

/** Reserves a name for a bottle that is about to be claimed; one whose bottle is no more is taken over. */
export const take = (
  fs: FileSystem.FileSystem,
  bottles: string,
  name: string,
  own: { readonly id: BottleId; readonly writer: Owner }
): Effect.Effect<void, NameTaken | LedgerFailed> =>
  Effect.gen(function* () {
    const path = pathOf(bottles, name)
    const found = yield* Effect.mapError(lookUp(fs, path), failed(path))
    if (Option.isSome(found)) {
      const other = found.value
      if (Option.isSome(other) && (yield* Effect.mapError(isInUse(fs, bottles, other.value), failed(path)))) {
        return yield* new NameTaken({ name, id: other.value.id })
      }
      yield* Effect.mapError(Files.bounded(fs.remove(path, { force: true })), failed(path))
    }
    yield* fs.writeFileString(path, encode(own), { flag: "wx", mode: Files.FILE_MODE }).pipe(
      Effect.onError(() => Effect.ignore(fs.remove(path, { force: true }))),
      Files.bounded,
      Effect.mapError(failed(path))
    )
  }).pipe(locked(bottles, name))

/** Frees a name, where it is still this bottle's. */
export const free = (
  fs: FileSystem.FileSystem,
  bottles: string,
  name: string,
  id: BottleId
): Effect.Effect<void, LedgerFailed> =>
  Effect.gen(function* () {
    const path = pathOf(bottles, name)
    const found = yield* find(fs, bottles, name)
    if (Option.isNone(found) || found.value !== id) return
    yield* Effect.mapError(Files.bounded(fs.remove(path, { force: true })), failed(path))
  }).pipe(locked(bottles, name))
