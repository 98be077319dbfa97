import * as ContainerExec from "@bottle/docker/ContainerExec"
import * as ContainerRemove from "@bottle/docker/ContainerRemove"
import * as ContainerRun from "@bottle/docker/ContainerRun"
import * as ImageBuild from "@bottle/docker/ImageBuild"
import * as NetworkCreate from "@bottle/docker/NetworkCreate"
import * as NetworkRemove from "@bottle/docker/NetworkRemove"
import type { Capabilities } from "@bottle/smolvm/Capabilities"
import * as MachineCreate from "@bottle/smolvm/MachineCreate"
import * as MachineDelete from "@bottle/smolvm/MachineDelete"
import * as MachineExec from "@bottle/smolvm/MachineExec"
import * as MachineStart from "@bottle/smolvm/MachineStart"
import * as MachineStatus from "@bottle/smolvm/MachineStatus"
import * as MachineStop from "@bottle/smolvm/MachineStop"
import * as PackCreate from "@bottle/smolvm/PackCreate"
import * as Either from "effect/Either"
import * as GuestRelay from "../GuestRelay.js"
import { ContainerUnfit, type PlanRefused, RuntimeUnfit } from "../LaunchError.js"
import type { PlannedContainer } from "../LaunchPlan.js"
import type { Stage } from "../Stage.js"
import {
  containerOptions,
  createOptions,
  credentialOptions,
  imageOptions,
  networkOptions,
  proofOptions,
  socketOf,
  startOptions,
  type Undecided
} from "./planOptions.js"

/** A command, before it is a step of a plan. */
interface Words {
  readonly stage: Stage | "release"
  readonly argv: ReadonlyArray<string>
  readonly env?: ReadonlyArray<readonly [string, string]>
}

/** An argv, or why there is none, in a package's own words. */
type Argv = Either.Either<ReadonlyArray<string>, { readonly message: string; readonly suggestion: string }>

/** The commands of the runtime, up to the machine's own end. */
const machineSteps = (plan: Undecided, capabilities: Capabilities) => {
  const name = plan.machine
  const words = (stage: Words["stage"], argv: Argv, env: Words["env"] = []): Either.Either<Words, PlanRefused> =>
    Either.mapBoth(argv, {
      onLeft: ({ message, suggestion }) =>
        new RuntimeUnfit({
          version: capabilities.version,
          demand: "this plan",
          reason: message,
          advice: suggestion
        }),
      onRight: (rest) => ({ stage, argv: [plan.runtime.program, ...rest], ...(env.length === 0 ? {} : { env }) })
    })

  const pack = Either.gen(function* () {
    if (plan.source._tag !== "Pack" || plan.source.madeFrom === null) return []
    const { partial, reference } = plan.source.madeFrom
    return [yield* words("pack", PackCreate.argv({ image: reference, output: partial }, capabilities))]
  })
  const bringUp = Either.gen(function* () {
    const start = startOptions(plan)
    const steps = [yield* words("create", MachineCreate.argv(createOptions(plan, capabilities), capabilities))]
    // A pack that was made with networking boots networked whatever is asked: the machine's record tells.
    if (plan.source._tag === "Pack") {
      steps.push(yield* words("create", MachineStatus.argv({ name }, capabilities)))
    }
    steps.push(
      yield* words("start", MachineStart.argv(start, capabilities), MachineStart.environment(start, capabilities)),
      yield* words("ready", MachineExec.argv({ name, command: ["true"] }, capabilities))
    )
    if (socketOf(plan) !== null) {
      steps.push(yield* words("relay", MachineExec.argv({ name, command: GuestRelay.command }, capabilities)))
    }
    steps.push(yield* words("proof", MachineExec.argv(proofOptions(plan), capabilities)))
    return steps
  })
  const release = Either.gen(function* () {
    const stop = capabilities.deleteStopsFirst
      ? []
      : [yield* words("release", MachineStop.argv({ name }, capabilities))]
    return [...stop, yield* words("release", MachineDelete.argv({ name }, capabilities))]
  })
  return { pack, bringUp, release }
}

/** The commands of the container engine. */
const containerSteps = (plan: Undecided, bundle: PlannedContainer) => {
  const words = (stage: Words["stage"], argv: Argv, env: Words["env"] = []): Either.Either<Words, PlanRefused> =>
    Either.mapBoth(argv, {
      onLeft: ({ message, suggestion }) => new ContainerUnfit({ reason: message, advice: suggestion }),
      onRight: (rest) => ({ stage, argv: [bundle.program, ...rest], ...(env.length === 0 ? {} : { env }) })
    })

  const bringUp = Either.gen(function* () {
    const { build, image } = bundle
    const built =
      build === null
        ? []
        : [yield* words("image", ImageBuild.argv(imageOptions({ image, build })), Object.entries(ImageBuild.variables))]
    return [
      ...built,
      yield* words("network", NetworkCreate.argv(networkOptions(bundle))),
      yield* words("bundle", ContainerRun.argv(containerOptions(bundle))),
      ...(Object.keys(plan.egress.credentials ?? {}).length === 0
        ? []
        : [yield* words("bundle", ContainerExec.argv(credentialOptions(bundle)))])
    ]
  })
  const release = Either.gen(function* () {
    return [
      yield* words("release", ContainerRemove.argv(bundle.container)),
      yield* words("release", NetworkRemove.argv(bundle.network))
    ]
  })
  return { bringUp, release }
}

/** Every command of a plan in its order, up to the last of its release. */
export const planSteps = (
  plan: Undecided,
  capabilities: Capabilities
): Either.Either<ReadonlyArray<Words>, PlanRefused> =>
  Either.gen(function* () {
    const machine = machineSteps(plan, capabilities)
    const container = plan.bundle._tag === "Container" ? containerSteps(plan, plan.bundle) : null
    return [
      ...(yield* machine.pack),
      ...(container === null ? [] : yield* container.bringUp),
      ...(yield* machine.bringUp),
      ...(yield* machine.release),
      ...(container === null ? [] : yield* container.release)
    ]
  })
