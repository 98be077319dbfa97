/**
 * Which bottle a word of the command line means, where one that is down will do as well: a record is found by the same
 * words as a bottle that lives.
 *
 * @since 0.1.0
 */
import * as Nearest from "@bottle/egress/Nearest"
import { BottleId } from "@bottle/engine/BottleId"
import {
  BottleNotFound,
  Bottles,
  type DownError,
  type Downed,
  type FindError,
  type FoundBottle,
  NameAmbiguous
} from "@bottle/engine/Bottles"
import type { ControlError } from "@bottle/engine/ControlError"
import * as Directories from "@bottle/engine/Directories"
import * as Ledger from "@bottle/engine/Ledger"
import * as Record from "@bottle/engine/Record"
import * as RecordStore from "@bottle/engine/RecordStore"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Invocation } from "./Invocation.js"

/**
 * The bottle that a word means.
 *
 * - `view`: its ledger; none where it is down
 * - `older`: how many bottles of the same name are older, and down like this one
 *
 * @since 0.1.0
 * @category models
 */
export interface Named {
  readonly id: BottleId
  readonly view: Option.Option<Ledger.LedgerView>
  readonly older: number
}

/**
 * A bottle that is down cannot be used any more.
 *
 * - `code`: of its command; null where it had none, or its code is not known
 *
 * @since 0.1.0
 * @category errors
 */
export class AlreadyDown extends Schema.TaggedError<AlreadyDown>("@bottle/cli/AlreadyDown")("AlreadyDown", {
  id: BottleId,
  code: Schema.NullOr(Schema.Int)
}) {
  override get message(): string {
    return `${this.id} is down already${this.code === null ? "" : `: its command ended with exit code ${this.code}`}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.code === null
      ? `bottle logs ${this.id} tells what it did; bottle up launches another one`
      : `bottle logs ${this.id} --only output prints what its command wrote`
  }
}

const isId = Schema.is(BottleId)

/** What an id is without its five last characters: the name that it was made from. */
const slugOf = (id: BottleId): string => id.slice(0, -6)

const living = (
  word: string,
  views: ReadonlyArray<Ledger.LedgerView>
): Effect.Effect<Option.Option<Named>, NameAmbiguous> => {
  const exact = views.filter(({ claim, id }) => id === word || claim?.name === word)
  const found = exact.length > 0 ? exact : views.filter(({ id }) => id.startsWith(word))
  const [view, ...others] = found
  if (view === undefined) return Effect.succeedNone
  return others.length === 0
    ? Effect.succeedSome({ id: view.id, view: Option.some(view), older: 0 })
    : Effect.fail(new NameAmbiguous({ name: word, ids: found.map(({ id }) => id) }))
}

/** A launch that was refused since another bottle had its name is not the one that anybody means by it. */
const isRefused = ({ end }: RecordStore.StoredRecord): boolean =>
  Option.exists(end, ({ error }) => error === "NameTaken")

/** Of several records of one name the newest is meant: whoever launches by a name again makes one each time. */
const recorded = (
  word: string,
  ids: ReadonlyArray<BottleId>,
  directories: Directories.Directories
): Effect.Effect<Option.Option<Named>, NameAmbiguous, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const exact = ids.filter((id) => id === word)
    const named = exact.length > 0 ? exact : ids.filter((id) => slugOf(id) === word)
    const found = named.length > 0 ? named : ids.filter((id) => id.startsWith(word))
    if (new Set(found.map(slugOf)).size > 1) return yield* new NameAmbiguous({ name: word, ids: found })
    const read = (yield* Effect.forEach(found, (id) => RecordStore.read(directories, id))).flatMap(Option.toArray)
    const meant = read.some((record) => !isRefused(record)) ? read.filter((record) => !isRefused(record)) : read
    const [newest] = meant.toSorted((left, right) => right.madeAt.epochMillis - left.madeAt.epochMillis)
    return newest === undefined
      ? Option.none()
      : Option.some({ id: newest.id, view: Option.none(), older: meant.length - 1 })
  })

/**
 * The line that says which of several bottles is meant; undefined where there is only one.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toldOf = ({ id, older }: Named): string | undefined =>
  older === 0 ? undefined : `bottle: ${id}, the newest of ${older + 1} of that name; bottle ls -a lists them`

/**
 * The bottle that a word means: one that lives by its id, its name or what only one id begins with; else the newest
 * record of that id or name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const find = (
  word: string,
  directories: Directories.Directories
): Effect.Effect<Named, BottleNotFound | NameAmbiguous, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // What cannot be listed has no bottle that this could be about.
    const views = yield* Effect.orElseSucceed(Ledger.list(directories), () => [])
    const alive = yield* living(word, views)
    if (Option.isSome(alive)) return alive.value
    const names = yield* Effect.orElseSucceed(fs.readDirectory(Record.directoryOf(directories)), () => [])
    const ids = names.flatMap((name) => (isId(name) ? [name] : []))
    const down = yield* recorded(word, ids, directories)
    if (Option.isSome(down)) return down.value
    const known = [...views.flatMap(({ claim, id }) => [id, claim?.name ?? id]), ...ids, ...ids.map(slugOf)]
    return yield* new BottleNotFound({ name: word, nearest: Nearest.nearest(word, known) ?? null })
  })

/** Says of a bottle that is down that it is; of others nobody knows anything. */
const orDown =
  (word: string) =>
  <A, E, R>(use: Effect.Effect<A, E | BottleNotFound, R>) =>
    Effect.catchIf(
      use,
      (error): error is BottleNotFound => error instanceof BottleNotFound,
      (error) =>
        Effect.gen(function* () {
          const directories = Directories.fromEnvironment((yield* Invocation).environment)
          const named = yield* Effect.option(find(word, directories))
          if (Option.isNone(named) || Option.isSome(named.value.view)) return yield* error
          const record = yield* RecordStore.read(directories, named.value.id)
          const end = Option.getOrNull(Option.flatMap(record, (read) => read.end))
          return yield* new AlreadyDown({ id: named.value.id, code: end?.origin === "guest" ? end.code : null })
        })
    )

/**
 * The bottle that is up and that a word means, to be used. One that was up fails as `AlreadyDown`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const use = (
  word: string
): Effect.Effect<
  FoundBottle,
  FindError | ControlError | AlreadyDown,
  Bottles | Invocation | FileSystem.FileSystem | Scope.Scope
> => Effect.flatMap(Bottles, (bottles) => bottles.find(word)).pipe(orDown(word))

/**
 * Takes the bottle down that a word means. One that was up fails as `AlreadyDown`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const down = (
  word: string
): Effect.Effect<Downed, DownError | AlreadyDown, Bottles | Invocation | FileSystem.FileSystem> =>
  Effect.flatMap(Bottles, (bottles) => bottles.down(word)).pipe(orDown(word))
