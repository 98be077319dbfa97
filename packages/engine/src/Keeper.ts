/**
 * The keeper of a detached bottle: the one process that holds its scope, and with the process bundle its proxy. Its end
 * by any means is the end of the bottle.
 *
 * It is told what to launch on one line of its input, and tells who started it how the launch goes until that one has
 * taken over what is ready. From then on it is spoken to by its control socket and by signals only.
 *
 * @since 0.1.0
 */
import * as Release from "@bottle/process/Release"
import * as Reap from "@bottle/smolvm/Reap"
import type { Smolvm } from "@bottle/smolvm/Smolvm"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Bottle } from "./Bottle.js"
import type { Bundle } from "./Bundle.js"
import type { MachineLost } from "./CommitError.js"
import * as Control from "./Control.js"
import { type ControlFailed, type DownReason, OwnerFailed } from "./ControlError.js"
import * as Main from "./internal/keeper/main.js"
import * as Timers from "./internal/keeper/timers.js"
import * as Watch from "./internal/keeper/watch.js"
import * as Wire from "./internal/keeper/wire.js"
import { ofCommand } from "./internal/ofCommand.js"
import * as Launch from "./Launch.js"
import type { BundleDied, LaunchError } from "./LaunchError.js"
import { type LaunchEvent, LaunchObserver } from "./LaunchObserver.js"
import type { LaunchPlan } from "./LaunchPlan.js"
import * as Record from "./Record.js"
import type { SpanRecord } from "./SpanRecord.js"

/** For the last lines of the record, and for the answers that are still on their way. */
const LEAVE_TIMEOUT_MILLIS = 8000

/**
 * A keeper's way to who started it, and what ends it from outside.
 *
 * - `say`: says a line, and returns at once; nobody may be there to hear it
 * - `next`: the next line that it is told; none when there will be no more
 * - `leave`: has nothing to do with who started it any more
 * - `told`: ends when this process is told to end; not before
 *
 * @since 0.1.0
 * @category models
 */
export interface Parent {
  readonly say: (line: string) => Effect.Effect<void>
  readonly next: Effect.Effect<Option.Option<string>>
  readonly leave: Effect.Effect<void>
  readonly told: Effect.Effect<void>
}

/**
 * What a keeper was told to launch.
 *
 * @since 0.1.0
 * @category models
 */
export type Document = Wire.Document

/**
 * Reads what a keeper is told first. It holds secrets; one that cannot be read is not shown.
 *
 * @since 0.1.0
 * @category conversions
 */
export const readDocument: (line: string) => Option.Option<Document> = (line) =>
  Option.fromNullable(Wire.readDocument(line))

/**
 * A span as it is said to who started the keeper.
 *
 * @since 0.1.0
 * @category conversions
 */
export const writeSpan = (span: SpanRecord): string => Wire.writeWord({ span })

/** Nobody is there any more to take over the bottle, or the process was told to end, before the bottle was ready. */
class Stopped {
  readonly _tag = "Stopped"
}

/** How a bottle that had been ready came to its end. */
interface Life {
  readonly reason: DownReason
  readonly main: Main.MainEnd | null
}

type Failure = LaunchError | ControlFailed | Stopped

const valuesOf = (values: Readonly<Record<string, string>>): ReadonlyMap<string, Redacted.Redacted> =>
  new Map(Object.entries(values).map(([name, value]) => [name, Redacted.make(value)]))

/**
 * Launches the bottle and holds it until it goes down; everything is down when this returns, whatever happened. Who wants
 * it to end says so (`Parent.told`, or the control).
 *
 * @since 0.1.0
 * @category constructors
 */
export const keep = (
  document: Document,
  parent: Parent
): Effect.Effect<void, never, Smolvm | Bundle | FileSystem.FileSystem> =>
  Effect.acquireUseRelease(
    Scope.make(),
    (outer) =>
      Effect.gen(function* () {
        const { plan } = document
        const say = (word: Wire.Word) => parent.say(Wire.writeWord(word))
        const failures: Array<Control.ReleaseFailure> = []
        const notify = (event: LaunchEvent) => {
          if (event._tag === "ReleaseFailed") {
            const { reason, resource, suggestion } = event
            failures.push({ resource, reason, suggestion })
          }
          return say({ event })
        }
        // Closed after the bottle's own scope: the last decisions and releases are told when the bottle goes.
        const record = yield* Record.make({
          plan,
          directories: plan.directories,
          onBroken: ({ message, suggestion }) => say({ event: { _tag: "RecordFailed", message, suggestion } })
        }).pipe(Scope.extend(outer))
        const heard = yield* Scope.extend(hear(parent), outer)
        const keeping: Keeping = { document, parent, heard, record, say, outer, serving: null }
        const life = yield* Effect.exit(Effect.provideService(Effect.scoped(live(keeping)), LaunchObserver, { notify }))
        yield* record.ended(endOf(life, document.main !== null))
        if (keeping.serving !== null) yield* keeping.serving.closed(failures)
        if (Exit.isFailure(life)) yield* say(lastWord(plan.id, life.cause))
      }),
    leave
  ).pipe(Effect.uninterruptible)

/** All is down: who is still connected, or does not take what is said, does not keep the process. */
const leave = (outer: Scope.CloseableScope, exit: Exit.Exit<unknown>): Effect.Effect<void> =>
  Scope.close(outer, exit).pipe(
    Effect.interruptible,
    Effect.disconnect,
    Release.within(LEAVE_TIMEOUT_MILLIS),
    Effect.asVoid
  )

/** What a keeper works with. */
interface Keeping {
  readonly document: Document
  readonly parent: Parent
  readonly heard: Heard
  readonly record: Record.BottleRecord
  readonly say: (word: Wire.Word) => Effect.Effect<void>
  /** Closed when all is down. */
  readonly outer: Scope.Scope
  serving: Control.Serving | null
}

/** What the parent says: that it has taken over, or, by its end, that it never will. */
interface Heard {
  readonly taken: Effect.Effect<void>
  readonly gone: Effect.Effect<void>
}

const hear = (parent: Parent): Effect.Effect<Heard, never, Scope.Scope> =>
  Effect.gen(function* () {
    const taken = yield* Deferred.make<void>()
    const gone = yield* Deferred.make<void>()
    const listen: Effect.Effect<void> = Effect.flatMap(
      parent.next,
      Option.match({
        onNone: () => Effect.asVoid(Deferred.succeed(gone, undefined)),
        onSome: (line) => (line === Wire.TAKEN ? Effect.asVoid(Deferred.succeed(taken, undefined)) : listen)
      })
    )
    yield* Effect.forkScoped(Effect.interruptible(listen))
    return { taken: Deferred.await(taken), gone: Deferred.await(gone) }
  })

/** From the launch until the bottle is to go down; it goes with the scope. */
const live = (keeping: Keeping) =>
  Effect.gen(function* () {
    const { document, heard, outer, parent, record, say } = keeping
    const { idleMillis, main: wanted, name, plan, ttlMillis } = document
    const secrets = valuesOf(document.secrets)
    const bottle = yield* record
      .launching(
        Launch.launch(plan, {
          secrets,
          credentials: valuesOf(document.credentials),
          ledger: {
            name: name ?? undefined,
            kind: "keeper",
            ttlMillis: ttlMillis ?? undefined,
            idleMillis: idleMillis ?? undefined,
            command: wanted?.command
          }
        })
      )
      .pipe(Effect.interruptible, Effect.raceFirst(stopped(parent, heard)))
    const timers = yield* Timers.make({ ttlMillis, idleMillis })
    const asked = yield* Deferred.make<void>()
    const main = wanted === null ? null : yield* Main.start(bottle, record, wanted)
    const reap = yield* reaping(plan)
    const serving = yield* Control.serve({
      bottle,
      about: { name, kind: "keeper", ttlMillis, idleMillis },
      secrets,
      down: Effect.asVoid(Deferred.succeed(asked, undefined)),
      commit: bottle.commit,
      reap,
      reloaded: record.reloaded,
      main: main?.command,
      left: timers.left,
      onBusy: timers.busy
    }).pipe(Scope.extend(outer))
    keeping.serving = serving
    yield* Effect.forkScoped(Effect.interruptible(touching(bottle, timers)))
    yield* say({ ready: { plan: bottle.plan, proof: bottle.proof, record: record.directory } })
    yield* Effect.forkScoped(Effect.interruptible(Effect.zipRight(heard.taken, parent.leave)))
    const reason = yield* Effect.raceAll([
      Effect.as(Deferred.await(asked), "asked" as const),
      Effect.as(Effect.raceFirst(parent.told, heard.gone), "signal" as const),
      Effect.as(timers.outlived, "time-to-live" as const),
      Effect.as(timers.idled, "idle" as const),
      // A look that hangs must not hold up the end.
      Effect.disconnect(Effect.as(Watch.untilGone(bottle.plan, serving.committing), "machine-gone" as const)),
      Effect.catchAll(bottle.died, lostBy),
      main === null ? Effect.never : Effect.as(main.ended, "ended" as const)
    ]).pipe(Effect.interruptible)
    yield* record.closing(reason)
    yield* serving.closing(reason)
    return { reason, main: main === null ? null : yield* main.end } satisfies Life
  })

/** A machine that did not come up again after a commit is lost as one that ended by itself. */
const lostBy = ({ _tag }: BundleDied | MachineLost): Effect.Effect<DownReason> =>
  Effect.succeed(_tag === "MachineLost" ? "machine-gone" : "bundle-died")

const stopped = (parent: Parent, heard: Heard): Effect.Effect<never, Stopped> =>
  Effect.raceFirst(parent.told, heard.gone).pipe(Effect.interruptible, Effect.zipRight(Effect.fail(new Stopped())))

/** Every decision of the bundle is a sign of life. */
const touching = (bottle: Pick<Bottle, "events">, timers: Timers.Timers): Effect.Effect<void> =>
  Stream.runForEach(bottle.events, () => Effect.sync(timers.touch))

const reaping = (plan: LaunchPlan): Effect.Effect<(witness: string) => Effect.Effect<void>, never, Smolvm> =>
  Effect.map(
    Effect.context<Smolvm>(),
    (context) => (witness) => Effect.asVoid(Effect.provide(Reap.reap(ofCommand(plan, witness)), context))
  )

/** A failed launch as it is told; a defect may hold anything, so only that it was one. */
const lastWord = (id: string, cause: Cause.Cause<Failure>): Wire.Word => {
  const failure = Option.getOrNull(Cause.failureOption(cause))
  if (failure?._tag === "Stopped") return { stopped: true }
  if (failure !== null) return { failed: failure }
  return {
    failed: new OwnerFailed({
      id,
      error: "Defect",
      reason: "a fault in bottle itself, please report it",
      advice: null,
      stage: null
    })
  }
}

/** What is written down of a command whose bottle went down before it ended. */
const cutOff: Readonly<Record<DownReason, string>> = {
  asked: "TakenDown",
  ended: "Unknown",
  "time-to-live": "TimeToLive",
  idle: "Idle",
  "machine-gone": "MachineGone",
  "bundle-died": "BundleDied",
  signal: "Signalled"
}

const endOf = (life: Exit.Exit<Life, Failure>, hasMain: boolean): Record.RecordedEnd => {
  if (Exit.isFailure(life)) {
    const failure = Option.getOrNull(Cause.failureOption(life.cause))
    const error = failure === null ? "Defect" : failure._tag === "Stopped" ? "Interrupted" : failure._tag
    return { code: null, origin: "engine", timedOut: false, error }
  }
  const { main, reason } = life.value
  if (main?._tag === "Exit") {
    const { exitCode, origin, timedOut } = main.exit
    return { code: exitCode, origin, timedOut, error: timedOut ? "CommandTimedOut" : null }
  }
  if (main?._tag === "Failed") return { code: null, origin: "engine", timedOut: false, error: main.error._tag }
  const isLost = reason === "machine-gone" || reason === "bundle-died"
  // Without a main command, a bottle that was taken down in whatever way it was meant to has ended well.
  if (!hasMain && !isLost) return { code: 0, origin: "engine", timedOut: false, error: null }
  return { code: null, origin: "engine", timedOut: false, error: cutOff[reason] }
}
