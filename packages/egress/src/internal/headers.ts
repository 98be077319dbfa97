/** Headers as they came, name and value in turn: the only form that hides no duplicate. */
export type RawHeaders = ReadonlyArray<string>

// RFC 9110 7.6.1 with the older names that clients still send; they are about this connection and end here.
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-authentication-info",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings"
])

/** Every value of a header, in order; the name in lower case. */
export const values = (headers: RawHeaders, name: string): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (headers[index]?.toLowerCase() === name) found.push(headers[index + 1] ?? "")
  }
  return found
}

/** The comma-separated tokens of every value of a header, in lower case. */
export const tokens = (headers: RawHeaders, name: string): ReadonlyArray<string> =>
  values(headers, name).flatMap((value) =>
    value
      .split(",")
      .map((token) => token.trim().toLowerCase())
      .filter((token) => token !== "")
  )

/**
 * What goes on to the other side: without the hop-by-hop headers, those that `Connection` names among them, and without
 * the names in `also`.
 */
export const endToEnd = (headers: RawHeaders, also: ReadonlyArray<string> = []): Array<string> => {
  const dropped = new Set([...hopByHop, ...also, ...tokens(headers, "connection")])
  const kept: Array<string> = []
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? ""
    if (!dropped.has(name.toLowerCase())) kept.push(name, headers[index + 1] ?? "")
  }
  return kept
}

/** What goes back to the client: end to end, and without what only the proxy itself says. */
export const answered = (headers: RawHeaders, also: ReadonlyArray<string> = []): Array<string> => {
  const kept = endToEnd(headers, also)
  return kept.filter((_, index) => !kept[index - (index % 2)]?.toLowerCase().startsWith("x-bottle-"))
}

/** Whether there are more headers than so many. */
export const isTooMany = (headers: RawHeaders, lines: number): boolean => headers.length > 2 * lines

// A header costs its two strings, their places in arrays, and its place in an object, however short it is.
const headerOverheadBytes = 128

// Node's two objects for a request, and ours.
const requestOverheadBytes = 2048

/** What a request with these headers costs in memory while it is held, about. */
export const heldBytes = (headers: RawHeaders): number =>
  headers.reduce((sum, text) => sum + text.length, requestOverheadBytes + (headers.length / 2) * headerOverheadBytes)

/** How long a message's body is. */
export type Framing =
  | { readonly _tag: "None" }
  | { readonly _tag: "Length"; readonly text: string }
  | { readonly _tag: "Chunked" }
  | { readonly _tag: "Ambiguous"; readonly detail: string }

/**
 * The framing of a message, or why two readers could see two different messages in it. The parser refuses most of these
 * already; a policy does not rest on the strictness of one version of a parser.
 */
export const framing = (headers: RawHeaders): Framing => {
  const lengths = values(headers, "content-length")
  const codings = values(headers, "transfer-encoding")
  if (lengths.length > 0 && codings.length > 0) {
    return { _tag: "Ambiguous", detail: "it has both Content-Length and Transfer-Encoding" }
  }
  if (lengths.length > 1) return { _tag: "Ambiguous", detail: "it has more than one Content-Length" }
  if (codings.length > 1) return { _tag: "Ambiguous", detail: "it has more than one Transfer-Encoding" }
  const [length] = lengths
  const [coding] = codings
  if (coding !== undefined) {
    return coding.trim().toLowerCase() === "chunked"
      ? { _tag: "Chunked" }
      : { _tag: "Ambiguous", detail: "its Transfer-Encoding is not chunked" }
  }
  if (length === undefined) return { _tag: "None" }
  const text = length.trim()
  return /^[0-9]{1,15}$/.test(text)
    ? { _tag: "Length", text }
    : { _tag: "Ambiguous", detail: "its Content-Length is not a number" }
}

/** Whether a body follows the header. */
export const hasBody = (framing: Framing): boolean =>
  framing._tag === "Chunked" || (framing._tag === "Length" && Number(framing.text) > 0)
