/**
 * Run a program and read its output as it comes.
 *
 * @since 0.1.0
 */
import type { CommandExecutor } from "@effect/platform/CommandExecutor"
import type * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Mailbox from "effect/Mailbox"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Exit } from "./Exit.js"
import * as Running from "./internal/running.js"
import * as Span from "./internal/span.js"
import { defaultGraceMillis } from "./internal/terminate.js"
import type { ProcessError } from "./ProcessError.js"
import type { Program } from "./Program.js"
import * as Reader from "./Reader.js"

/**
 * What a followed program did: wrote bytes to stdout or stderr, or ended.
 *
 * @since 0.1.0
 * @category models
 */
export type FollowEvent =
  | { readonly _tag: "Stdout"; readonly bytes: Uint8Array }
  | { readonly _tag: "Stderr"; readonly bytes: Uint8Array }
  | { readonly _tag: "Exit"; readonly exit: Exit }

/**
 * What `follow` may be told.
 *
 * @since 0.1.0
 * @category models
 */
export interface FollowOptions {
  /** What the program reads, fed as fast as it reads; without it, standard input is empty. */
  readonly stdin?: Stream.Stream<Uint8Array> | undefined
  /** How long SIGTERM may take before SIGKILL follows; 5000 by default. */
  readonly graceMillis?: number | undefined
  /** How long to wait for more after the end while a background process holds a pipe open; 1000 by default. */
  readonly drainMillis?: number | undefined
}

/**
 * The defaults of `follow`.
 *
 * @since 0.1.0
 * @category models
 */
export const defaults = { graceMillis: defaultGraceMillis, drainMillis: 1000 } as const

/** How many events may wait to be taken; each holds what one read of a pipe gave, 64 KiB at most. */
const waitingEvents = 16

/**
 * Runs a program and gives what it writes, then exactly one `Exit`, which is the last event. There is no cap: a program
 * that writes faster than its events are taken has to wait. Whoever leaves the stream early ends the program and its
 * group.
 *
 * @since 0.1.0
 * @category constructors
 */
export const follow = (
  program: Program,
  options?: FollowOptions
): Stream.Stream<FollowEvent, ProcessError, CommandExecutor> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      // Acquired first, so released last: while the program is being ended it can still write.
      const readerScope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
      const span = yield* Span.scoped(program)
      const process = yield* span.within(
        Running.start(program, {
          stdin: options?.stdin === undefined ? "empty" : "pipe",
          output: "pipe",
          graceMillis: options?.graceMillis ?? defaults.graceMillis
        })
      )
      const events = yield* Mailbox.make<FollowEvent>(waitingEvents)
      yield* Effect.addFinalizer(() => events.shutdown)
      // After the shutdown nothing is taken up any more: what the program still says is read and dropped.
      const take = (toEvent: (bytes: Uint8Array) => FollowEvent) => (chunk: Chunk.Chunk<Uint8Array>) =>
        Effect.asVoid(events.offerAll(Chunk.map(chunk, toEvent)))
      const readers = [
        yield* Reader.fork(process.stdout, take(stdoutEvent), readerScope),
        yield* Reader.fork(process.stderr, take(stderrEvent), readerScope)
      ]
      const fail = (cause: Cause.Cause<never>) => events.failCause(cause)
      const end = Running.awaitExit(process).pipe(
        Effect.tap(() => Reader.drain(readers, options?.drainMillis ?? defaults.drainMillis)),
        Effect.tap(span.noteExit),
        Effect.flatMap((exit) => events.offer({ _tag: "Exit", exit })),
        Effect.zipRight(events.end),
        Effect.catchAllCause(fail)
      )
      yield* Effect.forkScoped(end)
      if (options?.stdin !== undefined) yield* Running.forkFeed(process, options.stdin, fail)
      return Mailbox.toStream(events)
    })
  )

const stdoutEvent = (bytes: Uint8Array): FollowEvent => ({ _tag: "Stdout", bytes })
const stderrEvent = (bytes: Uint8Array): FollowEvent => ({ _tag: "Stderr", bytes })
