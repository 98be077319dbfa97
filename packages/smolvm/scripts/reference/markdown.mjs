// Small pieces of Markdown, and values as TypeScript and as command lines.

/** The most columns of a line. */
export const WIDTH = 100

/** Wraps a paragraph at 100 columns; code between backticks is not broken. */
export const wrapped = (text, indent = "") => {
  const words =
    text
      .replace(/\s+/g, " ")
      .trim()
      .match(/(?:`[^`]*`|[^\s`])+/g) ?? []
  const lines = [""]
  for (const word of words) {
    const line = lines.at(-1)
    const start = lines.length === 1 ? "" : indent
    if (line === "") lines[lines.length - 1] = start + word
    else if (line.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(indent + word)
  }
  return lines.join("\n")
}

/** The paragraphs of a doc comment. Its lists stay lists. */
export const paragraphs = (doc) =>
  doc
    .split(/\n{2,}/)
    .map((paragraph) =>
      paragraph
        .split(/\n(?=- )/)
        .map((part) => (part.startsWith("- ") ? wrapped(part, "  ") : wrapped(part)))
        .join("\n")
    )
    .join("\n\n")

/** A list of sentences. */
export const list = (items) => items.map((item) => wrapped(`- ${item}`, "  ")).join("\n")

/** A sentence as it stands after a colon. */
export const lowered = (doc) => doc.replace(/^(An?|The|What|How|One) /, (word) => word.toLowerCase())

/** A text inside a cell of a table. */
export const cell = (text) => text.replace(/\s+/g, " ").replaceAll("|", "\\|").trim()

/** Code inside a line. */
export const code = (text) => `\`${text}\``

/** A table; a column in which every cell is empty is left out. */
export const table = (head, rows) => {
  const kept = head.map((_, column) => rows.some((row) => row[column] !== ""))
  const line = (cells) =>
    `|${cells
      .filter((_, column) => kept[column])
      .map((text) => (text === "" ? " |" : ` ${text} |`))
      .join("")}`
  return [line(head), line(head.map(() => "---")), ...rows.map((row) => line(row.map(cell)))].join("\n")
}

/** `a`, `a and b`, `a, b and c`. */
export const enumerated = (items) =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`

/** A fenced block. */
export const fence = (language, text) => `\`\`\`${language}\n${text}\n\`\`\``

/** A value as a TypeScript literal. */
export const literal = (value) => {
  const flat = inline(value)
  if (flat.length <= WIDTH) return flat
  const fields = Object.entries(value).map((field) => `  ${fieldOf(field)}`)
  return `{\n${fields.join(",\n")}\n}`
}

const inline = (value) => {
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`
  if (typeof value === "number") return String(value).replace(/\B(?=(\d{3})+$)/g, "_")
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  return `{ ${Object.entries(value).map(fieldOf).join(", ")} }`
}

/** Modes of files are read in octal. */
const fieldOf = ([key, value]) => `${key}: ${key === "mode" ? `0o${value.toString(8)}` : inline(value)}`

const quoted = (word) => (/^[\w@%+=:,./*-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)

/** A command line as it would be typed; too long for a line, it goes on below, before an option. */
export const commandLine = (program, argv) => {
  const groups = []
  for (const word of argv) {
    if (groups.length === 0 || word.startsWith("-")) groups.push([quoted(word)])
    else groups.at(-1).push(quoted(word))
  }
  const lines = [program]
  for (const group of groups) {
    const text = group.join(" ")
    const last = lines.at(-1)
    if (last.length + 1 + text.length <= WIDTH - 2) lines[lines.length - 1] = `${last} ${text}`
    else lines.push(`  ${text}`)
  }
  return lines.join(" \\\n")
}
