/**
 * The completions for zsh, from the table of flags. What the program lists is data: it is offered, never expanded.
 *
 * @since 0.1.0
 */
import * as Flags from "../Flags.js"

/** A word in single quotes. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** A word and what it is, as `_describe` reads them: the first bare colon stands between the two. */
const described = (word: string, text: string): string => quoted(`${word.replaceAll(":", "\\:")}:${text}`)

const offeredFor = (choices: ReadonlyArray<string> | undefined, offers: Flags.Offered | undefined): string =>
  choices === undefined ? (offers ?? "nothing") : `choices ${choices.join(" ")}`

const firsts = [...new Set(Flags.subcommands.map((name) => name.split(" ")[0] ?? ""))]

/**
 * The script that a zsh reads, as a file `_bottle` on its `fpath`.
 *
 * @since 0.1.0
 * @category conversions
 */
export const script = (summaries: Readonly<Record<Flags.Subcommand, string>>): string => {
  const commands = firsts.map((first) => {
    const whole = Flags.subcommands.find((name) => name === first)
    return described(first, whole === undefined ? `Commands of ${first}` : summaries[whole])
  })
  const groups = [...new Set(Flags.subcommands.filter((name) => name.includes(" ")).map((name) => name.split(" ")[0]))]
  const seconds = groups.map((group) => {
    const names = Flags.subcommands.filter((name) => name.startsWith(`${group} `))
    const words = names.map((name) => described(name.split(" ")[1] ?? "", summaries[name]))
    return `    ${group}) _bottle_words=(${words.join(" ")}) ;;`
  })
  const flags = Flags.subcommands.map((name) => {
    const words = Flags.bySubcommand[name].map((flag) => described(`--${flag.name}`, flag.description))
    return `    ${quoted(name)}) _bottle_words=(${[...words, described("--help", "Of this command")].join(" ")}) ;;`
  })
  const values = Flags.subcommands.flatMap((name) =>
    Flags.bySubcommand[name].flatMap((flag) => {
      if (flag.value === undefined) return []
      const names = [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])]
      return names.map(
        (word) => `    ${quoted(`${name} ${word}`)}) REPLY=${quoted(offeredFor(flag.choices, flag.offers))} ;;`
      )
    })
  )
  const operands = Flags.subcommands.flatMap((name) =>
    Flags.operands[name].map(({ choices, many, offers }, at) => {
      const pattern = many === true ? `${quoted(`${name} `)}*` : quoted(`${name} ${at}`)
      return `    ${pattern}) REPLY=${quoted(offeredFor(choices, offers))} ;;`
    })
  )
  const tails = Flags.subcommands.filter((name) => Flags.tails[name] !== "none")
  return `#compdef bottle
# zsh completion of bottle; \`bottle completion zsh\` writes it.

_bottle_second() {
  _bottle_words=()
  case $1 in
${seconds.join("\n")}
  esac
}

_bottle_flags() {
  _bottle_words=()
  case $1 in
${flags.join("\n")}
  esac
}

# What is offered for the value of a flag: the command, and the flag.
_bottle_value() {
  REPLY=
  case "$1 $2" in
${values.join("\n")}
  esac
}

# What is offered for an operand: the command, and how many stand before it.
_bottle_operand() {
  REPLY=
  case "$1 $2" in
${operands.join("\n")}
  esac
}

_bottle_complete() {
  local -a offered
  case $1 in
    choices\\ *) offered=(\${=1#choices }); compadd -a offered ;;
    file) _files ;;
    directory) _files -/ ;;
    variable) compadd -k parameters ;;
    runtime) compadd -- smolvm local; _files ;;
    endpoint)
      offered=(\${(f)"$(_call_program bottles "\${(q)words[1]} completion bottles" 2>/dev/null)"})
      compadd -S : -a offered
      _files
      ;;
    ${Flags.lists.join(" | ")})
      offered=(\${(f)"$(_call_program bottles "\${(q)words[1]} completion $1" 2>/dev/null)"})
      compadd -a offered
      ;;
  esac
}

_bottle() {
  local command= flag= word REPLY
  local -i at operands=0
  local -a _bottle_words
  for ((at = 2; at < CURRENT; at++)); do
    word=$words[at]
    if [[ $word == -- ]]; then
      case $command in
        ${tails.map(quoted).join(" | ")}) ;;
        *) return 1 ;;
      esac
      if ((at + 1 == CURRENT)); then _command_names -e; else _files; fi
      return
    elif [[ -n $flag ]]; then
      flag=
    elif [[ -z $command ]]; then
      [[ $word == help ]] || command=$word
    elif [[ $command != *' '* && $word != -* ]] && _bottle_second "$command" && (($#_bottle_words)); then
      command="$command $word"
    elif [[ $word == -* ]]; then
      _bottle_value "$command" "$word"
      [[ -n $REPLY ]] && flag=$word
    else
      ((operands += 1))
    fi
  done
  if [[ -n $flag ]]; then
    _bottle_value "$command" "$flag"
    _bottle_complete "$REPLY"
  elif [[ -z $command ]]; then
    _bottle_words=(${[...commands, described("help", "The help of a command"), described("--help", "The help of the program"), described("--version", "The version of the program")].join(" ")})
    _describe -t commands command _bottle_words
  elif [[ $PREFIX == --*=* ]]; then
    _bottle_value "$command" "\${PREFIX%%=*}"
    compset -P '*='
    _bottle_complete "$REPLY"
  else
    _bottle_second "$command"
    if (($#_bottle_words)); then
      _describe -t commands command _bottle_words
    elif [[ $PREFIX == -* ]]; then
      _bottle_flags "$command"
      _describe -t flags flag _bottle_words
    else
      _bottle_operand "$command" "$operands"
      _bottle_complete "$REPLY"
    fi
  fi
}

_bottle "$@"
`
}
