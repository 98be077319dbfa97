const unprintable = /[^\x20-\x7e]/g

/** Text of a guest or a peer, made fit for a header, a body or a terminal: visible ASCII of a bounded length. */
export const printable = (text: string, maxLength = 255): string => {
  const clean = text.replace(unprintable, "?")
  return clean.length <= maxLength ? clean : `${clean.slice(0, maxLength)}...`
}

/** A host or a URL that is refused, made printable, without the user name and password that may stand in front of it. */
export const printableHost = (text: string): string =>
  printable(text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?[^]*@/i, "$1...@"))

/** A number of bytes, milliseconds or connections that was given as a limit must be a positive, whole, finite number. */
export const isPositiveInteger = (value: number): boolean => Number.isSafeInteger(value) && value > 0
