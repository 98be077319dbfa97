/**
 * The three streams of the program, with backpressure, and with a reader that went away as an error and not a crash.
 *
 * @since 0.1.0
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Readable, Writable } from "node:stream"

/**
 * Whoever read our standard output has gone away.
 *
 * @since 0.1.0
 * @category errors
 */
export class OutputClosed extends Schema.TaggedError<OutputClosed>("@bottle/cli/OutputClosed")("OutputClosed", {}) {
  override get message(): string {
    return "the reader of standard output has gone away"
  }
  /** What to do next. */
  get suggestion(): string {
    return "Let the reader take all of the output, or write it to a file."
  }
}

/**
 * The terminal that standard error is, where it is one: its size now, undefined where it does not say.
 *
 * @since 0.1.0
 * @category models
 */
export interface Screen {
  readonly columns: () => number | undefined
  readonly rows: () => number | undefined
}

/**
 * The streams of the program.
 *
 * @since 0.1.0
 * @category services
 */
export class Stdio extends Context.Tag("@bottle/cli/Stdio")<
  Stdio,
  {
    /** Whether standard input and standard output are terminals, so that a command can be given one. */
    readonly isInteractive: boolean
    /** Standard error's terminal; absent where standard error is none. */
    readonly screen?: Screen | undefined
    /** Writes all of it, and returns when there is room for more. */
    readonly stdout: (bytes: Uint8Array) => Effect.Effect<void, OutputClosed>
    /** Writes all of it; when nobody reads, it is dropped. */
    readonly stderr: (bytes: Uint8Array) => Effect.Effect<void>
    /** Standard input to its end; nothing is read before it is asked for. */
    readonly stdin: Stream.Stream<Uint8Array>
  }
>() {}

/**
 * What a `Stdio` is made of; the program's own streams fit.
 *
 * @since 0.1.0
 * @category models
 */
export interface NodeStreams {
  /** Taken only when standard input is read: touching it is enough to keep the process alive. */
  readonly stdin: () => Readable
  readonly stdout: Writable
  readonly stderr: Writable
  readonly stdinIsTerminal: boolean
  readonly stdoutIsTerminal: boolean
  readonly screen?: Screen | undefined
}

const write = (stream: Writable, bytes: Uint8Array): Effect.Effect<void, OutputClosed> =>
  Effect.async((resume) => {
    if (stream.destroyed || stream.errored !== null) return resume(Effect.fail(new OutputClosed()))
    stream.write(bytes, (error) => resume(error ? Effect.fail(new OutputClosed()) : Effect.void))
  })

/**
 * The service over Node's streams. From now on an error of theirs is known to whoever writes, and to nobody else.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (streams: NodeStreams): Context.Tag.Service<Stdio> => {
  for (const stream of [streams.stdout, streams.stderr]) stream.on("error", () => {})
  return {
    isInteractive: streams.stdinIsTerminal && streams.stdoutIsTerminal,
    screen: streams.screen,
    stdout: (bytes) => write(streams.stdout, bytes),
    stderr: (bytes) => Effect.ignore(write(streams.stderr, bytes)),
    stdin: Stream.unwrapScoped(
      Effect.map(
        Effect.acquireRelease(Effect.sync(streams.stdin), (stream) => Effect.sync(() => stream.destroy())),
        // A terminal that hangs up, or a pipe that breaks, is the end of the input.
        (stream) =>
          Stream.catchAll(
            NodeStream.fromReadable(
              () => stream,
              () => undefined
            ),
            () => Stream.empty
          )
      )
    )
  }
}

// Controls but for the tab and the line end, and the marks that turn text around.
// oxlint-disable-next-line no-control-regex -- they are what this is about
const steering = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/**
 * JSON leaves most of what steers a terminal as it is, and a document may hold a guest's words: escaped, it says the same.
 * Texts have none of it anyway.
 */
const steerless = (text: string): string =>
  text.replace(steering, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)

/**
 * Writes a line to standard error.
 *
 * @since 0.1.0
 * @category conversions
 */
export const errorLine = (text: string): Effect.Effect<void, never, Stdio> =>
  Effect.flatMap(Stdio, (stdio) => stdio.stderr(Buffer.from(`${steerless(text)}\n`)))

/**
 * Writes text to standard output, ended by a line end.
 *
 * @since 0.1.0
 * @category conversions
 */
export const outputText = (text: string): Effect.Effect<void, OutputClosed, Stdio> =>
  Effect.flatMap(Stdio, (stdio) => stdio.stdout(Buffer.from(steerless(text.endsWith("\n") ? text : `${text}\n`))))
