import * as Capture from "@bottle/process/Capture"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Deadlines } from "../Deadlines.js"
import * as EgressEvents from "../EgressEvents.js"
import * as Images from "../Images.js"
import * as MachineCp from "../MachineCp.js"
import * as MachineCreate from "../MachineCreate.js"
import * as MachineCreated from "../MachineCreated.js"
import * as MachineDataDir from "../MachineDataDir.js"
import * as MachineDelete from "../MachineDelete.js"
import * as MachineEgressEvents from "../MachineEgressEvents.js"
import * as MachineFork from "../MachineFork.js"
import * as MachineForkRelease from "../MachineForkRelease.js"
import * as MachineImages from "../MachineImages.js"
import * as MachineLs from "../MachineLs.js"
import * as MachineMonitor from "../MachineMonitor.js"
import * as MachinePrune from "../MachinePrune.js"
import * as MachineShell from "../MachineShell.js"
import * as MachineStart from "../MachineStart.js"
import * as MachineStatus from "../MachineStatus.js"
import * as MachineStop from "../MachineStop.js"
import * as MachineUpdate from "../MachineUpdate.js"
import type { Smolvm } from "../Smolvm.js"
import { notUnderstood } from "./errors.js"
import { lines } from "./lines.js"
import * as Passing from "./passing.js"
import type { Build, Runner } from "./runner.js"
import { decode } from "./runner.js"
import { plain } from "./tail.js"

type Service = Smolvm["Type"]

type Lifecycle = Pick<
  Service,
  | "machineCreate"
  | "machineStart"
  | "machineStop"
  | "machineDelete"
  | "machineUpdate"
  | "machineFork"
  | "machineForkRelease"
>

type Inquiries = Pick<
  Service,
  "machineLs" | "machineStatus" | "machineImages" | "machineEgressEvents" | "machineDataDir" | "machineMonitor"
>

type Upkeep = Pick<Service, "machineCp" | "machinePrune" | "machineShell">

/** The calls about machines, but for those that run a command in one. */
export const machineCalls = (runner: Runner, deadlines: Deadlines): Lifecycle & Inquiries & Upkeep => ({
  ...lifecycle(runner, deadlines),
  ...inquiries(runner, deadlines),
  ...upkeep(runner, deadlines)
})

const lifecycle = (runner: Runner, deadlines: Deadlines): Lifecycle => {
  const stop = (options: MachineStop.MachineStopOptions) =>
    Effect.asVoid(
      runner.execute(
        { command: "machine stop", build: (it) => MachineStop.argv(options, it), name: options.name },
        deadlines.machineStop
      )
    )
  return {
    machineCreate: (options) => create(runner, deadlines, options),
    machineStart: (options) =>
      Effect.asVoid(
        runner.execute(
          {
            command: "machine start",
            build: (it) => MachineStart.argv(options, it),
            env: (it) => MachineStart.environment(options, it),
            name: options.name,
            secrets: options.secrets
          },
          deadlines.machineStart
        )
      ),
    machineStop: stop,
    machineDelete: (options) =>
      Effect.gen(function* () {
        const build: Build = (it) => MachineDelete.argv(options, it)
        const call = yield* runner.prepare({ command: "machine delete", build, name: options.name })
        if (!(yield* runner.capabilities).deleteStopsFirst) {
          // That the machine is missing is for delete to say.
          yield* Effect.catchTag(stop({ name: options.name }), "MachineNotFound", () => Effect.void)
        }
        yield* runner.succeed(call, deadlines.machineDelete)
      }),
    machineUpdate: (options) =>
      Effect.asVoid(
        runner.execute(
          { command: "machine update", build: (it) => MachineUpdate.argv(options, it), name: options.name },
          deadlines.machineUpdate
        )
      ),
    machineFork: (options) =>
      Effect.as(
        runner.execute(
          {
            command: "machine fork",
            build: (it) => MachineFork.argv(options, it),
            name: options.golden,
            secrets: options.secrets
          },
          deadlines.machineFork + (options.readyTimeoutMillis ?? 0)
        ),
        { name: options.name ?? null, namePrefix: options.namePrefix ?? null, count: options.count ?? 1 }
      ),
    machineForkRelease: (options) =>
      Effect.asVoid(
        runner.execute(
          { command: "machine fork-release", build: (it) => MachineForkRelease.argv(options, it), name: options.name },
          deadlines.machineForkRelease
        )
      )
  }
}

const create = (
  runner: Runner,
  deadlines: Deadlines,
  options: Parameters<Service["machineCreate"]>[0]
): ReturnType<Service["machineCreate"]> =>
  Effect.gen(function* () {
    const { name: asked, secrets } = options
    const build: Build = (it) => MachineCreate.argv(options, it)
    const { call, captured } = yield* runner.execute(
      { command: "machine create", build, name: asked, secrets },
      deadlines.machineCreate
    )
    const name = asked ?? MachineCreated.nameIn(Capture.stdoutText(captured))
    if (name === undefined) return yield* notUnderstood(call, captured, "it does not name the machine that was created")
    return { name, dropped: MachineCreate.dropped(options, yield* runner.capabilities) }
  })

const inquiries = (runner: Runner, deadlines: Deadlines): Inquiries => ({
  machineLs: runner
    .execute({ command: "machine ls", build: () => Either.right(MachineLs.argv) }, deadlines.machineLs)
    .pipe(Effect.flatMap(decode(MachineLs.Output))),
  machineStatus: (options) =>
    runner
      .execute(
        { command: "machine status", build: (it) => MachineStatus.argv(options, it), name: options.name },
        deadlines.machineLs
      )
      .pipe(Effect.flatMap(decode(MachineStatus.Output))),
  machineImages: (options) =>
    runner
      .execute(
        {
          command: "machine images",
          build: (it) => MachineImages.argv(options, it),
          name: options.name,
          secrets: options.secrets
        },
        deadlines.machineImages
      )
      .pipe(Effect.flatMap(decode(Images.Output))),
  machineEgressEvents: (options) =>
    runner
      .execute(
        { command: "machine egress-events", build: (it) => MachineEgressEvents.argv(options, it), name: options.name },
        deadlines.machineEgressEvents
      )
      .pipe(Effect.flatMap(decode(EgressEvents.Output))),
  machineDataDir: (options) =>
    Effect.gen(function* () {
      const { call, captured } = yield* runner.execute(
        { command: "machine data-dir", build: (it) => MachineDataDir.argv(options, it), name: options.name },
        deadlines.machineDataDir
      )
      const directory = /^(\/[^\n]*)\n?$/.exec(Capture.stdoutText(captured))?.[1]
      return directory ?? (yield* notUnderstood(call, captured, "it is not one absolute path"))
    }),
  machineMonitor: (options) =>
    lines(runner, {
      command: "machine monitor",
      build: (it) => MachineMonitor.argv(options, it),
      name: options.name,
      secrets: options.secrets
    })
})

const upkeep = (runner: Runner, deadlines: Deadlines): Upkeep => ({
  machineCp: (options) =>
    MachineCp.isNothing(options)
      ? Effect.void
      : Effect.asVoid(
          runner.execute(
            { command: "machine cp", build: (it) => MachineCp.argv(options, it), name: MachineCp.machineOf(options) },
            deadlines.machineCp
          )
        ),
  machinePrune: (options) =>
    runner
      .execute(
        { command: "machine prune", build: (it) => MachinePrune.argv(options, it), name: options.name },
        deadlines.machinePrune
      )
      .pipe(Effect.map(({ captured }) => plain(Capture.stdoutText(captured)).trim())),
  machineShell: (options) =>
    Passing.attached(runner, {
      command: "machine shell",
      build: (it) => MachineShell.argv(options, it),
      name: options.name,
      secrets: options.secrets
    })
})
