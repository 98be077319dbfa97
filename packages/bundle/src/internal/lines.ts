/** Cuts bytes into lines; of a line that is too long, what is beyond is not kept. */
export interface Lines {
  /** The lines that these bytes complete, without `\n` or `\r\n`, each byte a character. */
  readonly push: (bytes: Buffer) => ReadonlyArray<string>
  /** The last line, when it was not ended. */
  readonly end: () => ReadonlyArray<string>
}

/** A line is kept up to one character more than `maxLength`, so that whoever cuts it can see that it was too long. */
export const make = (maxLength: number): Lines => {
  let begun = ""
  const take = (part: string): void => {
    begun += part.slice(0, maxLength + 1 - begun.length)
  }
  const finish = (): string => {
    const line = begun.endsWith("\r") ? begun.slice(0, -1) : begun
    begun = ""
    return line
  }
  return {
    push: (bytes) => {
      const [first = "", ...others] = bytes.toString("latin1").split("\n")
      const lines: Array<string> = []
      take(first)
      for (const other of others) {
        lines.push(finish())
        take(other)
      }
      return lines
    },
    end: () => (begun === "" ? [] : [finish()])
  }
}
