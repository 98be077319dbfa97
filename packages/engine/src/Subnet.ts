/**
 * The private network that a container bundle gets: chosen from the bottle's id, so that a plan can print it before
 * anything exists, and never one that the host routes already.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import type { BottleId } from "./BottleId.js"

/**
 * A network of its own for one bottle: the range, the host's address in it, and the bundle's.
 *
 * @since 0.1.0
 * @category models
 */
export class Subnet extends Schema.Class<Subnet>("@bottle/engine/Subnet")(
  {
    /** A range of 256 addresses. */
    subnet: Schema.String.annotations({ description: "A range of 256 addresses" }),
    gateway: Schema.String.annotations({ description: "The host's address in it" }),
    address: Schema.String.annotations({ description: "The bundle's address in it" })
  },
  { description: "A network of its own for one bottle" }
) {}

/**
 * How many networks a launch tries before it gives up.
 *
 * @since 0.1.0
 * @category constants
 */
export const CANDIDATES_MAX = 8

/** Ranges of 256 addresses that have their first two numbers in common, by the third; how many of them to propose. */
interface Pool {
  readonly second: ReadonlyArray<number>
  readonly first: number
  readonly third: ReadonlyArray<number>
  readonly proposed: number
}

const numbers = (first: number, last: number): ReadonlyArray<number> =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index)

/** Docker Desktop's own machine, whose networks the host's routes do not show. */
const DOCKER_DESKTOP = 65

// What docker takes by default comes later or not at all: 172.17.0.0 to 172.31.0.0, and 192.168.0.0/20, where home
// networks are too. In 10.0.0.0/8 clusters and clouds begin at the lower end.
const pools: ReadonlyArray<Pool> = [
  { first: 192, second: [168], third: numbers(16, 255).filter((third) => third !== DOCKER_DESKTOP), proposed: 4 },
  { first: 10, second: numbers(128, 254), third: numbers(0, 255), proposed: 2 },
  { first: 172, second: [16], third: numbers(0, 255), proposed: 2 }
]

/** A range of IPv4 addresses as numbers. */
interface Range {
  readonly base: number
  readonly prefix: number
}

/**
 * How far apart two proposals of a pool are, so that one wide network that the routes do not show does not hold them
 * all. It shares no divisor with the size of a pool: every range has its turn.
 */
const STRIDE = 61

/** A wider route is the default route in parts, as tunnels set it (0.0.0.0/1): no private network is as wide. */
const ROUTE_PREFIX_MIN = 8

const parseRange = (text: string): Range | undefined => {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text)
  if (match === null) return undefined
  const [a = 0, b = 0, c = 0, d = 0, prefix = 0] = match.slice(1).map(Number)
  if (Math.max(a, b, c, d) > 255 || prefix > 32) return undefined
  return { base: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0, prefix }
}

const overlap = (one: Range, other: Range): boolean => {
  const prefix = Math.min(one.prefix, other.prefix)
  return prefix === 0 || (one.base ^ other.base) >>> (32 - prefix) === 0
}

/** The kernel prints an address as the number it is in memory: on every machine we run on, the first byte last. */
const parseHex = (text: string): number | undefined =>
  /^[0-9A-Fa-f]{8}$/.test(text) ? Buffer.from(text, "hex").readUInt32LE() : undefined

const formatAddress = (address: number): string =>
  [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join(".")

/**
 * The ranges that the host routes, from the text of Linux's `/proc/net/route`. The default route is none of them, in
 * parts or as a whole: it leads everywhere.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parseRoutes = (text: string): ReadonlyArray<string> => {
  const routes = text.split("\n").flatMap((line) => {
    const columns = line.split(/\s+/)
    const destination = parseHex(columns[1] ?? "")
    const mask = parseHex(columns[7] ?? "")
    if (destination === undefined || mask === undefined) return []
    const prefix = Math.clz32(~mask)
    return prefix < ROUTE_PREFIX_MIN ? [] : [`${formatAddress(destination)}/${prefix}`]
  })
  return [...new Set(routes)]
}

/**
 * The networks that a bottle's bundle can have, in the order in which they are tried: at most `CANDIDATES_MAX`, from
 * 192.168.0.0/16 first, then from 10.0.0.0/8 and 172.16.0.0/16. None overlaps another one or a route; there may be none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const candidates = (id: BottleId, routes: ReadonlyArray<string>): ReadonlyArray<Subnet> => {
  const taken = routes.flatMap((route) => parseRange(route) ?? [])
  const digest = createHash("sha256").update(id).digest()
  return pools.flatMap((pool, index) => propose(pool, digest.readUInt32BE(index * 4), taken))
}

/** The first free ranges of a pool, from where the hash says. */
const propose = (pool: Pool, hash: number, taken: ReadonlyArray<Range>): ReadonlyArray<Subnet> => {
  const size = pool.second.length * pool.third.length
  const found: Array<Subnet> = []
  for (let step = 0; step < size && found.length < pool.proposed; step++) {
    const place = (hash + step * STRIDE) % size
    const second = pool.second[Math.floor(place / pool.third.length)] ?? 0
    const third = pool.third[place % pool.third.length] ?? 0
    const base = ((pool.first << 24) | (second << 16) | (third << 8)) >>> 0
    if (taken.some((range) => overlap(range, { base, prefix: 24 }))) continue
    found.push(
      new Subnet({
        subnet: `${formatAddress(base)}/24`,
        gateway: formatAddress(base + 1),
        address: formatAddress(base + 2)
      })
    )
  }
  return found
}
