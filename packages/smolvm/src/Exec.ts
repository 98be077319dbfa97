/**
 * Commands in a machine that runs, and the truth about how they ended.
 *
 * Every command but one on a terminal is run by `exec -i`, with an input of its own, so that its output is live, apart,
 * binary-safe and uncapped on every release line. It runs below a witness in the guest (`Witness`), by which its exit
 * code is told from smolvm's own with certainty; in a guest without a shell all codes but 0 are `unknown`. One that must
 * be ended is ended inside of the guest too (`Reap`), after its client and before the call returns.
 *
 * @since 0.1.0
 */
import type { Exit } from "@bottle/process/Exit"
import type { FollowEvent } from "@bottle/process/Follow"
import { endedBy } from "@bottle/process/Race"
import type * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Capabilities } from "./Capabilities.js"
import type {
  AttachOptions,
  CommandExit,
  CommandOptions,
  ExecError,
  ExecResult,
  Output,
  RunOptions,
  SpawnOptions,
  StdinTooLarge,
  StreamOptions
} from "./GuestCommand.js"
import { begin } from "./internal/exec/begin.js"
import { boundOf } from "./internal/exec/bound.js"
import { collect } from "./internal/exec/collect.js"
import { environmentOf } from "./internal/exec/environment.js"
import { makeGuest } from "./internal/exec/guest.js"
import { type Input, inputOf, noInput, stage } from "./internal/exec/input.js"
import * as MachineExec from "./MachineExec.js"
import * as Reap from "./Reap.js"
import { Smolvm } from "./Smolvm.js"
import type { SmolvmError } from "./SmolvmError.js"
import * as Witness from "./Witness.js"

/**
 * Lets a command begin, and lasts as long as it goes on. `place` is that of its witness, by which somebody else can end
 * it (`Reap.reap`) when we no longer can; there is none in a guest without a shell.
 *
 * - `gone`: ends the command when it fails
 * - `isSame`: whether the machine has run all the time since; another run of it has nothing of the command
 *
 * @since 0.1.0
 * @category models
 */
export type OpenSession<E> = (
  place: string | undefined
) => Effect.Effect<
  { readonly gone: Effect.Effect<never, E>; readonly isSame?: (() => boolean) | undefined },
  E,
  Scope.Scope
>

/**
 * Whose commands, and what each of them has unless it says otherwise.
 *
 * - `name`: the machine, which must run
 * - `env`, `workdir`, `timeoutMillis`: those of each command; variables of create are not seen by exec on every line
 * - `secrets`: variables of each command whose values are in no command line, from 1.0.0
 * - `secretEnv`: the same, whose values smolvm has in its environment already (`SmolvmOptions.secrets`)
 * - `source`: what the machine was made from. smolvm 1.4.1 to 1.6.13 bounds the commands of bare machines only; a machine
 *   is taken for one of an image, and its commands bounded inside of the guest there, unless this is `bare`
 * - `hasShell`: whether the guest has a shell; without it, it is asked once
 * - `quietMillis`: see `Reap.ReapOptions`
 * - `session`: what each command needs to begin; without it, nothing
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecOptions<E = never> {
  readonly name: string
  readonly env?: ReadonlyArray<readonly [name: string, value: string]> | undefined
  readonly secrets?: ReadonlyMap<string, Redacted.Redacted> | undefined
  readonly secretEnv?: MachineExec.MachineExecOptions["secretEnv"]
  readonly workdir?: string | undefined
  readonly timeoutMillis?: number | undefined
  readonly source?: "bare" | "image" | undefined
  readonly hasShell?: boolean | undefined
  readonly quietMillis?: number | undefined
  readonly session?: OpenSession<E> | undefined
}

/**
 * A command that nobody waits for.
 *
 * - `guestPid`: its process id in the guest
 * - `end`: ends all that it started, as far as it can be found, in three seconds at most
 *
 * @since 0.1.0
 * @category models
 */
export interface Spawned {
  readonly guestPid: number
  readonly end: Effect.Effect<Reap.Reaped>
}

/**
 * The ways to run a command in one machine. Each fails with the typed error of its cause; a non-zero exit is a value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Operations<E = never> {
  /** Runs a command and keeps what it prints, up to `capBytes` (16 MiB) of each stream. */
  readonly run: (options: RunOptions) => Effect.Effect<ExecResult, ExecError | E>
  /**
   * Runs a command and passes its output on as it comes, unbounded and with backpressure, then exactly one `Exit`.
   * Whoever leaves the stream early ends the command.
   */
  readonly stream: (options: StreamOptions) => Stream.Stream<Output, ExecError | E>
  /** Runs a command on the caller's own terminal. `-i` and `-t` are sent as asked for. */
  readonly attach: (options: AttachOptions) => Effect.Effect<CommandExit, SmolvmError | E>
  /** Starts a command and does not wait for it, from 1.3.0. Its output and its exit code are lost. */
  readonly spawn: (options: SpawnOptions) => Effect.Effect<Spawned, SmolvmError | E>
}

const CAPTURE_CAP_BYTES = 16 * 1024 * 1024

/** How many pieces of output may wait to be taken; each holds what one read of a pipe gave, 64 KiB at most. */
const WAITING_OUTPUT = 16

/** The command did not end in its time, and neither did what was to end it. */
class Overdue {
  readonly _tag = "Overdue"
}

const overdue = (clientMillis: number | undefined): Effect.Effect<never, Overdue> =>
  clientMillis === undefined ? Effect.never : Effect.zipRight(Effect.sleep(clientMillis), Effect.fail(new Overdue()))

const exitOf = (exit: CommandExit): Output => ({ _tag: "Exit", exit })

const nobody = Effect.succeed({ gone: Effect.never })

/**
 * The operations of a machine. Nothing runs before the first command.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <E = never>(machine: ExecOptions<E>): Effect.Effect<Operations<E>, never, Smolvm> =>
  Effect.map(Smolvm, (smolvm) => {
    const { name, quietMillis, source } = machine
    const guest = makeGuest(smolvm, name, machine.hasShell)
    const means = { name, smolvm, guest, quietMillis, session: machine.session ?? (() => nobody) }

    /** Refuses what no exec can do, and decides what holds for this one. */
    const prepare = <E2>(
      given: CommandOptions,
      read: (capabilities: Capabilities, place: string | undefined) => Effect.Effect<Input, E2>
    ) =>
      Effect.gen(function* () {
        const timeoutMillis = given.timeoutMillis ?? machine.timeoutMillis
        const options = { ...given, timeoutMillis }
        const capabilities = yield* smolvm.capabilities
        // The words and the time do not reach smolvm as they are.
        yield* MachineExec.argv({ name, command: options.command, timeoutMillis }, capabilities)
        const hasShell = yield* guest.hasShell
        const place = hasShell ? Witness.place() : undefined
        const bound = boundOf(timeoutMillis, capabilities, source, hasShell)
        const input = yield* read(capabilities, place)
        const command =
          place === undefined
            ? options.command
            : Witness.wrap(place, options.command, {
                timeoutMillis: bound.guestMillis,
                isStaged: input.staged !== undefined
              })
        const exec: MachineExec.AttachedOptions = {
          name,
          command,
          ...environmentOf(machine, options, place),
          workdir: options.workdir ?? machine.workdir,
          timeoutMillis: bound.runtimeMillis
        }
        const isStaged = input.staged !== undefined
        // What this release lacks is to be refused before anything is brought into the guest.
        if (isStaged) yield* MachineExec.argv({ ...exec, interactive: true }, capabilities)
        return { ...(yield* begin(means, options, place, isStaged)), place, bound, input, exec }
      })

    type Command = Effect.Effect.Success<ReturnType<typeof prepare>>

    type Says = Mailbox.Mailbox<Output, ExecError | E>

    /** Runs the client to its end. What ends it from outside waits until it has ended, and nothing of it is left. */
    const follow = ({ exec, input, place, reap, settle, unread }: Command, says: Says) => {
      const client = smolvm.machineExecFollow({ ...exec, interactive: true, stdin: input.live }).pipe(
        Stream.runForEachChunk(take(settle, says)),
        Effect.tapError(() => unread)
      )
      const staged =
        input.staged === undefined || place === undefined ? Effect.void : stage(smolvm, name, place, input.staged)
      return Effect.ensuring(Effect.zipRight(staged, client), reap)
    }

    const take =
      (settle: Command["settle"], says: Says) =>
      (events: Chunk.Chunk<FollowEvent>): Effect.Effect<unknown> => {
        const written: Array<Output> = []
        let ended: Exit | undefined
        for (const event of events) {
          if (event._tag === "Exit") ended = event.exit
          else written.push(event)
        }
        const offered = says.offerAll(written)
        return ended === undefined
          ? offered
          : Effect.zipRight(
              offered,
              Effect.flatMap(settle(ended), (exit) => says.offer(exitOf(exit)))
            )
      }

    // Not by interrupting the stream, which would cost two fibers for all that is read at a time.
    const stream: Operations<E>["stream"] = (options) =>
      Stream.unwrapScoped(
        Effect.gen(function* () {
          const command = yield* prepare(options, (known, place) => inputOf(options, known, place))
          const says = yield* Mailbox.make<Output, ExecError | E>(WAITING_OUTPUT)
          yield* follow(command, says).pipe(
            endedBy<StdinTooLarge>(command.input.refused),
            endedBy(overdue(command.bound.clientMillis)),
            Effect.catchIf(
              (error) => error instanceof Overdue,
              () => Effect.flatMap(command.timedOut, (exit) => says.offer(exitOf(exit)))
            ),
            endedBy(command.gone),
            Mailbox.into(says),
            Effect.forkScoped
          )
          return Mailbox.toStream(says)
        })
      )

    const attach: Operations<E>["attach"] = ({ interactive, tty, ...options }) =>
      Effect.gen(function* () {
        const command = yield* prepare(options, () => Effect.succeed(noInput))
        return yield* smolvm.machineExecAttach({ ...command.exec, tty, interactive }).pipe(
          Effect.tapError(() => command.over),
          Effect.flatMap(command.settle),
          Effect.ensuring(command.reap),
          endedBy(overdue(command.bound.clientMillis)),
          Effect.catchIf(
            (error) => error instanceof Overdue,
            () => command.timedOut
          ),
          endedBy(command.gone)
        )
      }).pipe(Effect.scoped)

    const spawn: Operations<E>["spawn"] = (options) =>
      Effect.gen(function* () {
        const place = Witness.place()
        const { gone, over, reap } = yield* begin(means, options, place)
        const guestPid = yield* smolvm
          .machineExecDetached({
            name,
            command: options.command,
            ...environmentOf(machine, options, place),
            workdir: options.workdir ?? machine.workdir
          })
          .pipe(
            Effect.tap(() => over),
            Effect.tapError((error) => (mayHaveBegun(error) ? Effect.void : over)),
            Effect.ensuring(reap),
            endedBy(gone)
          )
        const end = Effect.provideService(Reap.reap({ name, place, quietMillis }), Smolvm, smolvm)
        return { guestPid, end }
      }).pipe(Effect.scoped)

    return { run: (options) => collect(stream(options), options.capBytes ?? CAPTURE_CAP_BYTES), stream, attach, spawn }
  })

/** Whether smolvm may have started the command before it failed. */
const mayHaveBegun = ({ _tag }: SmolvmError): boolean =>
  _tag === "SmolvmTimedOut" ||
  _tag === "SmolvmKilled" ||
  _tag === "OutputNotUnderstood" ||
  _tag === "SmolvmOutputTooLarge"
