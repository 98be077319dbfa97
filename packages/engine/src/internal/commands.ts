import type { Exit } from "@bottle/process/Exit"
import type { FollowEvent } from "@bottle/process/Follow"
import { endedBy } from "@bottle/process/Race"
import * as Reap from "@bottle/smolvm/Reap"
import { Smolvm } from "@bottle/smolvm/Smolvm"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import * as Witness from "@bottle/smolvm/Witness"
import type * as Chunk from "effect/Chunk"
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Bottle, BottleError, BottleOutput, CommandOptions, ExecResult } from "../Bottle.js"
import { CapturedTooMuch, CommandExit } from "../Bottle.js"
import type { RunningBundle } from "../Bundle.js"
import type { MachineLost } from "../CommitError.js"
import { type LaunchPlan, socketOf } from "../LaunchPlan.js"
import type { ProofRecord } from "../ProofRecord.js"
import type { BundleDied } from "../LaunchError.js"
import type { Fence } from "./fence.js"
import type { Gate } from "./gate.js"
import { ofCommand } from "./ofCommand.js"

const CAPTURE_CAP_BYTES = 16 * 1024 * 1024

/** What the runtime gets beyond a command's own time to end it, before we end the runtime. */
const TIMEOUT_MARGIN_MILLIS = 10_000

const WITNESS_TIMEOUT_MILLIS = 10_000

/** How many pieces of output may wait to be taken; each holds what one read of a pipe gave, 64 KiB at most. */
const WAITING_OUTPUT = 16

const TIMED_OUT = new CommandExit({ exitCode: 124, origin: "runtime", timedOut: true })

/**
 * Lets a command begin, and lasts as long as it goes on. `witness` is its place (`Witness.isPlace`), by which somebody
 * else can end it (`Reap.reap`) when we no longer can.
 *
 * - `gone`: ends the command when it fails
 * - `isSame`: whether the machine has run all the time since; another run of it has nothing of the command
 */
export type OpenSession<E> = (
  witness: string | undefined
) => Effect.Effect<
  { readonly gone: Effect.Effect<never, E>; readonly isSame?: (() => boolean) | undefined },
  E,
  Scope.Scope
>

/** What commands are run with. */
export interface Means<E> {
  readonly plan: LaunchPlan
  readonly smolvm: Context.Tag.Service<typeof Smolvm>
  readonly secrets: ReadonlyMap<string, Redacted.Redacted>
  readonly session: OpenSession<E>
}

/** The operations of a bottle that need its machine, of whichever process the bottle is. */
export interface Operations<E> {
  readonly exec: (options: Parameters<Bottle["exec"]>[0]) => Effect.Effect<ExecResult, BottleError | E>
  readonly stream: (options: Parameters<Bottle["stream"]>[0]) => Stream.Stream<BottleOutput, BottleError | E>
  readonly attach: (options: Parameters<Bottle["attach"]>[0]) => Effect.Effect<CommandExit, BottleError | E>
  readonly cpIn: (options: Parameters<Bottle["cpIn"]>[0]) => Effect.Effect<void, BottleError | E>
  readonly cpOut: (options: Parameters<Bottle["cpOut"]>[0]) => Effect.Effect<void, BottleError | E>
}

/**
 * The variable of the runtime that holds a secret of the guest. Not of the same name: the guest's PATH or LD_PRELOAD
 * must not become the runtime's own.
 */
const hostVariable = (guest: string): string => `BOTTLE_SECRET_${guest}`

/** The command did not end in its time, and neither did the runtime that was to end it. */
class Overdue {
  readonly _tag = "Overdue"
}

const overdue = (timeoutMillis: number | undefined): Effect.Effect<never, Overdue> =>
  timeoutMillis === undefined
    ? Effect.never
    : Effect.zipRight(Effect.sleep(timeoutMillis + TIMEOUT_MARGIN_MILLIS), Effect.fail(new Overdue()))

const exitOf = (exit: CommandExit): BottleOutput => ({ _tag: "Exit", exit })

/** What every exec gets of variables and secrets. Variables of create are not seen by exec on every line. */
const environmentOf = (
  { plan, secrets }: Pick<Means<never>, "plan" | "secrets">,
  options: CommandOptions,
  at: Option.Option<string>
) => {
  const own = options.secrets ?? new Map<string, Redacted.Redacted>()
  const literal = new Map(options.env ?? [])
  const values = new Map([...[...secrets].filter(([name]) => !literal.has(name)), ...own])
  return {
    env: [
      ...[...new Map([...plan.guest.env, ...literal])].filter(([name]) => !own.has(name)),
      ...Option.toArray(at).map((place) => [Witness.MARK, Witness.markOf(place)] as const)
    ],
    secretEnv: [...values.keys()].map((guest) => ({ guest, host: hostVariable(guest) })),
    secrets: Object.fromEntries([...values].map(([guest, value]) => [hostVariable(guest), value]))
  }
}

export const operations = <E>(means: Means<E>): Effect.Effect<Operations<E>> =>
  Effect.gen(function* () {
    const { plan, smolvm } = means
    const name = plan.machine

    // The relay needed a shell already; without a relay nobody has asked yet.
    const hasShell: Effect.Effect<boolean, SmolvmError> =
      socketOf(plan) !== null
        ? Effect.succeed(true)
        : yield* Effect.cached(
            Effect.map(smolvm.machineExec({ name, command: ["sh", "-c", ":"] }), (result) => result.exitCode === 0)
          )

    const execOptions = (options: CommandOptions, at: Option.Option<string>) => ({
      name,
      command: Option.match(at, {
        onNone: () => options.command,
        onSome: (file) => Witness.wrap(file, options.command)
      }),
      ...environmentOf(means, options, at),
      workdir: options.workdir ?? plan.guest.workdir ?? undefined,
      timeoutMillis: options.timeoutMillis
    })

    const witnessed = (file: string): Effect.Effect<Option.Option<string>> =>
      smolvm.machineExec({ name, command: Witness.read(file), timeoutMillis: WITNESS_TIMEOUT_MILLIS }).pipe(
        Effect.map((result) => new TextDecoder().decode(result.stdout)),
        Effect.timeoutOption(WITNESS_TIMEOUT_MILLIS + TIMEOUT_MARGIN_MILLIS),
        Effect.orElseSucceed(() => Option.none())
      )

    /**
     * A command that is about to begin, in the scope of its call. Once its client has ended, `reap` leaves nothing of it
     * in the guest, unless it ended by itself.
     */
    const begin = (options: CommandOptions) =>
      Effect.gen(function* () {
        const opened = yield* Effect.flatMap(hasShell, (has) => {
          const at = has ? Option.some(Witness.place()) : Option.none<string>()
          return Effect.map(means.session(Option.getOrUndefined(at)), (session) => ({ at, ...session }))
        })
        const { at, isSame } = opened
        let isGone = false
        const gone = Effect.tapErrorCause(opened.gone, () => Effect.sync(() => void (isGone = true)))
        let isOver = options.isLast === true || Option.isNone(at)
        const over = Effect.sync(() => {
          isOver = true
        })
        const reap = Effect.suspend(() => {
          if (isOver || isSame?.() === false) return over
          const reaping = Reap.reap(
            ofCommand(
              plan,
              Option.getOrElse(at, () => "")
            )
          )
          return Effect.flatMap(Effect.zipRight(over, reaping), (reaped) =>
            // With the machine the command has gone, whatever could be seen of it.
            reaped === "gone" || isGone ? Effect.void : (options.onUnended?.(reaped) ?? Effect.void)
          )
        }).pipe(Effect.provideService(Smolvm, smolvm), Effect.uninterruptible)
        const settle = (exit: Exit): Effect.Effect<CommandExit> =>
          Effect.gen(function* () {
            if (exit.code === 0) {
              yield* over
              return new CommandExit({ exitCode: 0, origin: "guest", timedOut: false })
            }
            if (exit.signal !== null) {
              // What its client was for may go on.
              yield* reap
              return new CommandExit({ exitCode: exit.code, origin: "runtime", timedOut: false })
            }
            const answer = Option.isSome(at) ? yield* witnessed(at.value) : Option.none()
            if (Option.isSome(answer) && answer.value === String(exit.code)) {
              yield* over
              return new CommandExit({ exitCode: exit.code, origin: "guest", timedOut: false })
            }
            if (exit.code === 124 && options.timeoutMillis !== undefined) return yield* Effect.as(reap, TIMED_OUT)
            yield* over
            // The machine still answers, and the shell that would have written the code never got to it: 1 and 2 are the
            // runtime's own failures. Any other code may be a shell that was killed.
            const isRuntime = Option.isSome(answer) && (exit.code === 1 || exit.code === 2)
            return new CommandExit({
              exitCode: exit.code,
              origin: isRuntime ? "runtime" : "unknown",
              timedOut: false
            })
          })
        return { at, gone, over, reap, settle, timedOut: Effect.as(reap, TIMED_OUT) }
      })

    type Command = Effect.Effect.Success<ReturnType<typeof begin>>

    type Output = Mailbox.Mailbox<BottleOutput, BottleError | E>

    /** Runs the client to its end. What ends it from outside waits until it has ended, and nothing of it is left. */
    const follow = (options: Parameters<Bottle["stream"]>[0], command: Command, output: Output) =>
      smolvm.machineExecFollow({ ...execOptions(options, command.at), interactive: true, stdin: options.stdin }).pipe(
        Stream.runForEachChunk(take(command, output)),
        Effect.tapError(() => command.over),
        Effect.ensuring(command.reap)
      )

    const take =
      (command: Command, output: Output) =>
      (events: Chunk.Chunk<FollowEvent>): Effect.Effect<unknown> => {
        const written: Array<BottleOutput> = []
        let ended: Exit | undefined
        for (const event of events) {
          if (event._tag === "Exit") ended = event.exit
          else written.push(event)
        }
        const offered = output.offerAll(written)
        return ended === undefined
          ? offered
          : Effect.zipRight(
              offered,
              Effect.flatMap(command.settle(ended), (exit) => output.offer(exitOf(exit)))
            )
      }

    // Not by interrupting the stream, which would cost two fibers for all that is read at a time.
    const stream: Operations<E>["stream"] = (options) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const command = yield* begin(options)
          const output = yield* Mailbox.make<BottleOutput, BottleError | E>(WAITING_OUTPUT)
          yield* follow(options, command, output).pipe(
            endedBy(overdue(options.timeoutMillis)),
            Effect.catchIf(
              (error) => error instanceof Overdue,
              () => Effect.flatMap(command.timedOut, (exit) => output.offer(exitOf(exit)))
            ),
            endedBy(command.gone),
            Mailbox.into(output),
            Effect.forkScoped
          )
          return Mailbox.toStream(output)
        })
      )

    const exec: Operations<E>["exec"] = (options) => capture(stream(options), options.capBytes ?? CAPTURE_CAP_BYTES)

    const attach: Operations<E>["attach"] = (options) =>
      Effect.gen(function* () {
        const command = yield* begin(options)
        return yield* smolvm
          .machineExecAttach({
            ...execOptions(options, command.at),
            tty: options.tty,
            interactive: options.interactive
          })
          .pipe(
            Effect.tapError(() => command.over),
            Effect.flatMap(command.settle),
            Effect.ensuring(command.reap),
            endedBy(overdue(options.timeoutMillis)),
            Effect.catchIf(
              (error) => error instanceof Overdue,
              () => command.timedOut
            ),
            endedBy(command.gone)
          )
      }).pipe(Effect.scoped)

    const copy = (src: string, dst: string): Effect.Effect<void, SmolvmError | E> =>
      Effect.scoped(Effect.zipRight(means.session(undefined), smolvm.machineCp({ src, dst })))

    return {
      exec,
      stream,
      attach,
      cpIn: ({ guest, host }) => copy(host, `${name}:${guest}`),
      cpOut: ({ guest, host }) => copy(`${name}:${guest}`, host)
    }
  })

/** A ready machine, as the launch hands it to its bottle. */
export interface Ready {
  readonly plan: LaunchPlan
  readonly smolvm: Context.Tag.Service<typeof Smolvm>
  readonly bundle: RunningBundle
  readonly proof: ProofRecord
  readonly secrets: ReadonlyMap<string, Redacted.Redacted>
  readonly gate: Gate
  readonly fence: Fence
  /** Failed when the bundle has ended, or the machine is gone. */
  readonly ended: Deferred.Deferred<never, BundleDied | MachineLost>
  readonly keep: Bottle["keep"]
  readonly commit: Bottle["commit"]
}

export const make = (ready: Ready): Effect.Effect<Bottle> =>
  Effect.gen(function* () {
    const { bundle, commit, ended, fence, gate, keep, plan, proof } = ready
    const died = Deferred.await(ended)
    // A gate that is shut opens also when the machine did not come up again.
    const session: OpenSession<BundleDied | MachineLost> = () =>
      Effect.flatMap(gate.enter, (isSame) =>
        Effect.flatMap(Deferred.poll(ended), (end) =>
          Option.getOrElse(end, () => Effect.succeed({ gone: died, isSame }))
        )
      )
    const machine = yield* operations({ ...ready, session })
    const { events } = fence
    return {
      id: plan.id,
      plan,
      proof,
      ...machine,
      commit,
      died,
      events,
      denials: Stream.filter(events, (event) => event.verdict === "deny"),
      // A step behind, so that a bundle that has died says so first.
      reload: (policy) => Effect.raceFirst(bundle.died, Effect.zipRight(Effect.yieldNow(), bundle.reload(policy))),
      keep
    }
  })

/** Collects a command's output, each stream up to its cap; one more byte ends the command. */
const capture = <E>(
  output: Stream.Stream<BottleOutput, E>,
  capBytes: number
): Effect.Effect<ExecResult, E | CapturedTooMuch> =>
  Effect.suspend(() => {
    const taken = {
      stdout: { chunks: Array<Uint8Array>(), bytes: 0 },
      stderr: { chunks: Array<Uint8Array>(), bytes: 0 }
    }
    let last: CommandExit | undefined
    const take = (event: BottleOutput): Effect.Effect<void, CapturedTooMuch> => {
      if (event._tag === "Exit") {
        last = event.exit
        return Effect.void
      }
      const name = event._tag === "Stdout" ? "stdout" : "stderr"
      const into = taken[name]
      into.bytes += event.bytes.length
      if (into.bytes > capBytes) return new CapturedTooMuch({ stream: name, capBytes })
      into.chunks.push(event.bytes)
      return Effect.void
    }
    return Effect.flatMap(Stream.runForEach(output, take), () =>
      last === undefined
        ? Effect.dieMessage("a followed command ended without an exit")
        : Effect.succeed({
            exit: last,
            stdout: Buffer.concat(taken.stdout.chunks),
            stderr: Buffer.concat(taken.stderr.chunks)
          })
    )
  })
