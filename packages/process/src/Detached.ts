/**
 * A process that outlives us: in a session of its own, with nothing of ours but what it is given.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import type { Readable, Writable } from "node:stream"
import * as Exit from "./Exit.js"
import * as Identity from "./Identity.js"
import * as Span from "./internal/span.js"
import * as Pipe from "./Pipe.js"
import { ProgramNotFound, SpawnRefused } from "./ProcessError.js"
import { printable } from "./Text.js"

/**
 * What to start, and what it has of ours.
 *
 * - `argv`: the program and its arguments; one without a slash is looked up in the `PATH` of `env`
 * - `env`: its whole environment
 * - `cwd`: its working directory; `/` where it is absent, so that it holds on to no other
 * - `stdin`, `stdout`: a pipe to or from us, or `/dev/null`; standard error is always that
 *
 * @since 0.1.0
 * @category models
 */
export interface DetachedOptions {
  readonly argv: readonly [program: string, ...args: ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  readonly cwd?: string | undefined
  readonly stdin: "pipe" | "null"
  readonly stdout: "pipe" | "null"
}

/**
 * Nothing can be written: the process has closed its input, or it was given none.
 *
 * @since 0.1.0
 * @category errors
 */
export class InputClosed extends Schema.TaggedError<InputClosed>("@bottle/process/InputClosed")("InputClosed", {
  program: Schema.String
}) {
  override get message(): string {
    return `${printable(this.program)}: does not read its input any more`
  }
  /** What to do next. */
  get suggestion(): string {
    return "It may have ended: see how it did."
  }
}

/**
 * A process that outlives us, so far as we still have to do with it. None of its members keeps this process alive.
 *
 * @since 0.1.0
 * @category models
 */
export interface Detached {
  /** Which process it is; for another program, to be written down. */
  readonly identity: Identity.Identity
  /** Writes to its standard input, and returns when the system has taken all of it. */
  readonly write: (text: string) => Effect.Effect<void, InputClosed>
  /** Closes our end of its standard input. */
  readonly end: Effect.Effect<void>
  /** What it prints, by lines, until it closes its output. To be read once; leaving it closes our end. */
  readonly lines: Stream.Stream<string>
  /** Waits for its end. */
  readonly exit: Effect.Effect<Exit.Exit>
  /** Closes our ends of both pipes; it goes on without us. */
  readonly leave: Effect.Effect<void>
}

/**
 * Starts a process that outlives us, and belongs to no terminal: it has a session of its own, none of our descriptors,
 * and neither our end nor a signal to our group ends it. There is no scope: whoever starts it says how it ends. Its span,
 * `process.detach`, is over when it has been started.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = (options: DetachedOptions): Effect.Effect<Detached, ProgramNotFound | SpawnRefused> =>
  Effect.useSpan("process.detach", Span.optionsOf({ program: options.argv[0] }), () => starting(options))

const starting = (options: DetachedOptions): Effect.Effect<Detached, ProgramNotFound | SpawnRefused> =>
  Effect.flatMap(Deferred.make<Exit.Exit>(), (ended) =>
    Effect.async<Detached, ProgramNotFound | SpawnRefused>((resume) => {
      const [program, ...args] = options.argv
      const cwd = options.cwd ?? "/"
      const refuse = (cause: unknown) => resume(Effect.fail(refusal(program, cwd, cause)))
      let child: ChildProcess.ChildProcess
      try {
        child = spawn(program, args, cwd, options)
      } catch (cause) {
        return refuse(cause)
      }
      child.on("error", refuse)
      child.on("exit", (code, signal) => {
        const exit = code === null ? Exit.fromSignal(signal ?? "") : Exit.fromCode(code)
        Deferred.unsafeDone(ended, Effect.succeed(exit))
      })
      if (child.pid === undefined) return
      // Now, and not when Node tells of the start: until we have collected it, its number is no other process's.
      const identity = Effect.runSync(Identity.fromChild(child.pid))
      child.unref()
      if (Option.isNone(identity)) {
        // Nobody could end it later, or say that it lives.
        child.kill("SIGKILL")
        return refuse({ code: "NO_PROC" })
      }
      resume(Effect.succeed(toDetached(program, identity.value, child, ended)))
    })
  )

const spawn = (
  program: string,
  args: ReadonlyArray<string>,
  cwd: string,
  { env, stdin, stdout }: DetachedOptions
): ChildProcess.ChildProcess => {
  const covered = inheritable()
  const nothing = Fs.openSync("/dev/null", "r+")
  try {
    const stdio: Array<"pipe" | "ignore" | number> = [
      stdin === "pipe" ? "pipe" : "ignore",
      stdout === "pipe" ? "pipe" : "ignore",
      "ignore"
    ]
    // libuv leaves what is to be ignored above standard error as it is, so what we were given is overlaid.
    for (const descriptor of covered) {
      while (stdio.length < descriptor) stdio.push("ignore")
      stdio[descriptor] = nothing
    }
    return ChildProcess.spawn(program, args, { cwd, env: { ...env }, stdio, detached: true })
  } finally {
    Fs.closeSync(nothing)
  }
}

const CLOSE_ON_EXEC = 0o2000000

let inherited: ReadonlyArray<number> | undefined

/**
 * What a child would inherit beside its standard streams. Node marks its own descriptors, not all that it was given;
 * those are here from the start, so one look is enough.
 */
const inheritable = (): ReadonlyArray<number> => (inherited ??= lookForInheritable())

const lookForInheritable = (): ReadonlyArray<number> => {
  let names: ReadonlyArray<string>
  try {
    names = Fs.readdirSync("/proc/self/fd")
  } catch {
    return []
  }
  return names
    .map(Number)
    .filter((descriptor) => descriptor > 2 && isInherited(descriptor))
    .toSorted((left, right) => left - right)
}

const isInherited = (descriptor: number): boolean => {
  try {
    const info = Fs.readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1")
    const flags = Number.parseInt(/^flags:\s*([0-7]+)$/m.exec(info)?.[1] ?? "0", 8)
    return (flags & CLOSE_ON_EXEC) === 0
  } catch {
    return false
  }
}

const toDetached = (
  program: string,
  identity: Identity.Identity,
  child: ChildProcess.ChildProcess,
  ended: Deferred.Deferred<Exit.Exit>
): Detached => {
  const { stdin, stdout } = child
  // A pipe without a listener turns a child that leaves early (EPIPE) into an uncaught exception.
  stdin?.on("error", () => {})
  stdout?.on("error", () => {})
  for (const pipe of [stdin, stdout]) unref(pipe)
  const lines = Pipe.fromReadable(stdout, () => undefined).pipe(
    Stream.catchAll(() => Stream.empty),
    Stream.decodeText(),
    Stream.splitLines
  )
  return {
    identity,
    write: (text) =>
      Effect.async((resume) => {
        if (stdin === null || !stdin.writable) return resume(Effect.fail(new InputClosed({ program })))
        stdin.write(text, (cause) => resume(cause ? Effect.fail(new InputClosed({ program })) : Effect.void))
      }),
    end: Effect.sync(() => void stdin?.end()),
    lines,
    exit: Deferred.await(ended),
    leave: Effect.sync(() => {
      stdin?.destroy()
      stdout?.destroy()
    })
  }
}

const unref = (pipe: Readable | Writable | null): void => {
  if (pipe !== null && "unref" in pipe && typeof pipe.unref === "function") pipe.unref()
}

const refusal = (program: string, cwd: string, cause: unknown): ProgramNotFound | SpawnRefused => {
  const code =
    typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
      ? cause.code
      : "UNKNOWN"
  if (code === "ERR_INVALID_ARG_VALUE") return new SpawnRefused({ program, reason: "nul-in-argument" })
  // ENOENT does not say whether the program or its working directory is missing.
  if (code === "ENOENT" && Fs.existsSync(cwd)) return new ProgramNotFound({ program })
  return new SpawnRefused({ program, reason: refusals[code] ?? "other", code })
}

const refusals: Readonly<Record<string, SpawnRefused["reason"]>> = {
  ENOENT: "working-directory-missing",
  EACCES: "permission",
  EPERM: "permission",
  ENOTDIR: "not-a-directory",
  E2BIG: "arguments-too-long"
}
