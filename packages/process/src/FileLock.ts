/**
 * A lock between programs: a file that names the process that holds it.
 *
 * Node has no `flock`, so the file is made by `link`, which is atomic, and a lock whose holder is dead is broken by one
 * waiter at a time. Nothing is left behind by a holder that ends; what a killed one leaves, the next one takes. On a full
 * disk the lock is a symbolic link whose target is its holder.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Identity from "./Identity.js"
import { lazy } from "./Lazy.js"
import { printable } from "./Text.js"

const POLL_MILLIS_FIRST = 5
const POLL_MILLIS_MAX = 100

/** Breaking takes microseconds; whoever has been at it for this long was killed. */
const BREAKER_STALE_MILLIS = 5000

/**
 * Somebody alive held the lock for all of `timeoutMillis`.
 *
 * @since 0.1.0
 * @category errors
 */
export class LockTimedOut extends Schema.TaggedError<LockTimedOut>("@bottle/process/LockTimedOut")("LockTimedOut", {
  path: Schema.String,
  holder: Schema.NullOr(Schema.Int),
  timeoutMillis: Schema.Number
}) {
  override get message(): string {
    const holder = this.holder === null ? "another process" : `process ${this.holder}`
    return `${printable(this.path)} is locked by ${holder}, and still was after ${this.timeoutMillis} ms`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Wait for it to finish, or end it, and try again."
  }
}

/**
 * The lock's file could not be made or read; `code` is the system's name for the cause ("ENOSPC").
 *
 * @since 0.1.0
 * @category errors
 */
export class LockFailed extends Schema.TaggedError<LockFailed>("@bottle/process/LockFailed")("LockFailed", {
  path: Schema.String,
  code: Schema.String
}) {
  override get message(): string {
    return `${printable(this.path)} could not be locked: ${printable(this.code)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Check that its directory exists and can be written, and that the disk is not full."
  }
}

/**
 * How taking a lock fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type LockError = LockTimedOut | LockFailed

const HolderJson = Schema.parseJson(Identity.Identity)
const encodeHolder = lazy(() => Schema.encodeSync(HolderJson))
const decodeHolder = lazy(() => Schema.decodeUnknownEither(HolderJson))

/** Short enough that file systems keep it where the link is, and need no space for it. */
const encodeLink = ({ bootId, pid, startTime }: Identity.Identity): string => `${pid}.${startTime}.${bootId}`

const decodeLink = (text: string) => {
  const [, pid, startTime, bootId] = /^(\d+)\.(\d+)\.(.+)$/.exec(text) ?? []
  return Schema.decodeUnknownEither(Identity.Identity)({ pid: Number(pid), startTime, bootId })
}

const codeOf = (cause: unknown): string =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : "UNKNOWN"

/** A clock that is set, or jumps, shortens no wait. */
const steadyMillis = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1_000_000n))

/** Runs a file operation; the codes in `expected` are answers, every other one is a failure. */
const attempt = <A>(
  path: string,
  expected: ReadonlyArray<string>,
  run: () => A
): Effect.Effect<A | undefined, LockFailed> =>
  Effect.try({ try: run, catch: codeOf }).pipe(
    Effect.catchAll((code) =>
      expected.includes(code) ? Effect.succeed(undefined) : Effect.fail(new LockFailed({ path, code }))
    )
  )

const readHolder = (path: string) =>
  Effect.gen(function* () {
    const link = yield* attempt(path, ["ENOENT", "EINVAL"], () => Fs.readlinkSync(path))
    if (link !== undefined) return Option.some(decodeLink(link))
    const text = yield* attempt(path, ["ENOENT"], () => Fs.readFileSync(path, "utf8"))
    return text === undefined ? Option.none() : Option.some(decodeHolder(text))
  })

/** Makes the lock's file with its content in one step; false when it is there already. */
const tryTake = (path: string, self: Identity.Identity): Effect.Effect<boolean, LockFailed> =>
  Effect.gen(function* () {
    const own = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`
    const write = () => Fs.writeFileSync(own, encodeHolder(self), { mode: 0o600, flag: "wx" })
    const taken = yield* attempt(path, [], write).pipe(
      Effect.zipRight(attempt(path, ["EEXIST"], () => (Fs.linkSync(own, path), true))),
      Effect.ensuring(Effect.ignore(attempt(path, ["ENOENT"], () => Fs.unlinkSync(own))))
    )
    return taken === true
  }).pipe(
    // What has to go from a full disk is locked first: a link that leads nowhere takes no space, and says who holds it.
    Effect.catchIf(
      ({ code }) => code === "ENOSPC" || code === "EDQUOT",
      () =>
        Effect.map(
          attempt(path, ["EEXIST"], () => (Fs.symlinkSync(encodeLink(self), path), true)),
          (taken) => taken === true
        )
    )
  )

/**
 * Who holds a lock: nobody; a process that lives; or one that is dead, or cannot be told.
 *
 * @since 0.1.0
 * @category models
 */
export type Holder =
  | { readonly _tag: "Nobody" }
  | { readonly _tag: "Alive"; readonly identity: Identity.Identity }
  | { readonly _tag: "Dead"; readonly identity: Identity.Identity | null }

const nobody: Holder = { _tag: "Nobody" }

/**
 * Who holds the lock of `path` now. What is neither a file nor a link is no lock, and one that cannot be read is nobody's.
 *
 * @since 0.1.0
 * @category constructors
 */
export const holderOf = (path: string): Effect.Effect<Holder> =>
  Effect.gen(function* () {
    const stat = yield* attempt(path, ["ENOENT"], () => Fs.lstatSync(path))
    if (stat?.isFile() !== true && stat?.isSymbolicLink() !== true) return nobody
    const holder = yield* readHolder(path)
    if (Option.isNone(holder)) return nobody
    if (Either.isLeft(holder.value)) return { _tag: "Dead", identity: null } as const
    const identity = holder.value.right
    return { _tag: (yield* Identity.isAlive(identity)) ? "Alive" : "Dead", identity } as const
  }).pipe(Effect.orElseSucceed(() => nobody))

const isHeld = (holder: Option.Option<Either.Either<Identity.Identity, unknown>>) =>
  Option.isSome(holder) && Either.isRight(holder.value) ? Identity.isAlive(holder.value.right) : Effect.succeed(false)

/** Removes the file of a dead holder. One waiter at a time: between its look and its unlink nobody else may take it. */
const breakStale = (path: string) =>
  Effect.gen(function* () {
    const breaker = `${path}.breaking`
    const mine = yield* attempt(path, ["EEXIST"], () => (Fs.mkdirSync(breaker), true))
    if (mine !== true) {
      const stat = yield* attempt(path, ["ENOENT"], () => Fs.statSync(breaker))
      const now = yield* Clock.currentTimeMillis
      if (stat !== undefined && now - stat.mtimeMs > BREAKER_STALE_MILLIS) {
        yield* attempt(path, ["ENOENT"], () => Fs.rmdirSync(breaker))
      }
      return
    }
    yield* Effect.gen(function* () {
      if (!(yield* isHeld(yield* readHolder(path)))) yield* attempt(path, ["ENOENT"], () => Fs.unlinkSync(path))
    }).pipe(Effect.ensuring(Effect.ignore(attempt(path, ["ENOENT"], () => Fs.rmdirSync(breaker)))))
  })

/**
 * Holds the lock of `path` until the scope closes. Its directory must exist, and be its user's alone. A lock whose
 * holder has died, or whose file cannot be read as one, is taken over. Waits for at most `timeoutMillis` (60000).
 *
 * @since 0.1.0
 * @category constructors
 */
export const acquire = (
  path: string,
  options?: { readonly timeoutMillis?: number | undefined }
): Effect.Effect<void, LockError, Scope.Scope> =>
  Effect.gen(function* () {
    const timeoutMillis = options?.timeoutMillis ?? 60_000
    const self = yield* Identity.fromPid(process.pid)
    if (Option.isNone(self)) return yield* new LockFailed({ path, code: "NO_PROC" })
    const deadline = (yield* steadyMillis) + timeoutMillis
    let pauseMillis = POLL_MILLIS_FIRST
    const release = Effect.ignore(attempt(path, ["ENOENT"], () => Fs.unlinkSync(path)))
    const take = Effect.uninterruptible(
      Effect.tap(tryTake(path, self.value), (taken) => (taken ? Effect.addFinalizer(() => release) : Effect.void))
    )
    while (!(yield* take)) {
      const holder = yield* readHolder(path)
      if (Option.isSome(holder) && !(yield* isHeld(holder))) {
        yield* Effect.uninterruptible(breakStale(path))
      }
      if ((yield* steadyMillis) >= deadline) {
        const pid = Option.isSome(holder) && Either.isRight(holder.value) ? holder.value.right.pid : null
        return yield* new LockTimedOut({ path, holder: pid, timeoutMillis })
      }
      yield* Effect.sleep(pauseMillis)
      pauseMillis = Math.min(pauseMillis * 2, POLL_MILLIS_MAX)
    }
  })
