/**
 * The dead man's handle: a small process that notices when the owner of a bottle dies, by whatever means, and starts
 * the recovery of that bottle.
 *
 * It is a `/bin/sh` in a session of its own that waits for a word on a pipe from its owner. The owner says `done` when
 * its bottle is down; a pipe that ends without that word is an owner that died.
 *
 * @since 0.1.0
 */
import * as Detached from "@bottle/process/Detached"
import * as Release from "@bottle/process/Release"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Directories } from "./Directories.js"

/**
 * Which bottle a handle is for. `nonce` is that of its ledger's claim: recovery refuses a ledger that has another one.
 * `secrets` are names of variables that are the guest's: a handle, whose environment can be read in /proc for as long as
 * the bottle lives, and the recovery after it, have no use for them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Guarded {
  readonly id: string
  readonly nonce: string
  readonly directories: Directories
  readonly secrets?: ReadonlyArray<string> | undefined
}

/**
 * Arms a handle for a bottle that is about to be claimed. It is told that all is well when the scope closes, so that
 * has to be a scope that closes after the bottle's ledger. It never fails: a bottle without one is recovered by whoever
 * looks for dead bottles next. The default arms nothing.
 *
 * @since 0.1.0
 * @category services
 */
export class DeadMansHandle extends Context.Reference<DeadMansHandle>()("@bottle/engine/DeadMansHandle", {
  defaultValue: (): { readonly arm: (about: Guarded) => Effect.Effect<void, never, Scope.Scope> } => ({
    arm: () => Effect.void
  })
}) {}

/**
 * How recovery is started.
 *
 * - `command`: the program and its first words; state directory, id and nonce come after them
 * - `env`: the whole environment of handle and recovery
 *
 * @since 0.1.0
 * @category models
 */
export interface HandleSettings {
  readonly command: readonly [program: string, ...words: ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
}

/** How long a recovery waits for others to end. */
const TURN_SECONDS = 20

/**
 * All that a handle does. No word, and the end of the pipe, is an owner that died without one.
 *
 * Where many owners die at once, three recoveries run at a time, by locks of directories that are there anyway, and the
 * others wait as the small processes that they are; not for long, since one may wait for a daemon. Whatever keeps the
 * lock or the recovery from ending well, `flock` that is not there included, it is started once more without.
 */
const TEXT = `trap '' HUP INT QUIT ALRM TERM PIPE USR1 USR2
IFS= read -r word && [ "$word" = done ] && exit 0
case $(($$ % 3)) in 0) turn=$1 ;; 1) turn=$1/bottles ;; *) turn=$1/bottles/.names ;; esac
shift
[ ! -d "$turn" ] || ! flock --close --wait ${TURN_SECONDS} "$turn" "$@" || exit 0
exec "$@"`

const SHELL = "/bin/sh"

/** It has nothing to do but to read a word and to end; a machine that is busier than this has worse to wait for. */
const LEAVE_TIMEOUT_MILLIS = 1000

/** Between the end of a handle and the start of the next one, doubled each time that one ends. */
const REPLACE_PAUSE_MILLIS_FIRST = 100
const REPLACE_PAUSE_MILLIS_MAX = 60_000

/**
 * Handles that start this command.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (settings: HandleSettings): Layer.Layer<never> =>
  Layer.succeed(DeadMansHandle, { arm: (about) => arm(settings, about) })

/**
 * An environment without what holds a secret of the guest's.
 *
 * @since 0.1.0
 * @category conversions
 */
export const without = (
  env: Readonly<Record<string, string>>,
  secrets: ReadonlyArray<string>
): Record<string, string> => Object.fromEntries(Object.entries(env).filter(([name]) => !secrets.includes(name)))

const arm = (settings: HandleSettings, about: Guarded): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { id, nonce, secrets = [] } = about
    const { state } = about.directories
    const start = Detached.start({
      argv: [SHELL, "-c", TEXT, "bottle-handle", state, ...settings.command, state, id, nonce],
      env: without(settings.env, secrets),
      stdin: "pipe",
      stdout: "null"
    }).pipe(Effect.option)
    let current = yield* start
    let pauseMillis = REPLACE_PAUSE_MILLIS_FIRST
    /** One that ends before its owner, or could not be started, is replaced: less and less often, for as long as it takes. */
    const replacing = Effect.gen(function* () {
      if (Option.isSome(current)) yield* current.value.exit
      yield* Effect.sleep(pauseMillis)
      pauseMillis = Math.min(pauseMillis * 2, REPLACE_PAUSE_MILLIS_MAX)
      yield* Effect.uninterruptible(
        Effect.gen(function* () {
          const before = current
          current = yield* start
          if (Option.isSome(before)) yield* before.value.leave
        })
      )
    })
    const replacer = yield* Effect.forever(replacing).pipe(Effect.interruptible, Effect.forkDaemon)
    yield* Effect.addFinalizer(() =>
      Fiber.interrupt(replacer).pipe(
        Effect.zipRight(Effect.suspend(() => (Option.isSome(current) ? dismiss(current.value) : Effect.void)))
      )
    )
  }).pipe(Effect.uninterruptible)

/** Tells a handle that there is nothing to do for it, and sees it off. */
const dismiss = (handle: Detached.Detached): Effect.Effect<void> =>
  Effect.ignore(handle.write("done\n")).pipe(
    Effect.zipRight(handle.end),
    Effect.zipRight(handle.exit),
    Release.within(LEAVE_TIMEOUT_MILLIS),
    Effect.zipRight(handle.leave)
  )
