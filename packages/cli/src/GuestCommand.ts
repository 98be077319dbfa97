/**
 * A command of a guest, with the caller's own terminal or streams: what `run`, `exec` and `shell` have in common.
 *
 * @since 0.1.0
 */
import { type BottleOutput, CommandExit, type CommandOptions, type Unended } from "@bottle/engine/Bottle"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Failure from "./Failure.js"
import type { TtyChoice } from "./FlagValues.js"
import * as Stdio from "./Stdio.js"
import { formatMillis } from "./Units.js"
import { UsageError } from "./UsageError.js"

/**
 * The command was ended because its time was up.
 *
 * @since 0.1.0
 * @category errors
 */
export class CommandTimedOut extends Schema.TaggedError<CommandTimedOut>("@bottle/cli/CommandTimedOut")(
  "CommandTimedOut",
  { timeoutMillis: Schema.Number }
) {
  override get message(): string {
    return `the command took longer than ${formatMillis(this.timeoutMillis)} and was ended`
  }
  /** What to do next. */
  get suggestion(): string {
    return "a longer --timeout, or none"
  }
}

/**
 * The runtime ended without running the command to its end, so the code it ended with says nothing about the command.
 *
 * @since 0.1.0
 * @category errors
 */
export class RuntimeFailed extends Schema.TaggedError<RuntimeFailed>("@bottle/cli/RuntimeFailed")("RuntimeFailed", {
  program: Schema.String,
  exitCode: Schema.Number
}) {
  override get message(): string {
    return `${this.program} failed while it ran the command (its exit code is ${this.exitCode})`
  }
  /** What to do next. */
  get suggestion(): string {
    return "check that the command and the working directory exist in the guest; bottle doctor checks the runtime"
  }
}

/**
 * Whether the guest's command is given the caller's terminal.
 *
 * @since 0.1.0
 * @category constructors
 */
export const chooseTty = (choice: TtyChoice): Effect.Effect<boolean, UsageError, Stdio.Stdio> =>
  Effect.flatMap(Stdio.Stdio, ({ isInteractive }) =>
    choice === "always" && !isInteractive
      ? new UsageError({
          problem: "-t needs standard input and output to be a terminal, and one of them is not",
          advice: "leave out -t, or use -i to pass standard input on"
        })
      : Effect.succeed(choice !== "never" && isInteractive)
  )

/**
 * What can run a command: a bottle of this process, or of another.
 *
 * @since 0.1.0
 * @category models
 */
export interface Runner<E> {
  readonly stream: (
    options: CommandOptions & { readonly stdin?: Stream.Stream<Uint8Array> | undefined }
  ) => Stream.Stream<BottleOutput, E>
  readonly attach: (
    options: CommandOptions & { readonly tty: boolean; readonly interactive: boolean }
  ) => Effect.Effect<CommandExit, E>
}

/**
 * A command, and what it is given: a terminal (`tty`), or standard input where it is `interactive`; `input` is a text that
 * takes the place of both.
 *
 * @since 0.1.0
 * @category models
 */
export interface GuestCommand extends CommandOptions {
  readonly tty: boolean
  readonly interactive: boolean
  readonly input?: string | null
}

const stdinOf = (input: string | null, interactive: boolean, stdio: Context.Tag.Service<Stdio.Stdio>) => {
  if (input !== null) return Stream.make(new TextEncoder().encode(input))
  return interactive ? stdio.stdin : undefined
}

/**
 * Runs a command to its end. Without a terminal its output goes to our own streams, as it comes.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = <E>(
  runner: Runner<E>,
  { input = null, interactive, tty, ...options }: GuestCommand
): Effect.Effect<CommandExit, E | Stdio.OutputClosed, Stdio.Stdio> =>
  tty && input === null
    ? runner.attach({ ...options, tty: true, interactive: true })
    : Effect.flatMap(Stdio.Stdio, (stdio) => {
        let last: CommandExit | undefined
        const output = runner.stream({ ...options, stdin: stdinOf(input, interactive, stdio) })
        const take = (event: BottleOutput): Effect.Effect<void, Stdio.OutputClosed> => {
          switch (event._tag) {
            case "Stdout":
              return stdio.stdout(event.bytes)
            case "Stderr":
              return stdio.stderr(event.bytes)
            case "Exit":
              last = event.exit
              return Effect.void
          }
        }
        return Effect.zipRight(
          Stream.runForEach(output, take),
          Effect.suspend(() =>
            last === undefined ? Effect.dieMessage("a followed command ended without an exit") : Effect.succeed(last)
          )
        )
      })

/**
 * What is told of a command that had to be ended and may go on in a bottle that is up.
 *
 * @since 0.1.0
 * @category constants
 */
export const unended: Readonly<Record<Unended, string>> = {
  left: "bottle: the command was told to end, and something of it still runs in the guest",
  unknown: "bottle: not known whether the command ended in the guest"
}

/**
 * What is told about a command's end, where it is not the command's own doing.
 *
 * @since 0.1.0
 * @category conversions
 */
export const failureOf = (
  exit: CommandExit,
  about: { readonly timeoutMillis: number | undefined; readonly program: string }
): Failure.Failure | null => {
  if (exit.timedOut) return Failure.fromError(new CommandTimedOut({ timeoutMillis: about.timeoutMillis ?? 0 }))
  if (exit.origin !== "runtime") return null
  return Failure.fromError(new RuntimeFailed({ program: about.program, exitCode: exit.exitCode }))
}

/**
 * Lines of ours while a command runs: at once, or when they are released, where the command owns the screen.
 *
 * @since 0.1.0
 * @category models
 */
export interface Teller {
  readonly say: (line: string) => Effect.Effect<void>
  readonly release: Effect.Effect<void>
}

/**
 * A teller beside a command that has the terminal, or has not.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeTeller = (isTerminalTaken: boolean): Effect.Effect<Teller, never, Stdio.Stdio> =>
  Effect.map(Effect.context<Stdio.Stdio>(), (context) => {
    const held: Array<string> = []
    const print = (line: string) => Effect.provide(Stdio.errorLine(line), context)
    return {
      say: (line) => (isTerminalTaken ? Effect.sync(() => void held.push(line)) : print(line)),
      release: Effect.suspend(() => Effect.forEach(held.splice(0), print, { discard: true }))
    }
  })
