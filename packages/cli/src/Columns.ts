/**
 * Rows in columns that stand below each other.
 *
 * @since 0.1.0
 */

const GAP = "  "

/**
 * The lines of a table: every column as wide as its widest cell, the last one as long as it is.
 *
 * @since 0.1.0
 * @category conversions
 */
export const render = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths: Array<number> = []
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  }
  return rows.map((row) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
      .join(GAP)
      .trimEnd()
  )
}
