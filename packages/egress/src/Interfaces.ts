/**
 * The addresses of this machine and of the networks that it stands in, which a name may turn out to have: what listens
 * there for everybody is often meant for that network only, a firewall in front of it notwithstanding.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Os from "node:os"

/**
 * The addresses of this machine could not be read.
 *
 * @since 0.1.0
 * @category errors
 */
export class InterfacesUnreadable extends Schema.TaggedError<InterfacesUnreadable>(
  "@bottle/egress/InterfacesUnreadable"
)("InterfacesUnreadable", {}) {
  override get message(): string {
    return "The egress proxy cannot read the network addresses of this machine"
  }

  /** What to do next. */
  get suggestion(): string {
    return "Start it where the system lets a program list its network interfaces"
  }
}

/**
 * Reads the addresses of this machine, in any spelling, each with the prefix of its network (`192.0.2.7/24`) where it has
 * one. It is run between two decisions, so it must not wait.
 *
 * @since 0.1.0
 * @category models
 */
export interface Interfaces {
  readonly addresses: Effect.Effect<ReadonlyArray<string>, InterfacesUnreadable>
}

/**
 * The interfaces that the operating system lists.
 *
 * @since 0.1.0
 * @category constructors
 */
export const system: Interfaces = {
  addresses: Effect.try({
    try: () =>
      Object.values(Os.networkInterfaces()).flatMap((found) =>
        (found ?? []).map(({ address, cidr }) => cidr ?? address)
      ),
    catch: () => new InterfacesUnreadable()
  })
}
