const token = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}]/g

/**
 * A key that a reader of this JSON text would lose: one that an object has twice, or `__proto__`. The text is known to be
 * JSON, so a string is a key exactly when a colon follows.
 */
export const lostKey = (text: string): string | undefined => {
  const open: Array<Set<string>> = []
  for (const match of text.matchAll(token)) {
    const [word, quoted, colon] = match
    if (word === "{") open.push(new Set())
    else if (word === "}") open.pop()
    else if (quoted !== undefined && colon !== undefined) {
      const key = String(JSON.parse(quoted))
      const keys = open.at(-1)
      if (key === "__proto__" || keys?.has(key) === true) return key
      keys?.add(key)
    }
  }
  return undefined
}
