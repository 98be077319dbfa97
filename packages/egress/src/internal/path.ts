/** What may stand in a path as itself (RFC 3986 3.3), but for the semicolon: some servers take off what follows it. */
const literals = "A-Za-z0-9\\-._~!$&'()*+,=:@/"

const wellFormed = new RegExp(`^/(?:[${literals}]|%[0-9A-Fa-f]{2})*$`)

/** What has no business being encoded: what stands for itself, the backslash, the semicolon, the percent sign, controls. */
const suspect = new RegExp(`^[${literals}\\\\;%\\u0000-\\u001f\\u007f]$`)

const brokenSegment = /\/(?:\/|\.{1,2}(?:\/|$))/

const isUtf8 = (path: string): boolean => {
  try {
    decodeURIComponent(path)
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
  if (!wellFormed.test(path) || brokenSegment.test(path)) return undefined
  const encoded = path.match(/%../g) ?? []
  if (encoded.some((code) => suspect.test(String.fromCharCode(Number.parseInt(code.slice(1), 16))))) return undefined
  return isUtf8(path) ? path.replace(/%../g, (code) => code.toUpperCase()) : undefined
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

const invisible = /[^\x21-\x7e]/

/** Whether a segment is taken for one above, by servers that take off what follows a semicolon, too. */
const isDots = (segment: string): boolean => /^\.{1,2}$/.test(segment.replace(/;[^]*$/, ""))

const leaves = (path: string): boolean => {
  const segments = path.normalize("NFKC").split(/[/\\]/)
  const isEmptyInside = segments.slice(1, -1).includes("")
  // oxlint-disable-next-line no-control-regex
  return isEmptyInside || segments.some(isDots) || /[\u0000-\u001f\u007f]/.test(path)
}

// Each round is another server that decodes once more.
const decodings = 4

/**
 * Whether every server takes the path of a request target for one below where it begins, however often it decodes: no dot
 * segments, no empty segments and no controls. Unlike `ofTarget` it takes an encoded slash, which APIs have in their names.
 */
export const stays = (target: string): boolean => {
  const query = target.indexOf("?")
  let path = query < 0 ? target : target.slice(0, query)
  if (invisible.test(target) || target.includes("#") || path.includes("\\") || !path.startsWith("/")) return false
  if (/%(?![0-9A-Fa-f]{2})/.test(path) || !isUtf8(path) || leaves(path)) return false
  path = decodeURIComponent(path)
  for (let round = 1; round < decodings; round++) {
    if (leaves(path)) return false
    const decoded = path.replace(/%[0-9A-Fa-f]{2}/g, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
    if (decoded === path) return true
    path = decoded
  }
  return false
}
