/*
 * Names in archives and directories are bytes. They are held as strings of one character per byte ("latin1"), so that
 * each arrives as it left, whatever its encoding.
 */

import { ArchiveRefused } from "../../ArchiveError.js"

const SHOWN_CHARS_MAX = 160

/** Anything that could steer a terminal, hide, or pass for another character. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\ufffd]/gu

/** A name of bytes as text for an error: one line, without control characters, cut. */
export const shown = (name: string): string => {
  const text = Buffer.from(name.slice(0, 4 * SHOWN_CHARS_MAX), "latin1")
    .toString("utf8")
    .replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
  return text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX).replace(/[\ud800-\udbff]$/, "")}...` : text
}

export const fromText = (text: string): string => Buffer.from(text, "utf8").toString("latin1")

export const toText = (name: string): string => Buffer.from(name, "latin1").toString("utf8")

/** The most of one component on every common file system. */
const COMPONENT_BYTES_MAX = 255

/** The longest path that the kernel takes. */
export const PATH_BYTES_MAX = 4095

// C0, DEL, and C1 as UTF-8: some terminals take the latter for the beginning of a sequence too.
// oxlint-disable-next-line no-control-regex -- they are what this is about
const CONTROL = /[\x00-\x1f\x7f]|\xc2[\x80-\x9f]/

/** Refuses a name that would steer the terminal it is listed on. */
export const checkText = (name: string, member: string, what: string): void => {
  if (name.length > PATH_BYTES_MAX) {
    throw new ArchiveRefused({ member: shown(member), reason: `${what} is longer than ${PATH_BYTES_MAX} bytes` })
  }
  if (CONTROL.test(name)) {
    throw new ArchiveRefused({ member: shown(member), reason: `${what} has a control character` })
  }
}

/** A member's path as the names on it, none for the archive's own root; every other form than `a/b` or `./a/b` is refused. */
export const components = (path: string, member: string, what = "its name"): ReadonlyArray<string> => {
  const refuse = (reason: string) => new ArchiveRefused({ member: shown(member), reason })
  if (path === "") throw refuse(`${what} is empty`)
  if (path.startsWith("/")) throw refuse(`${what} is absolute`)
  checkText(path, member, what)
  const inner = path.replace(/\/$/, "").replace(/^\.(\/|$)/, "")
  if (inner === "") return []
  const parts = inner.split("/")
  for (const part of parts) {
    if (part === "..") throw refuse(`${what} has ".." in it`)
    if (part === "." || part === "") throw refuse(`${what} has an empty part or "." in it`)
    if (part.length > COMPONENT_BYTES_MAX) throw refuse(`${what} has a part of more than ${COMPONENT_BYTES_MAX} bytes`)
  }
  return parts
}
