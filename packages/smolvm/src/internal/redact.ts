/** What stands in the place of a value that may be a secret. */
export const redacted = "<redacted>"

/**
 * An argv without what may be a secret: the values of variables, and the arguments of a guest's command, of which only
 * the program is kept.
 */
export const argv = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = words.indexOf("--")
  const own = end < 0 ? words : words.slice(0, end)
  const guest = end < 0 ? [] : words.slice(end)
  return [
    ...own.map((word, index) => (own[index - 1] === "-e" ? `${word.slice(0, word.indexOf("="))}=${redacted}` : word)),
    ...guest.map((word, index) => (index < 2 ? word : redacted))
  ]
}

/** A text without the given secrets. Those of fewer than four characters are kept: they would blot out the text. */
export const secrets = (text: string, values: ReadonlyArray<string>): string =>
  values.filter((value) => value.length >= 4).reduce((before, value) => before.replaceAll(value, redacted), text)
