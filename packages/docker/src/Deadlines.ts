/**
 * How long each call may take.
 *
 * @since 0.1.0
 */

/**
 * How long each call may take, in milliseconds, before the client is ended and the call fails with `DockerTimedOut`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Deadlines {
  readonly version: number
  /** Of every call that only asks: inspect and ls. */
  readonly read: number
  readonly networkCreate: number
  readonly imageBuild: number
  readonly containerRun: number
  readonly containerKill: number
  readonly containerExec: number
  /** Of each removal, of whatever kind. */
  readonly remove: number
}

/**
 * The deadlines where none are given. A daemon that is well answers all but a build within a second; one that starts
 * twenty containers at once takes some (toolchain measurements: 2 to 5 s).
 *
 * @since 0.1.0
 * @category constants
 */
export const defaults: Deadlines = {
  version: 10_000,
  read: 30_000,
  networkCreate: 60_000,
  imageBuild: 900_000,
  containerRun: 120_000,
  containerKill: 30_000,
  containerExec: 60_000,
  remove: 60_000
}
