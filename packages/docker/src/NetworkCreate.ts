/**
 * `docker network create`: a bridge network with a subnet of the caller's choice.
 *
 * docker refuses a subnet that overlaps another of its networks (`SubnetOverlap`). It does not look at the host's own
 * routes: a subnet that the host reaches by another interface is taken, and shadows it (docker 20.10).
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import type { Argv, Checked } from "./internal/arguments.js"
import { assigned, checks, flag } from "./internal/arguments.js"

/**
 * What a network is made of.
 *
 * @since 0.1.0
 * @category models
 */
export interface NetworkCreateOptions {
  /** 2 to 128 letters, digits, `_`, `.` and `-`; not hexadecimal digits only. */
  readonly name: string
  /** An IPv4 network: `192.168.7.0/24`. */
  readonly subnet: string
  /** The host's own address in it. */
  readonly gateway: string
  readonly labels: Readonly<Record<string, string>>
  /** Whether nothing is forwarded out of it. The host itself is reached all the same, by its address there. */
  readonly internal?: boolean | undefined
}

/**
 * The arguments of `network create`.
 *
 * @since 0.1.0
 * @category argv
 */
export const argv = (options: NetworkCreateOptions): Argv =>
  Either.map(validate(options), () => [
    "network",
    "create",
    "--driver",
    "bridge",
    // Single values.
    "--subnet",
    options.subnet,
    "--gateway",
    options.gateway,
    // Repeated ones.
    ...assigned("--label", options.labels),
    // Flags.
    ...flag("--internal", options.internal),
    // The name, last.
    options.name
  ])

const check = checks("network create")

const validate = ({ gateway, labels, name, subnet }: NetworkCreateOptions): Checked =>
  Either.gen(function* () {
    yield* check.name("the name", name)
    yield* check.subnet("--subnet", subnet)
    yield* check.address("--gateway", gateway)
    yield* check.labels("--label", labels)
  })
