import type { Rule } from "../Subcommand.js"
import type { ExposedSocket, Mapping, Ports, SecretEnv, SecretFile, Volume } from "../Value.js"
import { isRemote } from "../Value.js"

/** What asks for a network, or says what may be reached over it. */
export interface Networked {
  readonly ports?: ReadonlyArray<Ports> | undefined
  readonly net?: boolean | undefined
  readonly netBackend?: "tsi" | "virtio-net" | undefined
  readonly dns?: string | undefined
  readonly network?: string | undefined
  readonly allowCidrs?: ReadonlyArray<string> | undefined
  readonly allowHosts?: ReadonlyArray<string> | undefined
  readonly outboundLocalhostOnly?: boolean | undefined
}

/** What a machine is made from. */
export interface Sourced {
  readonly image?: string | undefined
  readonly from?: string | undefined
  readonly smolfile?: string | undefined
}

const used = (list: ReadonlyArray<unknown> | undefined): boolean => list !== undefined && list.length > 0

/** The first option of an egress policy that is asked for. */
export const policyOf = (options: Networked): string | undefined => {
  if (used(options.allowCidrs)) return "--allow-cidr"
  if (used(options.allowHosts)) return "--allow-host"
  return options.outboundLocalhostOnly === true ? "--outbound-localhost-only" : undefined
}

/** `--net: false` beside what needs a network. */
export const netIsWanted: Rule<Networked> = {
  sentence: "`net: false` excludes everything that needs a network.",
  check: (options) => {
    if (options.net !== false) return undefined
    const needing =
      policyOf(options) ??
      (used(options.ports) ? "--port" : undefined) ??
      (options.dns === undefined ? undefined : "--dns") ??
      (options.network === undefined ? undefined : "--network")
    return needing === undefined
      ? undefined
      : { option: needing, problem: "needs a network, which net: false refuses: leave one of the two out" }
  }
}

/** A backend for a machine that nothing gives a network. What a pack or a Smolfile says is not known here. */
export const backendIsForANetwork: Rule<Networked & Sourced> = {
  sentence:
    "`--net-backend virtio-net` needs `--net`, a port, a policy, `--dns` or `--network`, or a source that may ask for one.",
  check: (options) => {
    const intent =
      options.net === true ||
      used(options.ports) ||
      policyOf(options) !== undefined ||
      options.dns !== undefined ||
      options.network !== undefined ||
      options.from !== undefined ||
      options.smolfile !== undefined
    return options.netBackend === "virtio-net" && !intent
      ? { option: "--net-backend", problem: "virtio-net needs a network: add net: true, ports or a policy" }
      : undefined
  }
}

/** Policies and ports, each on a backend that takes it. */
export const backendTakesIt: ReadonlyArray<Rule<Networked>> = [
  {
    sentence: "Up to 1.0.1 `--net-backend virtio-net` refuses an egress policy.",
    check: (options, { policyBackend }) => {
      const policy = policyOf(options)
      return policyBackend === "none" && options.netBackend === "virtio-net" && policy !== undefined
        ? { option: policy, problem: "is refused with virtio-net by this release: update to 1.0.2 or newer" }
        : undefined
    }
  },
  {
    sentence: "From 1.1.3 on `--net-backend tsi` refuses an egress policy, which it would not hold.",
    check: (options, { policyBackend }) => {
      const policy = policyOf(options)
      return policyBackend === "virtio-net" && options.netBackend === "tsi" && policy !== undefined
        ? { option: policy, problem: "is refused with --net-backend tsi: use virtio-net, or leave the backend out" }
        : undefined
    }
  },
  {
    sentence:
      "From 1.0.2 on `--net-backend tsi` refuses `-p`; in 1.0.2 and 1.0.3 `-p` needs `--net-backend virtio-net`.",
    check: ({ netBackend, ports }, { portBackend }) => {
      if (!used(ports) || portBackend === "any" || netBackend === "virtio-net") return undefined
      if (netBackend === "tsi") {
        return {
          option: "--port",
          problem: "is refused with --net-backend tsi: use virtio-net, or leave the backend out"
        }
      }
      return portBackend === "virtio-net-on-request"
        ? { option: "--port", problem: "needs netBackend: virtio-net with this release" }
        : undefined
    }
  },
  {
    sentence: "`--network` refuses `--net-backend tsi`.",
    check: ({ netBackend, network }) =>
      network !== undefined && netBackend === "tsi"
        ? {
            option: "--network",
            problem: "is refused with --net-backend tsi: use virtio-net, or leave the backend out"
          }
        : undefined
  }
]

/** No host port twice. */
export const portsOnce: Rule<{ readonly ports?: ReadonlyArray<Ports> | undefined }> = {
  sentence: "Every port of the host is published once.",
  check: ({ ports }) =>
    isTwice((ports ?? []).map(({ host }) => host))
      ? { option: "--port", problem: "publishes the same port of the host twice: choose another for one of them" }
      : undefined
}

/** No guest path of a volume twice: 0.8.0 and 0.8.1 take it, and one of them is not seen. */
export const volumesOnce: Rule<{ readonly volumes?: ReadonlyArray<Volume> | undefined }> = {
  sentence: "Every path of the guest is mounted once.",
  check: ({ volumes }) =>
    isTwice((volumes ?? []).map(({ guest }) => guest))
      ? { option: "--volume", problem: "names the same guest path twice" }
      : undefined
}

/** Remote sources of volumes, where the release takes them. */
export const remoteVolumes: Rule<{ readonly volumes?: ReadonlyArray<Volume> | undefined }> = {
  sentence: "Remote sources of volumes (`s3://`, rclone) are taken from 1.9.3 on.",
  check: ({ volumes }, capabilities) =>
    (volumes ?? []).some(isRemote) && !capabilities.remoteVolumes
      ? { option: "--volume of a remote source", neededVersion: "1.9.3" }
      : undefined
}

/** Sockets: how many, and no guest path twice. */
export const socketsOnce: Rule<{
  readonly exposeSockets?: ReadonlyArray<ExposedSocket> | undefined
  readonly mountSockets?: ReadonlyArray<Mapping> | undefined
}> = {
  sentence: "At most 64 sockets, each path of the guest once.",
  check: ({ exposeSockets = [], mountSockets = [] }) => {
    const option = mountSockets.length > 0 ? "--mount-socket" : "--expose-socket"
    if (exposeSockets.length + mountSockets.length > 64) return { option, problem: "takes at most 64 sockets" }
    return isTwice(mountSockets.map(({ guest }) => guest)) || isTwice(exposeSockets.map(({ guest }) => guest))
      ? { option, problem: "names the same guest path twice" }
      : undefined
  }
}

/** No secret variable twice. */
export const secretsOnce: Rule<{
  readonly secretEnv?: ReadonlyArray<SecretEnv> | undefined
  readonly secretFiles?: ReadonlyArray<SecretFile> | undefined
}> = {
  sentence: "Every variable is given by one secret only, of `--secret-env` and `--secret-file` together.",
  check: ({ secretEnv = [], secretFiles = [] }) =>
    isTwice([...secretEnv, ...secretFiles].map(({ guest }) => guest))
      ? {
          option: secretEnv.length > 0 ? "--secret-env" : "--secret-file",
          problem: "gives the same variable of the guest twice: name it once, over both kinds of secrets"
        }
      : undefined
}

/** A pack is a whole source. */
export const oneSource: Rule<Sourced> = {
  sentence: "`--from` excludes `--image` and `--smolfile`.",
  check: ({ from, image, smolfile }) => {
    if (from === undefined) return undefined
    if (image !== undefined) return { option: "--from", problem: "cannot be used together with --image" }
    return smolfile === undefined ? undefined : { option: "--from", problem: "cannot be used together with --smolfile" }
  }
}

const isTwice = (values: ReadonlyArray<string | number>): boolean => new Set(values).size !== values.length
