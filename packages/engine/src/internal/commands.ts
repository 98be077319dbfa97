import type { Exit } from "@bottle/process/Exit"
import type { FollowEvent } from "@bottle/process/Follow"
import type { Smolvm } from "@bottle/smolvm/Smolvm"
import type { SmolvmError } from "@bottle/smolvm/SmolvmError"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { Bottle, BottleError, BottleOutput, CommandOptions, ExecResult } from "../Bottle.js"
import { CapturedTooMuch, CommandExit } from "../Bottle.js"
import type { RunningBundle } from "../Bundle.js"
import { type LaunchPlan, socketOf } from "../LaunchPlan.js"
import type { ProofRecord } from "../ProofRecord.js"
import * as Witness from "./witness.js"

const CAPTURE_CAP_BYTES = 16 * 1024 * 1024

/** What the runtime gets beyond a command's own time to end it, before we end the runtime. */
const TIMEOUT_MARGIN_MILLIS = 10_000

const WITNESS_TIMEOUT_MILLIS = 10_000

const TIMED_OUT = new CommandExit({ exitCode: 124, origin: "runtime", timedOut: true })

/** A ready machine, as the launch hands it to its bottle. */
export interface Ready {
  readonly plan: LaunchPlan
  readonly smolvm: Context.Tag.Service<typeof Smolvm>
  readonly bundle: RunningBundle
  readonly proof: ProofRecord
  readonly secrets: ReadonlyMap<string, Redacted.Redacted>
  readonly keep: Bottle["keep"]
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

export const make = (ready: Ready): Effect.Effect<Bottle> =>
  Effect.gen(function* () {
    const { bundle, keep, plan, proof, smolvm } = ready
    const name = plan.machine
    const secrets = Object.fromEntries([...ready.secrets].map(([guest, value]) => [hostVariable(guest), value]))

    // The relay needed a shell already; without a relay nobody has asked yet.
    const hasShell: Effect.Effect<boolean, SmolvmError> =
      socketOf(plan) !== null
        ? Effect.succeed(true)
        : yield* Effect.cached(
            Effect.map(smolvm.machineExec({ name, command: ["sh", "-c", ":"] }), (result) => result.exitCode === 0)
          )

    const place = Effect.map(hasShell, (has) => (has ? Option.some(Witness.place()) : Option.none()))

    const execOptions = (options: CommandOptions, at: Option.Option<string>) => ({
      name,
      command: Option.match(at, {
        onNone: () => options.command,
        onSome: (file) => Witness.wrap(file, options.command)
      }),
      // Variables of create are not seen by exec on every line, so each command gets them all.
      env: [...new Map([...plan.guest.env, ...(options.env ?? [])])],
      secretEnv: plan.guest.secrets.map((guest) => ({ guest, host: hostVariable(guest) })),
      secrets,
      workdir: options.workdir ?? plan.guest.workdir ?? undefined,
      timeoutMillis: options.timeoutMillis
    })

    const witnessed = (file: string): Effect.Effect<Option.Option<string>> =>
      smolvm.machineExec({ name, command: Witness.read(file), timeoutMillis: WITNESS_TIMEOUT_MILLIS }).pipe(
        Effect.map((result) => new TextDecoder().decode(result.stdout)),
        Effect.timeoutOption(WITNESS_TIMEOUT_MILLIS + TIMEOUT_MARGIN_MILLIS),
        Effect.orElseSucceed(() => Option.none())
      )

    const settle = (options: CommandOptions, at: Option.Option<string>, exit: Exit): Effect.Effect<CommandExit> =>
      Effect.gen(function* () {
        if (exit.code === 0) return new CommandExit({ exitCode: 0, origin: "guest", timedOut: false })
        if (exit.signal !== null) {
          return new CommandExit({ exitCode: exit.code, origin: "runtime", timedOut: false })
        }
        const answer = Option.isSome(at) ? yield* witnessed(at.value) : Option.none()
        if (Option.isSome(answer) && answer.value === String(exit.code)) {
          return new CommandExit({ exitCode: exit.code, origin: "guest", timedOut: false })
        }
        if (exit.code === 124 && options.timeoutMillis !== undefined) return TIMED_OUT
        // The machine still answers, and the shell that would have written the code never got to it: 1 and 2 are the
        // runtime's own failures. Any other code may be a shell that was killed.
        const isRuntime = Option.isSome(answer) && (exit.code === 1 || exit.code === 2)
        return new CommandExit({ exitCode: exit.code, origin: isRuntime ? "runtime" : "unknown", timedOut: false })
      })

    const stream: Bottle["stream"] = (options) =>
      Stream.unwrap(
        Effect.map(place, (at) =>
          smolvm.machineExecFollow({ ...execOptions(options, at), interactive: true, stdin: options.stdin }).pipe(
            Stream.mapEffect((event: FollowEvent): Effect.Effect<BottleOutput> =>
              event._tag === "Exit"
                ? Effect.map(settle(options, at, event.exit), (exit) => ({ _tag: "Exit" as const, exit }))
                : Effect.succeed(event)
            ),
            Stream.interruptWhen(overdue(options.timeoutMillis)),
            Stream.catchAll((error): Stream.Stream<BottleOutput, SmolvmError> =>
              error instanceof Overdue ? Stream.succeed({ _tag: "Exit", exit: TIMED_OUT }) : Stream.fail(error)
            ),
            Stream.interruptWhen(bundle.died)
          )
        )
      )

    const exec: Bottle["exec"] = (options) => capture(stream(options), options.capBytes ?? CAPTURE_CAP_BYTES)

    const attach: Bottle["attach"] = (options) =>
      Effect.gen(function* () {
        const at = yield* place
        const exit = yield* smolvm.machineExecAttach({
          ...execOptions(options, at),
          tty: options.tty,
          interactive: options.interactive
        })
        return yield* settle(options, at, exit)
      }).pipe(
        Effect.raceFirst(overdue(options.timeoutMillis)),
        Effect.catchIf(
          (error) => error instanceof Overdue,
          () => Effect.succeed(TIMED_OUT)
        ),
        Effect.raceFirst(bundle.died)
      )

    // Up to here the guest's command has not run: what was refused by then was the proof's.
    const events = Stream.filter(bundle.events, (event) => event.sequence > proof.lastEvent)

    return {
      id: plan.id,
      plan,
      proof,
      exec,
      stream,
      attach,
      cpIn: ({ guest, host }) => smolvm.machineCp({ src: host, dst: `${name}:${guest}` }),
      cpOut: ({ guest, host }) => smolvm.machineCp({ src: `${name}:${guest}`, dst: host }),
      events,
      denials: Stream.filter(events, (event) => event.verdict === "deny"),
      // A step behind, so that a bundle that has died says so first.
      reload: (policy) => Effect.raceFirst(bundle.died, Effect.zipRight(Effect.yieldNow(), bundle.reload(policy))),
      keep
    }
  })

/** Collects a command's output, each stream up to its cap; one more byte ends the command. */
const capture = (
  output: Stream.Stream<BottleOutput, BottleError>,
  capBytes: number
): Effect.Effect<ExecResult, BottleError> =>
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
