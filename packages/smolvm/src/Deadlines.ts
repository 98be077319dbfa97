/**
 * How long each call may take.
 *
 * @since 0.1.0
 */

/**
 * How long each call may take, in milliseconds, before smolvm is ended and the call fails with `SmolvmTimedOut`.
 *
 * `exec`, `machineRun` and `packRun` are what a command's own timeout may be exceeded by (a run also pulls and boots in
 * that time); without a timeout of its own a command is not bounded. To `machineFork` the `readyTimeoutMillis` of a call is
 * added. What has a terminal or is a stream lasts as long as its user wants.
 *
 * @since 0.1.0
 * @category models
 */
export interface Deadlines {
  readonly version: number
  readonly machineCreate: number
  readonly machineStart: number
  readonly machineStop: number
  readonly machineDelete: number
  readonly machineUpdate: number
  /** A detached run, from begin to end. */
  readonly machineRun: number
  readonly machineFork: number
  readonly machineForkRelease: number
  readonly machineCp: number
  /** `machine ls` and `machine status`. */
  readonly machineLs: number
  readonly machineImages: number
  readonly machinePrune: number
  readonly machineDataDir: number
  readonly machineEgressEvents: number
  readonly exec: number
  readonly packCreate: number
  readonly packRun: number
  readonly packPush: number
  readonly packPull: number
  readonly packInspect: number
  readonly packPrune: number
}

/**
 * The deadlines where none are given. smolvm's own waits are shorter: 30 s for the agent, 600 s of silence while an image
 * is pulled (at start), 3 s for each machine that does not answer a list, ten minutes for clones that are to be ready.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaults: Deadlines = {
  version: 15_000,
  machineCreate: 600_000,
  machineStart: 1_800_000,
  machineStop: 120_000,
  machineDelete: 120_000,
  machineUpdate: 120_000,
  machineRun: 1_800_000,
  machineFork: 1_800_000,
  machineForkRelease: 120_000,
  machineCp: 3_600_000,
  machineLs: 120_000,
  machineImages: 600_000,
  machinePrune: 600_000,
  machineDataDir: 30_000,
  machineEgressEvents: 120_000,
  exec: 15_000,
  packCreate: 3_600_000,
  packRun: 1_800_000,
  packPush: 3_600_000,
  packPull: 3_600_000,
  packInspect: 600_000,
  packPrune: 600_000
}
