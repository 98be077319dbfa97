/**
 * The completions for fish, from the table of flags.
 *
 * @since 0.1.0
 */
import * as Flags from "../Flags.js"

/** A word in single quotes, which hold nothing that fish expands. */
const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`

const list = (name: string): string => `(command bottle completion ${name} 2>/dev/null)`

const valueOf = (
  choices: ReadonlyArray<string> | undefined,
  offers: Flags.Offered | undefined
): ReadonlyArray<string> => {
  if (choices !== undefined) return ["-x", "-a", quoted(choices.join(" "))]
  switch (offers) {
    case "file":
      return ["-r", "-F"]
    case "directory":
      return ["-x", "-a", quoted("(__fish_complete_directories)")]
    case "runtime":
      return ["-r", "-F", "-a", quoted("smolvm local")]
    case "variable":
      return ["-x", "-a", quoted("(set -nx)")]
    case "endpoint":
      return ["-F", "-a", quoted(`(string replace -r '$' ':' -- ${list("bottles")})`)]
    case undefined:
      return ["-x"]
    default:
      return ["-x", "-a", quoted(list(offers))]
  }
}

const firsts = [...new Set(Flags.subcommands.map((name) => name.split(" ")[0] ?? ""))]

/**
 * The script that a fish reads. Summaries are what the help says of each command.
 *
 * @since 0.1.0
 * @category conversions
 */
export const script = (summaries: Readonly<Record<Flags.Subcommand, string>>): string => {
  const line = (...words: ReadonlyArray<string>) => `complete -c bottle ${words.join(" ")}`
  const inCommand = (command: string) => quoted(`__bottle_in ${quoted(command)}`)
  const commands = firsts.map((first) => {
    const whole = Flags.subcommands.find((name) => name === first)
    const text = whole === undefined ? `Commands of ${first}` : summaries[whole]
    return line("-n", quoted("__bottle_in ''"), "-a", first, "-d", quoted(text))
  })
  const seconds = Flags.subcommands.flatMap((name) => {
    const [group = "", second] = name.split(" ")
    return second === undefined ? [] : [line("-n", inCommand(group), "-a", second, "-d", quoted(summaries[name]))]
  })
  const parts = Flags.subcommands.flatMap((name) => [
    ...Flags.bySubcommand[name].map((flag) =>
      line(
        ...["-n", inCommand(name), "-l", flag.name],
        ...(flag.short === undefined ? [] : ["-s", flag.short]),
        ...(flag.value === undefined ? [] : valueOf(flag.choices, flag.offers)),
        ...["-d", quoted(flag.description)]
      )
    ),
    ...Flags.operands[name].flatMap(({ choices, many, offers }, at) =>
      choices === undefined && offers === undefined
        ? []
        : [
            line(
              "-n",
              quoted(`__bottle_in ${quoted(name)} ${many === true ? "" : at}`.trimEnd()),
              ...valueOf(choices, offers).filter((word) => word !== "-x" && word !== "-r")
            )
          ]
    )
  ])
  const valued = [
    ...new Set(
      Flags.subcommands.flatMap((name) =>
        Flags.bySubcommand[name].flatMap((flag) =>
          flag.value === undefined ? [] : [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])]
        )
      )
    )
  ]
  const groups = [...new Set(Flags.subcommands.filter((name) => name.includes(" ")).map((name) => name.split(" ")[0]))]
  return `# fish completion of bottle; \`bottle completion fish\` writes it.

# Whether the line is of this command, and so many operands stand before the cursor.
function __bottle_in
    set -l words (commandline -opc)[2..-1]
    set -l operands
    set -l skip 0
    for word in $words
        if test $skip = 1
            set skip 0
        else if test "$word" = --
            return 1
        else if contains -- "$word" ${valued.join(" ")}
            set skip 1
        else if not string match -q -- '-*' "$word"
            set -a operands $word
        end
    end
    set -l name "$operands[1]"
    set -l taken 1
    if contains -- "$name" ${groups.join(" ")}; and set -q operands[2]
        set name "$operands[1] $operands[2]"
        set taken 2
    end
    test "$name" = "$argv[1]"; or return 1
    set -q argv[2]; or return 0
    test (math (count $operands) - $taken) = $argv[2]
end

complete -c bottle -f
${line("-n", quoted("__bottle_in ''"), "-l", "version", "-d", quoted("The version of the program"))}
${line("-l", "help", "-s", "h", "-d", quoted("The help of the program, or of a command"))}
${[...commands, ...seconds, ...parts].join("\n")}
`
}
