/** One word for a POSIX shell: any text, taken literally. */
export const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** The command line of these words. */
export const quoteAll = (words: ReadonlyArray<string>): string => words.map(quote).join(" ")
