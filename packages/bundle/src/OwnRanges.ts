/**
 * The networks that a bundle itself stands in: they hold its gateway, which is the host, and its machine.
 *
 * @since 0.1.0
 */
import * as Address from "@bottle/egress/Address"
import { InterfacesUnreadable } from "@bottle/egress/Interfaces"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { NetworkInterfaceInfo } from "node:os"
import * as Os from "node:os"

/**
 * The networks of these interfaces but the loopback's, each once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromInterfaces = (interfaces: NodeJS.Dict<Array<NetworkInterfaceInfo>>): ReadonlyArray<Address.Cidr> => {
  const ranges = new Map<string, Address.Cidr>()
  for (const info of Object.values(interfaces).flatMap((found) => found ?? [])) {
    if (info.internal) continue
    // An address with an unusual mask has no prefix: then it is known to be alone.
    const range = Address.parseNetwork(info.cidr ?? info.address)
    if (Either.isRight(range)) ranges.set(range.right.text, range.right)
  }
  return [...ranges.values()]
}

/**
 * The networks of the interfaces that the operating system lists.
 *
 * @since 0.1.0
 * @category constructors
 */
export const system: Effect.Effect<ReadonlyArray<Address.Cidr>, InterfacesUnreadable> = Effect.try({
  try: () => fromInterfaces(Os.networkInterfaces()),
  catch: () => new InterfacesUnreadable()
})
