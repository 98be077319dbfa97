/**
 * Programs that somebody who died had started and that go on without it: clients of a daemon, known by what they were
 * asked to work on.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Identity from "./Identity.js"
import * as ProcTable from "./internal/procTable.js"

/**
 * Which processes are meant: those that run one of `programs` on one of `names`.
 *
 * - `programs`: names or paths. A process runs one when its first word, or one of the two after it (a script has its
 *   interpreter before it), is a path that ends in that name, or in that name and more after a `-` or `.`
 *   (`smolvm-bin`, `smolvm-local.mjs`)
 * - `names`: one of its words, or the value of one (`--option=value`), must be such a name, or begin with it and a colon,
 *   as the machine of a file's place does, or a slash, as what is below a directory
 * - `users`: `own` means those of our user, and is the default; `any` is for root, whose programs may have become others
 *
 * @since 0.1.0
 * @category models
 */
export interface Wanted {
  readonly programs: ReadonlyArray<string>
  readonly names: ReadonlyArray<string>
  readonly users?: "own" | "any" | undefined
}

/**
 * A process that was found, and the words it was started with.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stray {
  readonly identity: Identity.Identity
  readonly argv: ReadonlyArray<string>
}

/**
 * How they are ended.
 *
 * - `patienceMillis`: how long those that `isWaitedFor` may take to end by themselves; 0 by default
 * - `graceMillis`: the time between SIGTERM and SIGKILL; 2000 by default
 *
 * @since 0.1.0
 * @category models
 */
export interface EndOptions {
  readonly patienceMillis?: number | undefined
  readonly isWaitedFor?: ((argv: ReadonlyArray<string>) => boolean) | undefined
  readonly graceMillis?: number | undefined
}

/**
 * What became of them: how many were found, how many of those that were waited for had to be ended all the same
 * (`overdue`), and which still run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ended {
  readonly found: number
  readonly overdue: number
  readonly left: ReadonlyArray<Stray>
}

const GRACE_MILLIS = 2000

/** What SIGKILL does not end in this time waits for a device. */
const KILL_MILLIS = 2000

const POLL_MILLIS_FIRST = 5
const POLL_MILLIS_MAX = 100

/** How many words before the subcommand may name the program: itself, or an interpreter, its option, and the script. */
const PROGRAM_WORDS = 3

/**
 * The processes that are meant now, and whatever is in a process group that one of them leads. Our own process and those
 * it descends from are never among them. None are found where there is no `/proc`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const find = (wanted: Wanted): Effect.Effect<ReadonlyArray<Stray>> =>
  Effect.gen(function* () {
    const rows = (ProcTable.readAll() ?? []).filter(ProcTable.isRunning)
    const spared = ancestry(rows)
    const owned = rows.filter((row) => !spared.has(row.pid) && (wanted.users === "any" || isOurs(row.pid)))
    const meant = owned.filter((row) => isMeant(wanted, wordsOf(row.pid)))
    const groups = new Set(meant.filter((row) => row.group === row.pid).map((row) => row.group))
    const found = owned.filter((row) => meant.includes(row) || groups.has(row.group))
    const strays = yield* Effect.forEach(found, (row) =>
      Effect.map(Identity.fromPid(row.pid), (identity) =>
        Option.match(identity, {
          onNone: () => [],
          // The number may have come round between the two looks.
          onSome: (it) => (it.startTime === row.startTime ? [{ identity: it, argv: wordsOf(row.pid) }] : [])
        })
      )
    )
    return strays.flat()
  })

/**
 * Ends them, and those that come meanwhile: SIGTERM, a grace, SIGKILL. Bounded: what still runs then is told.
 *
 * @since 0.1.0
 * @category constructors
 */
export const end = (wanted: Wanted, options: EndOptions = {}): Effect.Effect<Ended> =>
  Effect.gen(function* () {
    const seen = new Set<string>()
    const note = Effect.tap(find(wanted), (strays) =>
      Effect.sync(() => strays.forEach(({ identity }) => seen.add(`${identity.pid} ${identity.startTime}`)))
    )
    const { isWaitedFor, patienceMillis = 0 } = options
    const isPatient = (stray: Stray) => isWaitedFor?.(stray.argv) === true
    let overdue = 0
    if (patienceMillis > 0) {
      yield* signalAll("SIGTERM")((yield* note).filter((stray) => !isPatient(stray)))
      const waiting = Effect.map(note, (strays) => strays.filter(isPatient))
      overdue = (yield* untilNone(waiting, patienceMillis, () => Effect.void)).length
    }
    // Each look signals again: a client may start another one before it ends.
    const afterTerm = yield* untilNone(note, options.graceMillis ?? GRACE_MILLIS, signalNew("SIGTERM"))
    if (afterTerm.length === 0) return { found: seen.size, overdue, left: [] }
    const left = yield* untilNone(note, KILL_MILLIS, signalNew("SIGKILL"))
    return { found: seen.size, overdue, left }
  })

const signalAll = (signal: NodeJS.Signals) => (strays: ReadonlyArray<Stray>) =>
  Effect.forEach(strays, ({ identity }) => Identity.signal(identity, signal), { discard: true })

/** Sends each process the signal once. */
const signalNew = (signal: NodeJS.Signals) => {
  const sent = new Set<string>()
  return (strays: ReadonlyArray<Stray>) =>
    signalAll(signal)(
      strays.filter(({ identity }) => {
        const key = `${identity.pid} ${identity.startTime}`
        return !sent.has(key) && sent.add(key)
      })
    )
}

/** The time of day may be set back meanwhile. */
const monotonicMillis = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** Looks until there are none, and does something about them after each look; gives those that are there at the end. */
const untilNone = (
  look: Effect.Effect<ReadonlyArray<Stray>>,
  timeoutMillis: number,
  act: (strays: ReadonlyArray<Stray>) => Effect.Effect<void>
): Effect.Effect<ReadonlyArray<Stray>> =>
  Effect.gen(function* () {
    const deadline = (yield* monotonicMillis) + timeoutMillis
    let pauseMillis = POLL_MILLIS_FIRST
    let strays = yield* look
    while (strays.length > 0) {
      yield* act(strays)
      if ((yield* monotonicMillis) >= deadline) break
      yield* Effect.sleep(pauseMillis)
      pauseMillis = Math.min(pauseMillis * 2, POLL_MILLIS_MAX)
      strays = yield* look
    }
    return strays
  })

const ancestry = (rows: ReadonlyArray<ProcTable.Row>): ReadonlySet<number> => {
  const parents = new Map(rows.map((row) => [row.pid, row.parent]))
  const found = new Set<number>()
  for (let pid = process.pid; pid > 0 && !found.has(pid); pid = parents.get(pid) ?? 0) found.add(pid)
  return found
}

const isOurs = (pid: number): boolean => {
  try {
    return Fs.statSync(`/proc/${pid}`).uid === process.getuid?.()
  } catch {
    return false
  }
}

const wordsOf = (pid: number): ReadonlyArray<string> => {
  try {
    return Fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1)
  } catch {
    return []
  }
}

const isMeant = ({ names, programs }: Wanted, words: ReadonlyArray<string>): boolean =>
  programs.some((program) => runs(words, program)) &&
  words.some((word) => {
    const value = word.startsWith("--") ? word.slice(word.indexOf("=") + 1) : word
    return names.some((name) => value === name || value.startsWith(`${name}:`) || value.startsWith(`${name}/`))
  })

/**
 * Whether these words run that program, as `Wanted` has it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const runs = (argv: ReadonlyArray<string>, program: string): boolean => {
  const name = Path.basename(program)
  return argv.slice(0, PROGRAM_WORDS).some((word) => {
    const base = Path.basename(word)
    return base === name || base.startsWith(`${name}-`) || base.startsWith(`${name}.`)
  })
}
