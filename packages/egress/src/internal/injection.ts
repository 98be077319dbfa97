import * as Redacted from "effect/Redacted"
import type { Credential } from "../Credential.js"
import * as Credentials from "../Credential.js"
import type { RawHeaders } from "./headers.js"

/** A credential and its value, which is taken out when the header is written, and not before. */
export interface Held {
  readonly credential: Credential
  readonly value: Redacted.Redacted
}

/**
 * By which a guest could be somebody else at the upstream than the user, or two people at a time: an account of its own
 * is a way out for whatever it sends.
 */
const identities: ReadonlySet<string> = new Set([
  "api-key",
  "authorization",
  "cookie",
  "cookie2",
  "proxy-authorization",
  "x-api-key",
  "x-auth-token",
  "x-goog-api-key"
])

/** By which some servers take a request for another one than was judged. */
const overrides: ReadonlySet<string> = new Set([
  "destination",
  "x-http-method",
  "x-http-method-override",
  "x-method-override",
  "x-original-url",
  "x-rewrite-url"
])

const pairs = (headers: RawHeaders): ReadonlyArray<readonly [name: string, value: string]> => {
  const found: Array<readonly [string, string]> = []
  for (let index = 0; index + 1 < headers.length; index += 2)
    found.push([headers[index] ?? "", headers[index + 1] ?? ""])
  return found
}

/** The end-to-end headers of a guest, with the credential, without any other, and without another method or path. */
export const sent = ({ credential, value }: Held, headers: RawHeaders): Array<string> => [
  ...pairs(headers)
    .filter(([name]) => {
      const key = Credentials.headerKey(name)
      return key !== Credentials.headerKey(credential.header) && !identities.has(key) && !overrides.has(key)
    })
    .flat(),
  credential.header,
  `${credential.prefix}${Redacted.value(value)}`
]

// So short a value stands in many texts by chance.
const echoCharactersMin = 8

/** The upstream's own sessions, which would be the guest's to carry elsewhere. */
const sessions: ReadonlySet<string> = new Set(["set-cookie", "set-cookie2"])

const hasScheme = /^[a-z][a-z0-9+.-]*:/i

/**
 * Where the guest goes from here: the local base URL for what is the credential's upstream; else the whole URL, at which
 * it is a stranger like everybody.
 */
export const relocated = ({ name, upstream }: Credential, path: string, location: string): string => {
  const origin = `${upstream.scheme}://${Credentials.hostText(upstream)}`
  const parsed = URL.canParse(location, `${origin}${path}`) ? new URL(location, `${origin}${path}`) : undefined
  if (parsed === undefined) return location
  const { hash, pathname, search, username } = parsed
  const isBelow = pathname === upstream.path || pathname.startsWith(`${upstream.path}/`)
  if (parsed.origin === new URL(origin).origin && username === "" && isBelow) {
    return `${Credentials.path(name)}${pathname.slice(upstream.path.length)}${search}${hash}`
  }
  return hasScheme.test(location) ? location : parsed.href
}

const isEchoed = (value: Redacted.Redacted, text: string): boolean => {
  const secret = Redacted.value(value)
  return secret.length >= echoCharactersMin && text.includes(secret)
}

/** The end-to-end headers of an answer to a request for this path, without the credential and without sessions. */
export const answered = ({ credential, value }: Held, path: string, headers: RawHeaders): Array<string> =>
  pairs(headers)
    .map(
      ([name, text]) => [name, name.toLowerCase() === "location" ? relocated(credential, path, text) : text] as const
    )
    .filter(([name, text]) => {
      const key = Credentials.headerKey(name)
      return (
        key !== Credentials.headerKey(credential.header) && !sessions.has(key) && !isEchoed(value, `${name} ${text}`)
      )
    })
    .flat()

/** The reason phrase of an answer, unless it holds the credential. */
export const reason = ({ value }: Held, phrase: string): string => (isEchoed(value, phrase) ? "" : phrase)
