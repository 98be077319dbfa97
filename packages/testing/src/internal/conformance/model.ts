import type { Capabilities } from "@bottle/smolvm/Capabilities"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"

/**
 * Something that a program did otherwise than smolvm does, with the call that showed it.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConformanceFailure extends Schema.TaggedError<ConformanceFailure>("@bottle/testing/ConformanceFailure")(
  "ConformanceFailure",
  {
    /** What was expected, and what came instead. */
    problem: Schema.String,
    /** The arguments after the program; empty where it is about more than one call. */
    argv: Schema.Array(Schema.String),
    exitCode: Schema.NullOr(Schema.Number),
    /** The last 2000 characters of stdout. */
    stdout: Schema.String,
    /** The last 2000 characters of stderr. */
    stderr: Schema.String
  }
) {
  override get message(): string {
    const call = this.argv.length === 0 ? "" : `\n  of: ${this.argv.map((word) => JSON.stringify(word)).join(" ")}`
    const code = this.exitCode === null ? "" : `\n  exit code: ${this.exitCode}`
    return `${this.problem}${call}${code}${shown("stdout", this.stdout)}${shown("stderr", this.stderr)}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Compare with what smolvm does; where the program means to differ, say that it does not provide what the case needs."
  }
}

const shown = (stream: string, text: string): string => (text === "" ? "" : `\n  ${stream}: ${JSON.stringify(text)}`)

/**
 * What one call of the program gave.
 *
 * @since 0.1.0
 * @category models
 */
export interface Called {
  readonly argv: ReadonlyArray<string>
  /** The exit code; 128+n where a signal ended the program itself. */
  readonly code: number
  readonly stdout: Uint8Array
  readonly stderr: Uint8Array
}

/**
 * What a call may be given.
 *
 * @since 0.1.0
 * @category models
 */
export interface CallOptions {
  /** What the program reads; nothing without it. */
  readonly stdin?: Uint8Array | string | Stream.Stream<Uint8Array> | undefined
  /** Variables besides those of the subject. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** After how long the call is given up, in milliseconds; two minutes by default. */
  readonly timeoutMillis?: number | undefined
}

/**
 * The program that is tried.
 *
 * @since 0.1.0
 * @category services
 */
export class Subject extends Context.Tag("@bottle/testing/Conformance/Subject")<
  Subject,
  {
    /** What it is called by, for messages. */
    readonly program: string
    /** What a smolvm of the version that it names can do. */
    readonly capabilities: Capabilities
    /** What every machine is created with: an image, where a machine without one does not boot. */
    readonly createArguments: ReadonlyArray<string>
    /** An empty directory of this host for the files of the cases. */
    readonly directory: string
    /** Runs the program to its end, whatever it ends with. Fails where it cannot be started or does not end. */
    readonly call: (args: ReadonlyArray<string>, options?: CallOptions) => Effect.Effect<Called, ConformanceFailure>
  }
>() {}

/**
 * What a case needs of the program or the host.
 *
 * - `alone`: there are no machines but those of the cases, which run one after the other
 * - `guest`: machines boot, and run commands
 * - `files`: the program reads and writes files of this host
 * - `volumes`: machines see directories of this host
 * - `network`: machines can have a network
 * - `subcommands`: the subcommands that only a smolvm has: `machine update`, `data-dir`, `fork`, …
 *
 * @since 0.1.0
 * @category models
 */
export type Need = "alone" | "guest" | "files" | "volumes" | "network" | "subcommands"

/**
 * One thing that every program with smolvm's command line must show.
 *
 * @since 0.1.0
 * @category models
 */
export interface Case {
  /** A sentence in the present tense, the subcommand first. */
  readonly name: string
  /** Nothing where it is empty. */
  readonly needs: ReadonlyArray<Need>
  /** The first version that does so; all versions without it. */
  readonly since?: string | undefined
  /** The first version that no longer does so. */
  readonly before?: string | undefined
  /** Succeeds where the program does so. Its machines are gone when the scope has closed. */
  readonly run: Effect.Effect<void, ConformanceFailure, Subject | Scope.Scope>
}
