/** A piece of a word: text as it is, or a parameter to be put in. */
type Piece = { readonly text: string } | { readonly parameter: string; readonly quoted: boolean }

/** One word as written; `all` is `"$@"`. */
export interface Word {
  readonly pieces: ReadonlyArray<Piece>
}

/** Where a descriptor of a command goes, or comes from. */
export interface Redirection {
  readonly descriptor: number
  readonly mode: "read" | "write" | "append" | "duplicate"
  readonly target: Word
}

/** A simple command, and how it is joined to the one before. */
export interface Simple {
  readonly join: ";" | "&&" | "||"
  readonly negated: boolean
  readonly words: ReadonlyArray<Word>
  readonly redirections: ReadonlyArray<Redirection>
}

/** What a script says, or the first piece of it that is not understood. */
export type Script = { readonly commands: ReadonlyArray<Simple> } | { readonly unknown: string }

/** What parameters stand for. */
export interface Parameters {
  readonly get: (name: string) => string
  /** `$1` and what follows. */
  readonly positional: ReadonlyArray<string>
}

/** Reads a script of simple commands, joined by `;`, newlines, `&&` and `||`. Nothing else is known. */
export const parse = (text: string): Script => {
  const tokens = tokenize(text)
  if (!Array.isArray(tokens)) return { unknown: tokens.unknown }
  const commands: Array<Simple> = []
  let join: Simple["join"] = ";"
  let current: { negated: boolean; words: Array<Word>; redirections: Array<Redirection> } = empty()
  const finish = () => {
    if (current.words.length > 0 || current.redirections.length > 0) commands.push({ join, ...current })
    current = empty()
  }
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]
    if (token === undefined) break
    if ("operator" in token) {
      finish()
      join = token.operator
    } else if ("descriptor" in token) {
      const target = tokens[++at]
      if (target === undefined || !("pieces" in target)) return { unknown: "a redirection to nowhere" }
      current.redirections.push({ ...token, target })
    } else {
      const plain = plainText(token)
      if (current.words.length === 0 && plain === "!") current.negated = true
      else if (current.words.length === 0 && plain !== undefined && reserved.has(plain)) return { unknown: plain }
      else current.words.push(token)
    }
  }
  finish()
  return { commands }
}

/** A word as the command gets it: none for an unquoted parameter that is empty, several for `"$@"`. */
export const expand = (word: Word, parameters: Parameters): ReadonlyArray<string> => {
  const [only, ...rest] = word.pieces
  if (only !== undefined && rest.length === 0 && "parameter" in only) {
    if (only.parameter === "@") return parameters.positional
    const value = valueOf(only.parameter, parameters)
    return only.quoted ? [value] : value.split(/[ \t\n]+/).filter((part) => part !== "")
  }
  return [expandText(word, parameters)]
}

/** A word as one text, where no splitting is done: the target of a redirection, the value of an assignment. */
export const expandText = (word: Word, parameters: Parameters): string =>
  word.pieces.map((piece) => ("text" in piece ? piece.text : valueOf(piece.parameter, parameters))).join("")

/** The name and value of a word that is an assignment. */
export const assignment = (word: Word): { readonly name: string; readonly value: Word } | undefined => {
  const [first, ...rest] = word.pieces
  const match = first !== undefined && "text" in first ? /^([A-Za-z_]\w*)=([^]*)$/.exec(first.text) : null
  if (match === null) return undefined
  return { name: match[1] ?? "", value: { pieces: [{ text: match[2] ?? "" }, ...rest] } }
}

const empty = () => ({ negated: false, words: Array<Word>(), redirections: Array<Redirection>() })

const reserved: ReadonlySet<string> = new Set([
  ..."if then else elif fi for while until do done case esac { } ( )".split(" "),
  "function"
])

const plainText = ({ pieces }: Word): string | undefined => {
  const [only, ...rest] = pieces
  return only !== undefined && rest.length === 0 && "text" in only ? only.text : undefined
}

const valueOf = (name: string, { get, positional }: Parameters): string => {
  if (name === "@" || name === "*") return positional.join(" ")
  if (name === "#") return String(positional.length)
  return /^[1-9]\d*$/.test(name) ? (positional[Number(name) - 1] ?? "") : get(name)
}

type Token =
  | Word
  | { readonly operator: Simple["join"] }
  | { readonly descriptor: number; readonly mode: Redirection["mode"] }

const redirection = /^(\d?)(>>|>&|>|<)\s*/
const operator = /^(?:(&&|\|\|)\s*|[;\n])/
const parameter = /^\$(?:([A-Za-z_]\w*|[0-9@*#?$])|\{([A-Za-z_]\w*|[0-9@*#?$])\})/

const tokenize = (text: string): Array<Token> | { readonly unknown: string } => {
  const tokens: Array<Token> = []
  let rest = text
  const take = (match: RegExpExecArray) => {
    rest = rest.slice(match[0].length)
  }
  for (;;) {
    rest = rest.replace(/^(?:[ \t]|\\\n)+/, "")
    if (rest === "") return tokens
    const comment = /^#[^\n]*/.exec(rest)
    const joined = operator.exec(rest)
    const redirected = redirection.exec(rest)
    if (comment !== null) take(comment)
    else if (joined !== null) {
      take(joined)
      tokens.push({ operator: joined[1] === "&&" ? "&&" : joined[1] === "||" ? "||" : ";" })
    } else if (redirected !== null) {
      take(redirected)
      const sign = redirected[2]
      tokens.push({
        descriptor:
          redirected[1] === "" || redirected[1] === undefined ? (sign === "<" ? 0 : 1) : Number(redirected[1]),
        mode: sign === "<" ? "read" : sign === ">" ? "write" : sign === ">>" ? "append" : "duplicate"
      })
    } else {
      const word = readWord(rest)
      if ("unknown" in word) return word
      tokens.push({ pieces: word.pieces })
      rest = word.rest
    }
  }
}

type Read = { readonly pieces: ReadonlyArray<Piece>; readonly rest: string } | { readonly unknown: string }

const readWord = (from: string): Read => {
  const pieces: Array<Piece> = []
  let rest = from
  let quoted = false
  while (rest !== "") {
    const given = parameter.exec(rest)
    const single = quoted ? null : /^'([^']*)'/.exec(rest)
    const escaped = (quoted ? /^\\(["$`\\])/ : /^\\(.)/).exec(rest)
    const plain = (quoted ? /^[^"$`\\]+/ : /^[^\s'"$`\\;&|<>(){}]+/).exec(rest)
    const match = given ?? single ?? escaped ?? plain
    if (rest.startsWith('"')) {
      quoted = !quoted
      // An empty quotation is a word too.
      pieces.push({ text: "" })
      rest = rest.slice(1)
    } else if (match !== null) {
      const name = given?.[1] ?? given?.[2]
      pieces.push(
        name !== undefined ? { parameter: name, quoted } : { text: match === plain ? match[0] : (match[1] ?? "") }
      )
      rest = rest.slice(match[0].length)
    } else if (quoted && rest.startsWith("\\")) {
      pieces.push({ text: "\\" })
      rest = rest.slice(1)
    } else if (!quoted && pieces.length > 0 && /^[\s;&|<>]/.test(rest)) {
      break
    } else if (!quoted && /^[{}]/.test(rest) && pieces.length === 0) {
      return { unknown: rest.slice(0, 1) }
    } else {
      return { unknown: rest.slice(0, 20).split("\n")[0] ?? "" }
    }
  }
  return quoted ? { unknown: "a quotation without an end" } : { pieces: joinText(pieces), rest }
}

/** Neighbouring texts as one; a lone quoted parameter stays by itself, so that it can be told. */
const joinText = (pieces: ReadonlyArray<Piece>): ReadonlyArray<Piece> => {
  const parameters = pieces.filter((piece) => "parameter" in piece)
  const text = pieces.map((piece) => ("text" in piece ? piece.text : "")).join("")
  if (parameters.length === 1 && text === "") return parameters
  const joined: Array<Piece> = []
  for (const piece of pieces) {
    const last = joined.at(-1)
    if (last !== undefined && "text" in last && "text" in piece)
      joined[joined.length - 1] = { text: last.text + piece.text }
    else joined.push(piece)
  }
  return joined
}
