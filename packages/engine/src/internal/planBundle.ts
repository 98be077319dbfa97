import * as EgressDaemon from "@bottle/bundle/EgressDaemon"
import * as Either from "effect/Either"
import { machineName } from "../BottleId.js"
import type { ContainerSettings } from "../Engine.js"
import { ContainerUnfit, type PlanRefused, RuntimeUnfit } from "../LaunchError.js"
import type { Topology } from "../LaunchOptions.js"
import type { PlanInput, PlannedBundle, PlannedContainer, PlannedProof, PlannedSource } from "../LaunchPlan.js"
import * as Subnet from "../Subnet.js"
import { refuse } from "./planChecks.js"

/** The proxy's socket is its owner's alone. */
const SOCKET_MODE = 0o600

/** As root, a machine acts as another uid, which must reach the socket; its directory lets nobody but root pass. */
const SOCKET_MODE_SUPERUSER = 0o666

/** What is decided about. */
interface Question {
  readonly input: PlanInput
  readonly source: PlannedSource
  /** The bottle's own directory on the host. */
  readonly directory: string
  readonly isAllowing: boolean
  /** The names of the credentials that it holds for the guest. */
  readonly credentials: ReadonlyArray<string>
}

/** Where the bundle runs, and why the runtime is not known to keep the guest to it; `null` where it is. */
export interface Decided {
  readonly bundle: PlannedBundle
  readonly doubt: string | null
}

type Decision = Either.Either<Decided, PlanRefused>

/** Where the bundle runs and how the guest reaches it, or why it cannot be as it was asked for. */
export const planBundle = (question: Question): Decision => {
  const { bundle } = question.input.options
  switch (bundle) {
    case "none":
      return none(question)
    case "process":
      return beside(question)
    case "container":
      return inContainer(question)
    case undefined:
      return byDefault(question)
  }
}

/** What the proof must show. Without a bundle there is nothing that the guest must reach. */
export const planProof = (input: PlanInput, { bundle, doubt }: Decided): typeof PlannedProof.Type => ({
  demand: doubt === null && (bundle._tag === "None" || input.options.unprovenEgress === true) ? "attempted" : "proven",
  doubt
})

const none = ({ credentials, input, isAllowing }: Question): Decision => {
  if (credentials.length > 0)
    return refuse(
      "bundle",
      `none leaves nobody to hold the credential ${credentials[0]}`,
      "Leave out the credentials, or --bundle none."
    )
  if (isAllowing)
    return refuse(
      "bundle",
      "none leaves nothing that a policy could allow",
      "Leave out --allow and --policy, or --bundle none."
    )
  return input.options.topology === undefined
    ? Either.right({ bundle: { _tag: "None" }, doubt: null })
    : refuse("topology", "without a bundle there is nothing to reach", "Leave out --topology, or --bundle none.")
}

/**
 * Whether a mounted socket arrives where the guest's commands run. smolvm 1.6.4 to 1.7.7 mounts it in bare VMs only,
 * older ones not at all.
 */
const socketArrives = ({ input: { capabilities }, source }: Question): boolean =>
  capabilities.socketReachesWorkload === "all" ||
  (capabilities.socketReachesWorkload === "bare" && source._tag === "Bare")

/**
 * Why the runtime is not known to keep a machine to one address, naming the flag that would; `null` where it is. Up to
 * 1.0.1 virtio-net refuses a policy and the other backend (TSI) does not hold one; before 1.8.0 a pack's is dropped.
 */
const doubtOf = ({ input: { capabilities }, source }: Question): string | null => {
  if (capabilities.policyBackend === "none") {
    return "it does not hold --allow-cidr: its only backend for a policy (TSI) lets other addresses through"
  }
  return source._tag === "Pack" && !capabilities.policyHeldWithFrom
    ? "it drops --allow-host in silence where a machine is made from a pack (--from)"
    : null
}

/** What holds an address policy in the place of what does not. */
const addressAdvice = ({ input, source }: Question): string => {
  const proof = "or --unproven-egress, with which the proof alone decides"
  if (input.capabilities.policyBackend === "none") {
    return `Use smolvm 1.0.2 or newer (for packs and a registry's images 1.8.0), ${proof}.`
  }
  const local = input.capabilities.localImages ? "a local image archive (--image ./image.tar), " : ""
  const what = source._tag === "Pack" && source.madeFrom !== null ? "a registry's images" : "packs"
  return `Use smolvm 1.8.0 or newer for ${what}, ${local}no image at all, ${proof}.`
}

const unfit = ({ input }: Question, demand: string, reason: string, advice: string): Decision =>
  Either.left(new RuntimeUnfit({ version: input.capabilities.version, demand, reason, advice }))

const noSocket = ({ input }: Question): string =>
  input.capabilities.socketReachesWorkload === "bare"
    ? "it mounts a host socket (--mount-socket) in bare machines only"
    : "it cannot mount a host socket (--mount-socket) in the guest"

const ALLOWLIST = "an allowlist (--allow)"

const SOCKET_ADVICE = "Use smolvm 1.8.0 or newer (bare machines: 1.6.4), or --runtime local"

/** A bundle beside the launch listens on a socket, and nowhere else. */
const beside = (question: Question): Decision => {
  if (question.input.options.topology === "address") {
    return question.input.settings.runtime === "local"
      ? localHasNoNetwork(question)
      : refuse("topology", "the process bundle has no address", "Use --bundle container, or leave out --topology.")
  }
  return socketArrives(question)
    ? Either.right({ bundle: { _tag: "Process", ...socketOf(question) }, doubt: null })
    : unfit(
        question,
        question.isAllowing ? ALLOWLIST : "the proxy (--bundle process)",
        noSocket(question),
        `${SOCKET_ADVICE}, or leave out ${question.input.options.bundle === undefined ? "--topology socket" : "--bundle process"}.`
      )
}

const localHasNoNetwork = (question: Question): Decision =>
  unfit(
    question,
    "a bundle at an address (--topology address)",
    "the local runtime gives its machines no network",
    "Leave out --topology, or install smolvm."
  )

const inContainer = (question: Question): Decision => {
  const { options, settings } = question.input
  const topology: Topology = options.topology ?? (socketArrives(question) ? "socket" : "address")
  if (topology === "address" && settings.runtime === "local") return localHasNoNetwork(question)
  const { container } = settings
  if (container === undefined || container === null) {
    const reason = "there is no container engine for it, or no image"
    const advice = "Install docker, or give --bundle-image; or leave out --bundle container and --topology address."
    return Either.left(new ContainerUnfit({ reason, advice }))
  }
  if (topology === "address") return atAddress(question, container)
  return socketArrives(question)
    ? Either.map(containerOf(question, container), (bundle) => ({
        bundle: { ...bundle, topology, ...socketOf(question) },
        doubt: null
      }))
    : unfit(
        question,
        "a bundle at a socket (--topology socket)",
        noSocket(question),
        `${SOCKET_ADVICE}, or --topology address where the release holds a policy.`
      )
}

const atAddress = (question: Question, container: ContainerSettings): Decision => {
  const doubt = doubtOf(question)
  if (doubt !== null && question.input.options.unprovenEgress !== true) {
    return unfit(question, "a bundle at an address (--topology address)", doubt, addressAdvice(question))
  }
  // Its way to the address stays, and another bottle's bundle may have that address by then.
  if (question.input.options.keepOnFailure === true) {
    return refuse(
      "keepOnFailure",
      "a machine that reaches its bundle at an address cannot be left in place when the bundle is gone",
      "Leave out --keep-on-failure, or use --topology socket where the release takes it."
    )
  }
  return Either.map(containerOf(question, container), (bundle) => ({
    bundle: { ...bundle, topology: "address" as const },
    doubt
  }))
}

const byDefault = (question: Question): Decision => {
  const { options, settings } = question.input
  if (options.topology === "address") return inContainer(question)
  if (socketArrives(question) || options.topology === "socket") return beside(question)
  // Nothing to reach: a machine without a network needs nobody to guard it.
  if (!question.isAllowing && question.credentials.length === 0 && options.policy === undefined) {
    return Either.right({ bundle: { _tag: "None" }, doubt: null })
  }
  const demand = question.isAllowing
    ? ALLOWLIST
    : question.credentials.length > 0
      ? "a credential in the bundle"
      : "a policy (--policy)"
  const { container } = settings
  if (settings.runtime === "local" || container === undefined || container === null) {
    const missing =
      settings.runtime === "local" ? "" : ", and there is no container engine for a bundle at an address, or no image"
    return unfit(
      question,
      demand,
      `${noSocket(question)}${missing}`,
      `${SOCKET_ADVICE}; install docker; or leave out --allow and --policy.`
    )
  }
  const doubt = doubtOf(question)
  return doubt === null || options.unprovenEgress === true
    ? atAddress(question, container)
    : unfit(question, demand, `${noSocket(question)}, and ${doubt}`, addressAdvice(question))
}

const socketOf = ({ directory, input }: Question) => ({
  socket: `${directory}/egress.sock`,
  socketMode: input.settings.superuser ? SOCKET_MODE_SUPERUSER : SOCKET_MODE
})

type ContainerParts = Omit<Extract<PlannedContainer, { readonly topology: "address" }>, "topology">

const containerOf = (
  { directory, input }: Question,
  { build, image, program }: ContainerSettings
): Either.Either<ContainerParts, PlanRefused> => {
  const [first, ...others] = Subnet.candidates(input.id, input.routes ?? [])
  if (first === undefined) {
    const reason = "the host routes every private network, so none is left for it"
    const advice = "Leave out --bundle container, or give one of the host's routes up."
    return Either.left(new ContainerUnfit({ reason, advice }))
  }
  const name = machineName(input.id)
  return Either.right({
    _tag: "Container",
    program,
    image,
    build:
      build === null ? null : { ...build, context: `${input.settings.directories.cache}/images/.context-${input.id}` },
    network: name,
    container: name,
    labels: {
      "bottle.id": input.id,
      "bottle.owner": input.settings.directories.run,
      "bottle.state": input.settings.directories.state
    },
    config: `${directory}/bundle`,
    candidates: [first, ...others],
    chosen: 0,
    port: EgressDaemon.PORT
  })
}
