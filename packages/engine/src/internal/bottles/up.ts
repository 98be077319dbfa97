import { maxSocketPathBytes } from "@bottle/egress/ProxyError"
import * as Detached from "@bottle/process/Detached"
import type { Exit as ProcessExit } from "@bottle/process/Exit"
import * as Identity from "@bottle/process/Identity"
import * as Release from "@bottle/process/Release"
import { printable } from "@bottle/process/Text"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { BottleGone } from "../../ControlError.js"
import {
  type BottlesSettings,
  ControlPathTooLong,
  KeeperFailed,
  KeeperNotStarted,
  type UpBottle
} from "../../Bottles.js"
import type { UpError, UpOptions } from "../../Bottles.js"
import { socketOf } from "../../Control.js"
import { slug } from "../../BottleId.js"
import { without } from "../../DeadMansHandle.js"
import * as Credentials from "../../Credentials.js"
import { type CredentialMissing, SecretMissing } from "../../LaunchError.js"
import type { LaunchPlan } from "../../LaunchPlan.js"
import type { Stage } from "../../Stage.js"
import * as Wire from "../keeper/wire.js"

/**
 * What is done before the keeper itself is there: no dump of it will hold a secret, and its standard streams are nobody's.
 * The limit is the soft one, since the local runtime sets both for its machines.
 * It is spoken to on 3 and 4; its last words go to 2. Its umask is that of who started it, as a run's is: what is ours
 * alone is made so.
 */
const PRELUDE = `ulimit -S -c 0; exec 3<&0 4>&1 2>&4 </dev/null >/dev/null; exec "$@"`

/** The whole of a launch's release has bounds of its own; a keeper that is still there after that does not answer. */
const STOP_TIMEOUT_MILLIS = 300_000

/** A process that has closed its output, or said its last word, is about to end. */
const EXIT_TIMEOUT_MILLIS = 3000

const WORDS_MAX = 3
const WORDS_CHARS_MAX = 400

/** What was heard of a keeper by the end of what it says. */
interface Heard {
  readonly word: Extract<Wire.Word, { readonly ready: unknown } | { readonly failed: unknown }> | null
  readonly isStopped: boolean
  readonly stage: Stage | null
  readonly words: string
}

type Ready = Extract<Wire.Word, { readonly ready: unknown }>["ready"]

type Unfit = ControlPathTooLong | SecretMissing | CredentialMissing

const check = (plan: LaunchPlan, { credentials, secrets }: UpOptions): Effect.Effect<void, Unfit> =>
  Effect.suspend((): Effect.Effect<void, Unfit> => {
    const path = socketOf(plan.directory)
    if (Buffer.byteLength(path) > maxSocketPathBytes) {
      return new ControlPathTooLong({ path, maxBytes: maxSocketPathBytes })
    }
    const missing = plan.guest.secrets.find((name) => secrets?.get(name) === undefined)
    return missing === undefined
      ? Effect.asVoid(Credentials.take(plan, credentials))
      : new SecretMissing({ name: missing })
  })

const reveal = (values: ReadonlyMap<string, Redacted.Redacted> | undefined, names?: ReadonlyArray<string>) =>
  Object.fromEntries(
    [...(values ?? [])]
      .filter(([name]) => names === undefined || names.includes(name))
      .map(([name, value]) => [name, Redacted.value(value)])
  )

const documentOf = (plan: LaunchPlan, options: UpOptions): Wire.Document => {
  const { command, credentials, idleMillis, name, secrets, ttlMillis } = options
  return {
    version: 1,
    plan,
    // Only what the plan names is taken, so nothing else can reach the keeper.
    secrets: reveal(secrets, plan.guest.secrets),
    credentials: reveal(credentials, Object.keys(plan.egress.credentials ?? {})),
    name: name === undefined ? null : slug(name),
    ttlMillis: ttlMillis ?? null,
    idleMillis: idleMillis ?? null,
    trace: options.onSpan !== undefined,
    main:
      command === undefined
        ? null
        : {
            command: command.command,
            env: command.env ?? [],
            secrets: reveal(command.secrets),
            workdir: command.workdir ?? null,
            timeoutMillis: command.timeoutMillis ?? null,
            interactive: command.interactive === true
          }
  }
}

/** Variables that hold a secret are not the keeper's: its environment can be read in /proc. */
const environmentOf = (
  { env }: BottlesSettings["keeper"],
  plan: LaunchPlan,
  { command }: UpOptions
): Record<string, string> => without(env, [...Credentials.hiddenVariables(plan), ...(command?.secrets?.keys() ?? [])])

const start = (
  { keeper }: BottlesSettings,
  plan: LaunchPlan,
  options: UpOptions
): Effect.Effect<Detached.Detached, KeeperNotStarted> =>
  Detached.start({
    argv: ["/bin/sh", "-c", PRELUDE, "sh", ...keeper.command],
    env: environmentOf(keeper, plan, options),
    stdin: "pipe",
    stdout: "pipe"
  }).pipe(Effect.mapError((error) => new KeeperNotStarted({ program: keeper.command[0], reason: error.message })))

/** Nothing of a detached process keeps ours alive: as long as we wait for one, this does. */
const stayingAlive = Effect.acquireRelease(
  Effect.sync(() => setInterval(() => {}, 60_000)),
  (timer) => Effect.sync(() => clearInterval(timer))
)

/** Reads what a keeper says, to its last word or its end. */
const hear = (
  keeper: Detached.Detached,
  { onEvent = () => Effect.void, onSpan = () => Effect.void }: UpOptions,
  onReady: (ready: Ready) => Effect.Effect<void>
): Effect.Effect<Heard> =>
  Effect.suspend(() => {
    let heard: Heard = { word: null, isStopped: false, stage: null, words: "" }
    const words: Array<string> = []
    return Stream.runForEach(keeper.lines, (line) => {
      const word = line.startsWith("{") ? Wire.readWord(line) : undefined
      if (word === undefined) {
        // Not its own words: what Node says of a keeper that it ends.
        if (line.trim() !== "") words.push(line)
        if (words.length > WORDS_MAX * 2) words.splice(WORDS_MAX, 1)
        return Effect.void
      }
      if ("event" in word) {
        if (word.event._tag === "StageStarted") heard = { ...heard, stage: word.event.stage }
        return onEvent(word.event)
      }
      if ("span" in word) return onSpan(word.span)
      if ("stopped" in word) heard = { ...heard, isStopped: true }
      else heard = { ...heard, word }
      return "ready" in word ? onReady(word.ready) : Effect.void
    }).pipe(
      Effect.map(() => ({
        ...heard,
        words: printable(words.join(" ").replaceAll(/\s+/g, " ")).slice(0, WORDS_CHARS_MAX)
      }))
    )
  })

const exitOf = (keeper: Detached.Detached): Effect.Effect<Option.Option<ProcessExit>> =>
  Release.within(EXIT_TIMEOUT_MILLIS)(keeper.exit)

/** A keeper that ended, or closed its output, without a word about it. One that still runs then is of no use. */
const crashed = (
  plan: LaunchPlan,
  { stage, words }: Heard,
  keeper: Detached.Detached
): Effect.Effect<never, KeeperFailed> =>
  Effect.gen(function* () {
    const exit = Option.getOrNull(yield* exitOf(keeper))
    if (exit === null) yield* Identity.signal(keeper.identity, "SIGKILL")
    const signal = exit === null ? "SIGKILL" : exit.signal
    return yield* new KeeperFailed({
      id: plan.id,
      stage,
      exitCode: exit === null || signal !== null ? null : exit.code,
      signal,
      words
    })
  })

/** Waits until a keeper that was told to stop has ended; one that does not is ended, and its handle takes over. */
const ended = (keeper: Detached.Detached): Effect.Effect<void> =>
  Effect.flatMap(
    Release.within(STOP_TIMEOUT_MILLIS)(keeper.exit),
    Option.match({
      onNone: () => Effect.asVoid(Identity.signal(keeper.identity, "SIGKILL")),
      onSome: () => Effect.void
    })
  )

/** The keeper goes on by itself from here. */
const handOver = (
  { name }: UpOptions,
  keeper: Detached.Detached,
  ready: Ready
): Effect.Effect<UpBottle, Detached.InputClosed> =>
  Effect.gen(function* () {
    yield* keeper.write(`${Wire.TAKEN}\n`)
    yield* keeper.leave
    const { plan, proof, record } = ready
    return { id: plan.id, name: name === undefined ? null : slug(name), plan, proof, record, keeper: keeper.identity }
  })

/** What became of a keeper that will not be ready. One that met a fault of its own stops too, and says so by its exit. */
const failed = (plan: LaunchPlan, keeper: Detached.Detached, heard: Heard): Effect.Effect<never, UpError> =>
  Effect.gen(function* () {
    const { isStopped, word } = heard
    if (word === null && !isStopped) return yield* crashed(plan, heard, keeper)
    const exit = yield* exitOf(keeper)
    if (word !== null && "failed" in word) return yield* Effect.fail(word.failed)
    const isAsked = Option.isNone(exit) || exit.value.code === 0
    return yield* isAsked ? new BottleGone({ id: plan.id, reason: "signal" }) : crashed(plan, heard, keeper)
  })

/** Brings a bottle up in a keeper of its own. */
export const up = (settings: BottlesSettings, plan: LaunchPlan, options: UpOptions): Effect.Effect<UpBottle, UpError> =>
  Effect.gen(function* () {
    yield* check(plan, options)
    yield* stayingAlive
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(start(settings, plan, options), (keeper) => launched(restore, plan, options, keeper))
    )
  }).pipe(Effect.scoped)

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const launched = (
  restore: Restore,
  plan: LaunchPlan,
  options: UpOptions,
  keeper: Detached.Detached
): Effect.Effect<UpBottle, UpError> =>
  Effect.gen(function* () {
    const ready = yield* Deferred.make<Ready>()
    // It listens to the end, also when we are interrupted: what is said of the release is told too.
    const listening = yield* hear(keeper, options, (it) => Effect.asVoid(Deferred.succeed(ready, it))).pipe(
      Effect.interruptible,
      Effect.forkDaemon
    )
    const heard = Fiber.join(listening)
    // A keeper that does not read it has ended, and says so by the end of its output.
    const told = Effect.ignore(keeper.write(`${Wire.writeDocument(documentOf(plan, options))}\n`))
    const last = Effect.flatMap(heard, (all) => failed(plan, keeper, all))
    const it = yield* told.pipe(
      Effect.zipRight(Effect.raceFirst(Deferred.await(ready), last)),
      restore,
      Effect.onError(() => Effect.all([keeper.end, ended(keeper), Release.within(EXIT_TIMEOUT_MILLIS)(heard)]))
    )
    return yield* handOver(options, keeper, it).pipe(
      Effect.catchTag("InputClosed", () => Effect.flatMap(heard, (all) => crashed(plan, all, keeper))),
      // Whoever was interrupted while it was handed over would never learn its id.
      Effect.zipLeft(restore(Effect.yieldNow())),
      Effect.onError(() => Effect.zipRight(Identity.signal(keeper.identity, "SIGTERM"), ended(keeper)))
    )
  })
