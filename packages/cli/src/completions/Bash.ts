/**
 * The completions for bash, 3.2 and newer, from the table of flags. What is listed by the program is data: it is compared
 * and offered, never expanded, and a word that would have to be quoted is not offered.
 *
 * @since 0.1.0
 */
import * as Flags from "../Flags.js"

const isOwnWord = (command: string): boolean => !command.includes(" ")

/** The words of a `case` for the values of a subcommand's flags: which flag, and what is offered for it. */
const valuesOf = (command: Flags.Subcommand): ReadonlyArray<string> =>
  Flags.bySubcommand[command].flatMap((flag) => {
    if (flag.value === undefined) return []
    const offered = flag.choices === undefined ? (flag.offers ?? "nothing") : `choices ${flag.choices.join(" ")}`
    const names = [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])]
    return names.map((name) => `'${command} ${name}') printf '%s\\n' '${offered}' ;;`)
  })

const operandsOf = (command: Flags.Subcommand): ReadonlyArray<string> =>
  Flags.operands[command].map(({ choices, many, offers }, at) => {
    const offered = choices === undefined ? (offers ?? "nothing") : `choices ${choices.join(" ")}`
    return `'${command} '${many === true ? "*" : `'${at}'`}) printf '%s\\n' '${offered}' ;;`
  })

const flagsOf = (command: Flags.Subcommand): string => {
  const names = Flags.bySubcommand[command].map(({ name }) => `--${name}`)
  return `'${command}') printf '%s\\n' ${[...names, "--help"].join(" ")} ;;`
}

const indented = (lines: ReadonlyArray<string>, by: number): string =>
  lines.map((line) => `${" ".repeat(by)}${line}`).join("\n")

const groups = [
  ...new Set(Flags.subcommands.filter((name) => !isOwnWord(name)).map((name) => name.split(" ")[0] ?? ""))
]

const groupsOf = groups.map((group) => {
  const seconds = Flags.subcommands.filter((name) => name.startsWith(`${group} `)).map((name) => name.split(" ")[1])
  return `${group}) printf '%s\\n' ${seconds.join(" ")} ;;`
})

const firsts = [...new Set(Flags.subcommands.map((name) => name.split(" ")[0] ?? ""))]

const withTail = Flags.subcommands.filter((name) => Flags.tails[name] !== "none")

/**
 * The script that a bash reads.
 *
 * @since 0.1.0
 * @category conversions
 */
export const script = (): string => `# bash completion of bottle; \`bottle completion bash\` writes it.

_bottle_commands() { printf '%s\\n' ${[...firsts, "help", "--help", "--version"].join(" ")}; }

_bottle_second() {
  case $1 in
${indented(groupsOf, 4)}
  esac
}

_bottle_flags() {
  case $1 in
${indented(Flags.subcommands.map(flagsOf), 4)}
  esac
}

# What is offered for the value of a flag: the command, and the flag.
_bottle_value() {
  case "$1 $2" in
${indented(Flags.subcommands.flatMap(valuesOf), 4)}
  esac
}

# What is offered for an operand: the command, and how many stand before it.
_bottle_operand() {
  case "$1 $2" in
${indented(Flags.subcommands.flatMap(operandsOf), 4)}
  esac
}

_bottle_has_tail() {
  case $1 in
    ${withTail.map((name) => `'${name}'`).join(" | ")}) return 0 ;;
  esac
  return 1
}

# Offers each line of standard input that begins with what was written. $1 is put behind each.
_bottle_offer() {
  local line
  while IFS= read -r line; do
    [[ $line == "$_bottle_cur"* ]] && COMPREPLY+=("$line$1")
  done
}

# What the program lists, where nothing of it would have to be quoted.
_bottle_list() {
  local line
  while IFS= read -r line; do
    [[ $line =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] && printf '%s\\n' "$line"
  done < <("$_bottle_program" completion "$1" 2>/dev/null </dev/null)
}

_bottle_paths() {
  compopt -o filenames 2>/dev/null
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$1" -- "$_bottle_cur")
}

_bottle_complete() {
  local words
  case $1 in
    choices\\ *)
      read -r -a words <<<"\${1#choices }"
      _bottle_offer '' < <(printf '%s\\n' "\${words[@]}")
      ;;
    file) _bottle_paths -f ;;
    directory) _bottle_paths -d ;;
    variable) _bottle_offer '' < <(compgen -e) ;;
    runtime)
      case $_bottle_cur in
        */*) _bottle_paths -f ;;
        *) _bottle_offer '' < <(printf '%s\\n' smolvm local) ;;
      esac
      ;;
    endpoint)
      case $_bottle_cur in
        */*) ;;
        *) _bottle_offer : < <(_bottle_list bottles) ;;
      esac
      # As file names, what is offered is quoted, and so would the colon be.
      if ((\${#COMPREPLY[@]} == 0)); then
        _bottle_paths -f
      else
        compopt -o nospace 2>/dev/null
        _bottle_offer '' < <(compgen -f -- "$_bottle_cur" | grep -E '^[A-Za-z0-9][A-Za-z0-9._-]*$')
      fi
      ;;
    ${Flags.lists.join(" | ")}) _bottle_offer '' < <(_bottle_list "$1") ;;
  esac
}

_bottle() {
  local _bottle_program=$1 _bottle_cur=\${COMP_WORDS[COMP_CWORD]}
  local command= flag= word= at before operands=0 isGlued=
  COMPREPLY=()
  # bash takes = and : for words of their own.
  [[ $_bottle_cur == = || $_bottle_cur == : ]] && isGlued=$_bottle_cur _bottle_cur=
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    before=\${COMP_WORDS[at - 1]}
    if [[ $word == -- ]]; then
      _bottle_has_tail "$command" || return 0
      if ((at + 1 == COMP_CWORD)); then _bottle_paths -c; else _bottle_paths -f; fi
      return 0
    elif [[ $word == : || $before == : ]]; then
      # The rest of what stands before it.
      continue
    elif [[ $word == = ]]; then
      continue
    elif [[ $before == = || -n $flag ]]; then
      flag=
    elif [[ -z $command ]]; then
      [[ $word == help ]] && continue
      command=$word
    elif [[ $operands == 0 && -n $(_bottle_second "$command") ]]; then
      command="$command $word"
    elif [[ $word == -* ]]; then
      [[ -n $(_bottle_value "$command" "$word") ]] && flag=$word
    else
      ((operands += 1))
    fi
  done
  word=\${COMP_WORDS[COMP_CWORD - 1]}
  # What stands behind a colon is the guest's, or a mode.
  [[ $isGlued == : || $word == : ]] && return 0
  if [[ -n $flag ]]; then
    _bottle_complete "$(_bottle_value "$command" "$flag")"
  elif [[ -z $command ]]; then
    _bottle_offer '' < <(_bottle_commands)
  elif [[ -n $(_bottle_second "$command") ]]; then
    _bottle_offer '' < <(_bottle_second "$command")
  elif [[ $_bottle_cur == -* ]]; then
    _bottle_offer '' < <(_bottle_flags "$command")
    _bottle_has_tail "$command" && _bottle_offer '' < <(printf '%s\\n' --)
  else
    _bottle_complete "$(_bottle_operand "$command" "$operands")"
  fi
  return 0
}

complete -F _bottle bottle
`
