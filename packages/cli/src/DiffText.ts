/**
 * The changes of a copy as people read them, the form of git's: what a guest wrote is shown, and steers nothing.
 *
 * @since 0.1.0
 */
import type { Change, Contents, Side } from "@bottle/engine/Workspace"
import { structuredPatch } from "diff"

/** What is shown of one file. */
const LINES_MAX = 2000
const LINE_CHARS_MAX = 2000

/** Two texts that have less in common are told as different, rather than waited for. */
const EDITS_MAX = 5000
const DIFF_TIMEOUT_MILLIS = 2000

/** Where a file is binary its beginning mostly says so. */
const PROBE_BYTES = 8000

// Controls but for the tab, format characters (direction marks, zero widths), half characters, and what has no ink:
// letters, joiners, the empty braille pattern, selectors that hide a text in another.
const unsafe =
  // oxlint-disable-next-line no-control-regex -- they are what this is about
  /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\u115f\u1160\u2800\u3164\uffa0\p{Cf}\p{Cs}]|\u034f|\u17b4|\u17b5|[\u{e0100}-\u{e01ef}]/gu

/**
 * A guest's text on one line, all of it: what would steer a terminal or cannot be seen stands as its code.
 *
 * @since 0.1.0
 * @category conversions
 */
export const visible = (text: string, charsMax: number = LINE_CHARS_MAX): string => {
  const shown = text.length > charsMax ? `${text.slice(0, charsMax).replace(/[\ud800-\udbff]$/, "")}...` : text
  return shown.replace(unsafe, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/**
 * The name of a path: one with characters that cannot be seen, or a quote, stands in quotes.
 *
 * @since 0.1.0
 * @category conversions
 */
export const nameOf = (path: string): string => {
  const name = visible(path).replace(/\t/g, "\\t")
  return name === path && !/["\\]/.test(path) ? path : `"${name.replace(/"/g, '\\"')}"`
}

/**
 * How the contents of one file differ.
 *
 * - `Lines`: line by line; `lines` is what is shown, `added` and `removed` count all of them
 * - `Binary`: it is no text; sizes in bytes
 * - `Large`: there is more of it than is compared, or too little in common
 *
 * @since 0.1.0
 * @category models
 */
export type Difference =
  | {
      readonly _tag: "Lines"
      readonly lines: ReadonlyArray<string>
      readonly added: number
      readonly removed: number
      readonly cut: number
    }
  | { readonly _tag: "Binary" }
  | { readonly _tag: "Large" }

const textOf = ({ bytes }: Contents): string | null => {
  if (bytes.subarray(0, PROBE_BYTES).includes(0)) return null
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
}

const nothing: Contents = { bytes: new Uint8Array(), cut: false }

const startOf = (start: number, lines: number): string => `${lines === 0 ? start - 1 : start},${lines}`

/**
 * How two files differ; `null` stands for a side on which there is none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const compare = (before: Contents | null, after: Contents | null): Difference => {
  const [left, right] = [before ?? nothing, after ?? nothing]
  const [old, next] = [textOf(left), textOf(right)]
  // A text that is cut in the middle of a character is no text.
  if (left.cut || right.cut) return { _tag: "Large" }
  if (old === null || next === null) return { _tag: "Binary" }
  const patch = structuredPatch("", "", old, next, "", "", {
    context: 3,
    timeout: DIFF_TIMEOUT_MILLIS,
    maxEditLength: EDITS_MAX
  })
  if (patch === undefined) return { _tag: "Large" }
  const lines = patch.hunks.flatMap((hunk) => [
    // A side that has no lines begins before the first.
    `@@ -${startOf(hunk.oldStart, hunk.oldLines)} +${startOf(hunk.newStart, hunk.newLines)} @@`,
    ...hunk.lines
  ])
  const count = (sign: string) =>
    patch.hunks.flatMap((hunk) => hunk.lines).filter((line) => line.startsWith(sign)).length
  return {
    _tag: "Lines",
    lines: lines.slice(0, LINES_MAX).map((line) => visible(line)),
    added: count("+"),
    removed: count("-"),
    cut: Math.max(0, lines.length - LINES_MAX)
  }
}

/** As git writes modes: what a thing is, and its permissions. */
const modeOf = ({ kind, mode }: Side): string =>
  kind === "link" ? "120000" : `${kind === "directory" ? "040" : "100"}${(mode ?? 0).toString(8).padStart(3, "0")}`

/**
 * What there is to say of a change beside what it changes: why it is not taken, or not as a matter of course.
 *
 * @since 0.1.0
 * @category conversions
 */
export const notesOf = ({ acting, guarded, here, refused }: Change): ReadonlyArray<string> => [
  ...(refused === null ? [] : [`never taken: ${refused}`]),
  ...(refused === null && guarded !== null ? [`taken only with --force: ${guarded}`] : []),
  ...(acting === null ? [] : [`mind that ${acting}`]),
  ...(here === "changed" && refused === null ? ["changed here too, since the copy was made"] : []),
  ...(here === "as-after" && refused === null ? ["already so here"] : [])
]

const header = ({ after, before, refused }: Change): ReadonlyArray<string> => {
  const what = (side: Side): string => (side.kind === "directory" ? "directory" : "file")
  if (before === null) return after === null ? [] : [`new ${what(after)} mode ${modeOf(after)}`]
  if (after === null) return refused === null ? [`deleted ${what(before)} mode ${modeOf(before)}`] : []
  const [old, next] = [modeOf(before), modeOf(after)]
  return old === next ? [] : [`old mode ${old}`, `new mode ${next}`]
}

const sizeText = (side: Side | null): string => (side === null ? "nothing" : `${side.size ?? 0} bytes`)

const linkLines = ({ after, before }: Change): ReadonlyArray<string> => [
  ...(before?.kind === "link" ? [`-${visible(before.target ?? "")}`] : []),
  ...(after?.kind === "link" ? [`+${visible(after.target ?? "")}`] : [])
]

const differenceLines = (change: Change, difference: Difference | null): ReadonlyArray<string> => {
  if (difference === null) return linkLines(change)
  const sizes = `${sizeText(change.before)} to ${sizeText(change.after)}`
  switch (difference._tag) {
    case "Binary":
      return [`Binary files differ: ${sizes}`]
    case "Large":
      return [`Files differ too much to be shown: ${sizes}`]
    case "Lines": {
      const old = change.before === null ? "/dev/null" : nameOf(`a/${change.path}`)
      const next = change.after === null ? "/dev/null" : nameOf(`b/${change.path}`)
      const more = difference.cut === 0 ? [] : [`... and ${difference.cut} lines more`]
      return difference.lines.length === 0
        ? []
        : [`--- ${old}`, `+++ ${next}`, ...difference.lines, ...more, ...linkLines(change)]
    }
  }
}

/**
 * The lines of one change, without colours.
 *
 * @since 0.1.0
 * @category conversions
 */
export const render = (change: Change, difference: Difference | null): ReadonlyArray<string> => [
  `diff --git ${nameOf(`a/${change.path}`)} ${nameOf(`b/${change.path}`)}`,
  ...notesOf(change).map((note) => `# ${note}`),
  ...header(change),
  ...differenceLines(change, difference)
]

const letters = { added: "A", modified: "M", deleted: "D" } as const

/**
 * The cells of one change in a table: what happened, how much of it, its name and what there is to say.
 *
 * @since 0.1.0
 * @category conversions
 */
export const statOf = (change: Change, difference: Difference | null): ReadonlyArray<string> => {
  const much =
    difference === null
      ? ((change.after ?? change.before)?.kind ?? "")
      : difference._tag === "Lines"
        ? `+${difference.added} -${difference.removed}`
        : difference._tag === "Binary"
          ? "binary"
          : "large"
  const notes = notesOf(change).join("; ")
  return [letters[change.kind], much, notes === "" ? nameOf(change.path) : `${nameOf(change.path)}  (${notes})`]
}

const colours: ReadonlyArray<readonly [prefix: RegExp, code: number]> = [
  [/^(diff --git|---|\+\+\+|new |old |deleted )/, 1],
  [/^#/, 33],
  [/^@@/, 36],
  [/^-/, 31],
  [/^\+/, 32]
]

/**
 * A line of a change in the colour of what it is. The line is printable already.
 *
 * @since 0.1.0
 * @category conversions
 */
export const coloured = (line: string): string => {
  const code = colours.find(([prefix]) => prefix.test(line))?.[1]
  return code === undefined ? line : `\u001b[${code}m${line}\u001b[0m`
}
