/**
 * A scripted `CommandExecutor`: what every command answers is written down beforehand, what was run is recorded. A
 * command that no reply was written for fails the test, and so does a reply that nobody asked for.
 *
 * @since 0.1.0
 */
import type * as Command from "@effect/platform/Command"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import type { PlatformError } from "@effect/platform/Error"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as EffectExit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as InMemoryProcess from "./internal/inMemoryProcess.js"

/**
 * What a command answers. A reply is used once unless `times` says otherwise; with `times: "any"` it may be used as
 * often as asked, also never, and at any place in the order.
 *
 * A scripted process reads its standard input to the end and then exits with `exit`, or by `signal`. It writes `stdout`
 * and `stderr` first; a stream there is written as it comes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Reply {
  /** The program and its arguments, exactly; or whether these words are meant. */
  readonly match: ReadonlyArray<string> | ((argv: ReadonlyArray<string>) => boolean)
  /** The exit code; 0 by default. */
  readonly exit?: number | undefined
  readonly stdout?: string | Uint8Array | Stream.Stream<Uint8Array> | undefined
  readonly stderr?: string | Uint8Array | Stream.Stream<Uint8Array> | undefined
  /** The signal it dies by ("SIGKILL"), instead of exiting. */
  readonly signal?: string | undefined
  /** Whether it runs until it is killed. */
  readonly hang?: boolean | undefined
  /** Whether only SIGKILL ends it. */
  readonly ignoresSigterm?: boolean | undefined
  /** Whether it exits only after the end of its standard input; true by default. */
  readonly readsStdin?: boolean | undefined
  /** Whether there is no such program. */
  readonly notFound?: boolean | undefined
  /** How often the reply must be used; 1 by default. */
  readonly times?: number | "any" | undefined
  /** Runs when the command is started, before it answers. */
  readonly before?: Effect.Effect<void> | undefined
}

/**
 * A command that was run.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recorded {
  /** The program and its arguments. */
  readonly argv: ReadonlyArray<string>
  /** The variables that were set for it; they are all it gets unless `extendEnv`. */
  readonly env: Readonly<Record<string, string>>
  readonly extendEnv: boolean
  readonly cwd: string | undefined
  /** What it was fed up to now, as UTF-8. */
  readonly stdin: Effect.Effect<string>
  /** The signals it was sent up to now, in order. */
  readonly signals: ReadonlyArray<string>
  /** Whether it inherits standard input and output. */
  readonly foreground: boolean
}

/**
 * What a test asks of the script it handed out.
 *
 * @since 0.1.0
 * @category services
 */
export class CommandScript extends Context.Tag("@bottle/testing/CommandScript")<
  CommandScript,
  {
    /** The commands that were run up to now, in the order of their starts. */
    readonly recorded: Effect.Effect<ReadonlyArray<Recorded>>
    /** What happened, in order: "start ARGV", "signal NAME ARGV", "exit ARGV"; other doubles may add theirs. */
    readonly events: Ref.Ref<ReadonlyArray<string>>
    /** Dies when a command came that was not scripted, or a reply is left that nobody asked for. */
    readonly verify: Effect.Effect<void>
  }
>() {}

/**
 * What `layer` may be told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Whether the replies must be asked for in their order; true by default. */
  readonly ordered?: boolean | undefined
}

/**
 * A scripted executor and its record. Verifies when it is released too, so that a test need not ask.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  replies: ReadonlyArray<Reply>,
  options?: Options
): Layer.Layer<CommandExecutor.CommandExecutor | CommandScript> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      const script = yield* make(replies, options)
      // A test that fails by itself says why; that replies are left over then is no news.
      yield* Effect.addFinalizer((exit) => (EffectExit.isSuccess(exit) ? script.service.verify : Effect.void))
      return Context.make(CommandScript, script.service).pipe(
        Context.add(CommandExecutor.CommandExecutor, script.executor)
      )
    })
  )

interface Script {
  readonly service: Context.Tag.Service<CommandScript>
  readonly executor: CommandExecutor.CommandExecutor
}

const make = (replies: ReadonlyArray<Reply>, options: Options | undefined): Effect.Effect<Script> =>
  Effect.gen(function* () {
    const events = yield* Ref.make<ReadonlyArray<string>>([])
    const choose = chooser(replies, options?.ordered ?? true)
    const recorded: Array<InMemoryProcess.InMemoryProcess> = []
    const complaints: Array<string> = []
    const note = (event: string) => Ref.update(events, (before) => [...before, event])
    const complain = (text: string) =>
      Effect.suspend(() => {
        complaints.push(text)
        return Effect.dieMessage(text)
      })

    const start = (command: Command.Command): Effect.Effect<CommandExecutor.Process, PlatformError, Scope.Scope> =>
      Effect.gen(function* () {
        if (command._tag === "PipedCommand") return yield* InMemoryProcess.noPipelines
        const argv = [command.command, ...command.args]
        const reply = choose.next(argv)
        if (reply === undefined) return yield* complain(unscripted(argv, recorded, choose.expected()))
        const run = yield* InMemoryProcess.make(command, { note }, reply.ignoresSigterm === true)
        recorded.push(run)
        yield* note(`start ${words(argv)}`)
        if (reply.before !== undefined) yield* reply.before
        if (reply.notFound === true) return yield* InMemoryProcess.notFound(argv)
        yield* Effect.addFinalizer(() => InMemoryProcess.close(run, complain))
        yield* InMemoryProcess.feed(run)
        const exit = Effect.zipRight(
          reply.readsStdin === false ? Effect.void : Deferred.await(run.fedAll),
          InMemoryProcess.end(run, reply.signal === undefined ? { code: reply.exit ?? 0 } : { signal: reply.signal })
        )
        if (reply.hang !== true) yield* Effect.forkScoped(exit)
        return InMemoryProcess.toProcess(run, {
          id: "@bottle/testing/CommandScript/Process",
          index: recorded.length,
          stdout: outputOf(reply.stdout),
          stderr: outputOf(reply.stderr)
        })
      })

    const verify = Effect.suspend(() => {
      const unused = choose.unused()
      const problems = [
        ...complaints,
        ...(unused.length === 0
          ? []
          : [`Nobody asked for:\n${list(unused.map(describe))}\nRun were:\n${list(ran(recorded))}`])
      ]
      return problems.length === 0 ? Effect.void : Effect.dieMessage(problems.join("\n\n"))
    })

    return {
      service: { recorded: Effect.sync(() => recorded.map(InMemoryProcess.toRecorded)), events, verify },
      executor: CommandExecutor.makeExecutor(start)
    }
  })

const outputOf = (content: Reply["stdout"]): Stream.Stream<Uint8Array> => {
  if (content === undefined) return Stream.empty
  if (typeof content === "string") return Stream.make(new TextEncoder().encode(content))
  return content instanceof Uint8Array ? Stream.make(content) : content
}

interface Chooser {
  readonly next: (argv: ReadonlyArray<string>) => Reply | undefined
  /** The replies one of which would have been right. */
  readonly expected: () => ReadonlyArray<Reply>
  readonly unused: () => ReadonlyArray<Reply>
}

const chooser = (replies: ReadonlyArray<Reply>, ordered: boolean): Chooser => {
  const counted = replies
    .filter((reply) => reply.times !== "any")
    .map((reply) => ({ reply, left: typeof reply.times === "number" ? reply.times : 1 }))
  const unlimited = replies.filter((reply) => reply.times === "any")
  const open = () => {
    const left = counted.filter((entry) => entry.left > 0)
    return ordered ? left.slice(0, 1) : left
  }
  return {
    next: (argv) => {
      const entry = open().find(({ reply }) => matches(reply, argv))
      if (entry === undefined) return unlimited.find((reply) => matches(reply, argv))
      entry.left -= 1
      return entry.reply
    },
    expected: () => [...open().map(({ reply }) => reply), ...unlimited],
    unused: () => counted.filter((entry) => entry.left > 0).map(({ reply }) => reply)
  }
}

const matches = ({ match }: Reply, argv: ReadonlyArray<string>): boolean =>
  typeof match === "function"
    ? match(argv)
    : match.length === argv.length && match.every((word, index) => word === argv[index])

const { words } = InMemoryProcess

const describe = ({ match }: Reply): string => (typeof match === "function" ? "(a function of the argv)" : words(match))

const list = (lines: ReadonlyArray<string>): string =>
  lines.length === 0 ? "  (nothing)" : lines.map((line) => `  ${line}`).join("\n")

const ran = (runs: ReadonlyArray<InMemoryProcess.InMemoryProcess>): ReadonlyArray<string> =>
  runs.map((run) => words(run.argv))

const unscripted = (
  argv: ReadonlyArray<string>,
  runs: ReadonlyArray<InMemoryProcess.InMemoryProcess>,
  expected: ReadonlyArray<Reply>
): string => {
  const [nearest] = expected
  const difference =
    nearest === undefined || typeof nearest.match === "function"
      ? []
      : ["First difference:", firstDifference(nearest.match, argv)]
  return [
    "Not scripted:",
    list([words(argv)]),
    "Expected was:",
    list(expected.map(describe)),
    ...difference,
    "Run before:",
    list(ran(runs))
  ].join("\n")
}

const firstDifference = (expected: ReadonlyArray<string>, actual: ReadonlyArray<string>): string => {
  const length = Math.max(expected.length, actual.length)
  const index = Array.from({ length }, (_, at) => at).find((at) => expected[at] !== actual[at]) ?? 0
  const show = (word: string | undefined) => (word === undefined ? "(nothing)" : JSON.stringify(word))
  return `  word ${index}: expected ${show(expected[index])}, got ${show(actual[index])}`
}
