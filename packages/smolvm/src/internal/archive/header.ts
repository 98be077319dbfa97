/* The 512 bytes before each member of a tar archive: POSIX ustar, GNU's variant of it, and the one from before both. */

export const BLOCK_BYTES = 512

/** The fields that are used, names as bytes (`names.ts`); owner, device numbers and user names are nobody's business. */
export interface Header {
  readonly name: string
  readonly mode: number
  readonly size: number
  readonly mtimeSeconds: number
  readonly type: string
  readonly target: string
}

/** How much it takes to the next whole block. */
export const padding = (size: number): number => (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES

const MAGIC = { posix: "ustar\u000000", gnu: "ustar  \0", none: "\0\0\0\0\0\0\0\0" } as const

const text = (block: Buffer, start: number, length: number): string => {
  const field = block.toString("latin1", start, start + length)
  const end = field.indexOf("\0")
  return end < 0 ? field : field.slice(0, end)
}

/** A number in octal digits, or, where the first bit is set, in the bits after it. Undefined for anything else. */
const number = (block: Buffer, start: number, length: number): number | undefined => {
  const first = block[start] ?? 0
  if (first === 0x80 || first === 0xff) {
    let value = 0
    for (let at = start + 1; at < start + length; at++) {
      value = value * 256 + (first === 0xff ? 255 - (block[at] ?? 0) : (block[at] ?? 0))
    }
    if (!Number.isSafeInteger(value)) return undefined
    return first === 0xff ? -1 - value : value
  }
  const field = block.toString("latin1", start, start + length)
  const digits = /^ *([0-7]*)[ \0]*$/.exec(field)?.[1]
  return digits === undefined ? undefined : digits === "" ? 0 : Number.parseInt(digits, 8)
}

const checksum = (block: Buffer): number => {
  let sum = 8 * 0x20
  for (let at = 0; at < 148; at++) sum += block[at] ?? 0
  for (let at = 156; at < BLOCK_BYTES; at++) sum += block[at] ?? 0
  return sum
}

const zeros = Buffer.alloc(BLOCK_BYTES)

export const isZero = (bytes: Buffer): boolean => {
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const end = Math.min(at + BLOCK_BYTES, bytes.length)
    if (bytes.compare(zeros, 0, end - at, at, end) !== 0) return false
  }
  return true
}

/** Reads one header; what is wrong with it, where it is none. */
export const parse = (block: Buffer): Header | string => {
  if (number(block, 148, 8) !== checksum(block)) return "a header's checksum is wrong"
  const magic = block.toString("latin1", 257, 265)
  if (magic !== MAGIC.posix && magic !== MAGIC.gnu && magic !== MAGIC.none) return "a header of an unknown format"
  const mode = number(block, 100, 8)
  const size = number(block, 124, 12)
  const mtimeSeconds = number(block, 136, 12)
  if (mode === undefined || mtimeSeconds === undefined) return "a header with a field that is no number"
  if (size === undefined || size < 0) return "a header with a size that is none"
  // Only POSIX has a prefix there; GNU has times.
  const prefix = magic === MAGIC.posix ? text(block, 345, 155) : ""
  const name = text(block, 0, 100)
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    mode: mode & 0o777,
    size,
    mtimeSeconds,
    type: String.fromCharCode(block[156] ?? 0),
    target: text(block, 157, 100)
  }
}

const NAME_BYTES = 100

const OCTAL_SIZE_MAX = 0o77777777777

const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, "0")}\0`

const block = (header: Header): Buffer => {
  const bytes = Buffer.alloc(BLOCK_BYTES)
  bytes.write(header.name.slice(0, NAME_BYTES), 0, "latin1")
  bytes.write(octal(header.mode, 8), 100, "latin1")
  bytes.write(octal(0, 8), 108, "latin1")
  bytes.write(octal(0, 8), 116, "latin1")
  if (header.size <= OCTAL_SIZE_MAX) {
    bytes.write(octal(header.size, 12), 124, "latin1")
  } else {
    bytes[124] = 0x80
    bytes.writeBigUInt64BE(BigInt(header.size), 128)
  }
  bytes.write(octal(header.mtimeSeconds, 12), 136, "latin1")
  bytes.write(header.type, 156, "latin1")
  bytes.write(header.target.slice(0, NAME_BYTES), 157, "latin1")
  bytes.write(MAGIC.gnu, 257, "latin1")
  bytes.write(`${checksum(bytes).toString(8).padStart(6, "0")}\0 `, 148, "latin1")
  return bytes
}

/** A long name goes before its member, in one of its own: every tar knows that, where busybox skips pax headers. */
const long = (type: string, name: string): ReadonlyArray<Buffer> => {
  if (name.length <= NAME_BYTES) return []
  const content = Buffer.from(`${name}\0`, "latin1")
  const header = { name: "././@LongLink", mode: 0, size: content.length, mtimeSeconds: 0, type, target: "" }
  return [block(header), content, Buffer.alloc(padding(content.length))]
}

/** The blocks that begin a member, in GNU's format. */
export const format = (header: Header): Buffer =>
  Buffer.concat([...long("K", header.target), ...long("L", header.name), block(header)])

/** What ends an archive. */
export const END = Buffer.alloc(2 * BLOCK_BYTES)
