/**
 * The docker command line as a service: every method is one call of the program.
 *
 * @since 0.1.0
 */
import * as Capture from "@bottle/process/Capture"
import type { ProcessError } from "@bottle/process/ProcessError"
import { printable } from "@bottle/process/Text"
import * as CommandExecutor from "@effect/platform/CommandExecutor"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  DaemonUnreachable,
  type DockerError,
  DockerNotInstalled,
  DockerNotUnderstood,
  DockerTimedOut
} from "./DockerError.js"
import * as Version from "./Version.js"

/** A daemon that is there answers in milliseconds. */
const VERSION_TIMEOUT_MILLIS = 10_000
const OUTPUT_CAP_BYTES = 1024 * 1024
const REASON_CHARS_MAX = 300

/**
 * @since 0.1.0
 * @category services
 */
export class Docker extends Context.Tag("@bottle/docker/Docker")<
  Docker,
  {
    readonly program: string
    /** The versions of client and daemon; fails when no daemon answers. */
    readonly version: Effect.Effect<Version.DockerVersion, DockerError>
  }
>() {}

/**
 * What the service is told.
 *
 * - `program`: `docker` when absent; any program with its command line, podman by name
 * - `env`: the whole environment of the program; the host's, scrubbed, when absent
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly program?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
}

const fromProcessError =
  (program: string, command: string) =>
  (error: ProcessError): DockerError => {
    switch (error._tag) {
      case "ProgramNotFound":
        return new DockerNotInstalled({ program })
      case "ProcessTimedOut":
        return new DockerTimedOut({ program, command, timeoutMillis: error.timeoutMillis })
      case "SpawnRefused":
      case "OutputTooLarge":
        return new DockerNotUnderstood({ program, command, reason: error.message })
    }
  }

const lastLine = (text: string): string =>
  printable(text.trim().split("\n").at(-1)?.trim() ?? "").slice(0, REASON_CHARS_MAX)

/**
 * The service over a program with docker's command line.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options = {}
): Effect.Effect<Context.Tag.Service<Docker>, never, CommandExecutor.CommandExecutor> =>
  Effect.map(CommandExecutor.CommandExecutor, (executor) => {
    const program = options.program ?? "docker"

    const version = Effect.gen(function* () {
      const captured = yield* Capture.capture(
        { program, args: Version.argv, env: options.env },
        { timeoutMillis: VERSION_TIMEOUT_MILLIS, capBytes: OUTPUT_CAP_BYTES }
      ).pipe(
        Effect.provideService(CommandExecutor.CommandExecutor, executor),
        Effect.mapError(fromProcessError(program, "version"))
      )
      const reason = lastLine(Capture.stderrText(captured))
      const found = yield* Version.decode(Capture.stdoutText(captured)).pipe(
        Effect.mapError(() =>
          captured.exit.code === 0
            ? new DockerNotUnderstood({ program, command: "version", reason: "its answer is not docker's" })
            : new DaemonUnreachable({ program, clientVersion: null, reason })
        )
      )
      if (found.server === null || captured.exit.code !== 0) {
        return yield* new DaemonUnreachable({ program, clientVersion: found.client, reason })
      }
      return found
    })

    return { program, version }
  })

/**
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Docker, never, CommandExecutor.CommandExecutor> =>
  Layer.effect(Docker, make(options))
