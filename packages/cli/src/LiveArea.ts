/**
 * Lines at the bottom of a terminal that are drawn over and go again. Whatever else is written to standard error goes
 * above them. The cursor stays visible and below them, so that nothing has to be restored whatever ends the program.
 *
 * @since 0.1.0
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Screen, Stdio } from "./Stdio.js"

/**
 * A live area.
 *
 * - `draw`: shows these lines in place of those that were there; none, and it is gone
 * - `stdio`: the program's streams, for whoever writes meanwhile
 *
 * @since 0.1.0
 * @category models
 */
export interface LiveArea {
  readonly draw: (lines: ReadonlyArray<string>) => Effect.Effect<void>
  readonly stdio: Context.Tag.Service<Stdio>
}

/** What a terminal that does not say its size is taken to have. */
const COLUMNS = 80
const ROWS = 24

/**
 * The size of a screen, in characters.
 *
 * @since 0.1.0
 * @category conversions
 */
export const sizeOf = (screen: Screen): { readonly columns: number; readonly rows: number } => ({
  columns: screen.columns() || COLUMNS,
  rows: screen.rows() || ROWS
})

// oxlint-disable-next-line no-control-regex -- they are what this is about
const colours = /\u001b\[[0-9;]*m/g

const LINE_END = 0x0a

/**
 * An area on a terminal, empty at first.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (stdio: Context.Tag.Service<Stdio>, screen: Screen): Effect.Effect<LiveArea> =>
  Effect.map(Effect.makeSemaphore(1), (lock) => {
    let shown: ReadonlyArray<string> = []
    /** Somebody has begun a line and not ended it: what is drawn would stand in it. */
    let isMidLine = false

    /**
     * To the first line of the area. A terminal that was made narrower has broken what was too long for it. Where there is
     * none yet, a command may have left the cursor in its own last line: as many blanks as a line has go to the next one
     * then, and else nowhere.
     */
    const home = (): string => {
      const { columns } = sizeOf(screen)
      if (shown.length === 0) return `${" ".repeat(columns)}\r`
      const rows = shown.reduce(
        (sum, line) => sum + Math.max(1, Math.ceil(line.replaceAll(colours, "").length / columns)),
        0
      )
      return `\r\u001b[${rows}A`
    }
    const write = (text: string) => (text === "" ? Effect.void : stdio.stderr(Buffer.from(text)))
    const drawn = (lines: ReadonlyArray<string>): string =>
      lines.map((line) => `${line}\u001b[K\n`).join("") + (lines.length < shown.length ? "\u001b[J" : "")

    const draw = (lines: ReadonlyArray<string>) =>
      Effect.suspend(() => {
        if (isMidLine) return Effect.void
        if (lines.length === shown.length && lines.every((line, at) => line === shown[at])) return Effect.void
        // Over what is there, not after erasing it: nothing flickers. What a broken line has left goes, too.
        const isBroken = shown.some((line) => line.replaceAll(colours, "").length >= sizeOf(screen).columns)
        const text = `${home()}${isBroken ? "\u001b[J" : ""}${drawn(lines)}`
        shown = lines
        return write(text)
      })
    const stderr = (bytes: Uint8Array) =>
      Effect.suspend(() => {
        if (bytes.length === 0) return Effect.void
        const lines = shown
        const before = lines.length === 0 ? "" : `${home()}\u001b[J`
        shown = []
        isMidLine = bytes.at(-1) !== LINE_END
        const after = isMidLine ? "" : drawn(lines)
        if (!isMidLine) shown = lines
        return before === ""
          ? stdio.stderr(bytes)
          : stdio.stderr(Buffer.concat([Buffer.from(before), bytes, Buffer.from(after)]))
      })
    return {
      draw: (lines) => lock.withPermits(1)(draw(lines)),
      stdio: { ...stdio, stderr: (bytes) => lock.withPermits(1)(stderr(bytes)) }
    }
  })
