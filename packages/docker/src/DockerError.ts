/**
 * Why docker could not do what it was asked to, one error per cause.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * There is no such program.
 *
 * @since 0.1.0
 * @category errors
 */
export class DockerNotInstalled extends Schema.TaggedError<DockerNotInstalled>("@bottle/docker/DockerNotInstalled")(
  "DockerNotInstalled",
  { program: Schema.String }
) {
  override get message(): string {
    return `${this.program} is not installed: no such program on PATH`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Install docker, or name the program to use in its place."
  }
}

/**
 * The client is there, but no daemon answers it. `reason` is the last line the client printed.
 *
 * @since 0.1.0
 * @category errors
 */
export class DaemonUnreachable extends Schema.TaggedError<DaemonUnreachable>("@bottle/docker/DaemonUnreachable")(
  "DaemonUnreachable",
  { program: Schema.String, clientVersion: Schema.NullOr(Schema.String), reason: Schema.String }
) {
  override get message(): string {
    const client = this.clientVersion === null ? "" : ` ${this.clientVersion}`
    return `${this.program}${client} reaches no daemon${this.reason === "" ? "" : `: ${this.reason}`}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Start the docker daemon, and check DOCKER_HOST and that you may use its socket."
  }
}

/**
 * The client did not end in its time, as it does when a daemon accepts and never answers.
 *
 * @since 0.1.0
 * @category errors
 */
export class DockerTimedOut extends Schema.TaggedError<DockerTimedOut>("@bottle/docker/DockerTimedOut")(
  "DockerTimedOut",
  { program: Schema.String, command: Schema.String, timeoutMillis: Schema.Number }
) {
  override get message(): string {
    return `${this.program} ${this.command} did not end within ${this.timeoutMillis} ms`
  }
  /** What to do next. */
  get suggestion(): string {
    return "See whether the docker daemon is busy or stuck."
  }
}

/**
 * The program could not be started, or printed what is not docker's. `reason` says what, without its output.
 *
 * @since 0.1.0
 * @category errors
 */
export class DockerNotUnderstood extends Schema.TaggedError<DockerNotUnderstood>("@bottle/docker/DockerNotUnderstood")(
  "DockerNotUnderstood",
  { program: Schema.String, command: Schema.String, reason: Schema.String }
) {
  override get message(): string {
    return `${this.program} ${this.command}: ${this.reason}`
  }
  /** What to do next. */
  get suggestion(): string {
    return "Check that the program is docker, or one with docker's command line."
  }
}

/**
 * Everything that can go wrong with docker.
 *
 * @since 0.1.0
 * @category errors
 */
export type DockerError = DockerNotInstalled | DaemonUnreachable | DockerTimedOut | DockerNotUnderstood
