/** What may stand in a path as itself (RFC 3986 3.3), but for the semicolon: some servers take off what follows it. */
const literal = /^[A-Za-z0-9\-._~!$&'()*+,=:@/]$/

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const isUtf8 = (bytes: ReadonlyArray<number>): boolean => {
  try {
    utf8.decode(Uint8Array.from(bytes))
    return true
  } catch {
    return false
  }
}

/**
 * The one form of a path, or nothing where servers could take it for different ones: dot segments, empty segments, a
 * backslash, a semicolon, and any percent-encoding but that of what cannot stand in a path as itself.
 */
const normalize = (path: string): string | undefined => {
  if (!path.startsWith("/")) return undefined
  const bytes: Array<number> = []
  let normal = ""
  for (let at = 0; at < path.length; at++) {
    const char = path[at] ?? ""
    if (literal.test(char)) {
      bytes.push(char.charCodeAt(0))
      normal += char
      continue
    }
    const encoded = /^%[0-9A-Fa-f]{2}/.exec(path.slice(at, at + 3))?.[0]
    if (encoded === undefined) return undefined
    const byte = Number.parseInt(encoded.slice(1), 16)
    const meant = String.fromCharCode(byte)
    if (byte < 0x20 || byte === 0x7f || literal.test(meant) || ";\\%".includes(meant)) return undefined
    bytes.push(byte)
    normal += encoded.toUpperCase()
    at += 2
  }
  const segments = normal.slice(1).split("/")
  const isBroken = segments.some(
    (segment, index) => segment === "." || segment === ".." || (segment === "" && index < segments.length - 1)
  )
  return isBroken || !isUtf8(bytes) ? undefined : normal
}

/** The path of a request target, the query apart, in its one form; nothing when it has none. */
export const ofTarget = (target: string): string | undefined => {
  const query = target.indexOf("?")
  return normalize(query < 0 ? target : target.slice(0, query))
}

/** The pattern of a rule in its one form: a path, or all below one by a star at its end. */
export const parsePattern = (text: string): string | undefined => {
  const isPrefix = text.endsWith("/*")
  const path = isPrefix ? text.slice(0, -1) : text
  const normal = path.includes("*") ? undefined : normalize(path)
  return normal === undefined ? undefined : isPrefix ? `${normal}*` : normal
}

/** Whether a path in its one form is the pattern's. */
export const matches = (pattern: string, path: string): boolean =>
  pattern.endsWith("*") ? path.startsWith(pattern.slice(0, -1)) : path === pattern
