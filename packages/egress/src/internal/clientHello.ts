import { Growing } from "./growing.js"

/** What the first bytes of a client are. A name is as it was sent: visible ASCII, not canonical. */
export type Seen =
  | { readonly _tag: "Incomplete" }
  | { readonly _tag: "NotTls" }
  | { readonly _tag: "Malformed"; readonly detail: string }
  | { readonly _tag: "Hello"; readonly serverName: string | null }

const incomplete: Seen = { _tag: "Incomplete" }
const notTls: Seen = { _tag: "NotTls" }
const malformed = (detail: string): Seen => ({ _tag: "Malformed", detail })

const recordTypeMin = 0x14
const changeCipherSpecType = 0x14
const alertType = 0x15
const handshakeType = 0x16
const recordTypeMax = 0x18
const recordHeaderBytes = 5
const recordBytesMax = 16384
// A server in Go still takes a record of a version that nobody has defined, up to 0x0fff.
const versionMajorMax = 0x0f
const clientHelloType = 1
const warning = 1
const changeCipherSpec = 1
const serverNameType = 0
const hostNameType = 0

/** Reads length-prefixed fields; what does not fit makes it `isBroken`, and every further read empty. */
class Fields {
  private readonly bytes: Buffer
  private at = 0
  isBroken = false

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length
  }

  number(length: 1 | 2): number {
    const field = this.take(length)
    return field.length === length ? field.readUIntBE(0, length) : 0
  }

  /** A field with its length before it, in so many bytes. */
  vector(lengthBytes: 1 | 2): Buffer {
    return this.take(this.number(lengthBytes))
  }

  take(length: number): Buffer {
    if (this.isBroken || this.at + length > this.bytes.length) {
      this.isBroken = true
      return Buffer.alloc(0)
    }
    const from = this.at
    this.at += length
    return this.bytes.subarray(from, this.at)
  }
}

const brokenName = malformed("its list of server names is not well-formed")

/** RFC 6066 3: a list of one host name, in ASCII. */
const parseServerName = (extension: Buffer): Seen => {
  const outer = new Fields(extension)
  const list = new Fields(outer.vector(2))
  if (outer.isBroken || !outer.isAtEnd) return brokenName
  const type = list.number(1)
  const name = list.vector(2)
  if (list.isBroken || type !== hostNameType || name.length === 0) return brokenName
  if (!list.isAtEnd) return malformed("it names more than one server")
  return name.every((byte) => byte > 0x20 && byte < 0x7f)
    ? { _tag: "Hello", serverName: name.toString("latin1") }
    : malformed("its server name holds bytes that no name has")
}

/** RFC 8446 4.1.2, and the same in all older versions: the body of a ClientHello. */
const parseHello = (body: Buffer): Seen => {
  const fields = new Fields(body)
  const isVersionKnown = fields.number(2) >> 8 === 3
  fields.take(32)
  const session = fields.vector(1)
  const suites = fields.vector(2)
  const compressions = fields.vector(1)
  const isSane = session.length <= 32 && suites.length >= 2 && suites.length % 2 === 0 && compressions.length > 0
  if (fields.isBroken || !isVersionKnown || !isSane) return malformed("it is not well-formed")
  if (fields.isAtEnd) return { _tag: "Hello", serverName: null }

  const extensions = new Fields(fields.vector(2))
  if (fields.isBroken || !fields.isAtEnd) return malformed("it is not well-formed")
  let found: Buffer | undefined
  while (!extensions.isAtEnd) {
    const type = extensions.number(2)
    const extension = extensions.vector(2)
    if (extensions.isBroken) return malformed("its extensions are not well-formed")
    if (type !== serverNameType) continue
    if (found !== undefined) return malformed("it names its server twice")
    found = extension
  }
  return found === undefined ? { _tag: "Hello", serverName: null } : parseServerName(found)
}

/**
 * Whether a record begins here that a TLS server might take for the first one of a client, or leave out before it takes
 * that. Not only records that are as they should be: what one server refuses, another takes.
 */
const beginsTls = (bytes: Buffer): boolean | undefined => {
  const [type, major] = bytes
  if (type === undefined) return undefined
  if (type < recordTypeMin || type > recordTypeMax) return false
  if (major === undefined) return undefined
  if (major > versionMajorMax) return false
  if (type === handshakeType && major === 3) return true
  // Other protocols begin with a length, which can be anything: a record with another type or version must begin as the
  // few do that a server does not refuse.
  if (bytes.length < recordHeaderBytes) return undefined
  const length = bytes.readUInt16BE(3)
  if (length === 0) return major === 3
  const first = bytes[recordHeaderBytes]
  if (first === undefined) return undefined
  switch (type) {
    case handshakeType:
      return first === clientHelloType
    case alertType:
      return length === 2 && first === warning
    case changeCipherSpecType:
      // A TLS 1.3 server that keeps no state has to leave it out before the second hello (RFC 8446 4.2.2, D.4).
      return length === 1 && first === changeCipherSpec && major === 3
    default:
      return false
  }
}

/**
 * Reads the first bytes of a client until it is known what they are. A ClientHello may lie across records, and records
 * across pieces; nothing else may lie between.
 */
export class Reader {
  private readonly held = new Growing()
  private readonly message = new Growing()
  private at = 0
  private isTls = false

  /** Everything that was given to `push`. */
  get bytes(): Buffer {
    return this.held.bytes
  }

  push(chunk: Buffer, bytesMax: number): Seen {
    this.held.append(chunk)
    const { bytes } = this
    if (!this.isTls) {
      const begins = beginsTls(bytes)
      if (begins === undefined) return incomplete
      if (!begins) return notTls
      this.isTls = true
    }
    const seen = this.readRecords(bytes)
    return seen._tag === "Incomplete" && bytes.length >= bytesMax
      ? malformed(`it is not whole after ${bytesMax} bytes`)
      : seen
  }

  /** What it is when nothing more comes. */
  end(): Seen {
    return this.isTls ? malformed("the client ended before it was whole") : notTls
  }

  private readRecords(bytes: Buffer): Seen {
    while (this.at + recordHeaderBytes <= bytes.length) {
      const length = bytes.readUInt16BE(this.at + 3)
      if (bytes[this.at] !== handshakeType) return malformed("something else comes in its place")
      if (bytes[this.at + 1] !== 3) return malformed("its record has a version that does not exist")
      if (length === 0 || length > recordBytesMax) return malformed("its record has a length that no record has")
      const end = this.at + recordHeaderBytes + length
      if (end > bytes.length) return incomplete
      this.message.append(bytes.subarray(this.at + recordHeaderBytes, end))
      this.at = end
      const seen = this.readMessage(this.message.bytes)
      if (seen._tag !== "Incomplete") return seen
    }
    return incomplete
  }

  private readMessage(message: Buffer): Seen {
    if (message[0] !== clientHelloType) return malformed("the first message is another one")
    if (message.length < 4) return incomplete
    const end = 4 + message.readUIntBE(1, 3)
    if (message.length < end) return incomplete
    return message.length > end ? malformed("something follows it in its record") : parseHello(message.subarray(4))
  }
}
