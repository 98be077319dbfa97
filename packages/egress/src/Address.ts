/**
 * What kind of address an address is: public, or one of the ranges that lead into the user's own networks.
 *
 * @since 0.1.0
 */
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import IpAddr from "ipaddr.js"
import * as Host from "./Host.js"
import { printableHost } from "./internal/text.js"

/**
 * The kind of an address: `own` is a public one of this machine itself, `neighbour` one of a network that it stands in,
 * which only a decision tells from `public`. Only `public` is dialled without being listed;
 * `unspecified`, `multicast` and `broadcast` are never dialled.
 *
 * @since 0.1.0
 * @category models
 */
export const AddressKind = Schema.Literal(
  "public",
  "own",
  "neighbour",
  "private",
  "loopback",
  "link-local",
  "carrier-nat",
  "unique-local",
  "metadata",
  "reserved",
  "unspecified",
  "multicast",
  "broadcast"
)

/**
 * The kind of an address.
 *
 * @since 0.1.0
 * @category models
 */
export type AddressKind = typeof AddressKind.Type

/**
 * A range of addresses in canonical form: no bits are set behind the prefix. `groups` are the sixteen-bit parts of its
 * first address, for comparing.
 *
 * @since 0.1.0
 * @category models
 */
export interface Cidr {
  readonly text: string
  readonly address: string
  readonly family: 4 | 6
  readonly prefix: number
  readonly groups: ReadonlyArray<number>
}

/**
 * The text is not a range of addresses; `text` is its printable form.
 *
 * @since 0.1.0
 * @category errors
 */
export class CidrInvalid extends Schema.TaggedError<CidrInvalid>("@bottle/egress/CidrInvalid")("CidrInvalid", {
  text: Schema.String,
  reason: Schema.Literal("address", "prefix", "host-bits")
}) {
  override get message(): string {
    const why = {
      address: "its address is not an IP address",
      prefix: "its prefix is not a number of bits that its family has",
      "host-bits": "bits are set behind its prefix"
    }[this.reason]
    return `"${this.text}" is not a range of addresses: ${why}`
  }

  /** What to do next. */
  get suggestion(): string {
    return "Write a range such as 10.0.0.0/8 or fd00::/8, or one address"
  }
}

/**
 * Addresses at which clouds hand out credentials to whoever asks from inside; some of them lie in public ranges.
 *
 * Sources: the documentation of AWS (IMDS, ECS, EKS pod identity), Google Cloud, Azure (WireServer), Alibaba, Oracle,
 * Scaleway, Tencent, Linode.
 *
 * @since 0.1.0
 * @category models
 */
export const metadataAddresses: ReadonlySet<string> = new Set([
  "169.254.169.254",
  "169.254.170.2",
  "169.254.170.23",
  "168.63.129.16",
  "100.100.100.200",
  "192.0.0.192",
  "fd00:ec2::254",
  "fd00:ec2::23",
  "fd20:ce::254",
  "fd00:100::100:200",
  "fd00:c1::a9fe:a9fe",
  "169.254.42.42",
  "fd00:42::42",
  "169.254.0.23",
  "fd00:a9fe:a9fe::1"
])

const kindOfFour = (address: string, own: ReadonlySet<string>): AddressKind => {
  if (metadataAddresses.has(address)) return "metadata"
  switch (IpAddr.IPv4.parse(address).range()) {
    case "unicast":
      return own.has(address) ? "own" : "public"
    case "unspecified":
      return "unspecified"
    case "broadcast":
      return "broadcast"
    case "multicast":
      return "multicast"
    case "linkLocal":
      return "link-local"
    case "loopback":
      return "loopback"
    case "carrierGradeNat":
      return "carrier-nat"
    case "private":
      return "private"
    default:
      return "reserved"
  }
}

const none: ReadonlySet<string> = new Set()

const four = (high = 0, low = 0): string => [high >> 8, high & 255, low >> 8, low & 255].join(".")

/** An address that is only another way to an IPv4 address is never better than that address. */
const notPublic = (kind: AddressKind): AddressKind => (kind === "public" ? "reserved" : kind)

const kindOfSix = (address: string, own: ReadonlySet<string>): AddressKind => {
  if (metadataAddresses.has(address)) return "metadata"
  if (address === "::") return "unspecified"
  if (address === "::1") return "loopback"
  const { parts } = IpAddr.IPv6.parse(address)
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = parts
  const zeroes = (a | b | c | d) === 0

  // IPv4-compatible (RFC 4291), mapped (RFC 4291), translated (RFC 7915): none of them belongs on a wire.
  if (zeroes && e === 0 && (f === 0 || f === 0xffff)) return notPublic(kindOfFour(four(g, h), own))
  if (zeroes && e === 0xffff && f === 0) return notPublic(kindOfFour(four(g, h), own))
  // NAT64 (RFC 6052): what DNS64 answers on a network without IPv4, so as good as the address inside.
  if (a === 0x64 && b === 0xff9b && (c | d | e | f) === 0) return kindOfFour(four(g, h), own)
  // 6to4 (RFC 3056).
  if (a === 0x2002) return kindOfFour(four(b, c), own)
  // ISATAP (RFC 5214).
  if ((e === 0 || e === 0x200) && f === 0x5efe && kindOfFour(four(g, h), own) !== "public")
    return kindOfFour(four(g, h), own)

  const range: string = IpAddr.IPv6.parse(address).range()
  switch (range) {
    case "multicast":
      return "multicast"
    case "linkLocal":
      return "link-local"
    case "uniqueLocal":
      return "unique-local"
    case "deprecatedSiteLocal":
      return "private"
    case "unicast":
      // The library calls unicast what it does not know; only 2000::/3 has ever been given out.
      return a >> 13 === 1 ? "public" : "reserved"
    default:
      return "reserved"
  }
}

/**
 * The kind of an address, with the IPv4 address inside it (IPv4-compatible, translated, NAT64, 6to4, ISATAP) judged too.
 * `own` are the addresses of this machine in canonical form; without them none is taken for one.
 *
 * @since 0.1.0
 * @category constructors
 */
export const kind = (address: Host.Address, own: ReadonlySet<string> = none): AddressKind => {
  const found = address.family === 4 ? kindOfFour(address.address, own) : kindOfSix(address.address, own)
  return found === "public" && own.has(address.address) ? "own" : found
}

/**
 * What an address of this kind is, in words that continue "it is …".
 *
 * @since 0.1.0
 * @category conversions
 */
export const describeKind = (kind: AddressKind): string => {
  if (kind === "own") return "an address of this machine"
  if (kind === "neighbour") return "an address of this machine's network"
  return `${kind === "unspecified" ? "an" : "a"} ${kind} address`
}

/**
 * Whether a connection to an address of this kind can be meant at all, listed or not.
 *
 * @since 0.1.0
 * @category models
 */
export const isDialable = (kind: AddressKind): boolean =>
  kind !== "unspecified" && kind !== "multicast" && kind !== "broadcast"

const bitsOf = (family: 4 | 6): number => (family === 4 ? 32 : 128)

const groupsOf = ({ address, family }: Host.Address): ReadonlyArray<number> => {
  if (family === 6) return IpAddr.IPv6.parse(address).parts
  const [a = 0, b = 0, c = 0, d = 0] = IpAddr.IPv4.parse(address).octets
  return [(a << 8) | b, (c << 8) | d]
}

const refuseCidr = (text: string, reason: CidrInvalid["reason"]): Either.Either<never, CidrInvalid> =>
  Either.left(new CidrInvalid({ text: printableHost(text), reason }))

/** An address, with a prefix or alone, and the range that it lies in. */
const parsePrefixed = (
  text: string
): Either.Either<{ readonly address: string; readonly range: Cidr }, CidrInvalid> => {
  const fail = (reason: CidrInvalid["reason"]) => refuseCidr(text, reason)
  const slash = text.indexOf("/")
  const addressText = slash < 0 ? text : text.slice(0, slash)
  const host = Either.getOrUndefined(Host.parse(addressText))
  if (host === undefined || host._tag !== "Address") return fail("address")
  // `::ffff:10.0.0.0/104` is IPv4 in disguise, whose prefix would mean something else.
  if (host.family === 4 && addressText.includes(":")) return fail("address")
  const bits = bitsOf(host.family)
  const prefixText = slash < 0 ? String(bits) : text.slice(slash + 1)
  const prefix = Number(prefixText)
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(prefixText) || prefix > bits) return fail("prefix")
  const { address, family } = host
  const ip = family === 4 ? IpAddr.IPv4 : IpAddr.IPv6
  const first = ip.networkAddressFromCIDR(`${address}/${prefix}`).toString()
  const groups = groupsOf({ _tag: "Address", address: first, family })
  return Either.right({ address, range: { text: `${first}/${prefix}`, address: first, family, prefix, groups } })
}

/**
 * A range from `address/prefix`, or from one address (which is the range of itself alone).
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseCidr = (text: string): Either.Either<Cidr, CidrInvalid> =>
  Either.flatMap(parsePrefixed(text), ({ address, range }) =>
    address === range.address ? Either.right(range) : refuseCidr(text, "host-bits")
  )

/**
 * The network that an interface with this address and prefix stands in: 192.0.2.0/24 from `192.0.2.7/24`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const parseNetwork = (text: string): Either.Either<Cidr, CidrInvalid> =>
  Either.map(parsePrefixed(text), ({ range }) => range)

/** An address as it is compared with ranges. */
interface Form {
  readonly family: 4 | 6
  readonly groups: ReadonlyArray<number>
}

const isWithin = (cidr: Cidr, form: Form): boolean => {
  if (cidr.family !== form.family) return false
  const whole = cidr.prefix >> 4
  for (let index = 0; index < whole; index++) if (cidr.groups[index] !== form.groups[index]) return false
  const shift = 16 - (cidr.prefix & 15)
  return shift === 16 || (cidr.groups[whole] ?? 0) >> shift === (form.groups[whole] ?? 0) >> shift
}

/** Every IPv4 address that some network could take an IPv6 address for. */
const innerFours = (groups: ReadonlyArray<number>): ReadonlyArray<Form> => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups
  const isLow = (a | b | c | d) === 0 && ((e === 0 && (f === 0 || f === 0xffff)) || (e === 0xffff && f === 0))
  const isAlone = isLow && (e | f | g) === 0 && h < 2
  const isNat64 = a === 0x64 && b === 0xff9b && (c === 1 || (c | d | e | f) === 0)
  const isIsatap = (e === 0 || e === 0x200) && f === 0x5efe
  const inner = [
    ...((isLow && !isAlone) || isNat64 || isIsatap ? [[g, h]] : []),
    ...(a === 0x2002 ? [[b, c]] : []),
    // Teredo (RFC 4380): its server, and its client with every bit turned over.
    ...(a === 0x2001 && b === 0
      ? [
          [c, d],
          [g ^ 0xffff, h ^ 0xffff]
        ]
      : [])
  ]
  return inner.map((found) => ({ family: 4, groups: found }))
}

/**
 * How an address lies to ranges, prepared for many of them.
 *
 * @since 0.1.0
 * @category models
 */
export interface Compared {
  /**
   * Whether the range holds the address. A metadata address is held only by the range of itself alone: nobody who lists
   * 169.254.0.0/16 means the credentials of the machine.
   */
  readonly isHeldBy: (cidr: Cidr) => boolean
  /**
   * Whether what the address leads to may lie in the range: the address itself, a metadata address too, or an IPv4
   * address inside it (those that `kind` judges, NAT64 of RFC 8215, both ends of Teredo). For what denies, never for what
   * allows.
   */
  readonly touches: (cidr: Cidr) => boolean
}

/**
 * Prepares an address for being compared with ranges.
 *
 * @since 0.1.0
 * @category constructors
 */
export const compare = (address: Host.Address): Compared => {
  const isMetadata = kind(address) === "metadata"
  const itself: Form = { family: address.family, groups: groupsOf(address) }
  const forms = address.family === 4 ? [itself] : [itself, ...innerFours(itself.groups)]
  return {
    isHeldBy: (cidr) => (!isMetadata || cidr.prefix === bitsOf(cidr.family)) && isWithin(cidr, itself),
    touches: (cidr) => forms.some((form) => isWithin(cidr, form))
  }
}

/**
 * Whether the range holds the address, as `Compared` says it.
 *
 * @since 0.1.0
 * @category models
 */
export const holds = (cidr: Cidr, address: Host.Address): boolean => compare(address).isHeldBy(cidr)
