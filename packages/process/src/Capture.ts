/**
 * Run a program to its end and hold its output in memory, up to a cap.
 *
 * @since 0.1.0
 */
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Exit } from "./Exit.js"
import * as Running from "./internal/running.js"
import * as Span from "./internal/span.js"
import { defaultGraceMillis } from "./internal/terminate.js"
import { Overhearing } from "./Overhearing.js"
import { OutputTooLarge, type ProcessError, ProcessTimedOut } from "./ProcessError.js"
import type { Program } from "./Program.js"
import * as Reader from "./Reader.js"
import { decode } from "./Text.js"

/**
 * How a program ended and what it wrote.
 *
 * @since 0.1.0
 * @category models
 */
export interface Captured {
  readonly exit: Exit
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
}

/**
 * What `capture` may be told.
 *
 * @since 0.1.0
 * @category models
 */
export interface CaptureOptions {
  /** What the program reads; without it, standard input is empty. */
  readonly stdin?: Uint8Array | string | Stream.Stream<Uint8Array> | undefined
  /** When to give up, from the start of the program; without it, never. */
  readonly timeoutMillis?: number | undefined
  /** How long SIGTERM may take before SIGKILL follows; 5000 by default. */
  readonly graceMillis?: number | undefined
  /** The most bytes to take of each of stdout and stderr; 16 MiB by default. */
  readonly capBytes?: number | undefined
  /** How long to read on after the end while a background process holds a pipe open; 1000 by default. */
  readonly drainMillis?: number | undefined
}

/**
 * The defaults of `capture`.
 *
 * @since 0.1.0
 * @category models
 */
export const defaults = {
  graceMillis: defaultGraceMillis,
  capBytes: 16 * 1024 * 1024,
  drainMillis: 1000
} as const

/**
 * Runs a program to its end. Whatever it ends with is a value: a non-zero code is no error. Fails when it cannot be
 * started, writes more than the cap, or takes too long; interruption, like failure, leaves none of its group alive. Its
 * span is `process`, as that of whatever runs a program here: the program's name, its `subcommand` and its exit.
 *
 * @since 0.1.0
 * @category constructors
 */
export const capture = (
  program: Program,
  options?: CaptureOptions
): Effect.Effect<Captured, ProcessError, CommandExecutor> =>
  Span.traced(
    program,
    Effect.scopedWith((readerScope) => Effect.scoped(run(program, options ?? {}, readerScope))),
    ({ exit }) => exit
  )

// The readers' scope is the outer one: while the program is being ended, its last words must not meet a closed pipe.
const run = (
  program: Program,
  options: CaptureOptions,
  readerScope: Scope.Scope
): Effect.Effect<Captured, ProcessError, CommandExecutor | Scope.Scope> =>
  Effect.gen(function* () {
    const { stdin, timeoutMillis } = options
    const drainMillis = options.drainMillis ?? defaults.drainMillis
    const process = yield* Running.start(program, {
      stdin: stdin === undefined ? "empty" : "pipe",
      output: "pipe",
      graceMillis: options.graceMillis ?? defaults.graceMillis
    })
    const { hear } = yield* Overhearing
    const finished = yield* Deferred.make<Exit, ProcessError>()
    const collect = (stream: "stdout" | "stderr") => {
      const capBytes = options.capBytes ?? defaults.capBytes
      const refuse = Effect.suspend(() =>
        Deferred.fail(finished, new OutputTooLarge({ program: program.program, stream, capBytes }))
      )
      return collector(capBytes, Effect.asVoid(refuse), hear)
    }
    const stdout = collect("stdout")
    const stderr = collect("stderr")
    const readers = [
      yield* Reader.fork(process.stdout, stdout.take, readerScope),
      yield* Reader.fork(process.stderr, stderr.take, readerScope)
    ]
    const end = Effect.tap(Running.awaitExit(process), () => Reader.drain(readers, drainMillis))
    yield* Effect.forkScoped(Deferred.complete(finished, end))
    if (stdin !== undefined) {
      yield* Running.forkFeed(process, stdin, (cause) => Deferred.failCause(finished, cause))
    }
    const exit = yield* timeoutMillis === undefined
      ? Deferred.await(finished)
      : Effect.timeoutFail(Deferred.await(finished), {
          duration: timeoutMillis,
          onTimeout: () => new ProcessTimedOut({ program: program.program, timeoutMillis })
        })
    return { exit, stdout: stdout.whole(), stderr: stderr.whole() }
  })

/** Bytes held up to a cap. They go into one buffer that doubles, so that many small writes cost no more than they weigh. */
const collector = (capBytes: number, onOverflow: Effect.Effect<void>, hear: ((bytes: Uint8Array) => void) | null) => {
  let buffer = new Uint8Array(0)
  let length = 0
  let isFull = false
  const add = (bytes: Uint8Array) => {
    if (length + bytes.length > buffer.length) {
      const grown = new Uint8Array(Math.max(length + bytes.length, buffer.length * 2))
      grown.set(buffer.subarray(0, length))
      buffer = grown
    }
    buffer.set(bytes, length)
    length += bytes.length
  }
  const take = (chunk: Chunk.Chunk<Uint8Array>): Effect.Effect<void> => {
    for (const bytes of chunk) {
      hear?.(bytes)
      isFull ||= length + bytes.length > capBytes
      if (!isFull) add(bytes)
    }
    // What comes after is read and dropped, so that the program is not stuck in a write when it is told to end.
    return isFull ? onOverflow : Effect.void
  }
  return { take, whole: () => buffer.slice(0, length) }
}

/**
 * What the program wrote to stdout, as UTF-8.
 *
 * @since 0.1.0
 * @category conversions
 */
export const stdoutText = (captured: Captured): string => decode(captured.stdout)

/**
 * What the program wrote to stderr, as UTF-8.
 *
 * @since 0.1.0
 * @category conversions
 */
export const stderrText = (captured: Captured): string => decode(captured.stderr)
