import type { Capabilities } from "../Capabilities.js"
import type { Networked, Sourced } from "./rules.js"

/**
 * An option that smolvm takes, and that does not have its effect, or may not have it.
 *
 * @since 0.1.0
 * @category models
 */
export interface DroppedOption {
  /** The long name: `--allow-cidr`. */
  readonly option: string
  /** When that is so: `with --from`. */
  readonly circumstance: string
  /** Why, in one sentence. */
  readonly reason: string
  /** The first version that heeds it as it is asked; `null` where no known one does. */
  readonly neededVersion: string | null
  /** Whether it is part of an egress policy: without it the machine reaches more than was asked for. */
  readonly isPolicy: boolean
}

/** What of a machine's options may be dropped. */
interface Options extends Networked, Sourced {
  readonly cpus?: number | undefined
  readonly memMib?: number | undefined
}

/** What of these options a release takes and drops in silence, or may drop. */
export const droppedOf = (options: Options, capabilities: Capabilities): ReadonlyArray<DroppedOption> => [
  ...droppedPolicy(options, capabilities),
  ...droppedDefaults(options)
]

const droppedPolicy = (options: Options, capabilities: Capabilities): ReadonlyArray<DroppedOption> => {
  const loss = policyLoss(options, capabilities)
  const policy: ReadonlyArray<readonly [option: string, isAsked: boolean]> = [
    ["--allow-cidr", (options.allowCidrs ?? []).length > 0],
    ["--allow-host", (options.allowHosts ?? []).length > 0],
    ["--outbound-localhost-only", options.outboundLocalhostOnly === true]
  ]
  return loss === undefined
    ? []
    : policy.flatMap(([option, isAsked]) => (isAsked ? [{ option, isPolicy: true, ...loss }] : []))
}

/** Why a policy would not be held. */
const policyLoss = (
  { from, netBackend }: Options,
  { policyBackend, policyHeldWithFrom }: Capabilities
): Pick<DroppedOption, "circumstance" | "reason" | "neededVersion"> | undefined => {
  if (from !== undefined && !policyHeldWithFrom) {
    return { circumstance: "with --from", reason: "create --from drops it in silence", neededVersion: "1.8.0" }
  }
  if (policyBackend === "none" || (policyBackend === "virtio-net-on-request" && netBackend !== "virtio-net")) {
    return {
      circumstance: "on the TSI backend",
      reason: "the TSI backend takes it and lets other addresses through",
      neededVersion: "1.1.3"
    }
  }
  return undefined
}

/** Numbers that smolvm cannot tell from its own defaults, beside a source that may have others. */
const droppedDefaults = ({ cpus, from, memMib, smolfile }: Options): ReadonlyArray<DroppedOption> => {
  if (from === undefined && smolfile === undefined) return []
  const dropped = {
    circumstance: from === undefined ? "with --smolfile" : "with --from",
    reason: "it is smolvm's own default, which does not override what a pack or a Smolfile says",
    neededVersion: null,
    isPolicy: false
  }
  return [
    ...(cpus === 4 ? [{ option: "--cpus", ...dropped }] : []),
    ...(memMib === 8192 ? [{ option: "--mem", ...dropped }] : [])
  ]
}
