/**
 * What bottles have left behind: found from their ledgers, and from the labels and names of whatever has no ledger any
 * more. What a living owner holds, and what another state directory's bottles have, is never among it.
 *
 * Everything is listed first, and the ledgers are read after it: a ledger is there before anything of its bottle is, and
 * no bottle has the id of an earlier one. So what was listed and has no ledger then is nobody's, whatever is launched
 * meanwhile.
 *
 * @since 0.1.0
 */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { BottleId } from "./BottleId.js"
import type { Directories } from "./Directories.js"
import * as Files from "./internal/cleanup/files.js"
import * as Ledgers from "./internal/cleanup/ledgers.js"
import * as Model from "./internal/cleanup/leftover.js"
import * as Things from "./internal/cleanup/things.js"
import * as Ledger from "./Ledger.js"
import type { RuntimeName, Runtimes } from "./Runtimes.js"

/** How many bottles' things are removed at one time. */
const REMOVE_CONCURRENCY = 8

/** How many leftovers are looked at a second time at once. */
const LOOK_CONCURRENCY = 16

/**
 * What something is.
 *
 * - `bottle`: a bottle with its ledger, by its id; all that there is of it goes with it
 * - `process`: processes and namespaces of a machine that is gone
 * - `machine`, `container`, `network`: by their names
 * - `directory`, `file`, `lock`: by their paths
 *
 * @since 0.1.0
 * @category models
 */
export const Kind = Model.Kind

/**
 * @since 0.1.0
 * @category models
 */
export type Kind = Model.Kind

/**
 * Something could not be removed.
 *
 * @since 0.1.0
 * @category errors
 */
export const NotRemoved = Model.NotRemoved

/**
 * @since 0.1.0
 * @category errors
 */
export type NotRemoved = Model.NotRemoved

/**
 * Somebody who was asked what is left did not say: a program that fails or does not answer in its time. `isAbsent` where
 * the program is not there, or its daemon does not run.
 *
 * @since 0.1.0
 * @category errors
 */
export const Unanswered = Model.Unanswered

/**
 * @since 0.1.0
 * @category errors
 */
export type Unanswered = Model.Unanswered

/**
 * Something that was left behind.
 *
 * - `bottle`: whose it was, where that is known
 * - `why`: one line on why it is thought to be left behind
 * - `removable`: whether `remove` takes it; what is doubtful or was kept on purpose it takes with `all` only
 * - `isThere`: whether it is there now; true where nobody answers
 * - `remove`: removes it, bounded; succeeds where it is gone already
 *
 * @since 0.1.0
 * @category models
 */
export type Leftover = Model.Leftover

/**
 * Looks for more than this package can know of, as a runtime's own leftovers.
 *
 * @since 0.1.0
 * @category models
 */
export type Finder = Effect.Effect<ReadonlyArray<Leftover>, Unanswered>

/**
 * Where to look.
 *
 * - `docker`: the container engine's program; `null` where there is none, which is then not asked
 * - `runtimes`: those whose machines are listed. A machine that has no label, since its release knows none, is thought to
 *   be ours where the runtime's machines are `isPrivate` to our state directory
 * - `finders`: who else is asked
 * - `all`: takes what was kept on purpose, what may be another state directory's, and bottles whose owner cannot be seen
 *   from here
 *
 * @since 0.1.0
 * @category models
 */
export interface SurveyOptions {
  readonly directories: Directories
  readonly docker: string | null
  readonly runtimes: ReadonlyArray<RuntimeName & { readonly isPrivate: boolean }>
  readonly finders?: ReadonlyArray<Finder> | undefined
  readonly all?: boolean | undefined
}

/**
 * What was found, and who did not say; each of those is told of once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Survey {
  readonly leftovers: ReadonlyArray<Leftover>
  readonly unanswered: ReadonlyArray<Unanswered>
}

/**
 * What became of a leftover: `failure` says why it may still be there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Removal {
  readonly leftover: Leftover
  readonly failure: NotRemoved | null
}

/**
 * The bottle that a machine's name is made of; undefined where it is none of ours.
 *
 * @since 0.1.0
 * @category conversions
 */
export const bottleOf = (machine: string): BottleId | undefined => Things.bottleOf(machine)

/**
 * Looks for what bottles have left behind. It changes nothing, and has an end: who does not answer is told of, and the
 * rest is found all the same.
 *
 * @since 0.1.0
 * @category constructors
 */
export const survey = (options: SurveyOptions): Effect.Effect<Survey, never, Runtimes | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const { directories } = options
    const asked = { directories, all: options.all === true }
    const questions: ReadonlyArray<Question> = [
      ...(options.docker === null ? [] : [Things.ofDocker(options.docker, asked)]),
      ...options.runtimes.map((runtime) => Things.ofRuntime(runtime, asked)),
      ...(options.finders ?? []),
      Files.runDirectories(asked),
      Files.partials(asked),
      Files.names(asked),
      Files.asides(asked),
      Files.locks(asked)
    ]
    const answers = yield* Effect.forEach(questions, Effect.either, { concurrency: "unbounded" })
    const unanswered = answers.flatMap((answer) => (Either.isLeft(answer) ? [answer.left] : []))
    // From here on, and not before: what has no ledger now was nobody's when it was listed.
    const views = yield* Effect.either(Ledger.list(directories))
    if (Either.isLeft(views)) return { leftovers: [], unanswered: once([...unanswered, ledgersUnread(views.left)]) }
    const known = new Set<string>(views.right.map(({ id }) => id))
    const listed = answers.flatMap((answer) => (Either.isRight(answer) ? answer.right : []))
    const orphans = listed.filter(({ bottle }) => bottle === null || !known.has(bottle))
    // What a bottle that was closing had when it was listed, and has removed since, is nothing to speak of.
    const there = yield* Effect.filter(orphans, ({ isThere }) => isThere, { concurrency: LOOK_CONCURRENCY })
    const guarded = yield* Effect.forEach(there, (leftover) => guard(leftover, directories))
    return {
      leftovers: [...(yield* Ledgers.ofLedgers(views.right, asked)), ...guarded].toSorted(inOrder),
      unanswered: once(unanswered)
    }
  })

/** Who was asked several things and did not say is told of once. */
const once = (unanswered: ReadonlyArray<Unanswered>): ReadonlyArray<Unanswered> =>
  unanswered.filter(({ asked }, at) => unanswered.findIndex((other) => other.asked === asked) === at)

type Question = Effect.Effect<ReadonlyArray<Leftover>, Unanswered, Runtimes | FileSystem.FileSystem>

const ledgersUnread = ({ message, suggestion }: Ledger.LedgerUnreadable): Unanswered =>
  new Unanswered({ asked: "the state directory", reason: message, advice: suggestion, isAbsent: false })

const inOrder = (left: Leftover, right: Leftover): number =>
  Model.KINDS.indexOf(left.kind) - Model.KINDS.indexOf(right.kind) || (left.name < right.name ? -1 : 1)

/** What has no ledger does not get one later; but who removes something looks again before. */
const guard = (leftover: Leftover, directories: Directories): Effect.Effect<Leftover, never, FileSystem.FileSystem> =>
  Effect.map(FileSystem.FileSystem, (fs) => {
    const { bottle, remove } = leftover
    if (bottle === null) return leftover
    const hasLedger = Effect.map(Ledger.read(directories, bottle), Option.isSome)
    const refused = Model.notRemoved(leftover)({
      message: "its bottle has a ledger now",
      suggestion: `See what is known of it: bottle inspect ${bottle}`
    })
    return {
      ...leftover,
      remove: Effect.flatMap(Effect.provideService(hasLedger, FileSystem.FileSystem, fs), (has) =>
        has ? refused : remove
      )
    }
  })

/**
 * Removes what can be removed: everything is tried, that of several bottles at one time, and what belongs together one
 * after the other. Each removal has an end. It succeeds: what could not be removed is said by name.
 *
 * @since 0.1.0
 * @category constructors
 */
export const remove = (leftovers: ReadonlyArray<Leftover>): Effect.Effect<ReadonlyArray<Removal>> =>
  Effect.gen(function* () {
    const groups = new Map<string, Array<Leftover>>()
    for (const leftover of leftovers.filter(({ removable }) => removable).toSorted(inOrder)) {
      const key = leftover.bottle ?? leftover.name
      groups.set(key, [...(groups.get(key) ?? []), leftover])
    }
    const removed = yield* Effect.forEach(
      groups.values(),
      (group) =>
        Effect.forEach(group, (leftover) =>
          Effect.match(leftover.remove, {
            onFailure: (failure): Removal => ({ leftover, failure }),
            onSuccess: (): Removal => ({ leftover, failure: null })
          })
        ),
      { concurrency: REMOVE_CONCURRENCY }
    )
    return removed.flat()
  })
