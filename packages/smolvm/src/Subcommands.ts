/**
 * Every subcommand of smolvm that this package speaks.
 *
 * @since 0.1.0
 */
import * as MachineCp from "./MachineCp.js"
import * as MachineCreate from "./MachineCreate.js"
import * as MachineDataDir from "./MachineDataDir.js"
import * as MachineDelete from "./MachineDelete.js"
import * as MachineEgressEvents from "./MachineEgressEvents.js"
import * as MachineExec from "./MachineExec.js"
import * as MachineFork from "./MachineFork.js"
import * as MachineForkRelease from "./MachineForkRelease.js"
import * as MachineImages from "./MachineImages.js"
import * as MachineLs from "./MachineLs.js"
import * as MachineMonitor from "./MachineMonitor.js"
import * as MachinePrune from "./MachinePrune.js"
import * as MachineRun from "./MachineRun.js"
import * as MachineShell from "./MachineShell.js"
import * as MachineStart from "./MachineStart.js"
import * as MachineStatus from "./MachineStatus.js"
import * as MachineStop from "./MachineStop.js"
import * as MachineUpdate from "./MachineUpdate.js"
import * as PackCreate from "./PackCreate.js"
import * as PackInspect from "./PackInspect.js"
import * as PackPrune from "./PackPrune.js"
import * as PackPull from "./PackPull.js"
import * as PackPush from "./PackPush.js"
import * as PackRun from "./PackRun.js"
import type { Subcommand } from "./Subcommand.js"

/**
 * Every subcommand, machines first.
 *
 * @since 0.1.0
 * @category constants
 */
export const all: ReadonlyArray<Subcommand> = [
  MachineRun.subcommand,
  MachineCreate.subcommand,
  MachineStart.subcommand,
  MachineStop.subcommand,
  MachineDelete.subcommand,
  MachineExec.subcommand,
  MachineStatus.subcommand,
  MachineLs.subcommand,
  MachineUpdate.subcommand,
  MachineImages.subcommand,
  MachinePrune.subcommand,
  MachineShell.subcommand,
  MachineCp.subcommand,
  MachineMonitor.subcommand,
  MachineDataDir.subcommand,
  MachineFork.subcommand,
  MachineForkRelease.subcommand,
  MachineEgressEvents.subcommand,
  PackCreate.subcommand,
  PackRun.subcommand,
  PackPush.subcommand,
  PackPull.subcommand,
  PackInspect.subcommand,
  PackPrune.subcommand
]

/**
 * The subcommand of a name such as `machine create`.
 *
 * @since 0.1.0
 * @category accessors
 */
export const named = (command: string): Subcommand | undefined => all.find((each) => each.command === command)
