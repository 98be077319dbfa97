/**
 * Machines that belong to a scope: created, started and ready when it begins, gone when it ends.
 *
 * The release is registered before anything runs, so that an interruption at any point leaves nothing, and it is the
 * same on every release line: on 0.8.0, whose delete orphans a running machine, it stops first; a machine that is gone
 * is a success; what fails is tried again, after a stop; each release is bounded, and a failure of it is told to
 * `onReleaseFailure`.
 *
 * A machine of the same name that somebody else made is not deleted: from 1.8.0 on a label proves whose it is
 * (`ownerLabel`). Before that, and for clones, a machine is ours once we have made one of its name, and where our own call
 * was cut off, if there was none just before: somebody who takes the name in between loses it.
 *
 * @since 0.1.0
 */
import * as Release from "@bottle/process/Release"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as Exec from "./Exec.js"
import type { Machine as Found } from "./Machine.js"
import { type DroppedOption, dropped, type MachineCreateOptions } from "./MachineCreate.js"
import type { WaitOptions } from "./MachineExec.js"
import type { MachineForkOptions } from "./MachineFork.js"
import type { MachineStartOptions } from "./MachineStart.js"
import type { WithSecrets } from "./Secrets.js"
import { Smolvm } from "./Smolvm.js"
import { IgnoredOption, type SmolvmError } from "./SmolvmError.js"

/**
 * A machine that could not be released when its scope closed: it is still there, or it is not known to be gone.
 *
 * @since 0.1.0
 * @category errors
 */
export class MachineNotReleased extends Schema.TaggedError<MachineNotReleased>("@bottle/smolvm/MachineNotReleased")(
  "MachineNotReleased",
  {
    name: Schema.String,
    /** What the release had to do: remove the machine, or only stop it. */
    work: Schema.Literal("delete", "stop"),
    /** What the last attempt failed with; `null` where the time was over first. */
    reason: Schema.NullOr(Schema.String),
    /** How long the release could take, in milliseconds. */
    timeoutMillis: Schema.Number
  }
) {
  override get message(): string {
    const why = this.reason ?? `that took longer than ${this.timeoutMillis} ms`
    return `machine '${this.name}' could not be ${this.work === "delete" ? "deleted" : "stopped"}: ${why}`
  }
  /** What to do next. */
  get suggestion(): string {
    return this.work === "delete"
      ? `Stop machine '${this.name}', delete it with -f, and look with \`machine ls\` that it is gone.`
      : `Stop machine '${this.name}', and look with \`machine ls\` that it is.`
  }
}

/**
 * How the end of a scope is dealt with.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReleaseOptions {
  /** How long a release may take, in milliseconds; 300000 by default. A delete alone has `Deadlines.machineDelete`. */
  readonly releaseMillis?: number | undefined
  /** What is told of a release that failed; by default it is logged as an error. It never fails the scope. */
  readonly onReleaseFailure?: ((failure: MachineNotReleased) => Effect.Effect<void>) | undefined
}

/**
 * What every command of the machine has unless it says otherwise.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommandOptions {
  /** Variables, secrets, working directory and time, as `Exec.make` takes them. */
  readonly exec?: Omit<Exec.ExecOptions, "name" | "session"> | undefined
}

/**
 * What `create` takes: a machine as `Smolvm.machineCreate` does, and how to release it.
 *
 * @since 0.1.0
 * @category models
 */
export interface CreateOptions extends ReleaseOptions, CommandOptions {
  /** What the machine is made of. Without a name it gets one that no other machine has. */
  readonly create?: (MachineCreateOptions & WithSecrets) | undefined
}

/**
 * What is done to have a machine that runs commands.
 *
 * @since 0.1.0
 * @category models
 */
export interface StartOptions {
  /** How it is started; its secrets are also those of the first commands. */
  readonly start?: (Omit<MachineStartOptions, "name"> & WithSecrets) | undefined
  /**
   * How its first command is waited for, `readyTimeoutMillis` (60 s) by default; `false` where the machine need only be
   * started, as an image without a program `true` must be.
   */
  readonly ready?: Partial<Omit<WaitOptions, "name">> | false | undefined
}

/**
 * What `acquire` takes.
 *
 * @since 0.1.0
 * @category models
 */
export interface AcquireOptions extends CreateOptions, StartOptions {}

/**
 * What `started` takes: a machine that exists already.
 *
 * @since 0.1.0
 * @category models
 */
export interface StartedOptions extends StartOptions, ReleaseOptions, CommandOptions {
  readonly name: string
}

/**
 * What `forked` takes: one clone of a machine that runs and was started forkable.
 *
 * @since 0.1.0
 * @category models
 */
export interface ForkedOptions extends ReleaseOptions, CommandOptions, Pick<StartOptions, "ready"> {
  /** How it is cloned. Without a name the clone gets one that no other machine has. */
  readonly fork: Omit<MachineForkOptions, "namePrefix" | "count" | "parallel"> & WithSecrets
}

/**
 * A machine for as long as its scope lasts.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScopedMachine {
  readonly name: string
  /** Runs commands in it while it runs. */
  readonly exec: Exec.Operations
  /** The options that the release drops in silence, or may (`MachineCreate.dropped`). */
  readonly dropped: ReadonlyArray<DroppedOption>
}

/**
 * How long the first command of a started machine is waited for, in milliseconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const readyTimeoutMillis = 60_000

/**
 * How long a release may take, in milliseconds: longer than the deadlines of a stop and a delete together.
 *
 * @since 0.1.0
 * @category constants
 */
export const releaseMillis = 300_000

/**
 * The label that says who made a machine, on the releases that have labels: its value is another one for every machine,
 * so that a machine which another program gave the same name is not taken for ours.
 *
 * @since 0.1.0
 * @category constants
 */
export const ownerLabel = "bottle.machines.owner"

/**
 * A machine that is created, started and ready to run commands; deleted when the scope closes. Where a step fails or is
 * interrupted, what there is of it is deleted at once. A policy that the release would drop in silence is refused with
 * `IgnoredOption`, and nothing is created: the machine would reach more than was asked for.
 *
 * @since 0.1.0
 * @category constructors
 */
export const acquire = (options: AcquireOptions): Effect.Effect<ScopedMachine, SmolvmError, Smolvm | Scope.Scope> =>
  atOnce(
    Effect.gen(function* () {
      yield* refuseDroppedPolicy(options)
      const { made, starting } = yield* ownCreated(options)
      yield* starting(bringUp(made.name, options))
      return made
    })
  )

/**
 * A machine that is created and does not run; deleted when the scope closes, running or not. What the release drops of
 * its options is in the result: do not start a machine that has lost a policy.
 *
 * @since 0.1.0
 * @category constructors
 */
export const create = (options: CreateOptions): Effect.Effect<ScopedMachine, SmolvmError, Smolvm | Scope.Scope> =>
  atOnce(Effect.map(ownCreated(options), ({ made }) => made))

/**
 * A machine that exists, started for as long as the scope lasts and then stopped. One that runs already goes on running,
 * and so does one in a state such as `frozen`, which a stop would take more than a start from.
 *
 * @since 0.1.0
 * @category constructors
 */
export const started = (options: StartedOptions): Effect.Effect<ScopedMachine, SmolvmError, Smolvm | Scope.Scope> =>
  atOnce(
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const { name } = options
      const before = yield* smolvm.machineStatus({ name })
      if (downStates.has(before.state)) {
        yield* Effect.addFinalizer(() => releasing(name, "stop", options, stopForSure(smolvm, name)))
      }
      yield* bringUp(name, options)
      return { name, exec: yield* Exec.make({ ...options.exec, name }), dropped: [] }
    })
  )

/**
 * A clone of a machine, ready to run commands unless it is held; deleted when the scope closes. From 1.0.0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const forked = (options: ForkedOptions): Effect.Effect<ScopedMachine, SmolvmError, Smolvm | Scope.Scope> =>
  atOnce(
    Effect.gen(function* () {
      const smolvm = yield* Smolvm
      const { made, starting } = yield* own({
        ...options,
        name: options.fork.name,
        hasLabels: false,
        make: (name) => Effect.as(smolvm.machineFork({ ...options.fork, name }), name)
      })
      const ready = options.fork.hold === true ? false : options.ready
      yield* starting(waitReady(smolvm, made, ready))
      return { name: made, exec: yield* Exec.make({ ...options.exec, name: made }), dropped: [] }
    })
  )

/** The states that a start is the way out of, and a stop the way back. */
const downStates: ReadonlySet<string> = new Set(["created", "stopped", "failed", "unreachable"])

/**
 * What is known of a machine of ours.
 *
 * - `none`: nothing has been begun, or it was refused before it had an effect
 * - `foreign`: a machine of this name was there before
 * - `cut-off`: creating it did not end by itself; it may still have an effect, and what is there may be foreign
 * - `failed`: creating it ended by itself with a failure; what is there may be foreign
 * - `made`: it is there, and ours
 * - `starting`: it is there, and ours; starting it did not end by itself
 */
type Existence = "none" | "foreign" | "cut-off" | "failed" | "made" | "starting"

const refuseDroppedPolicy = (options: CreateOptions): Effect.Effect<void, SmolvmError, Smolvm> =>
  Effect.gen(function* () {
    const capabilities = yield* Effect.flatMap(Smolvm, (smolvm) => smolvm.capabilities)
    const lost = dropped(options.create ?? {}, capabilities).find(({ isPolicy }) => isPolicy)
    if (lost === undefined) return
    return yield* new IgnoredOption({
      command: "machine create",
      option: lost.option,
      version: capabilities.version,
      circumstance: lost.circumstance,
      neededVersion: lost.neededVersion
    })
  })

/** What is made, whose deletion is registered, and a way of starting it that its deletion knows of. */
interface Owned<A> {
  readonly made: A
  readonly starting: <R>(effect: Effect.Effect<void, SmolvmError, R>) => Effect.Effect<void, SmolvmError, R>
}

/** How a machine is made, so that its deletion can be registered first. */
interface Making<A> extends ReleaseOptions {
  /** Without it the machine gets one that nobody else can know, which is proof enough that it is ours. */
  readonly name: string | undefined
  /** Whether it can have labels: one of its own proves that it is ours. Elsewhere that there was none a moment ago does. */
  readonly hasLabels: boolean
  readonly make: (name: string, labels: MachineCreateOptions["labels"]) => Effect.Effect<A, SmolvmError>
}

const own = <A>(making: Making<A>): Effect.Effect<Owned<A>, SmolvmError, Smolvm | Scope.Scope> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const { hasLabels, name = `vm-${randomUUID()}` } = making
    const owner = randomUUID()
    const wasThere = !hasLabels && making.name !== undefined && Option.isSome(yield* look(smolvm, name))
    const isOurs = (found: Found): boolean => !hasLabels || found.labels[ownerLabel] === owner
    /** Somebody may have removed ours, and have given its name to another. */
    const isProvable = hasLabels && making.name !== undefined

    let existence: Existence = "none"
    yield* Effect.addFinalizer(() =>
      existence === "none" || existence === "foreign"
        ? Effect.void
        : releasing(name, "delete", making, remove(smolvm, name, { existence, isProvable, isOurs }))
    )
    existence = wasThere ? "foreign" : "cut-off"
    const made = yield* Effect.onExit(making.make(name, hasLabels ? [[ownerLabel, owner]] : []), (exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) existence = "made"
        else if (!wasThere) existence = afterMaking(errorOf(exit))
      })
    )
    const starting: Owned<A>["starting"] = (effect) =>
      Effect.suspend(() => {
        existence = "starting"
        return effect
      }).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (Exit.isSuccess(exit) || !isCutOff(errorOf(exit))) existence = "made"
          })
        )
      )
    return { made, starting }
  })

const ownCreated = (options: CreateOptions): Effect.Effect<Owned<ScopedMachine>, SmolvmError, Smolvm | Scope.Scope> =>
  Effect.gen(function* () {
    const smolvm = yield* Smolvm
    const { create: wanted = {} } = options
    const { made, starting } = yield* own({
      ...options,
      name: wanted.name,
      hasLabels: (yield* smolvm.capabilities).label,
      make: (name, labels = []) =>
        smolvm.machineCreate({ ...wanted, name, labels: [...(wanted.labels ?? []), ...labels] })
    })
    const isBare = wanted.image === undefined && wanted.from === undefined && wanted.smolfile === undefined
    const exec = yield* Exec.make({ source: isBare ? "bare" : "image", ...options.exec, name: made.name })
    return { made: { ...made, exec }, starting }
  })

/** The error of a failure; `undefined` of an interruption. */
const errorOf = (exit: Exit.Failure<unknown, SmolvmError>): SmolvmError | undefined =>
  Option.getOrUndefined(Cause.failureOption(exit.cause))

/** A smolvm that was ended, by us or by a signal, may have begun what goes on without it. */
const isCutOff = (error: SmolvmError | undefined): boolean =>
  error === undefined || error._tag === "SmolvmTimedOut" || error._tag === "SmolvmKilled"

const afterMaking = (error: SmolvmError | undefined): Existence => {
  if (error === undefined || isCutOff(error)) return "cut-off"
  if (error._tag === "MachineAlreadyExists") return "foreign"
  return hadNoEffect.has(error._tag) ? "none" : "failed"
}

const hadNoEffect: ReadonlySet<SmolvmError["_tag"]> = new Set([
  "InvalidArgument",
  "UnsupportedCommand",
  "UnsupportedOption",
  "IgnoredOption",
  "SmolvmNotInstalled",
  "SmolvmNotStarted",
  "SmolvmTooOld",
  "SmolvmUsageRefused"
])

/** Starts a machine, and waits until it runs a command. */
const bringUp = (name: string, { ready, start }: StartOptions): Effect.Effect<void, SmolvmError, Smolvm> =>
  Effect.flatMap(Smolvm, (smolvm) =>
    Effect.zipRight(smolvm.machineStart({ ...start, name }), waitReady(smolvm, name, ready))
  )

const waitReady = (smolvm: Service, name: string, ready: StartOptions["ready"]): Effect.Effect<void, SmolvmError> =>
  ready === false ? Effect.void : smolvm.waitExecReady({ timeoutMillis: readyTimeoutMillis, ...ready, name })

/** The machine of this name, if there is one. */
const look = (smolvm: Service, name: string): Effect.Effect<Option.Option<Found>, SmolvmError> =>
  smolvm.machineStatus({ name }).pipe(
    Effect.asSome,
    Effect.catchTag("MachineNotFound", () => Effect.succeedNone)
  )

/** What was cut off may come late: nothing is there when so many looks in a row find nothing; two seconds in all. */
const looksInARow = 6
const pauseMillisFirst = 30

/** What fails may succeed a moment later, when what was busy has ended. */
const retries = 4

/** What is known of who a machine belongs to. */
interface Belonging {
  readonly existence: Existence
  /** Whether the machine of the name is to be looked at even where ours has been there. */
  readonly isProvable: boolean
  readonly isOurs: (found: Found) => boolean
}

const remove = (
  smolvm: Service,
  name: string,
  { existence, isOurs, isProvable }: Belonging
): Effect.Effect<void, SmolvmError> =>
  Effect.gen(function* () {
    const isCertain = (existence === "made" || existence === "starting") && !isProvable
    const looks = existence === "cut-off" || existence === "starting" ? looksInARow : 1
    const once = Effect.gen(function* () {
      if (!isCertain && !Option.exists(yield* look(smolvm, name), isOurs)) return "absent"
      // It may fail because the machine is in a state that only a stop ends.
      yield* Effect.tapError(smolvm.machineDelete({ name }), ({ _tag }) =>
        _tag === "MachineNotFound" ? Effect.void : Effect.ignore(smolvm.machineStop({ name }))
      )
      return "deleted"
    }).pipe(
      Effect.catchTag("MachineNotFound", () => Effect.succeed("absent")),
      Effect.retry({ times: retries, schedule: Schedule.exponential(pauseMillisFirst) })
    )
    let absent = 0
    // A delete that succeeds though nothing is there must not keep us looking for ever.
    for (let turn = 0; turn < looks * 2; turn++) {
      absent = (yield* once) === "absent" ? absent + 1 : 0
      if (looks === 1 || absent >= looks) return
      yield* Effect.sleep(pauseMillisFirst * 2 ** absent)
    }
  })

const stopForSure = (smolvm: Service, name: string): Effect.Effect<void, SmolvmError> =>
  smolvm.machineStop({ name }).pipe(
    Effect.catchTag("MachineNotFound", () => Effect.void),
    Effect.retry({ times: retries, schedule: Schedule.exponential(pauseMillisFirst) })
  )

/** Does the work of a release within its time, and tells of it where it fails. */
const releasing = (
  name: string,
  work: MachineNotReleased["work"],
  options: ReleaseOptions,
  effect: Effect.Effect<void, SmolvmError>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const timeoutMillis = options.releaseMillis ?? releaseMillis
    const done = yield* Effect.exit(Release.within(timeoutMillis)(effect))
    if (Exit.isSuccess(done) && Option.isSome(done.value)) return
    const reason = Exit.isSuccess(done) ? null : reasonOf(done.cause)
    const failure = new MachineNotReleased({ name, work, reason, timeoutMillis })
    yield* (options.onReleaseFailure ?? log)(failure)
  })

const reasonOf = (cause: Cause.Cause<SmolvmError>): string =>
  Option.match(Cause.failureOption(cause), {
    onNone: () => "a defect: this is a fault of @bottle/smolvm",
    onSome: ({ message }) => message
  })

const log = (failure: MachineNotReleased): Effect.Effect<void> => Effect.logError(failure.message, failure.suggestion)

/** What is registered is released when the scope closes, or at once where the effect does not succeed. */
const atOnce = <A, E, R>(effect: Effect.Effect<A, E, R | Scope.Scope>): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.gen(function* () {
    const outer = yield* Effect.scope
    return yield* Effect.acquireUseRelease(
      Scope.fork(outer, ExecutionStrategy.sequential),
      (inner) => Scope.extend(effect, inner),
      (inner, exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(inner, exit))
    )
  })

type Service = Context.Tag.Service<Smolvm>
