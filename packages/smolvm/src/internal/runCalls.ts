import * as Effect from "effect/Effect"
import type { Capabilities } from "../Capabilities.js"
import type { Deadlines } from "../Deadlines.js"
import * as Failure from "../Failure.js"
import * as MachineRun from "../MachineRun.js"
import * as PackRun from "../PackRun.js"
import type { AttachedRun, CapturedPackRun, CapturedRun, FollowedPackRun } from "../RunOptions.js"
import type { Smolvm } from "../Smolvm.js"
import * as Passing from "./passing.js"
import type { Runner } from "./runner.js"

type Calls = Pick<
  Smolvm["Type"],
  | "machineRun"
  | "machineRunFollow"
  | "machineRunAttach"
  | "machineRunDetached"
  | "packRun"
  | "packRunFollow"
  | "packRunAttach"
>

/** The calls that run a command in a machine of its own. */
export const runCalls = (runner: Runner, deadlines: Deadlines): Calls => ({
  machineRun: (options) =>
    Effect.gen(function* () {
      const passing = machineRun(withStdin(options))
      const result = yield* Passing.captured(runner, passing, capture(options, deadlines.machineRun))
      return { ...result, dropped: MachineRun.dropped(options, yield* runner.capabilities) }
    }),
  machineRunFollow: ({ stdin, ...options }) => Passing.followed(runner, machineRun(live(options)), stdin),
  machineRunAttach: (options) => Passing.attached(runner, machineRun(options)),
  machineRunDetached: (options) =>
    Effect.gen(function* () {
      // smolvm's own name for a machine without one.
      const { name = "default" } = options
      yield* runner.execute({ ...machineRun({ ...options, detach: true }), name }, deadlines.machineRun)
      return { name, dropped: MachineRun.dropped(options, yield* runner.capabilities) }
    }),
  packRun: (options) => Passing.captured(runner, packRun(withStdin(options)), capture(options, deadlines.packRun)),
  packRunFollow: ({ stdin, ...options }) => Passing.followed(runner, packRun(live(options)), stdin),
  packRunAttach: (options) => Passing.attached(runner, packRun(options))
})

const machineRun = (options: AttachedRun & { readonly detach?: true }) => ({
  command: "machine run" as const,
  build: (capabilities: Capabilities) => MachineRun.argv(options, capabilities),
  secrets: options.secrets,
  isRefused
})

const packRun = (options: PackRun.PackRunOptions) => ({
  command: "pack run" as const,
  build: (capabilities: Capabilities) => PackRun.argv(options, capabilities),
  isRefused
})

/** What smolvm says of the machine before there is a command that could say the like. */
const isRefused = (outcome: Failure.Outcome): boolean =>
  Failure.portInUse(outcome) !== undefined ||
  Failure.imageNeedsNetwork(outcome) !== undefined ||
  Failure.hypervisorProblem(outcome) !== undefined

const capture = ({ capBytes, stdin, timeoutMillis }: CapturedRun | CapturedPackRun, slackMillis: number) => ({
  capBytes,
  stdin,
  timeoutMillis,
  slackMillis
})

/** A command that reads something has to be told so. */
const withStdin = <Options extends CapturedRun | CapturedPackRun>(options: Options) =>
  options.stdin === undefined ? options : { ...options, interactive: options.interactive ?? true }

/** Interactive output is live; with a terminal it is asked for as it was. */
const live = <Options extends Omit<AttachedRun | FollowedPackRun, "stdin">>(options: Options) => ({
  ...options,
  interactive: options.interactive ?? options.tty !== true
})
