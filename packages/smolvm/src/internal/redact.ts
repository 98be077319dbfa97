/** What stands in the place of a value that may be a secret. */
export const redacted = "<redacted>"

/**
 * An argv without what may be a secret: the values of variables, commands of the guest in an option, who logs in at a URL,
 * and the arguments of a guest's command, of which only the program is kept.
 */
export const argv = (words: ReadonlyArray<string>): ReadonlyArray<string> => {
  const end = words.indexOf("--")
  const own = end < 0 ? words : words.slice(0, end)
  const guest = end < 0 ? [] : words.slice(end)
  return [
    ...own.map((word, index) => ownWord(own[index - 1] ?? "", word)),
    ...guest.map((word, index) => (index < 2 ? word : redacted))
  ]
}

const variables: ReadonlySet<string> = new Set(["-e", "--env"])
const commands: ReadonlySet<string> = new Set(["--init", "--health-cmd", "--entrypoint"])

const ownWord = (before: string, word: string): string => {
  if (variables.has(before)) return `${word.split("=", 1)[0]}=${redacted}`
  if (commands.has(before)) return redacted
  const attached = /^(--[a-z-]+)=/.exec(word)?.[1] ?? ""
  if (variables.has(attached) || commands.has(attached)) return `${attached}=${redacted}`
  return word.replace(/:\/\/[^/]*@/, `://${redacted}@`)
}

/** Shorter values, and shorter lines of values, would blot out the text. */
const minCharacters = 4
const minLineCharacters = 8

/**
 * A text without the given secrets, the longest first, since one may be the beginning of another. Of a secret of several
 * lines each line is one too: what shows such a text often shows only some of it.
 */
export const secrets = (text: string, values: ReadonlyArray<string>): string =>
  values
    .flatMap((value) => [value, ...value.split(/\r?\n/).filter((line) => line.length >= minLineCharacters)])
    .filter((value) => value.length >= minCharacters)
    .toSorted((left, right) => right.length - left.length)
    .reduce((before, value) => before.replaceAll(value, redacted), text)
