import * as MachineName from "@bottle/smolvm/MachineName"
import { isIP } from "node:net"
import type { Volume } from "../../FakeMachine.js"
import { all, type Call, givenName, has, hostPath, number, one } from "./call.js"
import * as Pack from "./pack.js"

/** Why a command line that parses is refused, in words of ours behind smolvm's family of errors. */
type Rule = (call: Call) => string | undefined

/** The first rule that refuses the command line. */
export const refusal = (call: Call): string | undefined => {
  for (const rule of rules[call.invocation.command] ?? []) {
    const reason = rule(call)
    if (reason !== undefined) return reason
  }
  return undefined
}

/** `KEY=VALUE`, or `undefined`. */
export const pair = (text: string): readonly [string, string] | undefined => {
  const equals = text.indexOf("=")
  return equals < 0 ? undefined : [text.slice(0, equals), text.slice(equals + 1)]
}

/** The host's side of `-v` is `s3://…` or rclone's `NAME:PATH`. */
const isRemoteVolume = (text: string): boolean =>
  /^(?:s3:\/\/[^:]+|[A-Za-z0-9_][\w.+@-]*:[^:]*):\/[^:]*(?::r[ow])?$/.test(text)

/** `HOST:GUEST[:ro|:rw]`. */
export const volume = (text: string): Volume => {
  const mode = /:(ro|rw)$/.exec(text)
  const rest = mode === null ? text : text.slice(0, -3)
  const colon = isRemoteVolume(rest) ? rest.lastIndexOf(":") : rest.indexOf(":")
  return {
    host: colon < 0 ? rest : rest.slice(0, colon),
    guest: colon < 0 ? "" : rest.slice(colon + 1),
    readonly: mode?.[1] === "ro"
  }
}

export const port = (text: string): { readonly host: number; readonly guest: number } => {
  const [host = "", guest = host] = text.split(":")
  return { host: Number(host), guest: Number(guest) }
}

/** Whether a source of create or run is an archive or a directory of the host: from 1.1.0. */
export const isLocalImage = (call: Pick<Call, "world">, image: string): boolean =>
  call.world.release.since("1.1.0") && (image === "-" || /^(?:\.{0,2}\/|~\/)/.test(image))

/** Whether an allow option is there. */
export const hasPolicy = (call: Pick<Call, "invocation">): boolean =>
  has(call, "--allow-cidr") || has(call, "--allow-host") || has(call, "--outbound-localhost-only")

/** Whether the command line asks for a network in any way. */
export const hasNetworkIntent = (call: Pick<Call, "invocation">): boolean =>
  hasPolicy(call) || ["--net", "--port", "--dns", "--network"].some((option) => has(call, option))

const config = (command: string, reason: string): string => `config operation failed: ${command}: ${reason}`

const refuse = (call: Pick<Call, "invocation">, reason: string): string => config(call.invocation.command, reason)

const repeated = (texts: ReadonlyArray<string | number>): string | number | undefined =>
  texts.find((text, index) => texts.indexOf(text) !== index)

const uniquePorts: Rule = (call) => {
  const again = repeated(all(call, "--port").map((text) => port(text).host))
  return again === undefined ? undefined : refuse(call, `host port ${again} is given twice`)
}

// Linux.
const protectedPaths: ReadonlySet<string> = new Set(
  "/ /etc /usr /bin /sbin /lib /boot /proc /sys /dev /run /var/run /var/log".split(" ")
)

const volumes: Rule = (call) => {
  const { since } = call.world.release
  for (const text of all(call, "--volume")) {
    if (since("1.9.3") && call.invocation.command === "machine create" && isRemoteVolume(text)) continue
    const { guest, host } = volume(text)
    const path = hostPath(call, host)
    const kind = call.world.host.kind(path)
    if (kind === undefined) return `mount operation failed: validate: host path '${host}' does not exist`
    if (kind !== "directory") return `mount operation failed: validate: host path '${host}' is not a directory`
    if (protectedPaths.has(path)) return `mount operation failed: validate: host path '${host}' is protected`
    if (!guest.startsWith("/")) return `mount operation failed: validate: guest path '${guest}' is not absolute`
  }
  return undefined
}

const uniqueTargets: Rule = (call) => {
  if (!call.world.release.since("0.8.1")) return undefined
  const again = repeated(all(call, "--volume").map((text) => volume(text).guest))
  return again === undefined ? undefined : `mount operation failed: validate: guest path '${again}' is mounted twice`
}

const machineName: Rule = (call) => {
  const name = givenName(call)
  const problem = name === undefined ? undefined : MachineName.problem(name)
  return problem === undefined ? undefined : refuse(call, `machine name '${name ?? ""}' ${problem}`)
}

// What can be resolved without a network: literals, and names but those that never have an address (RFC 6761).
const allowHosts: Rule = (call) => {
  for (const text of all(call, "--allow-host")) {
    if (isIP(text) !== 0) continue
    if (text.includes(":")) return refuse(call, `--allow-host '${text}': a host without a port is expected`)
    if (!/^[A-Za-z0-9.-]+$/.test(text) || /(?:^|\.)invalid$/.test(text)) {
      return refuse(call, `--allow-host '${text}': failed to resolve`)
    }
  }
  return undefined
}

/** Whether the pack that a machine is made from brings a network along. */
const hasPackedNetwork = (call: Call): boolean => {
  const bytes = call.world.host.read(hostPath(call, one(call, "--from") ?? one(call, "--sidecar") ?? "/"))
  return bytes !== undefined && Pack.decode(bytes)?.network === true
}

const virtioNeedsNetwork: Rule = (call) =>
  one(call, "--net-backend") === "virtio-net" && !hasNetworkIntent(call) && !hasPackedNetwork(call)
    ? refuse(call, "--net-backend virtio-net needs a network: --net, -p or an allow option")
    : undefined

const virtioWithPolicy: Rule = (call) =>
  !call.world.release.since("1.0.2") && one(call, "--net-backend") === "virtio-net" && hasPolicy(call)
    ? refuse(call, "--net-backend virtio-net cannot be used with an egress policy")
    : undefined

const tsiWith =
  (since: string, what: string, given: (call: Call) => boolean): Rule =>
  (call) =>
    call.world.release.since(since) && one(call, "--net-backend") === "tsi" && given(call)
      ? refuse(call, `--net-backend tsi cannot be used with ${what}: virtio-net is needed`)
      : undefined

// 1.0.2 and 1.0.3 do not choose virtio-net for a published port by themselves.
const portNeedsVirtio: Rule = (call) =>
  call.world.release.since("1.0.2") &&
  !call.world.release.since("1.0.4") &&
  has(call, "--port") &&
  one(call, "--net-backend") !== "virtio-net"
    ? refuse(call, "-p needs --net-backend virtio-net")
    : undefined

const secrets: Rule = (call) => {
  const files = all(call, "--secret-file")
  const given = [...all(call, "--secret-env"), ...files]
  const pairs = given.map(pair)
  if (pairs.some((parts) => parts === undefined || parts[0] === "" || parts[1] === "")) {
    return refuse(call, "a secret needs KEY=VALUE with a key that is not empty")
  }
  const again = repeated(pairs.map((parts) => parts?.[0] ?? ""))
  if (again !== undefined) return refuse(call, `the secret '${again}' is given twice`)
  return files.some((text) => pair(text)?.[1].startsWith("/") !== true)
    ? refuse(call, "--secret-file needs an absolute path")
    : undefined
}

const sockets: Rule = (call) => {
  const exposed = all(call, "--expose-socket")
  const mounted = all(call, "--mount-socket")
  if (exposed.length + mounted.length > 64) return refuse(call, "at most 64 sockets")
  const guests = [
    ...exposed.map((text) => text.split(":")[0] ?? ""),
    ...mounted.map((text) => text.slice(text.indexOf(":") + 1))
  ]
  if (mounted.some((text) => !text.includes(":"))) return refuse(call, "--mount-socket needs HOST_PATH:GUEST_PATH")
  const wrong = guests.find((path) => !path.startsWith("/") || /[;|]/.test(path))
  if (wrong !== undefined) return refuse(call, `the socket's guest path '${wrong}' is not absolute, or has ';' or '|'`)
  const again = repeated(mounted.map((text) => text.slice(text.indexOf(":") + 1)))
  return again === undefined ? undefined : refuse(call, `the guest path '${again}' is mounted twice`)
}

const offlineImage: Rule = (call) => {
  const image = one(call, "--image")
  return call.world.release.since("1.7.3") &&
    image !== undefined &&
    !isLocalImage(call, image) &&
    !hasNetworkIntent(call)
    ? refuse(call, `image '${image}' must be pulled from a registry, but this machine has no network: add --net`)
    : undefined
}

const labels: Rule = (call) =>
  all(call, "--label").some((text) => (pair(text)?.[0] ?? "") === "")
    ? refuse(call, "--label needs KEY=VALUE with a key that is not empty")
    : undefined

const packName: Rule = (call) =>
  call.world.release.since("1.7.0") && (one(call, "--output") ?? "").endsWith(".smolmachine")
    ? refuse(call, "--output must not end in .smolmachine: it is added")
    : undefined

const forkNames: Rule = (call) => {
  if (!call.world.release.since("1.7.2")) return undefined
  const count = number(call, "--count") ?? 1
  const isNamed = has(call, "--name")
  const isPrefixed = has(call, "--name-prefix")
  if (count > 1024) return refuse(call, "--count is at most 1024")
  if (has(call, "--hold") && has(call, "--forkable")) return refuse(call, "--hold cannot be used with --forkable")
  if (count === 1) return isNamed === isPrefixed ? refuse(call, "one of --name and --name-prefix is needed") : undefined
  if (!isPrefixed) return refuse(call, "--count needs --name-prefix")
  const excluded = ["--name", "--forkable", "--port"].find((option) => has(call, option))
  return excluded === undefined ? undefined : refuse(call, `${excluded} cannot be used with --count`)
}

const clone: Rule = (call) => {
  const name = one(call, "--name")
  const problem = name === undefined ? undefined : MachineName.problem(name)
  return problem === undefined ? undefined : refuse(call, `machine name '${name ?? ""}' ${problem}`)
}

const sizes: Rule = (call) => {
  const zero = ["--cpus", "--storage", "--overlay"].find((option) => number(call, option) === 0)
  if (zero !== undefined) return refuse(call, `${zero} must be at least 1`)
  return (number(call, "--mem") ?? 8192) < 64 ? refuse(call, "--mem must be at least 64 MiB") : undefined
}

const nothingToRun: Rule = (call) => {
  const hasMode = ["--interactive", "--tty", "--detach", "--smolfile", "--from"].some((option) => has(call, option))
  return call.invocation.trailing.length === 0 && !hasMode
    ? refuse(call, "there is no command to run: give one, or -i, -t or -d")
    : undefined
}

const mistakenImage: Rule = (call) => {
  const [first = ""] = call.invocation.trailing
  const looksLikeOne = first.includes(":") || first.indexOf("/") > 0
  return looksLikeOne && !["--image", "--from", "--smolfile"].some((option) => has(call, option))
    ? refuse(call, `'${first}' looks like an image: did you mean --image ${first}?`)
    : undefined
}

const update: Rule = (call) => {
  const wrong = all(call, "--env").find((text) => pair(text) === undefined)
  return wrong === undefined ? undefined : refuse(call, `--env '${wrong}' is not KEY=VALUE`)
}

// Nothing is read in it: what a Smolfile says is not known here.
const smolfile: Rule = (call) => {
  const path = one(call, "--smolfile")
  return path === undefined || call.world.host.kind(hostPath(call, path)) === "file"
    ? undefined
    : `io operation failed: read Smolfile: ${path}: No such file or directory (os error 2)`
}

const machine: ReadonlyArray<Rule> = [
  smolfile,
  uniquePorts,
  volumes,
  uniqueTargets,
  allowHosts,
  virtioNeedsNetwork,
  virtioWithPolicy,
  tsiWith("1.0.2", "-p", (call) => has(call, "--port")),
  portNeedsVirtio,
  tsiWith("1.1.3", "an egress policy", hasPolicy),
  tsiWith("1.8.3", "--network", (call) => has(call, "--network")),
  secrets
]

const rules: Readonly<Record<string, ReadonlyArray<Rule>>> = {
  "machine create": [machineName, ...machine, sockets, offlineImage, labels, sizes],
  "machine run": [nothingToRun, mistakenImage, ...machine, sizes],
  "machine update": [volumes, uniqueTargets, update, sizes],
  "machine exec": [secrets],
  "machine fork": [clone, forkNames, secrets],
  "pack create": [packName, smolfile],
  "pack run": [volumes, virtioNeedsNetwork, tsiWith("1.0.2", "-p", (call) => has(call, "--port"))]
}
