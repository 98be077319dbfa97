import * as BundleConfig from "@bottle/bundle/BundleConfig"
import * as CredentialHandover from "@bottle/bundle/CredentialHandover"
import * as EgressDaemon from "@bottle/bundle/EgressDaemon"
import type { ContainerExecOptions } from "@bottle/docker/ContainerExec"
import type { ContainerRunOptions } from "@bottle/docker/ContainerRun"
import type { ImageBuildOptions } from "@bottle/docker/ImageBuild"
import type { NetworkCreateOptions } from "@bottle/docker/NetworkCreate"
import type { Capabilities } from "@bottle/smolvm/Capabilities"
import type { MachineCreateOptions } from "@bottle/smolvm/MachineCreate"
import type { MachineStartOptions } from "@bottle/smolvm/MachineStart"
import * as Credential from "@bottle/egress/Credential"
import type { PolicyDocument } from "@bottle/egress/Policy"
import * as GuestRelay from "../GuestRelay.js"
import type { LaunchPlan, PlannedBundle, PlannedContainer } from "../LaunchPlan.js"
import type { Subnet } from "../Subnet.js"
import * as Guest from "./proof/guest.js"

/** A plan before its commands are known. */
export type Undecided = Omit<LaunchPlan, "steps">

/** Who may be in the container: nobody of the host's. */
const CONTAINER_USER = "65532:65532"

/** The most that a guest could make the proxy take was less than half of it: docs/internals/egress.md. */
const CONTAINER_MEMORY_MIB = 512

/** Threads count; two Node.js programs have about thirty. */
const CONTAINER_PIDS = 128

/** Where the container keeps what it must write: the state of its health. */
const CONTAINER_TMPFS = { path: "/run", sizeMib: 16 }

/**
 * The socket of the host that the guest sees, or `null` where there is none: without a bundle, and where the guest
 * reaches it by its address.
 *
 * @since 0.1.0
 * @category models
 */
export const socketOf = ({
  bundle
}: Pick<LaunchPlan, "bundle">): { readonly socket: string; readonly socketMode: number } | null =>
  bundle._tag === "None" || (bundle._tag === "Container" && bundle.topology === "address") ? null : bundle

/**
 * The network of a container bundle: the candidate that this plan has chosen.
 *
 * @since 0.1.0
 * @category models
 */
export const subnetOf = ({ candidates, chosen }: PlannedContainer): Subnet => candidates[chosen] ?? candidates[0]

/** The one address that the guest's own network may lead to; `null` where it has no network. */
const addressOf = (bundle: PlannedBundle): string | null =>
  bundle._tag === "Container" && bundle.topology === "address" ? subnetOf(bundle).address : null

/** The variables that send a guest's programs to its bundle. */
export const proxyEnvironment = (bundle: PlannedBundle): ReadonlyArray<readonly [string, string]> => {
  if (bundle._tag === "None") return []
  return bundle._tag === "Container" && bundle.topology === "address"
    ? GuestRelay.environmentAt(subnetOf(bundle).address, bundle.port)
    : GuestRelay.environment
}

/** Where the guest reaches the proxy itself. */
const originOf = (bundle: PlannedBundle): string => {
  const address = addressOf(bundle)
  return bundle._tag === "Container" && address !== null
    ? `http://${address}:${bundle.port}`
    : `http://127.0.0.1:${GuestRelay.GUEST_PORT}`
}

/** The variables by which a guest's programs use the credentials that its bundle holds. */
export const credentialEnvironment = (
  bundle: PlannedBundle,
  { credentials = {} }: PolicyDocument
): ReadonlyArray<readonly [string, string]> =>
  Object.entries(credentials).flatMap(([name, { baseUrlVariable, placeholderVariable }]) => [
    ...(baseUrlVariable === undefined
      ? []
      : [[baseUrlVariable, `${originOf(bundle)}${Credential.path(name)}`] as const]),
    ...(placeholderVariable === undefined ? [] : [[placeholderVariable, Credential.placeholder(name)] as const])
  ])

/** Every variable of a guest that is the bundle's doing. */
export const bundleEnvironment = (
  bundle: PlannedBundle,
  policy: PolicyDocument
): ReadonlyArray<readonly [string, string]> => [...proxyEnvironment(bundle), ...credentialEnvironment(bundle, policy)]

const sockets = (plan: Undecided): MachineCreateOptions["mountSockets"] => {
  const place = socketOf(plan)
  return place === null ? [] : [{ host: place.socket, guest: GuestRelay.GUEST_SOCKET }]
}

/**
 * What keeps a machine to one address. From 1.0.2 a literal host on the virtio-net backend also ends the resolving of
 * names. Where the policy of a pack is dropped, so is the network it stands for.
 */
const network = (plan: Undecided, capabilities: Capabilities): Partial<MachineCreateOptions> => {
  const address = addressOf(plan.bundle)
  if (address === null) return {}
  if (capabilities.policyBackend === "none") return { allowCidrs: [`${address}/32`] }
  const isDropped = plan.source._tag === "Pack" && !capabilities.policyHeldWithFrom
  return { ...(isDropped ? { net: true } : {}), netBackend: "virtio-net", allowHosts: [address] }
}

/**
 * The options of `machine create` that a plan stands for. The working directory is not among them: some lines ignore it
 * there, so it goes with every command.
 *
 * @since 0.1.0
 * @category argv
 */
export const createOptions = (plan: Undecided, capabilities: Capabilities): MachineCreateOptions => ({
  name: plan.machine,
  ...(plan.source._tag === "Image" ? { image: plan.source.reference } : {}),
  ...(plan.source._tag === "Pack" ? { from: plan.source.path } : {}),
  ...(plan.limits.cpus === null ? {} : { cpus: plan.limits.cpus }),
  ...(plan.limits.memMib === null ? {} : { memMib: plan.limits.memMib }),
  ...network(plan, capabilities),
  volumes: plan.guest.mounts,
  mountSockets: sockets(plan),
  env: plan.guest.env,
  labels: capabilities.label
    ? [
        ["bottle.id", plan.id],
        ["bottle.owner", plan.directories.run],
        ["bottle.state", plan.directories.state]
      ]
    : []
})

/**
 * The options of `machine start` that a plan stands for.
 *
 * @since 0.1.0
 * @category argv
 */
export const startOptions = (plan: Undecided): MachineStartOptions => ({
  name: plan.machine,
  ...(addressOf(plan.bundle) === null ? {} : { allowPrivate: true })
})

/**
 * The options of the `machine exec` that probes from inside. The targets come on its standard input.
 *
 * @since 0.1.0
 * @category argv
 */
export const proofOptions = (plan: Undecided) => ({ name: plan.machine, command: Guest.command, interactive: true })

/**
 * The options of the build of a bundle's image.
 *
 * @since 0.1.0
 * @category argv
 */
export const imageOptions = ({
  build,
  image
}: {
  readonly image: string
  readonly build: NonNullable<PlannedContainer["build"]>
}): ImageBuildOptions => ({
  context: build.context,
  tag: image,
  args: { BASE: build.base },
  labels: { "bottle.image": "bundle" }
})

/**
 * The options of the bottle's own container network, in the range that is chosen.
 *
 * @since 0.1.0
 * @category argv
 */
export const networkOptions = (bundle: PlannedContainer): NetworkCreateOptions => {
  const { gateway, subnet } = subnetOf(bundle)
  return { name: bundle.network, subnet, gateway, labels: bundle.labels }
}

/**
 * What is run in the bundle's container to hand over the values of credentials, which it reads.
 *
 * @since 0.1.0
 * @category argv
 */
export const credentialOptions = ({ container }: PlannedContainer): ContainerExecOptions => ({
  name: container,
  command: CredentialHandover.command
})

/**
 * The options of the bundle's container. It sees one directory of the host, and that for reading only.
 *
 * @since 0.1.0
 * @category argv
 */
export const containerOptions = (bundle: PlannedContainer): ContainerRunOptions => ({
  name: bundle.container,
  image: bundle.image,
  network: bundle.network,
  ip: subnetOf(bundle).address,
  labels: bundle.labels,
  env: { BOTTLE_DAEMONS: EgressDaemon.NAME },
  mounts: [{ host: bundle.config, container: BundleConfig.DIRECTORY, readonly: true }],
  tmpfs: [CONTAINER_TMPFS],
  readonlyRoot: true,
  user: CONTAINER_USER,
  memoryMib: CONTAINER_MEMORY_MIB,
  pids: CONTAINER_PIDS
})
