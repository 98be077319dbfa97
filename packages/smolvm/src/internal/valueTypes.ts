import { isIPv4, isIPv6 } from "node:net"
import * as Timeout from "../Timeout.js"

const integer = (text: string, least: bigint, most: bigint): string | undefined => {
  if (text === "") return "cannot parse integer from empty string"
  if (!/^\+?\d+$/.test(text)) return "invalid digit found in string"
  const value = BigInt(text.replace("+", ""))
  return value < least || value > most ? `${text} is not in ${least}..=${most}` : undefined
}

const u32 = (1n << 32n) - 1n
const u64 = (1n << 64n) - 1n

const cidr = (text: string): string | undefined => {
  const [address = "", prefix, ...rest] = text.split("/")
  const bits = isIPv4(address) ? 32n : isIPv6(address) && !address.includes("%") ? 128n : undefined
  if (bits === undefined || rest.length > 0) return "expected an IP address or IP/PREFIX"
  return prefix === undefined ? undefined : integer(prefix, 0n, bits)
}

const portmap = (text: string): string | undefined => {
  const ports = text.split(":")
  if (ports.length > 2) return "expected HOST:GUEST or PORT"
  return ports.map((port) => integer(port, 1n, 65_535n)).find((reason) => reason !== undefined)
}

const bytesize = (text: string): string | undefined =>
  /^\d+(?:\.\d+)?\s*(?:[KMGT](?:i?B)?|B)?$/i.test(text) && Number.parseFloat(text) > 0
    ? undefined
    : "expected a size greater than 0 such as 512M or 4G"

const checks: Readonly<Record<string, (text: string) => string | undefined>> = {
  string: () => undefined,
  path: () => undefined,
  nonEmptyString: (text) => (text.trim() === "" ? "value must not be empty" : undefined),
  cidr,
  ipv4: (text) => (isIPv4(text) ? undefined : "invalid IPv4 address syntax"),
  portmap,
  duration: (text) =>
    Timeout.parseMillis(text) === undefined ? "expected a duration with a unit, such as 30s or 500ms" : undefined,
  bytesize,
  u8: (text) => integer(text, 0n, 255n),
  u32: (text) => integer(text, 0n, u32),
  u64: (text) => integer(text, 0n, u64),
  "u32>0": (text) => integer(text, 1n, u32),
  "u64>0": (text) => integer(text, 1n, u64),
  usize: (text) => integer(text, 0n, u64)
}

/** The words an option's value is one of, where its type is an enumeration. */
export const possibleValues = (type: string): ReadonlyArray<string> | undefined =>
  type.startsWith("enum:") ? type.slice("enum:".length).split("|") : undefined

/** Why a value is refused by its type, or `undefined` where it is accepted. An unknown type accepts nothing. */
export const refusal = (type: string, text: string): string | undefined => {
  const words = possibleValues(type)
  if (words !== undefined) return words.includes(text) ? undefined : `[possible values: ${words.join(", ")}]`
  const check = checks[type]
  return check === undefined ? `values of type ${type} are not understood` : check(text)
}
