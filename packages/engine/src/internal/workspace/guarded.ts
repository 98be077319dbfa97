/*
 * Files that act by themselves on the machine of whoever takes them. Most of what a project holds runs when somebody runs
 * it. What git reads at every command does not wait for that: its configuration names programs (`core.fsmonitor`,
 * `core.pager`, filters), and its hooks are programs. Prompts of shells and editors run git without being asked.
 */

/** Letters that file systems take for each other, or for none. */
const folded = (name: string): string =>
  name
    .normalize("NFKC")
    .replace(/\p{Cf}/gu, "")
    .toLowerCase()

/** In a git directory: what git runs, or reads to know what it runs, or to know where its directory is. */
const CONFIGURATION = new Set(["config", "config.worktree", "commondir", "gitdir"])

/** Whether a directory is one that git takes for a repository's: by its name, or by what is in it. */
const isGitDirectory = (directory: string, has: (path: string) => boolean): boolean => {
  const name = folded(directory.slice(directory.lastIndexOf("/") + 1))
  const inside = (child: string) => has(directory === "" ? child : `${directory}/${child}`)
  return name === ".git" || name.endsWith(".git") || (inside("HEAD") && (inside("objects") || inside("commondir")))
}

/** Other programs' repositories, whose configuration does the same. */
const otherConfigurations: ReadonlyArray<readonly [path: RegExp, program: string]> = [
  [/(^|\/)\.hg\/hgrc/, "hg"],
  [/(^|\/)\.jj\/.*config\.toml$/, "jj"]
]

/** What else commonly runs with nobody's word for it, once it is there: said, and taken. */
const acting: ReadonlyArray<readonly [RegExp, string]> = [
  [/(^|\/)\.git\/(rebase-merge|rebase-apply|sequencer)\//, "git runs it when it goes on with what was begun"],
  [/(^|\/)\.(husky|githooks|git-hooks)\//, "a hook of git, where the repository says so"],
  [/(^|\/)(lefthook(-local)?\.ya?ml|\.pre-commit-config\.yaml)$/, "says what hooks of git run"],
  [/(^|\/)\.envrc$/, "direnv runs it once it is allowed"],
  [/(^|\/)\.(vscode|idea|devcontainer)\//, "an editor may run what it names"],
  [/(^|\/)(\.claude|\.codex|\.cursor)\/|(^|\/)\.mcp\.json$/, "an agent on this machine may run what it names"],
  [/^\.(github\/workflows|circleci)\/|^\.gitlab-ci\.yml$/, "runs where the repository is pushed to"]
]

/** What is known of a tree, when one of its paths is judged. */
export interface Known {
  /** Whether a path is there, before or after. */
  readonly has: (path: string) => boolean
  /** Whether it was there before. */
  readonly had: (path: string) => boolean
  /** Directories that the repository's own configuration has git run. */
  readonly hooks: ReadonlyArray<string>
}

const guardedIn = (path: string, depth: number, { had, has }: Known): string | null => {
  const parts = path.split("/")
  const name = folded(parts[depth] ?? "")
  const isLast = depth === parts.length - 1
  const parent = parts.slice(0, depth).join("/")
  // A file or a link of that name tells git of a directory elsewhere, whose configuration it then reads.
  if (isLast && name === ".git") return "it says where git looks for its directory"
  if (name !== "hooks" && !(isLast && (CONFIGURATION.has(name) || name === "head"))) return null
  if (!isGitDirectory(parent, has)) return null
  if (name === "hooks") return "git runs what is in it"
  if (name !== "head") return "it says what git runs"
  // The configuration may have been taken earlier, when it was no repository's.
  const isMade = !had(path) && has(parent === "" ? "config" : `${parent}/config`)
  return isMade && folded(parts[depth - 1] ?? "") !== ".git" ? "it makes a repository of what is beside it" : null
}

/**
 * Why a change of a file or link is taken only where that is asked for; null where it is like any other.
 */
export const guardedFor = (path: string, known: Known): string | null => {
  if (known.hooks.some((directory) => path === directory || path.startsWith(`${directory}/`))) {
    return "git runs it as a hook"
  }
  const other = otherConfigurations.find(([pattern]) => pattern.test(folded(path)))
  if (other !== undefined) return `it says what ${other[1]} runs`
  for (const depth of path.split("/").keys()) {
    const reason = guardedIn(path, depth, known)
    if (reason !== null) return reason
  }
  return null
}

/** What a changed file may set off by itself, or null. */
export const actingFor = (path: string): string | null => acting.find(([pattern]) => pattern.test(path))?.[1] ?? null

/** The directory of a repository's hooks where its configuration names one within it. */
export const hooksOf = (configuration: string): ReadonlyArray<string> =>
  [...configuration.matchAll(/^\s*hookspath\s*=\s*"?([^"\n#;]+)"?\s*$/gim)].flatMap(([, value = ""]) => {
    const path = value.trim().replace(/^\.\//, "").replace(/\/+$/, "")
    // husky's `.husky/_` runs what is beside it.
    return path === "" || path.startsWith("/") || path.startsWith("~") ? [] : [path.replace(/\/_$/, "")]
  })
